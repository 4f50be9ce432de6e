"""Trains on what people did: learn with an exam held, then once more on everything."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tastemaker.data import Dataset
from tastemaker.data.catalogue import PAD, Rows
from tastemaker.data.holdouts import hold_out_any
from tastemaker.data.interactions import Interactions
from tastemaker.data.protocols import choose
from tastemaker.data.split import Fold, against, hold_out_last
from tastemaker.evaluation import metrics
from tastemaker.evaluation.baselines import Baseline
from tastemaker.evaluation.exam import asked
from tastemaker.evaluation.judge import marked
from tastemaker.evaluation.report import Report as ExamReport
from tastemaker.features.newcomers import Newcomers
from tastemaker.manifest import CURVES
from tastemaker.progress import NO_TRAIL, Progress, Report, Trail
from tastemaker.recipe import Recipe, RerankingRecipe, SourcesRecipe
from tastemaker.recommend import Recommender
from tastemaker.retrieve.settle import settle
from tastemaker.training.fitted import Fitted
from tastemaker.training.measured import measured
from tastemaker.training.pairing import Pairing, kind_of
from tastemaker.training.pairing import choose as choose_pairing
from tastemaker.training.parts import Parts, bundle
from tastemaker.training.ranking import Ranking, lists_to_come, ordered, with_ranking
from tastemaker.training.settings import in_order
from tastemaker.training.warm import News, Older

Users = npt.NDArray[np.int32]

Witness = Callable[[Recommender, Fold], None]
"""Sees a model as it was before the refit, and the exam whose targets it hasn't learnt from."""

VALIDATED = 5000
"""Users at most that a validation asks: it chooses an epoch and the weight of the pairs, two numbers."""


def of_histories(
    data: Dataset,
    log: Interactions,
    recipe: Recipe,
    report: Report,
    trail: Trail,
    older: Older | None = None,
    witness: Witness | None = None,
) -> Parts:
    """Learn with an exam held, then once more on everything, for as long and with the same choices.

    Args:
        older: the bundle that both go on from; neither exam nor validation asks for what it has learnt.
        witness: sees who sat the exam; not called where nobody could be asked.
    """
    started = time.perf_counter()
    tried = attempt(data, log, recipe, report, trail, older)
    if witness is not None and tried.recommender is not None and tried.fold is not None:
        witness(tried.recommender, tried.fold)
    fitted = Fitted.of(data, log, log, recipe, older)
    # Where nobody has enough events to be asked there is nothing to stop by: half of the most, and all of a
    # warm start, which is short anyway.
    most = fitted.epochs if older is not None else max(1, fitted.epochs // 2)
    epochs = most if tried.epochs is None else tried.epochs
    final = fitted.learn(epochs, "refit on everything", report, trail)
    pairs = "none" if tried.pairing is None else tried.pairing.note
    if older is not None and tried.pairing == older.pairing:
        pairs += ", as in the older bundle"
    training = {
        "epochs": final.epochs,
        "examples": final.examples,
        "seconds": round(time.perf_counter() - started, 1),
        "pairs": pairs,
        "order": tried.order,
        "exam": tried.why,
        CURVES: ({} if tried.curve is None else {"training": tried.curve})
        | {"refit on everything": final.curve.as_json()},
    }
    if older is not None:
        training["warm_start"] = older.note(data.items, log)
    parts = fitted.parts(final, tried.pairing, tried.newcomers)
    return replace(
        parts if tried.ranking is None else with_ranking(parts, tried.ranking),
        evaluation=tried.evaluation,
        measured=tried.measured,
        training=training,
    )


@dataclass(frozen=True)
class Attempt:
    """A training with an exam held back, and what it found out without the exam's answers.

    Attributes:
        evaluation: the exam's outcome; its weights are of the part before it alone.
        epochs: that were best on the validation part; None where nobody could be asked.
        pairing: that was; of the older bundle where too few could be asked.
        newcomers: how new items are scored; None where there are none, or nothing is known of any.
        why: how the exam was chosen.
        seconds: spent on it, the exam included.
        recommender: who sat the exam; None where nobody could be asked.
        ranking: the second network; None where none is used.
        order: what orders the lists and why, in words.
        curve: of the network's training, as JSON; None where there was none.
        fold: the exam.
        measured: what else was, there, as JSON; see `measured`.
    """

    evaluation: ExamReport | None
    epochs: int | None
    pairing: Pairing | None
    newcomers: Newcomers | None
    why: str
    seconds: float
    recommender: Recommender | None = None
    ranking: Ranking | None = None
    order: str = "retrieval alone"
    curve: dict[str, Any] | None = None
    fold: Fold | None = None
    measured: dict[str, Any] = field(default_factory=dict)


def attempt(
    data: Dataset,
    log: Interactions,
    recipe: Recipe,
    report: Report,
    trail: Trail,
    older: Older | None = None,
) -> Attempt:
    """Train on the part before the exam, choosing by a validation part of it, and hold the exam."""
    started = time.perf_counter()
    if older is None:
        split = choose(log, recipe.split, recipe.seed)
        exam, why = split.fold, split.why
    else:
        exam, why = older.exam(log, data.items, recipe)
    news = None if older is None else older.news(data.items)
    validation = lists_to_come(exam.train, data.impressions, recipe)
    if validation is None:
        validation = validation_of(exam, log, recipe, news)
    elif news is not None:
        validation = validation._replace(targets=validation.targets.where(news(validation.targets)))
    strict = Fold(validation.train, exam.history, exam.targets)
    tried = attempt_on(data, log, validation, strict, why, recipe, report, trail, older=older)
    return replace(tried, seconds=time.perf_counter() - started)


def attempt_on(
    data: Dataset,
    log: Interactions,
    validation: Fold,
    strict: Fold,
    why: str,
    recipe: Recipe,
    report: Report,
    trail: Trail,
    baselines: Sequence[Baseline] | None = None,
    older: Older | None = None,
) -> Attempt:
    """The same for parts that somebody else has cut.

    Args:
        log: with the users of both folds.
        validation: what is learnt from, and what is chosen by.
        strict: the exam, of the same train.
        why: a sentence on how the exam was cut.
        baselines: beside which it is held; None for all.
        older: the bundle to go on from, that has learnt no target of either fold.
    """
    started = time.perf_counter()
    question = _question(validation, recipe)
    if question is None:
        kept = older.pairing if older is not None and older.keeps_pairing(log, recipe, 0) else None
        return Attempt(None, None, kept, Newcomers(), why, 0.0)
    trial = _trial(data, log, question, recipe, report, trail, older=older)
    found = Recommender(bundle(data, recipe, trial.parts, histories=strict.train))
    ranking, order = ordered(found, validation, strict, data.impressions, report)
    parts = trial.parts if ranking is None else with_ranking(trial.parts, ranking)
    recommender = Recommender(bundle(data, recipe, parts, histories=strict.train))
    evaluation: ExamReport | None = None
    more: dict[str, Any] = {}
    if len(asked(strict)):
        report(Progress("exam", 0, 1))
        exam = marked(recommender, strict, why, baselines=baselines)
        evaluation, more = exam.report, measured(recommender, exam)
        report(Progress("exam", 1, 1))
    seconds = time.perf_counter() - started
    return Attempt(
        evaluation, trial.epochs, trial.pairing, trial.newcomers, why, seconds, recommender, ranking, order,
        trial.curve, strict, more,
    )  # fmt: skip


Watch = Callable[[float], None]
"""Hears the network's validation NDCG@10 after each epoch; what it raises ends the training."""


@dataclass(frozen=True)
class Choice:
    """What a recipe comes to before any exam.

    Attributes:
        value: validation NDCG@10 of the network's best epoch, with the pairs that were chosen there.
        epochs: the best.
        pairs: what was chosen, in words.
    """

    value: float
    epochs: int
    pairs: str


def on_validation(
    data: Dataset, log: Interactions, recipe: Recipe, report: Report, watch: Watch
) -> Choice | None:
    """What `attempt` chooses, and how good it is; no exam is held. None where nobody can be asked."""
    question = _question(validation_of(choose(log, recipe.split, recipe.seed).fold, log, recipe), recipe)
    if question is None:
        return None
    trial = _trial(data, log, question, recipe, report, NO_TRAIL, watch)
    fold = question.fold
    recommender = Recommender(bundle(data, recipe, trial.parts, histories=fold.train))
    value = question.quality(recommender.top(fold.history, question.users, 10))
    return Choice(value, trial.epochs, "none" if trial.pairing is None else trial.pairing.note)


@dataclass(frozen=True)
class _Question:
    """What a model stops by, and what pairs are weighed by.

    Attributes:
        fold: nothing of the exam is in it.
        users: (U,) who is asked.
    """

    fold: Fold
    users: Users

    def quality(self, rows: Rows) -> float:
        """NDCG@10 of what `users` were given, (U, 10)."""
        everyone = np.full((len(self.fold.targets.offsets) - 1, rows.shape[1]), PAD, np.int32)
        everyone[self.users] = rows
        return float(np.nanmean(metrics.ndcg(everyone, self.fold.targets, 10)[self.users]))


def _question(validation: Fold, recipe: Recipe) -> _Question | None:
    """None: nobody has the events for it."""
    most = min(VALIDATED, recipe.evaluation.max_users)
    users = asked(validation, most, np.random.default_rng(recipe.seed))
    if not len(users) or not (np.diff(validation.train.offsets) > 1).any():
        return None
    return _Question(validation, users)


def validation_of(exam: Fold, log: Interactions, recipe: Recipe, news: News | None = None) -> Fold:
    """Of the kind that is learnt, the next event or any; and nothing of the exam.

    Args:
        news: says which events of a log an older bundle hasn't learnt: only those are asked for.
    """
    learnt = np.diff(exam.train.offsets) > 0
    aside = exam.history.where(learnt[exam.history.users])  # strangers of the exam aren't asked before it
    if aside.size > exam.train.size:  # the split has set validation events aside
        fold = against(exam.train, aside)
        return fold if news is None else fold._replace(targets=fold.targets.where(news(fold.targets)))
    may = None if news is None else news(exam.train)
    if in_order(log, recipe):
        return hold_out_last(exam.train, may)
    return hold_out_any(exam.train, np.random.default_rng(recipe.seed), may=may)


@dataclass(frozen=True)
class _Trial:
    """What was found out without the exam's answers."""

    parts: Parts
    epochs: int
    pairing: Pairing | None
    newcomers: Newcomers | None
    curve: dict[str, Any]


def _trial(
    data: Dataset,
    log: Interactions,
    question: _Question,
    recipe: Recipe,
    report: Report,
    trail: Trail,
    watch: Watch | None = None,
    older: Older | None = None,
) -> _Trial:
    fold, users = question.fold, question.users

    def validate(top: Any) -> float:
        score = question.quality(top(fold.history, users, 10))
        if watch is not None:
            watch(score)
        return score

    fitted = Fitted.of(data, log, fold.train, recipe, older)
    # A warm start runs its course: it is short, its rate comes down to nothing at its end, and those who can
    # be asked are odd, having had several new events: of Beauty they would stop it after one epoch of three.
    learned = fitted.learn(fitted.epochs, "training", report, trail, None if older else validate)
    alone = fitted.parts(learned)
    # Beside other sources, and behind rules, the network would look worse than it is.
    retrieval = recipe.retrieval.model_copy(update={"sources": SourcesRecipe()})
    plain = recipe.model_copy(update={"retrieval": retrieval, "reranking": RerankingRecipe()})
    if older is not None and older.keeps_pairing(log, recipe, len(users)):
        pairing = older.pairing
    else:
        pairing = choose_pairing(
            Recommender(bundle(data, plain, alone, histories=fold.train)),
            fold.train,
            fold.history,
            users,
            question.quality,
            kind_of(log, recipe),
            recipe.history.pair_weight,
            recipe.history.pair_ridge,
        )
    parts, newcomers = fitted.parts(learned, pairing), None
    if fitted.kin is not None:
        known = Recommender(bundle(data, recipe, parts, histories=fold.train))
        newcomers = settle(known.nearest, fitted.kin, fold.history, users, np.random.default_rng(recipe.seed))
        parts = fitted.with_new(parts, newcomers)
    return _Trial(parts, learned.epochs, pairing, newcomers, learned.curve.as_json())
