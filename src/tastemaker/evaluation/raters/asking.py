"""The questions of a study: whom or what both models are asked about, and the lists that they give.

A model is a recommender, or a baseline that was fitted on the same log. Rows are those of the first
recommender's catalogue; another one may have the same items in another order.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import numpy as np

from tastemaker.data.catalogue import PAD, Catalogue, Rows
from tastemaker.data.interactions import Interactions
from tastemaker.errors import DataError, TastemakerError, hint
from tastemaker.evaluation.baselines import Baseline, Scores, Users, all_baselines
from tastemaker.evaluation.exam import FullRanking
from tastemaker.evaluation.judge import catalogue_baselines
from tastemaker.hits import Hits, best
from tastemaker.retrieve.series import Series

if TYPE_CHECKING:
    from tastemaker.recommend import Recommender

Ask = Literal["people", "titles"]

LEAST_HISTORY = 3
"""Events of a person whose taste a rater can make out."""
KNOWN = 10
"""Titles are drawn from the most popular tenth: raters can't judge by what they never heard of."""


class Query(NamedTuple):
    """What is asked about.

    id: of the person or the item.
    rows: the item; or the person's history, oldest first.
    """

    id: str
    rows: tuple[int, ...]


class Model(Protocol):
    """Answers questions with rows of the first catalogue, PAD where it has no more."""

    name: str

    def for_people(self, log: Interactions, users: Users, k: int) -> Rows:
        """(B, k) lists for `users` of a log."""
        ...

    def like_titles(self, rows: Sequence[int], k: int) -> Rows:
        """(B, k) lists like each of `rows`, each series once and the asked item's own not at all."""
        ...


class OfBundle:
    """A recommender, its rows turned into those of `catalogue`."""

    def __init__(self, name: str, recommender: "Recommender", catalogue: Catalogue) -> None:
        self.name, self.recommender = name, recommender
        own = recommender.catalogue
        if own.size != catalogue.size or not all(id in catalogue for id in own.ids):
            raise DataError(
                f"{name} has another catalogue ({own.size:,} items, not {catalogue.size:,}): raters "
                "would tell them apart by what is in them. Give two models of one catalogue."
            )
        self.ours = catalogue.rows(own.ids)  # (N,) row here of each row there
        self.theirs = own.rows(catalogue.ids)

    def for_people(self, log: Interactions, users: Users, k: int) -> Rows:
        there = Interactions.from_events(
            log.user_ids, log.users, self.theirs[log.rows], log.times, log.weights, is_clock=log.is_clock
        )
        found = self.recommender.ranked([log.user_ids[user] for user in users], k, interactions=there)
        return _led(self.ours, found.rows)

    def like_titles(self, rows: Sequence[int], k: int) -> Rows:
        ids = self.recommender.catalogue.id_list([int(self.theirs[row]) for row in rows])
        lists = np.full((len(rows), k), PAD, np.int32)
        for place, (_, slate) in enumerate(self.recommender.similar_many(ids, k)):
            found = self.recommender.catalogue.rows([item.item_id for item in slate])
            lists[place, : len(found)] = _led(self.ours, found)
        return lists


class OfBaseline:
    """An opponent of the tables, fitted on what the first recommender knows."""

    def __init__(self, baseline: Baseline, series: Series) -> None:
        self.name, self.baseline, self.series = baseline.name, baseline, series

    def for_people(self, log: Interactions, users: Users, k: int) -> Rows:
        return FullRanking(self.baseline).top(log, users, k)

    def like_titles(self, rows: Sequence[int], k: int) -> Rows:
        lists = np.full((len(rows), k), PAD, np.int32)
        for place, row in enumerate(rows):
            # A number of its own for each question: what is left to chance is another list for each.
            log = _pretended([(row,)] * (place + 1))
            scores = self.baseline.scores(log, np.array([place], np.int32))
            found = self.series.one_of_each(row, k, _alike(scores)).rows[0]
            lists[place, : len(found)] = found
        return lists


def model(given: str, recommender: "Recommender", first: "Recommender") -> Model:
    """The recommender as one side. `given` is how people called it."""
    return OfBundle(given, recommender, first.catalogue)


def baseline(name: str, first: "Recommender", ask: Ask) -> Model:
    """The baseline of that name, fitted. Raises TastemakerError where there is none, or it refuses."""
    log, items = first.bundle.histories, first.catalogue.size
    rivals = {each.name: each for each in catalogue_baselines(first)}
    if log.size:
        rivals = {each.name: each for each in all_baselines(first.recipe.seed)} | (
            {"tfidf": rivals["tfidf"]} if "tfidf" in rivals and ask == "titles" else {}
        )
    if name not in rivals:
        raise TastemakerError(f"{name} is neither a bundle nor a baseline of it. {hint(name, rivals)}")
    refusal = rivals[name].refusal(items)
    if refusal is not None:
        raise TastemakerError(f"{name} can't be asked: {refusal}")
    return OfBaseline(rivals[name].fit(log, items), first.series)


def drawn(recommender: "Recommender", ask: Ask, count: int, rng: np.random.Generator) -> list[Query]:
    """`count` questions, or as many as there are, in the order of the draw."""
    if ask == "people":
        log = recommender.bundle.histories
        long = np.flatnonzero(np.diff(log.offsets) >= LEAST_HISTORY)
        chosen = rng.permutation(long)[:count]
        return [Query(log.user_ids[int(user)], tuple(log.of(int(user)).tolist())) for user in chosen]
    figure = np.asarray(recommender.bundle.arrays["popularity"])
    order = np.lexsort((np.arange(len(figure)), -figure)).astype(np.int32)
    _, firsts = np.unique(recommender.series.numbers[order], return_index=True)
    order = order[np.sort(firsts)]  # one of each series
    known = rng.permutation(order[: max(count, len(order) // KNOWN)])[:count]
    return [Query(recommender.catalogue.ids[int(row)], (int(row),)) for row in known]


def named(recommender: "Recommender", ask: Ask, names: Sequence[str]) -> list[Query]:
    """The questions that somebody chose: people by id, items by id or title. Raises TastemakerError."""
    if ask == "titles":
        rows = [recommender.find(name) for name in dict.fromkeys(names)]
        return [Query(recommender.catalogue.ids[row], (row,)) for row in dict.fromkeys(rows)]
    log, queries = recommender.bundle.histories, []
    for name in dict.fromkeys(names):
        user = log.user(name)
        if user is None:
            raise DataError(f"Nobody in the bundle has the id {name!r}; --ask titles asks about items.")
        queries.append(Query(name, tuple(log.of(user).tolist())))
    return queries


def lists_of(one: Model, ask: Ask, queries: Sequence[Query], k: int, first: "Recommender") -> Rows:
    """(B, k) what a model answers."""
    if ask == "titles":
        return one.like_titles([query.rows[0] for query in queries], k)
    log = first.bundle.histories
    users = np.array([log.user(query.id) for query in queries], np.int32)
    return one.for_people(log, users, k)


def by_chance(queries: Sequence[Query], k: int, recommender: "Recommender", rng: np.random.Generator) -> Rows:
    """(B, k) lists that nobody would call good, for attention checks."""
    lists = np.full((len(queries), k), PAD, np.int32)
    for place, query in enumerate(queries):
        others = np.setdiff1d(np.arange(recommender.catalogue.size, dtype=np.int32), query.rows)
        found = rng.permutation(others)[:k]
        lists[place, : len(found)] = found
    return lists


def _alike(scores: Scores) -> Callable[[int, Rows], Hits]:
    def alike(count: int, less: Rows) -> Hits:
        return best(scores, count, [less])

    return alike


def _pretended(histories: Sequence[tuple[int, ...]]) -> Interactions:
    """People who touched just that."""
    users = np.repeat(np.arange(len(histories)), [len(rows) for rows in histories]).astype(np.int32)
    rows = np.array([row for history in histories for row in history], np.int32)
    return Interactions.from_events([str(n) for n in range(len(histories))], users, rows)


def _led(to: Rows, rows: Rows) -> Rows:
    return np.where(rows == PAD, np.int32(PAD), to[np.maximum(rows, 0)])
