"""How much of lists comes from groups that their people never touched: shown, honest, and by lot.

In come lists, histories and groups as rows; out come shares, a person a line. Items without a group count
nowhere: nobody can say whether they are foreign.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.data.interactions import Interactions
from tastemaker.evaluation.intervals import Interval, Values, bootstrap_means, interval
from tastemaker.rerank.facts import Groups

PEOPLE = 512
"""Whose untouched groups are held at once."""


class Places(NamedTuple):
    """Items that stand for people: places of lists, events, answers.

    owners: (P,) rising: whose, from 0 to A - 1.
    rows: (P,) never PAD.
    """

    owners: npt.NDArray[np.int64]
    rows: Rows

    @classmethod
    def of_lists(cls, rows: Rows) -> "Places":
        """Of ranked rows (A, K), PAD where there is none."""
        owners = np.nonzero(rows != PAD)[0]
        return cls(owners, rows[rows != PAD])

    @classmethod
    def of_log(cls, log: Interactions, users: npt.NDArray[np.int32]) -> "Places":
        """What each of `users` (A,) touched, every item once."""
        own = [np.unique(log.of(int(user))) for user in users]
        owners = np.repeat(np.arange(len(own)), [len(rows) for rows in own])
        return cls(owners, np.concatenate([*own, np.zeros(0, np.int32)]).astype(np.int32))


class Shares(NamedTuple):
    """Of A people, NaN where nothing of theirs has a group.

    shown: (A,) share of the list that is foreign: in no group that its person ever touched.
    honest: (A,) the same of what they themselves turn to.
    chance: (A,) the same of all items they haven't touched.
    """

    shown: Values
    honest: Values
    chance: Values


class Standing(NamedTuple):
    """Where lists stand between what people do (0) and lots drawn from the catalogue (1).

    figure: with its 95 % interval; None where there is no room between the two.
    shown, honest, chance: means over the people who have all three.
    people: how many those are.
    """

    figure: Interval | None
    shown: Interval
    honest: float
    chance: float
    people: int


def membership(groups: Groups) -> sparse.csr_array:
    """(N, G) 1 where an item is in a group."""
    shape = (len(groups.offsets) - 1, len(groups.names))
    return sparse.csr_array((np.ones(len(groups.codes)), groups.codes, groups.offsets), shape=shape)


def counted(places: Places, member: sparse.csr_array, people: int) -> sparse.csr_array:
    """(A, G) how many of each one's items are in each group."""
    ones = np.ones(len(places.rows))
    held = sparse.csr_array((ones, (places.owners, places.rows)), shape=(people, member.shape[0]))
    return sparse.csr_array(held @ member)


def foreign(places: Places, member: sparse.csr_array, touched: sparse.csr_array, own: int = 0) -> Values:
    """(P,) 1 where an item is in no group that its person touched more than `own` times, 0 where it
    is in one; NaN where it is in none at all.

    Args:
        touched: (A, G) how often each person touched each group.
        own: 1 where the items themselves are among those counted.
    """
    found = np.full(len(places.rows), np.nan)
    often = sparse.csr_array(touched > own).astype(np.float64)
    for at in range(0, len(places.rows), 1 << 16):
        part = slice(at, at + (1 << 16))
        in_common = often[places.owners[part]].multiply(member[places.rows[part]]).sum(1)
        found[part] = np.asarray(in_common).ravel() == 0
    found[np.diff(member.indptr)[places.rows] == 0] = np.nan
    return found


def shares(
    lists: Places, history: Places, answers: Places | None, member: sparse.csr_array, people: int
) -> Shares:
    """
    Args:
        history: what each person is known for, every item once.
        answers: what they turned to later; None to ask each item of the history against the others, which has
            one item fewer to share a group with and so is a little high.
        member: (N, G) 1 where an item is in a group.
        people: A.
    """
    touched = counted(history, member, people)

    def mean(places: Places, own: int = 0) -> Values:
        each = foreign(places, member, touched, own)
        known = ~np.isnan(each)
        owners = places.owners[known]
        sizes = np.bincount(owners, minlength=people)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.bincount(owners, each[known], minlength=people) / sizes)

    honest = mean(history, 1) if answers is None else mean(answers)
    return Shares(mean(lists), honest, _by_lot(history, member, touched))


def _by_lot(history: Places, member: sparse.csr_array, touched: sparse.csr_array) -> Values:
    """(A,) the share of foreign items among those that a person hasn't touched."""
    people, has_group = touched.shape[0], np.diff(member.indptr) > 0
    kinds, times = _kinds(member[np.flatnonzero(has_group)])
    seen = np.bincount(history.owners[has_group[history.rows]], minlength=people)
    shares = np.full(people, np.nan)
    for at in range(0, people, PEOPLE):
        own = (touched[at : at + PEOPLE] > 0).astype(np.float64)
        alike = (own @ kinds.T).toarray() > 0
        left = has_group.sum() - seen[at : at + PEOPLE]
        with np.errstate(invalid="ignore", divide="ignore"):
            shares[at : at + PEOPLE] = (~alike @ times) / left
    return shares


def _kinds(member: sparse.csr_array) -> tuple[sparse.csr_array, npt.NDArray[np.int64]]:
    """Each set of groups once, and how many items have it."""
    sets = [tuple(own) for own in np.split(member.indices, member.indptr[1:-1])]
    first: dict[tuple[int, ...], int] = {}
    kind = np.array([first.setdefault(tuple(sorted(own)), len(first)) for own in sets], np.int64)
    _, where = np.unique(kind, return_index=True)
    return sparse.csr_array(member[where]), np.bincount(kind)


def folded(
    found: Shares, rng: np.random.Generator, room: float, resamples: int = 1000, honest: bool = True
) -> Standing:
    """Where the lists stand between honest and chance, the same people drawn again for all three.

    Args:
        room: the least that must lie between the two; below, groups overlap too much to tell.
        honest: whether honest shares are known; if not, 0 is taken for them.
    """
    columns = np.column_stack([found.shown, found.honest if honest else 0 * found.shown, found.chance])
    columns = columns[~np.isnan(columns).any(1)]
    if not len(columns):
        return Standing(None, Interval(np.nan, np.nan, np.nan), np.nan, np.nan, 0)
    means, drawn = columns.mean(0), bootstrap_means(columns, rng, resamples)
    shown = interval(means[0], drawn[:, 0])
    figure = None
    if means[2] - means[1] >= room:
        spans = np.maximum(drawn[:, 2] - drawn[:, 1], 1e-9)
        figure = interval((means[0] - means[1]) / (means[2] - means[1]), (drawn[:, 0] - drawn[:, 1]) / spans)
    return Standing(figure, shown, float(means[1]), float(means[2]), len(columns))
