"""The list's mix of genres, or of another column, follows the person's own."""

import math
from typing import cast

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import Rows
from tastemaker.data.names import plain_name
from tastemaker.recipe.reranking import CalibrationRule
from tastemaker.rerank.draft import Draft, Order, Request
from tastemaker.rerank.facts import Facts, Groups

Shares = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ALPHA = 0.01
"""Of a person's mix that a list's is given, so that a group which the list lacks costs much, not everything
(Steck, RecSys 2018)."""
A_PLACE = 1e-12
"""What an item loses for each that stands before it: what is equal but for rounding stays as it stands."""


def mix(groups: Groups, rows: Rows, weights: Shares | None = None) -> Shares:
    """(G,) share of each group in some items; all 0 where none of them is in a group.

    An item of several groups is of each in equal parts, and one of none tells nothing.

    Args:
        rows: (n,) items.
        weights: (n,) what each counts for; None: all the same.
    """
    starts, counts = groups.offsets[rows], groups.offsets[rows + 1] - groups.offsets[rows]
    lines, _, codes = _entries(groups, starts, counts)
    parts = (np.ones(len(rows)) if weights is None else weights) / np.maximum(counts, 1)
    sums = np.bincount(codes, parts[lines], minlength=len(groups.names)).astype(np.float64)
    total = sums.sum()
    return sums / total if total > 0 else sums


class Calibration:
    """Fills the list one by one with what makes (1 − s) · Σ relevance − s · KL(p ‖ q̃) the greatest: p is the
    mix of what the person touched, q̃ that of the list so far with the candidate (Steck, RecSys 2018).

    Where a list is asked for an item, that is its history, and its mix the one to be followed. A person of
    whom nothing is known, or nothing that has groups, gets the list as it stands.

    Items in the same groups change the mix alike, so at every step only the first of each such kind is in
    question; and since an item adds to its own groups alone, only their part of KL is worked out anew.
    """

    name = "calibration"

    def __init__(self, knobs: CalibrationRule, facts: Facts) -> None:
        self._strength, self._half_life = knobs.strength, knobs.half_life_items
        column = facts.main_column if knobs.of == "auto" else knobs.of
        if column is None:
            self._groups = Groups.of([[]] * facts.catalogue.size)
            self._kinds = np.zeros(facts.catalogue.size, np.int64)
        else:
            self._groups, self._kinds = facts.groups(column), facts.kinds(column)
        self._text = f"your mix of {plain_name(column or '').replace('_', ' ')}"

    def __call__(self, draft: Draft, request: Request) -> Draft:
        if not self._strength:
            return draft
        own = mix(self._groups, request.history, self._weights(len(request.history)))
        k = min(request.k, len(draft))
        if not own.any() or not k:
            return draft
        order = self._picked(draft, own, k)
        came = draft.rows[order[order > np.arange(k)]]
        return draft.ordered(order, dict.fromkeys(came.tolist(), self._text))

    def _weights(self, length: int) -> Shares | None:
        if not self._half_life:
            return None
        return np.exp2(np.arange(1 - length, 1) / self._half_life)

    def _picked(self, draft: Draft, own: Shares, k: int) -> Order:
        """(k,) places in the draft, in the order in which they are taken.

        With n items of any group in the list, C their sums by group, m what one more adds to them and
        β = α / (1 − α), q̃ is (1 − α) / (n + 1) · (C + m + (n + 1) β p). What all items have in common is left
        out: Σ p log (C + (n + 1) β p), of the list with nothing added, and the factor before the bracket.
        """
        groups, s = self._groups, self._strength
        _, heads, kind_of = np.unique(self._kinds[draft.rows], return_index=True, return_inverse=True)
        starts = groups.offsets[draft.rows[heads]]
        counts = groups.offsets[draft.rows[heads] + 1] - starts
        lines, nth, codes = _entries(groups, starts, counts)
        is_own = own > 0
        p, columns = own[is_own], (np.cumsum(is_own) - 1)[codes]
        counted = is_own[codes]
        lines, nth, columns = lines[counted], nth[counted], columns[counted]
        most = max(int(counts.max()), 1)

        # What a whole, a half, a third … of an item would do to each group, and a 0 behind; and where in it
        # the items' own entries are.
        table = np.zeros(most * len(p) + 1)
        cells = table[:-1].reshape(most, len(p))
        adds = 1 / np.arange(1.0, most + 1)[:, None]
        entries = np.full((most, len(heads)), len(table) - 1)
        entries[nth, lines] = (counts[lines] - 1) * len(p) + columns
        given = ALPHA / (1 - ALPHA) * p
        step = np.zeros((len(heads), len(p)))
        step[lines, columns] = 1 / counts[lines]
        step += given
        none = int(counts.argmin())  # There is at most one kind of what is in no group; it adds nothing.
        has_none = counts[none] == 0
        if has_none:
            step[none] = 0

        value = (1 - s) * draft.relevance.astype(np.float64) - A_PLACE * np.arange(len(draft))
        value_of, following, front = [*value.tolist(), -np.inf], _following(kind_of), heads.tolist()
        first, base, pull = value[heads], given.copy(), s * p
        found = np.empty(entries.shape)
        gain = np.empty(len(heads))
        grouped, now = 0, s * float(p @ np.log(ALPHA * p))
        picked = []
        for _ in range(k):
            np.divide(adds, base, out=cells)
            np.log1p(cells, out=cells)
            np.multiply(cells, pull, out=cells)
            table.take(entries, out=found, mode="clip")
            np.add.reduce(found, axis=0, out=gain)
            if has_none:
                common = float(pull @ np.log(base)) + s * math.log((1 - ALPHA) / (grouped + 1))
                gain[none] = now - common
            kind = int((gain + first).argmax())
            if has_none and kind != none:
                grouped += 1
                now = common + float(gain[kind])
            base += step[kind]
            place = front[kind]
            picked.append(place)
            front[kind] = place = following[place]
            first[kind] = value_of[place]
        return np.array(picked, np.intp)


def _entries(groups: Groups, starts: Ints, counts: Ints) -> tuple[Ints, Ints, Ints]:
    """Of every membership of items whose memberships start at `starts`, `counts` each: the item's line, which
    of its memberships it is, and the group (e,)."""
    lines = np.repeat(np.arange(len(counts)), counts)
    nth = np.arange(len(lines)) - np.repeat(np.cumsum(counts) - counts, counts)
    return lines, nth, groups.codes[np.repeat(starts, counts) + nth].astype(np.int64)


def _following(kind_of: Ints) -> list[int]:
    """(n,) the place of the next of the same kind; n, which is no place, behind the last."""
    order = np.argsort(kind_of, kind="stable")
    following = np.full(len(kind_of), len(kind_of))
    is_same = kind_of[order[1:]] == kind_of[order[:-1]]
    following[order[:-1][is_same]] = order[1:][is_same]
    return cast(list[int], following.tolist())
