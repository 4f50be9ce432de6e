"""What the model was made from, and how it was asked."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from tastemaker.evaluation.dossier.case import Case
from tastemaker.pages import style
from tastemaker.pages.section import Picture, Section, Table
from tastemaker.recipe import Role

SHARES = (0.01, 0.1, 0.5)
"""Of all items, the most popular: how much of all that people did is theirs."""


def data(case: Case) -> Section:
    """Counts, time, repairs, and how much of it all goes to how few."""
    bundle = case.recommender.bundle
    manifest, log, catalogue = bundle.manifest, bundle.histories, bundle.catalogue
    told = manifest.data
    rejected = 0 if bundle.rejected is None else bundle.rejected.height
    counts = np.asarray(bundle.arrays["popularity"], np.float64)
    values: dict[str, Any] = {
        "items": catalogue.size,
        "users": log.user_count,
        "interactions": log.size,
        "density": log.size / (log.user_count * catalogue.size) if log.user_count else None,
        "first": None,
        "last": None,
        "rejected": rejected,
        "fingerprint": told["fingerprint"],
        "items_without_any": int((counts <= 0).sum()),
        "popularity": popularity_name(case),
        "top_shares": {f"{share:g}": top_share(counts, share) for share in SHARES},
    }
    rows = [["items", f"{catalogue.size:,}"]]
    if log.size:
        rows += [["people", f"{log.user_count:,}"], ["events", f"{log.size:,}"]]
        rows += [["events a person, median", f"{np.median(np.diff(log.offsets)):g}"]]
        rows += [["density, of people × items", f"{values['density']:.3%}"]]
    if log.size and log.is_clock:
        values["first"], values["last"] = _day(log.times.min()), _day(log.times.max())
        rows.append(["time", f"{values['first']} to {values['last']}"])
    if "impressions" in told:
        rows.append(["places of lists that were shown", f"{told['impressions']:,}"])
    rows.append([f"items without any {values['popularity']}", f"{values['items_without_any']:,}"])
    rows.append(["rows of the input that could not be used", f"{rejected:,}"])
    rows.append(["fingerprint of the data", str(told["fingerprint"])[:12]])
    tables = [Table("What there is", ["", ""], rows)]
    columns = [[column.name, column.role] for column in catalogue.columns]
    tables.append(Table("What items are described by", ["column", "read as"], columns, words=[1]))
    notes = []
    if since := manifest.since:
        changes = ", ".join(f"{name} {value}" for name, value in since.items() if name != "fingerprint")
        notes.append(f"Since it was trained: {changes}.")
    if rejected:
        notes.append("What could not be used, and why, is in rejected.csv of the bundle.")
    pictures = []
    lead = _lead(values)
    if counts.sum() > 0:
        pictures = [_long_tail(counts, values)]
    return Section("data", "The data", lead, values, "", tables, pictures, notes)


def protocol(case: Case) -> Section:
    """How what was to be found was parted from what was known, who was asked, and who was left out."""
    report = case.report
    assert report is not None
    values = {
        "split": report.split,
        "k": report.k,
        "users_asked": report.users_asked,
        "users_left_out": report.users_left_out,
        "is_remembered": case.exam is None,
    }
    whom = "titles" if case.is_catalogue else "people"
    left_out = f"{report.users_left_out:,} were left out, having nothing to be found"
    lead = (
        f"{report.users_asked:,} {whom} were asked for the {report.k} items they may want next"
        if not case.is_catalogue
        else f"{report.users_asked:,} titles were asked for the {report.k} items most like them"
    )
    lead += f"; {left_out}." if report.users_left_out else "; nobody was left out."
    notes = [
        f"How the question was made: {report.split}",
        "Every item of the catalogue competes, less what somebody has seen already: no sampled negatives.",
        "An interval is where the true mean lies with 95 % confidence, by a bootstrap over who was asked.",
        "The baselines have learnt from the same part of the data, and are asked the same.",
    ]
    if case.exam is None:
        notes.append(
            "This exam was held while the model was trained, before it was trained on everything. Its lists "
            "are gone: with --test, a log of later events, more can be shown."
        )
    return Section("protocol", "How it was asked", lead, values, notes=notes)


def popularity_name(case: Case) -> str:
    """What `Bundle.arrays["popularity"]` counts, in words."""
    if case.recommender.bundle.histories.size:
        return "events"
    named = case.recommender.catalogue.by_role(Role.POPULARITY)
    return named[0].lower() if named else "popularity"


def top_share(counts: npt.NDArray[np.float64], share: float) -> float | None:
    """What the most popular `share` of all items, one at least, have of the whole; None of nothing."""
    total = float(counts.sum())
    most = np.sort(counts)[::-1][: max(1, round(share * len(counts)))]
    return float(most.sum()) / total if total else None


def _lead(values: Mapping[str, Any]) -> str:
    what = f"{values['items']:,} items"
    if values["users"]:
        what += f", {values['users']:,} people and {values['interactions']:,} events"
    tenth = values["top_shares"]["0.1"]
    if tenth is None:
        return f"{what}; nothing says which are popular."
    return f"{what}. The most popular tenth of the items has {tenth:.0%} of all {values['popularity']}."


def _long_tail(counts: npt.NDArray[np.float64], values: Mapping[str, Any]) -> Picture:
    figure, (panel,) = style.figure(5.6, 3)
    ordered = np.sort(counts)[::-1]
    ordered = ordered[ordered > 0]
    places = np.unique(np.geomspace(1, len(ordered), 300).astype(int))
    panel.plot(places, ordered[places - 1], color=style.OURS)
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xlabel("items, the most popular first")
    panel.set_ylabel(str(values["popularity"]))
    tenth = values["top_shares"]["0.1"]
    alt = (
        f"{values['popularity']} of each item, from the most popular one ({ordered[0]:,.0f}) to the last "
        f"({ordered[-1]:,.0f}), on logarithmic axes; the first tenth has {tenth:.0%} of all."
    )
    return Picture(style.svg(figure), alt, f"The long tail: {values['popularity']} by popularity.")


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(float(seconds), UTC).date().isoformat()
