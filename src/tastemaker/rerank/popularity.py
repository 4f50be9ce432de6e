"""What many touch comes forward, or goes back: one signed weight."""

import numpy as np

from tastemaker.recipe.reranking import PopularityRule
from tastemaker.rerank.draft import Draft, Request, forward
from tastemaker.rerank.facts import Facts

SAID = {"head": "watched by many", "tail": "little known"}
"""Of an item's tier, where that is what brought it forward. What lies between is neither."""


class Popularity:
    """Scores become (1 − |s|) · relevance + |s| · signal: the popularity of each item, from 0 to 1, or what
    it lacks of 1 where the strength s is below 0.

    Popularity counts by its logarithm (`Facts.popularity`): half of the way from nobody to everybody is what
    a few hundred touched, not what half of everybody did. On a catalogue with a figure of its own, such as
    hours viewed, that is the figure.
    """

    name = "popularity"

    def __init__(self, knobs: PopularityRule, facts: Facts) -> None:
        self._strength = abs(knobs.strength)
        self._signal = facts.popularity if knobs.strength >= 0 else 1 - facts.popularity
        tier = "head" if knobs.strength >= 0 else "tail"
        every = np.arange(facts.catalogue.size, dtype=np.int32)
        self._is_so, self._text = facts.groups("popularity_tier").is_in(tier, every), SAID[tier]

    def __call__(self, draft: Draft, request: Request) -> Draft:
        if not self._strength or not len(draft):
            return draft
        signal = self._signal[draft.rows]
        scores = (1 - self._strength) * draft.relevance + self._strength * signal
        order = np.argsort(-scores, kind="stable")
        rows = draft.rows[forward(order, request.k)]
        return draft.sorted_by(scores, dict.fromkeys(rows[self._is_so[rows]].tolist(), self._text))
