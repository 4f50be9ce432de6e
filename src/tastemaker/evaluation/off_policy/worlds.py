"""A planted world of which the truth is known: what off-policy estimates are held to."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from tastemaker.evaluation.off_policy.logs import Floats, Logs
from tastemaker.evaluation.off_policy.policies import Choices


@dataclass(frozen=True)
class Bandit:
    """One place, X kinds of people, A items.

    Attributes:
        share: (X,) of people.
        rates: (X, A) chance of a click.
        logger, target: (X, A) chances of being shown.
    """

    share: Floats
    rates: Floats
    logger: Floats
    target: Floats

    @classmethod
    def made(cls, seed: int, kinds: int = 4, items: int = 8, rate: float = 0.3) -> "Bandit":
        """Two policies that differ moderately: each leans to what is clicked, the target more so."""
        rng = np.random.default_rng(seed)
        logits = np.log(rate / (1 - rate)) + rng.normal(0, 0.6, (1, items)) + rng.normal(0, 0.3, (kinds, 1))
        logits = logits + rng.normal(0, 0.3, (kinds, items))
        share = rng.dirichlet(np.full(kinds, 5.0))
        logger = _soft(0.3 * logits + rng.normal(0, 0.4, (kinds, items)))
        target = _soft(0.8 * logits + rng.normal(0, 0.4, (kinds, items)))
        return cls(share, expit(logits), logger, target)

    @property
    def truth(self) -> float:
        """What the target comes to."""
        return float(self.share @ (self.target * self.rates).sum(1))

    def logs(self, rounds: int, rng: np.random.Generator) -> Logs:
        """So many rounds of the logger."""
        kinds = rng.choice(len(self.share), rounds, p=self.share)
        items = (rng.random((rounds, 1)) > np.cumsum(self.logger[kinds], 1)[:, :-1]).sum(1)
        clicks = rng.random(rounds) < self.rates[kinds, items]
        names = tuple(str(number) for number in range(self.rates.shape[1]))
        return Logs.of(items, self.logger[kinds, items], clicks, contexts=kinds, item_ids=names)

    @property
    def policy(self) -> "Known":
        return Known(self.target)


@dataclass(frozen=True)
class Known:
    """A policy by kinds of people, which logs have as their first context.

    Attributes:
        chances: (X, A).
    """

    chances: Floats
    name: str = "target"

    def over(self, logs: Logs) -> Iterator[Choices]:
        found = self.chances[logs.contexts[:, 0]]
        items = np.broadcast_to(np.arange(found.shape[1], dtype=np.int32), found.shape)
        yield Choices(slice(0, logs.size), items, found)


def _soft(logits: Floats) -> Floats:
    found = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(found / found.sum(1, keepdims=True))
