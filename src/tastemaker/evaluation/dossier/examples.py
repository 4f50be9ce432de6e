"""Lists to look at: some where the exam's answer stood high, some where it was missed. Chance picks them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import PAD
from tastemaker.errors import DataError
from tastemaker.evaluation.dossier.case import Case
from tastemaker.pages.section import Section, Table
from tastemaker.slate import Slate

if TYPE_CHECKING:
    from tastemaker.evaluation.judge import Marked

EACH = 3
"""Good ones, bad ones, and titles that everybody knows."""
SHOWN = 5
NEWEST = 6
"""Titles of a history."""
FAR = 1000
"""Places looked at for what was missed."""


def examples(case: Case) -> Section:
    """People, or titles, drawn by the seed: of those with a hit among the first three, and of those without
    any. People are numbered in the order drawn, never named.

    Raises: DataError where the lists of the exam are gone.
    """
    if case.exam is None:
        raise DataError(
            "The lists of the exam that was held in training are gone: give --test, a log of later events."
        )
    exam = case.exam
    best = _ranks(exam)
    rng = np.random.default_rng(case.recommender.recipe.seed)
    good = _drawn(np.flatnonzero(best <= 3), rng)
    missed = np.flatnonzero(best > exam.ours.k)
    ndcg = exam.ours.per_user["ndcg"]
    # Where nobody was missed, those who were served worst; shuffled, so that chance settles ties.
    worst = rng.permutation(np.flatnonzero(ndcg < 1))
    bad = _drawn(missed, rng) if len(missed) else worst[np.argsort(ndcg[worst], kind="stable")][:EACH]
    tables: list[Table] = []
    values: list[dict[str, Any]] = []
    for is_good, places in ((True, good), (False, bad)):
        for place in places:
            who = len(values) + 1
            told = _told(case, exam, int(exam.ours.users[place]), best[place])
            values.append({"is_good": is_good, **told})
            tables.append(_table(case, who, told))
    lead = (
        f"{len(good)} drawn by chance from the {int((best <= 3).sum()):,} whose list had one of the answers "
        "among its first three, "
    )
    if len(missed):
        lead += f"{len(bad)} from the {len(missed):,} whose first {exam.ours.k} had none."
    else:
        lead += f"and the {len(bad)} with the least NDCG, for nobody's first {exam.ours.k} had none."
    notes = ["Nobody has picked them: the seed of the recipe has. ✓ marks what was to be found."]
    if not case.is_catalogue:
        notes.append(
            "People are numbered here, and their ids stand nowhere in this report; but a history is a "
            "person's all the same: think before you pass it on."
        )
    return Section("examples", "Examples, good and bad", lead, {"examples": values}, "", tables, (), notes)


def neighbours(case: Case) -> Section:
    """What is like the best-known titles, and like some drawn by chance, as `similar` answers.

    Raises: DataError where the catalogue has no titles to be read.
    """
    recommender = case.recommender
    catalogue = recommender.catalogue
    if catalogue.title_column is None:
        raise DataError("The catalogue has no titles that a person could read.")
    popularity = np.asarray(recommender.bundle.arrays["popularity"], np.float64)
    rng = np.random.default_rng(recommender.recipe.seed)
    known = np.argsort(-popularity, kind="stable")[: EACH if popularity.max(initial=0) > 0 else 0]
    others = rng.choice(catalogue.size, min(EACH, catalogue.size), replace=False)
    tables, values = [], []
    for told, rows in (("well known", known), ("drawn by chance", others)):
        for row in np.asarray(rows, np.int64).tolist():
            slate = recommender.similar(item_id=catalogue.ids[row], k=SHOWN)
            title = catalogue.titles[row]
            values.append({"asked": title, "how": told, "list": _listed(slate)})
            cells = [[str(item.rank), item.title, ", ".join(item.reasons)] for item in slate]
            tables.append(Table(f"Like {title}", ["", "title", "why"], cells, words=[1, 2], note=told))
    lead = f"The {SHOWN} most alike, for the {len(known)} most popular titles and {len(others)} others."
    if not len(known):
        lead = f"The {SHOWN} most alike, for {len(others)} titles drawn by chance."
    return Section("neighbours", "What is like what", lead, {"queries": values}, "", tables)


def _ranks(exam: "Marked") -> npt.NDArray[np.float64]:
    """(A,) of the first answer in each list; infinite where none is in it."""
    assert exam.ours.ranks is not None
    ranks = np.full(len(exam.ours.users), np.inf)
    owners = exam.fold.targets.of_users(exam.ours.users).users
    np.minimum.at(ranks, owners, np.where(exam.ours.ranks > 0, exam.ours.ranks, np.inf))
    return ranks


def _drawn(places: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    return np.sort(rng.choice(places, min(EACH, len(places)), replace=False))


def _told(case: Case, exam: "Marked", user: int, rank: float) -> dict[str, Any]:
    recommender, history = case.recommender, exam.fold.history
    titles = recommender.catalogue.titles
    own, wanted = history.of(user), exam.fold.targets.of(user)
    slate = recommender.recommend(history.user_ids[user], k=SHOWN, interactions=history)
    answers = [titles[row] for row in wanted.tolist()]
    ids = set(recommender.catalogue.id_list(wanted))  # two items may have one title
    far = None if np.isinf(rank) else int(rank)
    if far is None:
        rows = recommender.top(history, np.array([user], np.int32), min(FAR, recommender.catalogue.size))[0]
        found = np.flatnonzero(np.isin(rows, wanted) & (rows != PAD))
        far = int(found[0]) + 1 if len(found) else None
    return {
        "known": len(own),
        "history": [titles[row] for row in own[-NEWEST:].tolist()],
        "list": [
            each | {"is_hit": item.item_id in ids} for each, item in zip(_listed(slate), slate, strict=True)
        ],
        "wanted": len(answers),
        "answers": answers[:NEWEST],
        "hits": [item.title for item in slate if item.item_id in ids],
        "rank": far,
    }


def _listed(slate: Slate) -> list[dict[str, Any]]:
    return [{"rank": item.rank, "title": item.title, "reasons": list(item.reasons)} for item in slate]


def _table(case: Case, number: int, told: dict[str, Any]) -> Table:
    who = told["history"][-1] if case.is_catalogue and told["history"] else f"Person {number}"
    where = f"beyond place {FAR:,}" if told["rank"] is None else f"place {told['rank']:,}"
    what = "another season" if case.is_catalogue else "what came next"
    title = f"{who}: {what} at {where}"
    note = f"To be found: {_some(told['answers'], told['wanted'])}."
    if not case.is_catalogue:
        note = f"Knew {_some(told['history'][::-1], told['known'])}, newest first. {note}"
    rows = [
        [
            str(item["rank"]),
            f"{item['title']} ✓" if item["is_hit"] else item["title"],
            "; ".join(item["reasons"]),
        ]
        for item in told["list"]
    ]
    strong = [place for place, item in enumerate(told["list"]) if item["is_hit"]]
    return Table(title, ["", "title", "why"], rows, strong, words=[1, 2], note=note)


def _some(titles: Sequence[str], whole: int) -> str:
    more = f" and {whole - len(titles):,} more" if whole > len(titles) else ""
    return f"{', '.join(titles)}{more}"
