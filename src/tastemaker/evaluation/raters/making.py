"""A study of two models from beginning to end: questions drawn, lists made, sides drawn, page and key."""

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tastemaker.errors import DataError, TastemakerError
from tastemaker.evaluation.raters.asking import Ask, Model, Query, by_chance, drawn, lists_of, named
from tastemaker.evaluation.raters.study import Key, page_data, plan
from tastemaker.pages.page import page
from tastemaker.progress import Progress, Report, silent

if TYPE_CHECKING:
    from tastemaker.recommend import Recommender

LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Of a study's name: none is taken for another."""


class Made(NamedTuple):
    """The key, and the page that goes to raters."""

    key: Key
    html: str


def make(
    first: "Recommender",
    a: Model,
    b: Model,
    *,
    ask: Ask | None = None,
    names: Sequence[str] | None = None,
    count: int = 30,
    k: int = 5,
    repeats: int = 3,
    checks: int = 2,
    seed: int | None = None,
    report: Report = silent,
) -> Made:
    """
    Args:
        first: whose catalogue and people are asked about.
        a, b: the two that are compared.
        ask: about people or titles; None for people where the bundle knows some.
        names: ids of people, or ids or titles of items, instead of a draw.
        count: questions to be drawn.
        repeats: questions asked again with sides swapped, to see whether a rater says the same again.
        checks: questions in which one list is drawn by chance, to see whether a rater looks.
        seed: None draws one, so that nobody can work out the sides; the key keeps it.
    Raises: DataError where nothing can be asked; TastemakerError where a number is none.
    """
    if min(repeats, checks) < 0:
        raise TastemakerError("--repeats and --checks are 0 or more.")
    ask = ask or ("people" if first.bundle.histories.size else "titles")
    if ask == "people" and not first.bundle.histories.size:
        raise DataError("The bundle knows of nobody: give --ask titles.")
    seed = secrets.randbits(48) if seed is None else seed
    rng = np.random.default_rng(seed)
    study = "".join(LETTERS[n] for n in rng.integers(0, len(LETTERS), 10))
    k = min(k, first.catalogue.size)
    queries = drawn(first, ask, count + checks, rng) if names is None else named(first, ask, names)
    if names is None and len(queries) > checks:
        queries, spare = queries[: len(queries) - checks], queries[len(queries) - checks :]
    else:
        spare = [query for query in drawn(first, ask, checks + len(queries), rng) if query not in queries]
        spare = spare[:checks]
    lists = []
    for step, each in enumerate((a, b)):
        report(Progress("lists", step, 2))
        lists.append(lists_of(each, ask, queries, k, first))
    report(Progress("lists", 2, 2))
    other = np.flatnonzero((lists[0] != lists[1]).any(1))
    if not len(other):
        raise DataError(
            f"{a.name} and {b.name} give the same list to each of {len(queries)} questions: there is nothing "
            "to compare."
        )
    compared = [queries[n] for n in other]
    good = lists_of(a, ask, spare, k, first) if spare else np.zeros((0, k), np.int32)
    bad = by_chance(spare, k, first, rng)
    planned = plan(
        compared,
        (lists[0][other], lists[1][other]),
        list(zip(spare, good, bad, strict=True)),
        repeats,
        first.catalogue,
        rng,
    )
    key = Key(study, a.name, b.name, ask, k, seed, len(queries) - len(other), planned)
    asked: dict[str, Query] = {query.id: query for query in [*compared, *spare]}
    data = page_data(key, asked, first.catalogue)
    return Made(key, page("rate.html", title="Which list is better?", scripts=["rate.js"], data=data))
