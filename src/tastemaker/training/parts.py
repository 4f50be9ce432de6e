"""What every kind of training ends in: the parts of a model, put together as a bundle."""

import importlib.metadata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from tastemaker.bundle import SERIES, Bundle
from tastemaker.card import card
from tastemaker.data import Dataset
from tastemaker.data.interactions import Interactions
from tastemaker.evaluation.report import Report as ExamReport
from tastemaker.features.batches import Scale
from tastemaker.features.pairs import Pairs
from tastemaker.features.tfidf import Tfidf
from tastemaker.manifest import Manifest
from tastemaker.recipe import Recipe
from tastemaker.rerank.tries import Tries
from tastemaker.retrieve.series import Series

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Parts:
    """What is peculiar to a kind of model in its bundle."""

    kind: str
    arrays: dict[str, Floats]
    encoders: dict[str, Any]
    length: int
    towers: Mapping[str, bytes] = field(default_factory=dict)
    originals: Mapping[str, bytes] = field(default_factory=dict)
    learning: Mapping[str, bytes] = field(default_factory=dict)
    scale: Scale = field(default_factory=Scale)
    tfidf: Tfidf | None = None
    pairs: Pairs | None = None
    pair_weight: float = 0.0
    pair_ridge: float | None = None
    spread: float | None = None
    ranker: dict[str, Any] | None = None
    evaluation: ExamReport | None = None
    measured: dict[str, Any] = field(default_factory=dict)
    """what else was measured at the same exam, as JSON; see `measured`"""
    training: dict[str, Any] = field(default_factory=dict)


def bundle(data: Dataset, recipe: Recipe, parts: Parts, histories: Interactions | None = None) -> Bundle:
    """Put `parts` together; `histories` is what the bundle knows of people, by default all of the data."""
    known = data.interactions if histories is None else histories
    log = _nobody() if known is None else known
    stated = recipe.data.model_copy(update={"columns": data.columns})
    columns = {"items": list(data.items.columns)}
    if data.users is not None:
        columns["users"] = list(data.users.columns)
    counts = {"items": data.items.size, "users": log.user_count, "interactions": log.size}
    if data.impressions is not None:
        counts["impressions"] = data.impressions.size
    manifest = Manifest(
        kind=parts.kind,
        recipe=recipe.model_copy(update={"data": stated}).model_dump(mode="json"),
        columns=columns,
        history_length=parts.length,
        value_scale=asdict(parts.scale),
        pair_weight=parts.pair_weight,
        pair_ridge=parts.pair_ridge,
        spread=parts.spread,
        is_ordered=log.is_ordered,
        is_clock=log.is_clock,
        data={"fingerprint": data.fingerprint, **counts, "read": data.report.counted()},
        training=parts.training,
        metrics=_headline(parts.evaluation),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=_versions(),
    )
    return Bundle(
        manifest=manifest,
        catalogue=data.items,
        users=data.users,
        histories=log,
        arrays=parts.arrays | {"popularity": _popularity(data, log)} | _tries(data) | _series(data),
        towers=parts.towers,
        originals=parts.originals,
        learning=parts.learning,
        encoders=parts.encoders,
        tfidf=parts.tfidf,
        pairs=parts.pairs,
        evaluation=_exam(parts),
        rejected=data.report.rejected,
        ranker=parts.ranker,
        card=card(manifest, parts.evaluation, data.report.rejected.height, parts.ranker),
    )


def _nobody() -> Interactions:
    return Interactions.from_events([], np.zeros(0, np.int32), np.zeros(0, np.int32))


def _popularity(data: Dataset, log: Interactions) -> npt.NDArray[np.float64]:
    """(N,) events of the log; without a log the catalogue's own figure, or 0 for all."""
    if log.size:
        return log.counts(data.items.size).astype(np.float64)
    own = data.items.popularity
    return np.zeros(data.items.size) if own is None else own


def _series(data: Dataset) -> dict[str, npt.NDArray[np.int32]]:
    """Reading 60,000 titles takes half a second, which a service that starts is spared."""
    return {SERIES: Series(data.items.titles).numbers.astype(np.int32)}


def _tries(data: Dataset) -> dict[str, npt.NDArray[np.float64]]:
    if data.impressions is None:
        return {}
    tries = Tries.of_impressions(data.impressions, data.items.size)
    return {f"tries/{name}": counts for name, counts in tries.arrays().items()}


def _exam(parts: Parts) -> dict[str, Any] | None:
    if parts.evaluation is None:
        return None
    return parts.evaluation.as_json() | parts.measured


def _headline(evaluation: ExamReport | None) -> dict[str, float]:
    if evaluation is None:
        return {}
    marks = evaluation.line("tastemaker").marks
    return {f"{name}@{evaluation.k}": mark.mean for name, mark in marks.items() if mark.mean is not None}


def _versions() -> dict[str, str]:
    names = ("tastemaker", "keras", "tensorflow-cpu", "tensorflow", "numpy", "polars", "ai-edge-litert")
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
