"""How the model was made, and what it costs: training curves, time and memory, its card, its recipe."""

import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tastemaker.errors import DataError
from tastemaker.evaluation.dossier.case import Case
from tastemaker.evaluation.dossier.standing import sorted_lines
from tastemaker.manifest import CURVES
from tastemaker.pages import style
from tastemaker.pages.section import Picture, Section, Table
from tastemaker.recipe import Recipe

FILES = 12
"""Of a bundle, the largest, that get a line each."""
LEAST_FILE = 10_000
LIBRARIES = ("tastemaker", "numpy", "polars", "faiss-cpu", "ai-edge-litert", "keras", "tensorflow-cpu")


def curves(case: Case) -> Section:
    """Loss and validation by epoch.

    Raises: DataError where the bundle has none.
    """
    told: Mapping[str, Any] = case.recommender.bundle.manifest.training.get(CURVES, {})
    told = {stage: curve for stage, curve in told.items() if curve["loss"]}
    if not told:
        raise DataError("The bundle keeps no curves: it was made before they were kept. Train it anew.")
    marked = [stage for stage, curve in told.items() if curve["validation"]]
    kept = case.recommender.bundle.manifest.training.get("epochs")
    said = [
        f"{stage}, {len(curve['loss'])} epochs, loss {curve['loss'][0]:.3f} to {curve['loss'][-1]:.3f}"
        for stage, curve in told.items()
    ]
    pictures = [_by_epoch(told, "loss", "loss, nats", kept, f"Loss by epoch: {'; '.join(said)}.")]
    if marked:
        alt = f"Validation NDCG@10 by epoch of {marked[0]}."
        pictures.append(_by_epoch(told, "validation", "validation NDCG@10", kept, alt))
    lead = f"How learning went: {'; '.join(said)}."
    if marked:
        curve = told[marked[0]]["validation"]
        best = max(range(len(curve)), key=curve.__getitem__)
        lead += f" Validation was best after epoch {best + 1}, {curve[best]:.4f}."
    return Section("curves", "Training curves", lead, {CURVES: dict(told)}, "", (), pictures)


def _by_epoch(told: Mapping[str, Any], part: str, label: str, kept: int | None, alt: str) -> Picture:
    figure, (panel,) = style.figure(4.6, 3.2)
    for number, (stage, curve) in enumerate(told.items()):
        if curve[part]:
            look: dict[str, Any] = {
                "color": style.PALETTE[number],
                "marker": style.MARKERS[number],
                "label": stage,
            }
            panel.plot(range(1, len(curve[part]) + 1), curve[part], **look)
    panel.set_xlabel("epoch")
    panel.set_ylabel(label)
    panel.locator_params(axis="x", integer=True)
    panel.legend()
    if kept:
        panel.axvline(kept, color=style.QUIET, linestyle="--", linewidth=1)
    return Picture(
        style.svg(figure), alt, f"The dashed line: the {kept} epochs that were kept." if kept else ""
    )


def cost(case: Case) -> Section:
    """Seconds of answers and of training, memory, the bundle on disk, the machine and its versions."""
    manifest, report = case.recommender.bundle.manifest, case.report
    tables = []
    values: dict[str, Any] = {
        "training_seconds": manifest.training.get("seconds"),
        "peak_memory_mib": peak_memory_mib(),
        "machine": machine(),
        "versions": dict(_versions()),
        "bundle_versions": dict(manifest.versions),
    }
    if report is not None and report.users_asked:
        per_1000 = {line.name: line.seconds / report.users_asked * 1000 for line in sorted_lines(report)}
        values["seconds_per_1000_lists"] = per_1000
        strong = [place for place, line in enumerate(sorted_lines(report)) if not line.is_baseline]
        tables.append(
            Table(
                "Answers, many at once",
                ["", "seconds for 1,000 lists"],
                [[name, f"{seconds:.3f}"] for name, seconds in per_1000.items()],
                strong,
                note="Measured here, one run: of two that are close, neither is shown to be faster."
                if case.exam is not None
                else "Measured in training, on the machine where that was.",
            )
        )
    sizes = {} if case.folder is None else sizes_of(case.folder)
    values["bytes"] = sizes
    if sizes:
        tables.append(_disk(sizes))
    rows = [["training, the exam included, seconds", _plain(values["training_seconds"])]]
    rows.append(["memory of this evaluation at its peak, MiB", f"{values['peak_memory_mib']:,.0f}"])
    rows += [[name, str(value)] for name, value in values["machine"].items()]
    versions = sorted({*values["versions"], *manifest.versions})
    tables.append(Table("Here", ["", ""], rows))
    cells = [
        [name, *(told.get(name, "–") for told in (manifest.versions, values["versions"]))]
        for name in versions
    ]
    tables.append(Table("Versions", ["", "trained with", "evaluated with"], cells))
    whole = sum(sizes.values())
    lead = f"{_size(whole)} on disk" if sizes else "Not on disk"
    if values["training_seconds"] is not None:
        lead += f", trained in {values['training_seconds']:,.0f} s"
    if report is not None and report.users_asked:
        lead += f", {next(v for n, v in per_1000.items() if n == 'tastemaker'):.2f} s for 1,000 lists"
    return Section("cost", "Time and memory", f"{lead}.", values, "", tables)


def model_card(case: Case) -> Section:
    """What `card.md` says that no other section does: how it was trained, and its limits."""
    bundle = case.recommender.bundle
    parts = _headings(bundle.card)
    training = [line.split(": ", 1) for line in parts.get("Training", ()) if ": " in line]
    tables = [Table("Training", ["", ""], training, words=[1])] if training else []
    lead = " ".join(parts.get("Model card", ())).replace("`", "") or "The bundle has no card."
    values = {"card": bundle.card, "version": bundle.version, "created": bundle.manifest.created}
    return Section("card", "Model card", lead, values, "", tables, (), parts.get("Limits", ()))


def recipe(case: Case) -> Section:
    """Every knob that isn't at its default, as it was resolved; paths and columns left out."""
    stated = dict(_leaves(Recipe.of(case.recommender.bundle.manifest.recipe).model_dump(mode="json")))
    usual = dict(_leaves(Recipe().model_dump(mode="json")))
    # Where files lay is nobody's business, and columns have a table of their own.
    other = {
        name: value
        for name, value in stated.items()
        if not name.startswith("data.") and value != usual.get(name)
    }
    rows = [[name, _plain(value), _plain(usual.get(name))] for name, value in other.items()]
    many = "knob isn't at its" if len(other) == 1 else "knobs aren't at their"
    lead = f"{len(other)} {many} default, by choice or settled by the data."
    if not rows:
        lead = "Every knob is at its default."
    tables = [Table("Knobs", ["", "here", "by default"], rows, words=[1, 2])] if rows else []
    return Section("recipe", "Recipe", lead, {"knobs": other}, "", tables)


def peak_memory_mib() -> float:
    """Of this process so far."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak) / (2**20 if sys.platform == "darwin" else 2**10)  # bytes there, KiB elsewhere


def machine() -> dict[str, Any]:
    """What kind it is; nothing that says which."""
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "Python": platform.python_version(),
    }


def sizes_of(folder: Path) -> dict[str, int]:
    """Bytes of each file in it, the largest first."""
    sizes = {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file()
    }
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def _disk(sizes: Mapping[str, int]) -> Table:
    named = [name for name in list(sizes)[:FILES] if sizes[name] >= LEAST_FILE] or list(sizes)[:1]
    rest = [size for name, size in sizes.items() if name not in named]
    rows = [[name, _size(sizes[name])] for name in named]
    if rest:
        rows.append([f"{len(rest)} smaller files", _size(sum(rest))])
    rows.append(["the bundle", _size(sum(sizes.values()))])
    note = "What ends in .keras, and learning/, is only opened to train further."
    return Table("On disk", ["file", ""], rows, [len(rows) - 1], note=note)


def _size(count: int) -> str:
    return f"{count / 2**20:,.1f} MiB" if count >= 2**20 else f"{count / 2**10:,.1f} KiB"


def _versions() -> Iterator[tuple[str, str]]:
    for name in LIBRARIES:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue


def _headings(markdown: str) -> dict[str, list[str]]:
    """Lines under each heading, without their bullets."""
    parts: dict[str, list[str]] = {}
    under = ""
    for line in markdown.splitlines():
        if line.startswith("#"):
            under = line.lstrip("#").strip()
        elif line.strip():
            parts.setdefault(under, []).append(line.removeprefix("- ").strip())
    return parts


def _leaves(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _plain(value: Any) -> str:
    if value is None:
        return "–"
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
