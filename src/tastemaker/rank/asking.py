"""Lists to learn an order from: what retrieval finds for people, and what they chose of it.

Takes a recommender and a part of the log that it hasn't learnt, gives `Lessons`. Each list is seen as of its
own moment, by the code that will see requests.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import Rows
from tastemaker.data.impressions import Impressions
from tastemaker.data.interactions import Interactions
from tastemaker.data.split import Fold
from tastemaker.features.lessons import Lessons
from tastemaker.hits import Hits
from tastemaker.progress import Progress, Report
from tastemaker.rank.ranker import View
from tastemaker.rank.wishes import Occasion
from tastemaker.retrieve.candidates import Candidates

if TYPE_CHECKING:
    from tastemaker.recommend import Recommender

Floats = npt.NDArray[np.float32]
Users = npt.NDArray[np.int32]
Whole = npt.NDArray[np.int64]

BLOCK = 256
"""Lists found at once."""


def of_found(recommender: "Recommender", view: View, fold: Fold, users: Users, report: Report) -> Lessons:
    """What retrieval finds for `users` (S,) of a fold, and which of it was to be found.

    Args:
        recommender: that has learnt none of the fold's targets; its own order, no ranker's.
    """
    sheets: list[_Sheet] = []
    for at in range(0, len(users), BLOCK):
        block = users[at : at + BLOCK]
        for user, found in zip(block, _found(recommender, fold.history, block), strict=True):
            chosen = np.isin(found.rows, fold.targets.of(int(user)))
            sheet = view.sheet(fold.history, int(user), found)
            sheets.append(
                _Sheet(sheet.numbers, sheet.query, found.rows, {"click": chosen.astype(np.float32)})
            )
        report(Progress("lists to learn from", min(at + BLOCK, len(users)), len(users)))
    return _joined(sheets, view)


def of_shown(
    recommender: "Recommender", view: View, log: Interactions, impressions: Impressions, report: Report
) -> Lessons:
    """What people were shown, as it was to be seen then, and what came of it; oldest first.

    A list of people without a history is left out: the ranker isn't asked for them.

    Args:
        recommender: that has learnt from nothing later than the first of the impressions.
        log: what people did, of which only what came before a list is known to it.
    """
    order = np.argsort(impressions.lists, kind="stable")
    starts = np.flatnonzero(np.diff(impressions.lists[order], prepend=-1))
    parts = np.split(order, starts[1:])
    places = [log.user(name) for name in impressions.shown.user_ids]
    users = np.array([-1 if place is None else place for place in places], np.int64)
    asked = [
        _Question(int(users[impressions.shown.users[part[0]]]), float(impressions.shown.times[part[0]]), part)
        for part in parts
    ]
    known = [each for each in asked if each.user >= 0 and np.isfinite(each.now)]
    asked = sorted(known, key=lambda each: each.now)
    sheets: list[_Sheet] = []
    for at in range(0, len(asked), BLOCK):
        block = asked[at : at + BLOCK]
        then = as_of(log, [each.user for each in block], [each.now for each in block])
        for place, (each, found) in enumerate(
            zip(block, _found(recommender, then, np.arange(len(block), dtype=np.int32)), strict=True)
        ):
            if len(then.of(place)):
                sheets.append(_shown(recommender, view, then, place, each, found, impressions))
        report(Progress("lists shown", min(at + BLOCK, len(asked)), len(asked)))
    return _joined(sheets, view)


class _Question(NamedTuple):
    """One list that somebody was shown.

    user: of the log.
    now: seconds since 1970.
    part: (n,) places among the impressions.
    """

    user: int
    now: float
    part: Whole


class _Sheet(NamedTuple):
    """One list with what is seen of it."""

    numbers: Floats
    query: Floats
    rows: Rows
    labels: dict[str, Floats]
    positions: npt.NDArray[np.int32] | None = None
    is_random: npt.NDArray[np.bool_] | None = None


def _found(recommender: "Recommender", log: Interactions, users: Users) -> list[Candidates]:
    most = min(recommender.recipe.retrieval.candidates, recommender.catalogue.size)
    return recommender.sources.search(log, users, most)


def as_of(log: Interactions, users: Sequence[int], now: Sequence[float]) -> Interactions:
    """(S users) what each of `users` had done before `now`."""
    ends = [
        log.offsets[user] + np.searchsorted(log.times[log.offsets[user] : log.offsets[user + 1]], moment)
        for user, moment in zip(users, now, strict=True)
    ]
    events = np.concatenate(
        [np.arange(log.offsets[user], end) for user, end in zip(users, ends, strict=True)]
    )
    counts = [end - log.offsets[user] for user, end in zip(users, ends, strict=True)]
    return Interactions(
        [log.user_ids[user] for user in users],
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        log.rows[events],
        log.times[events],
        log.weights[events],
        log.is_ordered,
        log.is_clock,
    )


def _shown(
    recommender: "Recommender",
    view: View,
    then: Interactions,
    user: int,
    asked: _Question,
    found: Candidates,
    impressions: Impressions,
) -> _Sheet:
    """What was shown, seen among what would have been found: as one of hundreds, which is how it will be."""
    rows = impressions.shown.rows[asked.part]
    missing = np.setdiff1d(rows, found.rows)
    if len(missing):
        window = recommender.nearest.window(then, np.array([user], np.int32))
        scores = recommender.nearest.scores(window, [then.user_ids[user]], missing)[0]
        found = found.having(Hits(missing[None], scores[None]))
    device = impressions.devices.names[impressions.devices.codes[asked.part[0]]]
    sheet = view.sheet(then, user, found, Occasion(asked.now, device))
    place_of = {int(row): place for place, row in enumerate(found.rows)}
    places = np.array([place_of[int(row)] for row in rows])
    return _Sheet(
        sheet.numbers[places],
        sheet.query,
        rows,
        _labels(impressions, asked.part),
        impressions.positions[asked.part],
        impressions.is_random[asked.part],
    )


def _labels(impressions: Impressions, part: Whole) -> dict[str, Floats]:
    """What came of the places `part` (n,). Of what nobody chose nothing was watched, even where the file
    leaves that open."""
    chosen = impressions.shown.weights[part]
    labels = {name: values[part] for name, values in impressions.outcomes.items() if name != "hidden"}
    for name in ("watch_time", "completion"):
        if name in labels:
            labels[name] = np.where((chosen == 0) & np.isnan(labels[name]), np.float32(0), labels[name])
    return labels | {"click": chosen}


def _joined(sheets: Sequence[_Sheet], view: View) -> Lessons:
    counts = [len(sheet.rows) for sheet in sheets]
    width = len(view.moments.names)

    def laid(arrays: list[npt.NDArray[np.float32]], *shape: int) -> Floats:
        return np.concatenate([np.zeros((0, *shape), np.float32), *arrays])

    rows = np.concatenate([np.zeros(0, np.int32), *(sheet.rows for sheet in sheets)])
    positions = [
        np.zeros(len(sheet.rows), np.int32) if sheet.positions is None else sheet.positions
        for sheet in sheets
    ]
    random = [sheet.is_random for sheet in sheets if sheet.is_random is not None]
    return Lessons(
        numbers=laid([sheet.numbers for sheet in sheets], width),
        queries=laid([sheet.query[None] for sheet in sheets], view.vectors.shape[1]),
        vectors=view.vectors,
        rows=rows,
        lists=np.repeat(np.arange(len(sheets), dtype=np.int32), counts),
        positions=np.concatenate([np.zeros(0, np.int32), *positions]),
        is_random=np.concatenate(random) if random else None,
        labels={
            name: laid([sheet.labels[name] for sheet in sheets])
            for name in (sheets[0].labels if sheets else ())
        },
    )
