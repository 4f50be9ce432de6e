"""What rules remember from one request to the next: how often each item was tried, what groups are owed."""

import numpy as np

from tastemaker.bundle import Bundle
from tastemaker.data.catalogue import Move
from tastemaker.rerank.ledger import Ledger
from tastemaker.rerank.tries import Tries

CLICKED = 0.5
"""Of a log of choices alone, what share of the shows behind them were clicked: nobody knows, and any number
says the same of every item. It only tells what is new."""


class Memory:
    """Grows with what is shown, and not in size; many threads may use it at once.

    Attributes:
        tries: shows and clicks of every item. Whoever shows lists and hears what came of them adds to it.
    """

    def __init__(self, tries: Tries, ledgers: dict[str, Ledger] | None = None) -> None:
        self.tries = tries
        self._ledgers = {} if ledgers is None else ledgers

    @classmethod
    def of(cls, bundle: Bundle) -> "Memory":
        """What a bundle knows from its impressions; without any, how often each item was touched."""
        if "tries/shows" in bundle.arrays:
            return cls(Tries(bundle.arrays["tries/shows"], bundle.arrays["tries/clicks"]))
        counts = bundle.histories.counts(bundle.catalogue.size).astype(np.float64)
        return cls(Tries(counts, CLICKED * counts))

    def kept(self, rule: str, ledger: Ledger) -> Ledger:
        """The ledger of a fairness rule, `ledger` where it has none yet; all chains with that rule share it.

        Args:
            rule: what tells it from others.
        """
        return self._ledgers.setdefault(rule, ledger)

    def after(self, move: Move, size: int) -> "Memory":
        """For a catalogue of `size` that became of this one's by `move`; what groups are owed is shared."""
        return Memory(self.tries.renumbered(move.rows, size), self._ledgers)
