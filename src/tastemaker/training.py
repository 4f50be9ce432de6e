"""From data to a recommender: choose, learn with an exam held, refit on everything, bundle.

The strict numbers come from a model that never saw what it was asked for; what is served has then
been trained once more, for as many epochs, on all there is.
"""

import importlib.metadata
import importlib.util
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tastemaker.bundle import Bundle, Manifest
from tastemaker.card import card
from tastemaker.data import Dataset
from tastemaker.data.catalogue import PAD
from tastemaker.data.interactions import Interactions
from tastemaker.data.split import Fold, against, choose, hold_out_any, hold_out_last
from tastemaker.errors import TrainingError
from tastemaker.evaluation import metrics
from tastemaker.evaluation.exam import asked
from tastemaker.evaluation.judge import mark, mark_catalogue
from tastemaker.evaluation.report import Report as ExamReport
from tastemaker.features.batches import Scale
from tastemaker.features.encode import Encoder
from tastemaker.features.schema import Encoded
from tastemaker.features.text import Tfidf, texts_of
from tastemaker.features.users import encode_users
from tastemaker.progress import Progress, Report, silent
from tastemaker.recipe import Recipe, Role
from tastemaker.recommend import Recommender

if TYPE_CHECKING:
    from tastemaker.model.learn import Learned, Top

DEFAULTS = Recipe()
Floats = npt.NDArray[np.float32]


def train(data: Dataset, recipe: Recipe = DEFAULTS, report: Report = silent) -> Recommender:
    """Train the model that the data and the recipe call for.

    Args:
        data: from `tastemaker.read`. With interactions the model is one of histories; without, one of
            the catalogue alone.
        recipe: knobs.
        report: told how far the work is.
    Raises: TrainingError when TensorFlow is missing, when there is nothing to learn from, or when the
        loss stops being a number.
    """
    check_ready()
    if recipe.preset == "seed-content" or data.interactions is None:
        if recipe.preset == "seed-softmax":
            raise TrainingError("preset seed-softmax learns from histories: give a file of interactions.")
        parts = _content(data, recipe, report)
    else:
        parts = _history(data, data.interactions, recipe, report)
    return Recommender(_bundle(data, recipe, parts))


def check_ready() -> None:
    """Whether this machine can train, before anything is read for it. Raises TrainingError."""
    if importlib.util.find_spec("tensorflow") is None:
        raise TrainingError(
            "Training needs TensorFlow, which isn't installed: pip install 'tastemaker[train]'."
        )


@dataclass(frozen=True)
class _Parts:
    """What is peculiar to a kind of model in its bundle."""

    kind: str
    arrays: dict[str, Floats]
    encoders: dict[str, Any]
    length: int
    towers: Mapping[str, bytes] = field(default_factory=dict)
    originals: Mapping[str, bytes] = field(default_factory=dict)
    scale: Scale = field(default_factory=Scale)
    tfidf: Tfidf | None = None
    evaluation: ExamReport | None = None
    training: dict[str, Any] = field(default_factory=dict)


# --- histories ------------------------------------------------------------------------------


def _history(data: Dataset, log: Interactions, recipe: Recipe, report: Report) -> _Parts:
    started = time.perf_counter()
    exam, why = choose(log, recipe.split)
    rng = np.random.default_rng(recipe.seed)
    inner = _validation(exam, _in_order(log, recipe), rng)
    strict = Fold(inner.train, exam.history, exam.targets)
    students = asked(inner, recipe.evaluation.max_users, rng)
    evaluation: ExamReport | None = None
    if len(students) and (np.diff(inner.train.offsets) > 1).any():

        def validate(top: "Top") -> float:
            rows = np.full((log.user_count, 10), PAD, np.int32)
            rows[students] = top(inner.history, students, 10)
            return float(np.nanmean(metrics.ndcg(rows, inner.targets, 10)[students]))

        study = _study(data, log, inner.train, recipe)
        trial = study.learn(inner.train, recipe.history.epochs, "training", report, validate)
        epochs = trial.epochs
        if len(asked(strict)):
            report(Progress("exam", 0, 1))
            recommender = Recommender(_bundle(data, recipe, study.parts(trial), histories=inner.train))
            evaluation = mark(recommender, strict, why)
            report(Progress("exam", 1, 1))
    else:
        # Nobody has enough events to be asked: half of the most, with nothing to stop by.
        epochs = max(1, recipe.history.epochs // 2)
    study = _study(data, log, log, recipe)
    final = study.learn(log, epochs, "refit on everything", report)
    training = {
        "epochs": final.epochs,
        "examples": final.examples,
        "seconds": round(time.perf_counter() - started, 1),
        "exam": why,
    }
    return study.parts(final, evaluation, training)


def _validation(exam: Fold, in_order: bool, rng: np.random.Generator) -> Fold:
    """What a model stops by: of the kind that it learns, the next event or any; and nothing of the exam."""
    if exam.history.size > exam.train.size:  # the split has set validation events aside
        return against(exam.train, exam.history)
    return hold_out_last(exam.train) if in_order else hold_out_any(exam.train, rng)


@dataclass(frozen=True)
class _Study:
    """One part of the log with the features fitted on it."""

    problem: Any
    encoders: dict[str, Any]

    def learn(
        self, log: Interactions, epochs: int, stage: str, report: Report, validate: Any = None
    ) -> "Learned":
        from tastemaker.model.learn import learn

        return learn(self.problem, log, epochs, stage=stage, report=report, validate=validate)

    def parts(
        self, learned: "Learned", evaluation: ExamReport | None = None, training: dict[str, Any] | None = None
    ) -> _Parts:
        return _Parts(
            kind="history",
            arrays=learned.arrays,
            encoders=self.encoders,
            length=self.problem.length,
            towers=learned.towers,
            originals=learned.originals,
            scale=learned.scale,
            evaluation=evaluation,
            training=training or {},
        )


def _study(data: Dataset, log: Interactions, part: Interactions, recipe: Recipe) -> _Study:
    from tastemaker.model.learn import Problem

    encoders: dict[str, Any] = {}
    item_features = user_features = None
    user_rows = np.full(log.user_count, PAD, np.int32)
    if recipe.history.item_features:
        encoder = Encoder.fit(data.items, recipe.features, rows=np.unique(part.rows))
        # N-grams multiply the cost of every step by ten; a name's words say nearly as much here.
        item_features = _seen(encoder.encode(data.items).without("/ngrams"))
        encoders["items"] = encoder.as_json()
    if data.users is not None:
        active = data.users.rows([part.user_ids[user] for user in np.unique(part.users)])
        encoder = Encoder.fit(data.users, recipe.features, rows=active[active != PAD])
        user_features = _seen(encode_users(encoder, data.users))
        user_rows = data.users.rows(log.user_ids)
        encoders["users"] = encoder.as_json()
    problem = Problem(
        items=data.items.size,
        item_features=item_features,
        user_features=user_features,
        user_rows=user_rows,
        in_order=_in_order(log, recipe),
        recipe=recipe.history,
        seed=recipe.seed,
        preset=recipe.preset,
    )
    return _Study(problem, encoders)


def _in_order(log: Interactions, recipe: Recipe) -> bool:
    return log.is_ordered if recipe.history.order == "auto" else recipe.history.order == "time"


def _seen(encoded: Encoded) -> Encoded | None:
    return None if encoded.is_empty else encoded


def _content(data: Dataset, recipe: Recipe, report: Report) -> _Parts:
    if recipe.preset == "seed-content":
        return _seed_content(data, recipe, report)
    from tastemaker.model import content
    from tastemaker.model.export import to_keras, to_litert

    started = time.perf_counter()
    encoder = Encoder.fit(data.items, recipe.features)
    model = content.train(data.items, encoder, recipe.content, recipe.seed, report)
    # N-grams of nothing but ids or numbers say nothing of kinship.
    has_texts = bool(data.items.by_role(Role.TITLE, Role.TEXT))
    parts = _Parts(
        kind="content",
        arrays={"item_vectors": model.vectors},
        encoders={"items": encoder.as_json()},
        length=recipe.history.length,
        towers={"item_tower": to_litert(model.tower)},
        originals={"item_tower": to_keras(model.tower)},
        tfidf=Tfidf.fit(texts_of(data.items), recipe.features.ngrams) if has_texts else None,
        training={"epochs": model.epochs, "seconds": round(time.perf_counter() - started, 1)},
    )
    return replace(parts, evaluation=mark_catalogue(Recommender(_bundle(data, recipe, parts))))


def _seed_content(data: Dataset, recipe: Recipe, report: Report) -> _Parts:
    from tastemaker.model import seed_content

    started = time.perf_counter()
    model = seed_content.train(data.items, recipe.seed, report)
    parts = _Parts(
        kind="content",
        arrays={"item_vectors": model.vectors, "neighbour_queries": model.queries},
        encoders={},
        length=recipe.history.length,
        training={"epochs": model.epochs, "seconds": round(time.perf_counter() - started, 1)},
    )
    return replace(parts, evaluation=mark_catalogue(Recommender(_bundle(data, recipe, parts))))


# --- the bundle -----------------------------------------------------------------------------


def _bundle(data: Dataset, recipe: Recipe, parts: _Parts, histories: Interactions | None = None) -> Bundle:
    known = data.interactions if histories is None else histories
    log = _nobody() if known is None else known
    stated = recipe.data.model_copy(update={"columns": data.columns})
    columns = {"items": list(data.items.columns)}
    if data.users is not None:
        columns["users"] = list(data.users.columns)
    manifest = Manifest(
        kind=parts.kind,
        recipe=recipe.model_copy(update={"data": stated}).model_dump(mode="json"),
        columns=columns,
        history_length=parts.length,
        value_scale=asdict(parts.scale),
        is_ordered=log.is_ordered,
        is_clock=log.is_clock,
        data={
            "fingerprint": data.fingerprint,
            "items": data.items.size,
            "users": log.user_count,
            "interactions": log.size,
        },
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
        arrays=parts.arrays | {"popularity": _popularity(data, log)},
        towers=parts.towers,
        originals=parts.originals,
        encoders=parts.encoders,
        tfidf=parts.tfidf,
        evaluation=None if parts.evaluation is None else parts.evaluation.as_json(),
        rejected=data.report.rejected,
        card=card(manifest, parts.evaluation, data.report.rejected.height),
    )


def _nobody() -> Interactions:
    return Interactions.from_events([], np.zeros(0, np.int32), np.zeros(0, np.int32))


def _popularity(data: Dataset, log: Interactions) -> npt.NDArray[np.float64]:
    """(N,) events of the log; without a log the catalogue's own figure, or 0 for all."""
    if log.size:
        return log.counts(data.items.size).astype(np.float64)
    for name in data.items.by_role(Role.POPULARITY):
        return np.asarray(data.items.frame[name].fill_null(0).to_numpy(), np.float64)
    return np.zeros(data.items.size)


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
