"""How often each item was shown and clicked: what rules that give new items a chance go by, and learn."""

from collections.abc import Mapping
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.data.impressions import Impressions

Counts = npt.NDArray[np.float64]


class Tries:
    """Counts of shows and clicks, an item each; many threads may add and read at once.

    A show counts by the chance that its place was looked at, where whoever adds it can tell, else as one
    (the position-based model; Lagrée et al., NeurIPS 2016): what nobody saw, nobody refused. So clicks over
    shows is the rate at which an item is clicked by who looks at it, wherever it stood.

    Args:
        shows, clicks: (N,) not below 0.
    """

    def __init__(self, shows: npt.ArrayLike, clicks: npt.ArrayLike) -> None:
        self._shows, self._clicks = np.array(shows, np.float64), np.array(clicks, np.float64)
        if self._shows.shape != self._clicks.shape or self._shows.ndim != 1:
            raise ValueError(f"shows {self._shows.shape} and clicks {self._clicks.shape} are not of one (N,)")
        self._total = float(self._shows.sum()), float(self._clicks.sum())
        self._lock = Lock()

    @classmethod
    def empty(cls, items: int) -> "Tries":
        """Of so many items, none of which was ever shown."""
        return cls(np.zeros(items), np.zeros(items))

    @classmethod
    def of_impressions(cls, impressions: Impressions, items: int, looks: Counts | None = None) -> "Tries":
        """Of a log.

        Args:
            looks: (P,) chance that each place, from the first, is looked at; the last one's goes for those
                behind it. None: every show counts as one, as does one at a place that nobody knows.
        """
        made = cls.empty(items)
        shown, positions = impressions.shown, impressions.positions
        counts = np.ones(shown.size)
        if looks is not None:
            counts = np.where(positions > 0, looks[np.clip(positions, 1, len(looks)) - 1], 1.0)
        made.add(shown.rows, shown.weights > 0, counts)
        return made

    def __len__(self) -> int:
        return len(self._shows)

    def add(self, rows: Rows, clicked: npt.ArrayLike, looks: npt.ArrayLike = 1.0) -> None:
        """Count what was shown.

        Args:
            rows: (m,) int32; one may come several times.
            clicked: (m,) or one for all.
            looks: (m,) or one for all, the chance that the place was looked at.
        """
        shows = np.broadcast_to(np.asarray(looks, np.float64), np.shape(rows))
        clicks = np.broadcast_to(np.asarray(clicked, np.float64), np.shape(rows))
        with self._lock:
            np.add.at(self._shows, rows, shows)
            np.add.at(self._clicks, rows, clicks)
            self._total = self._total[0] + float(shows.sum()), self._total[1] + float(clicks.sum())

    def of(self, rows: Rows) -> tuple[Counts, Counts]:
        """Shows and clicks (n,) of `rows` (n,), as of one moment."""
        with self._lock:
            return self._shows[rows], self._clicks[rows]

    @property
    def total(self) -> tuple[float, float]:
        """All shows and all clicks."""
        return self._total

    def renumbered(self, new_rows: Rows, items: int) -> "Tries":
        """The same counts in another catalogue: row r becomes `new_rows[r]`, or goes where that is PAD."""
        kept = np.flatnonzero(new_rows != PAD)
        made = Tries.empty(items)
        shows, clicks = self.of(kept.astype(np.int32))
        made.add(new_rows[kept], clicks, shows)
        return made

    def arrays(self) -> dict[str, Counts]:
        """To be kept beside others; `Tries(**arrays)` is the same again."""
        with self._lock:
            return {"shows": self._shows.copy(), "clicks": self._clicks.copy()}

    def as_json(self) -> dict[str, Any]:
        """Plain values that `json.dumps` takes: of those that were ever shown or clicked."""
        now = self.arrays()
        rows = np.flatnonzero((now["shows"] > 0) | (now["clicks"] > 0))
        return {
            "items": len(self),
            "rows": rows.tolist(),
            **{name: counts[rows].tolist() for name, counts in now.items()},
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Tries":
        """Of what `as_json` gave."""
        made = cls.empty(values["items"])
        made.add(np.array(values["rows"], np.int32), values["clicks"], values["shows"])
        return made
