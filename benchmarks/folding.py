"""Which way of training folds groups into each other, and does the doctor see it?

    python -m benchmarks.folding                     planted worlds, 3 seeds
    python -m benchmarks.folding real BUNDLE [COLUMN …]    the doctor's verdict on a model of real data
    python -m benchmarks.folding draw FILE.svg       a folded and a sound model side by side

Planted worlds of 8 groups that share no users: everything from another group is an error. On the ring only
the next few items are likely ever to follow; in blocks all of somebody's group are. All else alike.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from benchmarks.rows import one_of, record
from tastemaker.bundle import Bundle
from tastemaker.data.catalogue import Catalogue
from tastemaker.data.split import hold_out_last
from tastemaker.data.worlds import islands
from tastemaker.evaluation.doctor.folding import COMMUNITY, Folding, examine_folding
from tastemaker.evaluation.judge import Marked, marked
from tastemaker.manifest import Manifest
from tastemaker.recipe import Column, Recipe, Role

ALONE = {"loss.kind": "gbce", "negatives.count": 0, "negatives.in_batch": False}
SAMPLED = {"negatives.count": 64, "negatives.in_batch": False}
WAYS: dict[str, Mapping[str, Any]] = {
    "positives only": ALONE,
    "positives only + gravity 0.1": ALONE | {"loss.gravity": 0.1},
    "positives only + gravity 1": ALONE | {"loss.gravity": 1.0},
    "positives only + spread-out 1": ALONE | {"loss.spread_out": 1.0},
    "in-batch negatives": {"negatives.count": 0},
    "64 uniform negatives": SAMPLED | {"negatives.popularity": 0.0},
    "64 popular negatives": SAMPLED | {"negatives.uniform": 0.0},
    "64 uniform and hard negatives": SAMPLED | {"negatives.popularity": 0.0, "negatives.hard": 0.5},
    "BPR, 64 uniform negatives": SAMPLED | {"negatives.popularity": 0.0, "loss.kind": "bpr"},
    "full softmax": {"negatives.count": "all"},
}
GROUP = "group"
EPOCHS = 15


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("what", nargs="?", choices=["planted", "real", "draw"], default="planted")
    words.add_argument("path", nargs="?", type=Path, help="a bundle, or a file to draw into")
    words.add_argument("columns", nargs="*", help="of a bundle; community for groups found in its log")
    words.add_argument("--seeds", type=int, default=3)
    words.add_argument("--ways", nargs="+", type=one_of(WAYS), default=list(WAYS))
    words.add_argument("--test", type=Path, help="a log of later events, for a bundle")
    asked = words.parse_args()
    if asked.what == "planted":
        planted(asked.ways, asked.seeds)
    elif asked.path is None:
        words.error(f"{asked.what} needs a path")
    elif asked.what == "real":
        real(asked.path, asked.columns, asked.test)
    else:
        draw(asked.path)


def planted(ways: list[str], seeds: int) -> None:
    for world in ("ring", "blocks"):
        table = Table("training", "doctor", "verdicts", "folding@5", "folding@10", "hit rate@10", title=world)
        for name in ways:
            found = []
            for seed in range(1, seeds + 1):
                exam, by_group, by_community = diagnosed(WAYS[name], world, seed)
                own = np.repeat(np.arange(8), 60)
                users = np.asarray(exam.ours.users) % 8
                foreign = own[exam.ours.rows] != users[:, None]
                verdicts = by_group.verdict, by_community.verdict
                assert by_group.lists.figure is not None
                assert by_community.lists.figure is not None
                row = {
                    "doctor": by_group.lists.figure.mean,
                    "low": by_group.lists.figure.low,
                    "high": by_group.lists.figure.high,
                    "doctor_by_community": by_community.lists.figure.mean,
                    "folding_at_5": float(foreign[:, :5].mean()),
                    "folding_at_10": float(foreign.mean()),
                    "hit_rate_at_10": exam.ours.mean("hit_rate"),
                }
                assert by_group.neighbours is not None
                told = {"verdict": verdicts[0], "verdict_by_community": verdicts[1]}
                told["neighbours_foreign"] = by_group.neighbours.shown.mean
                record("folding", world=world, way=name, seed=seed, **row, **told)
                found.append((row, verdicts))
            columns = ("doctor", "folding_at_5", "folding_at_10", "hit_rate_at_10")
            values = np.array([[row[key] for key in columns] for row, _ in found])
            cells = [
                f"{mean:.3f} ± {spread:.3f}"
                for mean, spread in zip(values.mean(0), values.std(0), strict=True)
            ]
            verdict = ", ".join(sorted({f"{one}/{other}" for _, (one, other) in found}))
            table.add_row(name, cells[0], verdict, *cells[1:])
        Console(width=120).print(table)


def diagnosed(knobs: Mapping[str, Any], world: str, seed: int) -> tuple[Marked, Folding, Folding]:
    """The exam of a model that was asked for the event after what was learnt; by groups and communities."""
    from tastemaker.model.learn import learn
    from tastemaker.model.problem import Problem
    from tastemaker.progress import silent
    from tastemaker.recommend import Recommender

    made = islands(seed=seed, ring=world == "ring")
    fold, items = hold_out_last(made.log), len(made.group)
    base: dict[str, Any] = {"seed": seed, "history.dropout": 0.2, "history.hidden": [32], "history.dim": 32}
    recipe = Recipe.read(None, [f"{key}={json.dumps(value)}" for key, value in (base | dict(knobs)).items()])
    nobody = np.full(made.log.user_count, -1, np.int32)
    problem = Problem(items, None, None, nobody, True, recipe)
    learnt = learn(problem, fold.train, EPOCHS, stage="folding", report=silent)
    frame = pl.DataFrame(
        {"id": [f"item {n}" for n in range(items)], GROUP: [f"group {n}" for n in made.group.tolist()]}
    )
    columns = (Column(name="id", role=Role.ID), Column(name=GROUP, role=Role.CATEGORY))
    manifest = Manifest(
        kind="history",
        recipe=recipe.model_dump(mode="json"),
        columns={"items": list(columns)},
        history_length=recipe.history.length,
        value_scale=asdict(learnt.scale),
        data={"fingerprint": "planted"},
        created="2024-01-01T00:00:00+00:00",
        versions={},
    )
    popularity = {"popularity": fold.train.counts(items).astype(np.float32)}
    recommender = Recommender(
        Bundle(
            manifest=manifest,
            catalogue=Catalogue(frame, columns),
            users=None,
            histories=fold.train,
            arrays=dict(learnt.arrays) | popularity,
            encoders={"items": {}},
            towers=dict(learnt.towers),
            card="",
        )
    )
    exam = marked(recommender, fold, "each user's last event is to be found", k=10, baselines=[])
    return exam, examine_folding(recommender, exam, GROUP), examine_folding(recommender, exam, COMMUNITY)


def real(bundle: Path, columns: list[str], test: Path | None) -> None:
    from tastemaker.cli.options import log_for
    from tastemaker.evaluation.judge import judged
    from tastemaker.recommend import Recommender

    recommender = Recommender.load(bundle)
    exam = None if test is None else judged(recommender, log_for(recommender, test))
    for column in columns or [None]:
        found = examine_folding(recommender, exam, column)
        told = found.as_json()
        kept = {
            key: told[key] for key in ("verdict", "by", "of", "k", "groups", "lists", "neighbours", "lines")
        }
        record("folding_real", bundle=bundle.name, later=test is not None, **kept)
        Console(width=120).print(found.section())


def draw(path: Path) -> None:
    from tastemaker.pages import style

    made, panels = style.figure(8.4, 3.6, 1, 2)
    for panel, way in zip(panels, ("positives only", "full softmax"), strict=True):
        _, found, _ = diagnosed(WAYS[way], "ring", 1)
        assert found.lists.figure is not None
        image = panel.imshow(np.array(found.shown, float), cmap="Blues", vmin=0, vmax=1)
        panel.grid(False)
        panel.set_title(
            f"{way}: {found.verdict}, {found.lists.figure.mean:.2f} of the way to lots", fontsize=9
        )
        panel.set_xticks(range(len(found.names)), found.names, rotation=90, fontsize=8)
        panel.set_yticks(range(len(found.names)), found.names, fontsize=8)
        made.colorbar(image, ax=panel, shrink=0.8)
    panels[0].set_ylabel("whose lists")
    style.write(made, path)


if __name__ == "__main__":
    main()
