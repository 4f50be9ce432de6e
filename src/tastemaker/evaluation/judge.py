"""A recommender beside the baselines, on one honest fold: the table that every claim rests on."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tastemaker.data.catalogue import Catalogue, Rows
from tastemaker.data.interactions import Interactions
from tastemaker.data.leaks import UNKNOWN, Protocol
from tastemaker.data.split import Fold, against, hold_out_last
from tastemaker.data.split_files import Saved
from tastemaker.data.titles import series_key
from tastemaker.errors import DataError
from tastemaker.evaluation.baselines import Baseline, Popularity, Random, Scores, Users, all_baselines
from tastemaker.evaluation.beyond import Known
from tastemaker.evaluation.conventions import OURS, Convention
from tastemaker.evaluation.exam import Result, asked, compare, examine, examine_baselines
from tastemaker.evaluation.report import Report

if TYPE_CHECKING:
    from tastemaker.recommend import Recommender

NAME = "tastemaker"
ALONE = "retrieval alone"
"""The same lists as retrieval orders them, where a ranker orders them otherwise."""
UNRULED = "without rules"
"""The same lists before the rules of `[reranking]`, where there are any."""
MIN_SERIES = 20
"""Items with another season below which a catalogue can't be examined by its series."""


class Marked(NamedTuple):
    """What an exam came to.

    report: the recommender beside the baselines.
    ours: the recommender's own marks and lists.
    fold: what was asked.
    others: the marks of everything that stands beside it, baselines too.
    protocol: how the fold was made, as far as it is known.
    """

    report: Report
    ours: Result
    fold: Fold
    others: tuple[Result, ...] = ()
    protocol: Protocol = UNKNOWN

    @property
    def rival(self) -> Result | None:
        """The best baseline by the first metric, where one was asked."""
        best = [contest.theirs for contest in self.report.contests if contest.ours == self.ours.name]
        return next((other for other in self.others if best and other.name == best[0]), None)


def mark(
    recommender: "Recommender",
    fold: Fold,
    split: str,
    *,
    k: int | None = None,
    baselines: Sequence[Baseline] | None = None,
) -> Report:
    """Ask the recommender and the baselines for everyone's lists, and compare; see `marked`."""
    return marked(recommender, fold, split, k=k, baselines=baselines).report


def marked(
    recommender: "Recommender",
    fold: Fold,
    split: str,
    *,
    k: int | None = None,
    baselines: Sequence[Baseline] | None = None,
    convention: Convention = OURS,
) -> Marked:
    """`mark`, with all that it was made of.

    Args:
        fold: its train teaches the baselines; the recommender must not have learnt from more.
        split: a sentence on how the fold was made.
        k: length of the lists; None for the recipe's.
        baselines: None for all.
        convention: whose definitions the marks follow; the split's sentence says so where they aren't ours.
    """
    recipe = recommender.recipe
    knobs, items = recipe.evaluation, recommender.catalogue.size
    k = knobs.k if k is None else k
    rng = np.random.default_rng(recipe.seed)
    users = asked(fold, knobs.max_users, rng)
    known = Known.of(recommender, fold)
    models = {NAME: recommender}
    if recommender.unruled is not recommender:
        models[UNRULED] = recommender.unruled
    if recommender.ranker is not None:
        models[ALONE] = recommender.retrieval
    ours = [
        examine(model, fold, k, items, name=name, users=users, known=known, convention=convention)
        for name, model in models.items()
    ]
    rivals = all_baselines(recipe.seed) if baselines is None else baselines
    others, skipped = examine_baselines(
        rivals, fold, k, items, users=users, known=known, convention=convention
    )
    if convention is not OURS:
        split = f"{split.rstrip('.')}. {convention.sentence()}"
    report = compare(
        [*ours, *others], rng, models=list(models), split=split, skipped=skipped, resamples=knobs.bootstrap
    )
    return Marked(report, ours[0], fold, (*ours[1:], *others))


def judge(
    recommender: "Recommender",
    log: Interactions,
    *,
    history: Interactions | None = None,
    k: int | None = None,
) -> Report:
    """How well it foretells `log`, from what it knew; see `judged`."""
    return judged(recommender, log, history=history, k=k).report


def judged(
    recommender: "Recommender",
    log: Interactions,
    *,
    history: Interactions | None = None,
    k: int | None = None,
    convention: Convention = OURS,
) -> Marked:
    """`judge`, with all that it was made of. Raises DataError where nothing can be asked."""
    fold, split = question(recommender, log, history)
    return marked(recommender, fold, split, k=k, convention=convention)


def judged_on(
    recommender: "Recommender", saved: Saved, *, k: int | None = None, convention: Convention = OURS
) -> Marked:
    """How well it finds what a saved split asks for; the baselines learn from the split's train.

    People are asked from the history that the split gives them, strangers too. Where the model itself has
    learnt what is asked for, the report says so: its marks are then no foretelling.

    Raises: DataError where nothing can be asked.
    """
    fold, why = saved.split.fold, saved.split.why
    if not len(asked(fold)):
        raise DataError("Nothing can be asked of this split: it has no targets that this catalogue knows.")
    told = [why, *_of_what_it_learnt(recommender, fold)]
    lost = saved.unknown["targets"]
    if lost:
        told.append(f"{lost:,} targets are of items that the model doesn't know, and are left out.")
    exam = marked(recommender, fold, " ".join(told), k=k, convention=convention)
    return exam._replace(protocol=Protocol.of(saved.manifest))


def _of_what_it_learnt(recommender: "Recommender", fold: Fold) -> Iterator[str]:
    learnt = recommender.bundle.histories
    if not learnt.size:
        return
    of_fold = [learnt.user(user_id) for user_id in fold.targets.user_ids]
    users = np.array([-1 if user is None else user for user in of_fold], np.int64)
    own = learnt.users.astype(np.int64) * recommender.catalogue.size + learnt.rows
    for part, told in (
        (
            fold.targets,
            "The model has learnt {:,} of the {:,} targets: that is remembering, not foretelling.",
        ),
        (fold.train, "The model has learnt {:,} of the {:,} events that the baselines learn from."),
    ):
        known = np.isin(users[part.users] * recommender.catalogue.size + part.rows, own)
        count = int((known & (users[part.users] >= 0)).sum())
        if (part is fold.targets and count) or (part is fold.train and count < part.size):
            yield told.format(count, part.size)


def question(
    recommender: "Recommender", log: Interactions, history: Interactions | None = None
) -> tuple[Fold, str]:
    """What can be asked of `log`, and how that was found, in a sentence.

    People whom neither the bundle nor `history` knows can't be asked what they did next; where that is
    everybody, their last event is to be found from their earlier ones.

    Raises: DataError where nothing can be asked.
    """
    known = recommender.bundle.histories
    fold = against(known, log, history)
    is_known = np.diff(fold.history.offsets) > 0
    fold = fold._replace(targets=fold.targets.where(is_known[fold.targets.users]))
    if len(asked(fold)):
        return fold, (
            "what is known of people: what they did next is to be found from it. Strangers aren't asked."
        )
    familiar = {fold.history.user_ids[int(user)] for user in np.flatnonzero(is_known)}
    if familiar.intersection(log.user_ids):
        raise DataError("There is nothing to foretell: all that this log says of people is known already.")
    fold = hold_out_last(log)
    if not len(asked(fold)):
        raise DataError("Nothing can be asked of this log: nobody in it has two events, or a known history.")
    return fold, (
        "leave_one_out: nobody in this log is known to the model, so each user's last event is to be "
        "found from the earlier ones. The baselines have learnt from those, the model has not."
    )


def remembered(recommender: "Recommender") -> Report:
    """The exam that was held while it was trained, before it was trained on everything."""
    evaluation = recommender.bundle.evaluation
    if evaluation is None:
        raise DataError(
            "No exam was held while this bundle was trained: there were too few events, or too few series. "
            "Give a log of later events: tastemaker evaluate BUNDLE --test FILE."
        )
    return Report.from_json(evaluation)


def series_fold(catalogue: Catalogue) -> Fold | None:
    """A catalogue alone, put to the proof: from one season, find the others of its series.

    Each item with siblings is a "user" whose history is that item. None where there are too few.
    """
    keys = np.unique([series_key(title) for title in catalogue.titles], return_inverse=True)[1]
    order = np.argsort(keys, kind="stable").astype(np.int32)
    starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
    groups = [group for group in np.split(order, starts[1:]) if len(group) > 1]
    queries: list[int] = [int(row) for group in groups for row in group]
    if len(queries) < MIN_SERIES:
        return None
    siblings = [group[group != row] for group in groups for row in group]
    names = catalogue.id_list(queries)
    users = np.arange(len(queries), dtype=np.int32)
    history = Interactions.from_events(names, users, np.array(queries, np.int32))
    asked_for = np.repeat(users, [len(rows) for rows in siblings])
    targets = Interactions.from_events(names, asked_for, np.concatenate(siblings).astype(np.int32))
    return Fold(history.where(np.zeros(history.size, bool)), history, targets)


def mark_catalogue(recommender: "Recommender") -> Report | None:
    """The series exam beside chance, popularity and plain TF-IDF; None where there are too few series."""
    exam = marked_catalogue(recommender)
    return None if exam is None else exam.report


def marked_catalogue(recommender: "Recommender") -> Marked | None:
    """`mark_catalogue`, with all that it was made of."""
    fold = series_fold(recommender.catalogue)
    if fold is None:
        return None
    split = (
        "series: from one season, the others of its series are to be found. Names of series taught the "
        "model too, so this shows that it has learnt them, not how it does on names it never met."
    )
    return marked(recommender, fold, split, baselines=catalogue_baselines(recommender))


def catalogue_baselines(recommender: "Recommender") -> list[Baseline]:
    """The opponents where there is no log: chance, the catalogue's own figure and plain TF-IDF."""
    popularity = np.asarray(recommender.bundle.arrays["popularity"])
    rivals: list[Baseline] = [Random(recommender.recipe.seed), _Figure(popularity)]
    if recommender.bundle.tfidf is not None:
        rivals.append(_Tfidf(recommender))
    return rivals


class _Figure(Popularity):
    """Popularity by the catalogue's own figure, since there is no log to count."""

    def __init__(self, figure: Scores) -> None:
        self.figure = figure

    def scores(self, history: Interactions, users: Users) -> Scores:
        return np.repeat(self.figure[None], len(users), axis=0)


class _Tfidf(Baseline):
    """Plain character n-grams, without the network."""

    name = "tfidf"

    def __init__(self, recommender: "Recommender") -> None:
        self.tfidf = recommender.bundle.tfidf

    def fit(self, train: Interactions, items: int) -> "_Tfidf":
        return self

    def scores(self, history: Interactions, users: Users) -> Scores:
        assert self.tfidf is not None
        rows: Rows = np.array([history.of(int(user))[-1] for user in users], np.int32)
        return self.tfidf.similarity(self.tfidf.matrix[rows])
