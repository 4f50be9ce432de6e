"""One call, understood: what its lists are held to, how they are ranked, and by which rules shown."""

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from tastemaker.data.catalogue import Rows
from tastemaker.rank.wishes import Occasion
from tastemaker.rerank.chain import Chain
from tastemaker.rerank.draft import Request
from tastemaker.retrieve.limits import Limit
from tastemaker.retrieve.sources import Sources

if TYPE_CHECKING:
    from tastemaker.data.impressions import Impressions


class Asked(NamedTuple):
    """What all lists of one call have in common.

    limit: what may come back.
    occasion: what the ranker goes by.
    chain: the rules; None where there are none.
    country, age, impressions: as `Showing` has them.
    about: what the list answers, see `PlacementRecipe`.
    sources: where candidates come from; None for where the recipe has them from.
    """

    limit: Limit
    occasion: Occasion
    chain: Chain | None = None
    country: str = ""
    age: float | None = None
    impressions: "Impressions | None" = None
    about: Literal["person", "last", "item"] = "person"
    sources: Sources | None = None

    def request(self, k: int, history: Rows, now: float, user_id: str, seed: int) -> Request:
        """Of one list of k, asked for by somebody who touched `history` (H,)."""
        shown, shown_at = np.zeros(0, np.int32), np.zeros(0)
        if self.impressions is not None:
            log = self.impressions.shown
            user = log.user(user_id)
            if user is not None:
                own = slice(log.offsets[user], log.offsets[user + 1])
                shown, shown_at = log.rows[own], log.times[own]
        return Request(k, history, now, user_id, seed, self.country, self.age, shown, shown_at)
