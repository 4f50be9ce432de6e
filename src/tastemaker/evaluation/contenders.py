"""Asks several recommenders the same questions of the same people, so that their marks can be compared.

Each answers as it would be served, from its own catalogue and its own knowledge of people; only
what is to be found by all of them is asked for.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import PAD
from tastemaker.data.interactions import Interactions
from tastemaker.data.split import Fold
from tastemaker.errors import DataError
from tastemaker.evaluation.baselines import Users, all_baselines
from tastemaker.evaluation.comparison import contests
from tastemaker.evaluation.exam import Result, asked, compare, examine, examine_baselines
from tastemaker.evaluation.intervals import mean_interval
from tastemaker.evaluation.judge import NAME, question, remembered
from tastemaker.evaluation.people import ACTIVITY, METRICS, parted
from tastemaker.evaluation.report import Mark, Report
from tastemaker.evaluation.tournament import Comparison, GroupLine
from tastemaker.progress import Progress, silent
from tastemaker.progress import Report as Tell

if TYPE_CHECKING:
    from tastemaker.recommend import Recommender

SHARED = 0.5
"""Of each one's items that all must know: below it, the lists are of different things."""


class Contender(NamedTuple):
    """One of those compared: what it is called, and the later log in its own rows.

    history: what is known of people when asked; None for what the bundle knows.
    """

    name: str
    recommender: "Recommender"
    log: Interactions
    history: Interactions | None = None


def contested(
    contenders: Sequence[Contender],
    *,
    k: int | None = None,
    metrics: Sequence[str] = METRICS,
    by: str = ACTIVITY,
    report: Tell = silent,
) -> Comparison:
    """How all of them foretell one log, every two of them tested against each other.

    Baselines learn from what the first was trained on, and the first one's recipe says what else there is
    to say: the seed, how many people at most, how many resamples.

    Args:
        k: length of the lists; None for the first one's recipe's.
        metrics: those that are tested; the first decides.
        by: `activity` or a column of the first one's users, for the groups.
    Raises: DataError where catalogues differ too much, or nothing can be asked of all.
    """
    folds, split, more = _same_questions(contenders)
    first, fold = contenders[0].recommender, folds[0]
    knobs = first.recipe.evaluation
    k = knobs.k if k is None else k
    rng = np.random.default_rng(first.recipe.seed)
    users = asked(fold, knobs.max_users, rng)
    names, member, told = parted(first.bundle.users, by, fold.history, users)  # a wrong name is refused early
    people = [fold.history.user_ids[user] for user in users.tolist()]
    results: list[Result] = []
    steps = len(contenders) + 1
    for done, (contender, own) in enumerate(zip(contenders, folds, strict=True)):
        report(Progress("lists", done, steps, note=contender.name))
        size = contender.recommender.catalogue.size
        there = _positions(own, people)
        result = examine(contender.recommender, own, k, size, name=contender.name, users=there)
        results.append(replace(result, users=users, left_out=fold.targets.user_count - len(users)))
    report(Progress("lists", steps - 1, steps, note="baselines"))
    rivals, skipped = examine_baselines(
        all_baselines(first.recipe.seed), fold, k, first.catalogue.size, users=users
    )
    report(Progress("lists", steps, steps))
    models = [contender.name for contender in contenders]
    laid = compare([*results, *rivals], rng, split=split, skipped=skipped, resamples=knobs.bootstrap)
    lines = tuple(replace(line, is_baseline=line.name not in models) for line in laid.lines)
    marks = {result.name: result.per_user for result in (*results, *rivals)}
    pairs = [(ours, theirs) for at, ours in enumerate(models) for theirs in models[at + 1 :]]
    best = max((r.name for r in rivals), key=lambda name: float(marks[name][metrics[0]].mean()), default=None)
    with_best = pairs + ([] if best is None else [(model, best) for model in models])
    (held,) = contests([marks], with_best, metrics, rng, knobs.bootstrap)
    parts = [{model: {metrics[0]: marks[model][metrics[0]][own]} for model in models} for own in member.T]
    of_groups = contests(parts, pairs, metrics[:1], rng, knobs.bootstrap) if len(names) > 1 else []
    groups = tuple(
        GroupLine(
            name,
            int(own.sum()),
            {
                model: Mark.of(mean_interval(each[metrics[0]], rng, knobs.bootstrap, within=(0.0, 1.0)))
                for model, each in part.items()
            },
            fought,
        )
        for name, own, part, fought in zip(names, member.T, parts, of_groups, strict=bool(of_groups))
    )
    return Comparison(
        replace(laid, lines=lines, contests=held),
        tuple(metrics),
        by,
        groups,
        (*more, *(told if groups else ())),
    )


def _same_questions(contenders: Sequence[Contender]) -> tuple[list[Fold], str, list[str]]:
    """A fold for each, in its own rows, with the targets that all have; the split; and what to know."""
    more = _catalogues(contenders)
    folds, splits = [], []
    for name, recommender, log, history in contenders:
        try:
            fold, split = question(recommender, log, history)
        except DataError as error:
            raise DataError(f"{name}: {error}") from None
        folds.append(fold)
        splits.append(split)
    if len(set(splits)) > 1:
        raise DataError(
            "Some of these know the people of this log, and some don't, so they can't be asked the same: "
            "give --interactions, what is known of people when asked."
        )
    first = contenders[0].recommender.catalogue
    user_of = {name: user for user, name in enumerate(folds[0].targets.user_ids)}
    codes = []
    for contender, fold in zip(contenders, folds, strict=True):
        rows = first.rows(contender.recommender.catalogue.ids).astype(np.int64)[fold.targets.rows]
        users = np.array([user_of.get(name, PAD) for name in fold.targets.user_ids], np.int64)
        own = users[fold.targets.users]
        codes.append(np.where((rows == PAD) | (own == PAD), PAD, own * first.size + rows))
    common = codes[0]
    for each in codes[1:]:
        common = np.intersect1d(common, each)
    kept = [np.isin(each, common) & (each != PAD) for each in codes]
    if not kept[0].any():
        raise DataError(
            "Nothing of this log is to be found by all of them: what is new to one is known to another."
        )
    lost = [int((~own).sum()) for own in kept]
    if any(lost):
        told = ", ".join(f"{number:,} of {c.name}" for number, c in zip(lost, contenders, strict=True))
        more.append(
            f"Only what all are to find is asked for; left out as known to, or no item of, another: {told}"
        )
    asked_for = [
        fold._replace(targets=fold.targets.where(own)) for fold, own in zip(folds, kept, strict=True)
    ]
    return asked_for, splits[0], more


def _catalogues(contenders: Sequence[Contender]) -> list[str]:
    """What to know of catalogues and data that differ. Raises DataError where they differ too much."""
    sizes = {each.name: each.recommender.catalogue.size for each in contenders}
    shared = len(set.intersection(*(set(each.recommender.catalogue.ids) for each in contenders)))
    for name, size in sizes.items():
        if shared < SHARED * size:
            raise DataError(
                f"Only {shared:,} of {name}'s {size:,} items are known to all: lists of different catalogues "
                "can't be compared. See each beside the baselines: tastemaker evaluate BUNDLE."
            )
    more = []
    if any(size != shared for size in sizes.values()):
        told = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
        more.append(
            f"Catalogues differ ({told}; {shared:,} known to all): each ranks its own, as it would be "
            "served, and only items that all know are to be found"
        )
    prints = {each.recommender.bundle.manifest.data["fingerprint"] for each in contenders}
    if len(prints) > 1:
        more.append(
            "They were trained on different data, so what is better may be the data and not the model; "
            f"baselines have learnt from those of {contenders[0].name}"
        )
        if any(each.history is None for each in contenders):
            more.append(
                "Each is asked from what it knows of people itself; --interactions gives all the same"
            )
    return more


def _positions(fold: Fold, people: Sequence[str]) -> Users:
    """(A,) where they stand in a fold that has them all."""
    place = {name: user for user, name in enumerate(fold.history.user_ids)}
    found: npt.NDArray[np.int32] = np.array([place[name] for name in people], np.int32)
    return found


def recalled(recommenders: dict[str, "Recommender"]) -> Comparison:
    """The exams held while they were trained, where those asked the same.

    A bundle remembers what its marks came to, not each person's, so nothing can be tested.

    Raises: DataError where an exam is missing, or they asked different things.
    """
    exams: dict[str, Report] = {}
    for name, recommender in recommenders.items():
        try:
            exams[name] = remembered(recommender)
        except DataError:
            raise DataError(
                f"No exam was held while {name} was trained: give --test, a log of later events."
            ) from None
    first, *others = recommenders
    for name in others:
        differs = _difference(recommenders[first], recommenders[name], exams[first], exams[name])
        if differs:
            raise DataError(
                f"The exams that {first} and {name} remember can't be compared: {differs} differ. Ask them "
                "the same: give --test, a log of later events."
            )
    ours = [replace(exam.line(NAME), name=name) for name, exam in exams.items()]
    baselines = [line for line in exams[first].lines if line.is_baseline]
    report = replace(exams[first], lines=(*ours, *baselines), contests=())
    told = (
        "These are the exams held while they were trained, of models that had not yet learnt from everything",
        "A bundle remembers means and their intervals, not each person's marks, so no paired test can be "
        "held, which sees far smaller differences: give --test, a log of later events",
    )
    return Comparison(report, METRICS, more=told, is_tested=False)


def _difference(one: "Recommender", other: "Recommender", exam: Report, its: Report) -> str:
    """What sets two exams apart; empty where nothing does."""
    if one.bundle.manifest.data["fingerprint"] != other.bundle.manifest.data["fingerprint"]:
        return "the data they were trained on"
    if exam.k != its.k:
        return "the lengths of the lists"
    if exam.split != its.split:
        return "the splits"
    marks, theirs = (
        {
            line.name: line.marks[METRICS[0]].mean
            for line in each.lines
            if line.is_baseline and line.name != "random"
        }
        for each in (exam, its)
    )
    both = marks.keys() & theirs.keys()
    # The same baseline, asked the same people for the same, has the same marks.
    same = all(abs((marks[name] or 0.0) - (theirs[name] or 0.0)) < 1e-9 for name in both)
    asked_both = (exam.users_asked, exam.users_left_out) == (its.users_asked, its.users_left_out)
    return "" if same and asked_both else "the people they asked"
