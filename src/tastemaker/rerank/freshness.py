"""What is new comes forward, and what was hardly ever shown gets a share of the list."""

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from tastemaker.recipe.reranking import FreshnessRule
from tastemaker.rerank.draft import Draft, Order, Request, forward
from tastemaker.rerank.facts import Facts
from tastemaker.rerank.tries import Tries

NEW = {7.0: "new this week", 31.0: "new this month", 366.0: "new this year"}
"""What an item of at most so many days is called."""
UNTOUCHED = "not chosen by anyone yet"
"""What one is called that a log has never met: its age is 0, and yet it may be old."""
GIVEN_A_CHANCE = "hardly shown so far"


class Freshness:
    """Scores become (1 − s) · relevance + s · 2^(−age / half-life); then places are kept for what was
    hardly ever shown.

    Where nobody knows an item's age, it counts as new as the others of its list do on average: that is what
    may be expected of it, and so a gap in the catalogue neither lifts nor buries it. Where no age is known,
    the order stays.

    Kept places lie in the middle of equal stretches: of a list of 10, two are places 3 and 8. An item that
    has earned a better place keeps it and uses up one that was kept; those who fill the rest come in their
    own order. So every beginning of p places holds quota · p of them, rounded, while there are any.
    """

    name = "freshness"

    def __init__(self, knobs: FreshnessRule, facts: Facts, tries: Tries) -> None:
        self._knobs, self._facts, self._tries = knobs, facts, tries
        names = dict(NEW)
        if facts.ages_by == "year":  # Who knows no more than the year can't tell what came out this week.
            names = {366.0: NEW[366.0]}
        elif facts.ages_by == "log":
            names = {0.0: UNTOUCHED, **NEW}
        self._upper, self._texts = np.array([*names]), (*names.values(),)

    def __call__(self, draft: Draft, request: Request) -> Draft:
        return self._quota(self._by_age(draft, request), request.k)

    def _by_age(self, draft: Draft, request: Request) -> Draft:
        strength = self._knobs.strength
        if not strength or not len(draft):
            return draft
        ages = self._facts.age_days(draft.rows, request.now)
        signal = np.exp2(ages / -self._knobs.half_life_days)
        mean = signal.mean()
        if np.isnan(mean):
            is_known = ~np.isnan(signal)
            if not is_known.any():
                return draft
            mean = signal[is_known].mean()
            signal = np.where(is_known, signal, mean)
        scores = np.asarray((1 - strength) * draft.relevance + strength * signal, np.float32)
        order = np.argsort(-scores, kind="stable")
        came = forward(order, request.k)
        for_it = came[signal[came] > mean]
        return draft.sorted_by(scores, self._said(draft.rows[for_it], ages[for_it]))

    def _said(self, rows: npt.NDArray[np.int32], ages: npt.NDArray[np.float64]) -> Mapping[int, str]:
        which = np.searchsorted(self._upper, ages)  # NaN comes last
        has_one = which < len(self._texts)
        texts = self._texts
        return {
            row: texts[place]
            for row, place in zip(rows[has_one].tolist(), which[has_one].tolist(), strict=True)
        }

    def _quota(self, draft: Draft, k: int) -> Draft:
        quota = self._knobs.quota
        k = min(k, len(draft))
        if not quota or not k:
            return draft
        shows, _ = self._tries.of(draft.rows)
        stands = np.flatnonzero(shows < self._knobs.quota_shows)[: math.floor(quota * k + 0.5)]
        kept = np.ceil((np.arange(len(stands)) + 0.5) / quota - 1e-9).astype(np.intp) - 1
        places = np.minimum(stands, kept)
        if (places == stands).all():
            return draft
        order: Order = np.empty(len(draft), np.intp)
        is_kept = np.zeros(len(draft), np.bool_)
        is_kept[places] = True
        order[places] = stands
        rest = np.ones(len(draft), np.bool_)
        rest[stands] = False
        order[~is_kept] = np.flatnonzero(rest)
        moved = draft.rows[stands[places < stands]]
        return draft.ordered(order, dict.fromkeys(moved.tolist(), GIVEN_A_CHANCE))
