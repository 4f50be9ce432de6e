"""Some places are given to chance, so that it becomes known what nobody could tell; with what chance is told.

A propensity here is conditional: the chance that this item would stand at this place, given the items above
it. So their product down a list is the chance of that list, which is what weighing whole lists takes (Li et
al., KDD 2018), and 1 stands wherever nothing was left to chance, given what stands above.
"""

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, digamma, zeta

from tastemaker.recipe.reranking import ExplorationRule
from tastemaker.rerank.draft import Draft, Request
from tastemaker.rerank.tries import Tries

Chances = npt.NDArray[np.float64]

CONTENDERS = 64
"""New items, the best placed ones, that may win a place. More would cost time, and there seldom are more."""
CELLS = 160
"""Of the grid on which the chance of being the best is summed up."""
SLOWEST = 0.1
"""Of the rate of all items: nothing new is expected to do worse than this, or it would never be tried."""
DRAWN, TRIED = "drawn by chance, to learn from", "new, and being tried out"


class Exploration:
    """Gives places of the first k to chance.

    epsilon: each place, with chance ε, goes to an item drawn evenly from all that aren't placed yet, else to
    the next of them in order.

    thompson: a new item stands where it would if a draw of its click rate were true (Thompson, Biometrika
    1933; in lists, Lagrée et al., NeurIPS 2016). One draw is made for each new item, and the best of them
    goes to the first place at which less is to be had than it drew; so most of what is tried is tried low,
    where it costs little, and what may be the best of all is seen by as many as that. `places` of a list are
    given in this way, one below the other, each by draws of its own.

    What is to be had at a place is the rate that tried items as relevant as the one there have come to, read
    off the line through the click rates of the draft's tried items by relevance. Of a new item is known
    Beta(m·v + clicks, (1 − m)·v + shows − clicks): a prior of m clicks a show, which weighs v = `prior_shows`
    shows, and its own tries. m lies midway between that line, for its relevance, and the rate of all items:
    rankers underrate what has no history. Where nothing was tried there is nothing to hold a draw against,
    and the list stays: it teaches enough by itself.

    Thompson sampling makes each choice with the chance that it's the best. Those chances are summed up first,
    and the choice drawn by them; so propensities are exact, whatever the error of the sum.
    """

    name = "exploration"

    def __init__(self, knobs: ExplorationRule, tries: Tries) -> None:
        self._knobs, self._tries = knobs, tries

    def __call__(self, draft: Draft, request: Request) -> Draft:
        k = min(request.k, len(draft))
        if not k or self._knobs.method == "none":
            return draft
        if self._knobs.method == "epsilon":
            order, chances = self._epsilon(len(draft), k, request.rng(self.name))
            text = DRAWN
        else:
            order, chances = self._thompson(draft, k, request.rng(self.name))
            text = TRIED
        came = [int(draft.rows[was]) for place, was in enumerate(order[:k]) if was > place]
        moved = draft.ordered(np.array(order, np.intp), dict.fromkeys(came, text))
        return replace(moved, propensities=chances)

    def _epsilon(self, n: int, k: int, rng: np.random.Generator) -> tuple[list[int], Chances]:
        epsilon = self._knobs.epsilon
        is_drawn, which = rng.random(k) < epsilon, rng.random(k)
        left, order, chances = list(range(n)), [], np.ones(n)
        for place in range(k):
            took = int(which[place] * len(left)) if is_drawn[place] else 0
            chances[place] = epsilon / len(left) + (1 - epsilon) * (took == 0)
            order.append(left.pop(took))
        return order + left, chances

    def _thompson(self, draft: Draft, k: int, rng: np.random.Generator) -> tuple[list[int], Chances]:
        order, chances = list(range(len(draft))), np.ones(len(draft))
        shows, clicks = self._tries.of(draft.rows)
        is_new = shows < self._knobs.new_shows
        if is_new.all() or not is_new.any():
            return order, chances
        line, mean = self._line(draft.relevance, np.where(is_new, 0.0, shows), clicks)
        new = np.flatnonzero(is_new)
        prior = self._knobs.prior_shows * (line[new] + mean) / 2
        a = dict(zip(new.tolist(), prior + clicks[new], strict=True))
        b = dict(
            zip(
                new.tolist(),
                self._knobs.prior_shows - prior + np.maximum(shows[new] - clicks[new], 0),
                strict=True,
            )
        )
        start = 0
        for _ in range(self._knobs.places):
            rivals = [was for was in order[start:] if was in a][:CONTENDERS]
            if start >= k or not rivals:
                break
            wins = chances_of_winning(
                np.array([a[was] for was in rivals]),
                np.array([b[was] for was in rivals]),
                line[order[start:k]],
            )
            # Whose own place is no worse wins nothing.
            stands = np.array([order.index(was) for was in rivals]) - start
            wins[stands[:, None] <= np.arange(k - start)] = 0
            given = wins.sum(0)
            before = np.maximum(1 - np.concatenate([[0.0], np.cumsum(given)]), 0)
            won = int(np.searchsorted(np.cumsum(wins.T), rng.random(), "right"))
            place, rival = divmod(won, len(rivals)) if won < wins.size else (k - start, -1)
            chances[start : start + place] = before[1 : place + 1] / before[:place]
            if rival < 0:
                break
            start += place
            chances[start] = min(wins[rival, place] / before[place], 1.0)
            order.remove(rivals[rival])
            order.insert(start, rivals[rival])
            start += 1
        return order, chances

    def _line(
        self, relevance: npt.NDArray[np.float32], shows: Chances, clicks: Chances
    ) -> tuple[Chances, float]:
        """(n,) the rate at which tried items of each relevance are clicked, and that of all items.

        Args:
            shows: (n,) 0 where an item is new.
        """
        all_shows, all_clicks = self._tries.total
        mean = min((all_clicks + 1) / (all_shows + 2), 0.99)
        clicks = np.where(shows > 0, clicks, 0.0)
        rate = float(clicks.sum() / shows.sum())
        off = relevance - float(shows @ relevance / shows.sum())
        # Held back as if `prior_shows` more had been seen, from end to end, that told of no slope.
        slope = float(off @ (clicks - rate * shows)) / (float(shows @ off**2) + self._knobs.prior_shows)
        return np.clip(rate + max(slope, 0.0) * off, SLOWEST * mean, 0.99), mean


def chances_of_winning(a: Chances, b: Chances, bars: Chances) -> Chances:
    """(n, m) of n independent draws from Beta(a, b) (n,), the chance that this one is the highest and that it
    is above this bar but not above the one before; what is left to 1 is that none is above the last.

    ∫ f_i Π_{j≠i} F_j, from bar to bar, over the logit of the rate, where the densities x^a (1 − x)^b are
    smooth and fall off at both ends, however small a and b are. No cell of the grid has a bar inside, and
    cells are narrow where the highest may lie. Two draws from one cell have even chances.

    Args:
        bars: (m,) rates, none above the one before.
    """
    middle = digamma(a) - digamma(b)
    spread = np.sqrt(zeta(2, a) + zeta(2, b))  # of the logit: zeta(2, x) is the derivative of digamma
    low, surely = float((middle - 8 * spread).min()), float((middle - 4 * spread).max())
    most = float(betaincinv(a, b, 1 - 1e-6).max())
    high = math.log(most / max(1 - most, 1e-12))
    steps = np.linspace(low, surely, CELLS // 8, endpoint=False), np.linspace(surely, high, CELLS)
    limits = np.log(bars / (1 - bars))
    edges = np.sort(np.concatenate([*steps, np.clip(limits, low, high)]))
    at, width = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    logs = np.stack([-np.logaddexp(0, -at), -np.logaddexp(0, at)])
    masses = np.stack([a, b], 1) @ logs
    masses = np.exp(masses - masses.max(1, keepdims=True)) * width
    masses /= masses.sum(1, keepdims=True)
    below = np.log(np.maximum(np.cumsum(masses, 1) - masses / 2, 1e-300))
    wins = masses * np.exp(below.sum(0) - below)
    wins /= wins.sum()
    # The bar that each cell is above, while below those before: bars fall, cells rise.
    which = np.searchsorted(-limits, -at)
    found = np.zeros((len(a), len(bars) + 1))
    np.add.at(found.T, which, wins.T)
    return found[:, :-1]
