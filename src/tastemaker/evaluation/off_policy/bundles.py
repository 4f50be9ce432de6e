"""What a bundle would have shown in the place of what was logged, to the same people."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.data.interactions import Interactions
from tastemaker.errors import RecipeError
from tastemaker.evaluation.off_policy.logs import Codes, Logs
from tastemaker.evaluation.off_policy.policies import Choices
from tastemaker.rank.asking import as_of
from tastemaker.recipe.reranking import ExplorationRule

if TYPE_CHECKING:
    from tastemaker.recommend import Recommender

LISTS_AT_ONCE = 256


class BundlePolicy:
    """A recommender: for each list that was logged, what it would have shown then, and with what chance.

    People are seen with what they had done before; of who isn't known, and of logs without people, it shows
    what it shows to strangers. Without exploration its list is certain, and only rows in which it would have
    shown the same are of use. With `epsilon`, each place goes with chance ε to any item of the pool that
    doesn't stand above, else to the next in order, given what was logged above it.

    Args:
        history: what is known of people; None for what the bundle knows.
    Raises: RecipeError where its chances can't be told.
    """

    def __init__(
        self, recommender: "Recommender", history: Interactions | None = None, name: str = "the bundle"
    ) -> None:
        self.name = name
        knobs = recommender.recipe.reranking
        explores = knobs.exploration.method if "exploration" in knobs.order else "none"
        if explores == "thompson":
            raise RecipeError(
                "This bundle explores by Thompson sampling, whose chances are known only of what was drawn: "
                "ask about one with reranking.exploration.method none or epsilon."
            )
        if explores == "epsilon" and (knobs.rules or knobs.order[-1] != "exploration"):
            raise RecipeError(
                "This bundle has rules that run after its exploration, so chances of what would be shown "
                "can't be told: ask about one without them."
            )
        self._epsilon = knobs.exploration.epsilon if explores == "epsilon" else 0.0
        certain = knobs.model_copy(update={"exploration": ExplorationRule()})
        self._recommender = recommender.with_rules(certain) if explores == "epsilon" else recommender
        self._log = _with_stranger(recommender.bundle.histories if history is None else history)

    def over(self, logs: Logs) -> Iterator[Choices]:
        code_of = {item_id: code for code, item_id in enumerate(logs.item_ids)}
        known = [code_of.get(id, len(logs.item_ids)) for id in self._recommender.catalogue.ids]
        codes = np.array([*known, len(logs.item_ids)], np.int32)  # PAD, the last, is never logged either
        starts = np.append(np.flatnonzero(np.diff(logs.lists, prepend=-1)), logs.size)
        k = min(int(logs.places.max(initial=0)) + 1, self._recommender.catalogue.size)
        for at in range(0, logs.list_count, LISTS_AT_ONCE):
            lists = np.arange(at, min(at + LISTS_AT_ONCE, logs.list_count))
            shown, pools = self._asked(logs, starts[lists], k)
            rows = slice(int(starts[lists[0]]), int(starts[lists[-1] + 1]))
            of = logs.lists[rows] - at
            if not self._epsilon:
                best = shown[of, np.minimum(logs.places[rows], k - 1)]
                there = (best != PAD) & (logs.places[rows] < k)
                yield Choices(rows, codes[best][:, None], there[:, None].astype(np.float64))
            else:
                found = self._explored(logs, rows, of, shown, pools)
                yield found._replace(items=codes[found.items])

    def _asked(self, logs: Logs, first: Codes, k: int) -> tuple[Rows, Rows]:
        """(B, k) what it would show, and (B, n) what it would choose from; PAD where there is nothing."""
        names = [None if logs.user_ids is None else logs.user_ids[row] for row in first.tolist()]
        users = [self._log.user(name) if name is not None else None for name in names]
        stranger = self._log.user_count - 1
        then = as_of(
            self._log, [stranger if user is None else user for user in users], logs.times[first].tolist()
        )
        model = self._recommender
        asked = model.usually
        most = k if model.ranker is None and asked.chain is None and not self._epsilon else model.pool(k)
        shown = np.full((len(first), k), PAD, np.int32)
        pools = np.full((len(first), most), PAD, np.int32)
        everyone = np.arange(len(first), dtype=np.int32)
        for list_, found in enumerate(model.in_order(then, everyone, most, asked)):
            own = slice(then.offsets[list_], then.offsets[list_ + 1])
            times = then.times[own] if then.is_clock else np.zeros(0)
            given = model.shown(found, k, asked, then.rows[own], then.user_ids[list_], times)
            shown[list_, : len(given.found.rows)] = given.found.rows
            pools[list_, : len(found.rows)] = found.rows
        return shown, pools

    def _explored(self, logs: Logs, rows: slice, of: Codes, shown: Rows, pools: Rows) -> Choices:
        """With chance ε, evenly from what is left of the pool; else the next in order, given those above."""
        logged = self._recommender.catalogue.rows(logs.item_ids)[logs.items[rows]]
        items = pools[of]
        chances = np.zeros(items.shape)
        above: list[int] = []
        last = -1
        for row, (list_, place) in enumerate(zip(of.tolist(), logs.places[rows].tolist(), strict=True)):
            above, last = (above if list_ == last else []), list_
            # What stood above and wasn't logged is taken to have been the list's own.
            unseen = [item for item in shown[list_].tolist() if item not in above]
            missing = max(place - len(above), 0)
            placed, after = [*above, *unseen[:missing]], unseen[missing:]
            left = ~np.isin(items[row], [PAD, *placed])
            chances[row, left] = self._epsilon / max(int(left.sum()), 1)
            chances[row, items[row] == next(iter(after), PAD)] += 1 - self._epsilon
            above.append(int(logged[row]))
        return Choices(rows, items, np.where(items == PAD, 0.0, chances))


def _with_stranger(log: Interactions) -> Interactions:
    """With somebody at the end who did nothing."""
    return Interactions(
        [*log.user_ids, ""],
        np.append(log.offsets, log.offsets[-1]),
        log.rows,
        log.times,
        log.weights,
        log.is_ordered,
        log.is_clock,
    )
