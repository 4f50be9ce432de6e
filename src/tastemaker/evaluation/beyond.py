"""What lists are like, beyond what they find: counted block by block while they are made.

In come blocks of lists and what is known of items; out comes one number for all lists together.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.data.interactions import Interactions
from tastemaker.data.split import Fold
from tastemaker.evaluation import metrics
from tastemaker.rerank.facts import Groups

if TYPE_CHECKING:
    from tastemaker.recommend import Recommender


@dataclass(frozen=True)
class Known:
    """What is known of N items, the same for all models compared; what isn't known isn't measured.

    Attributes:
        vectors: (N, D), for diversity.
        age_days: (N,) at the moment of asking, NaN where nobody knows; for freshness.
        groups: the genres or the like, for miscalibration.
    """

    vectors: npt.NDArray[np.float32] | None = None
    age_days: npt.NDArray[np.float64] | None = None
    groups: Groups | None = None

    @classmethod
    def of(cls, recommender: "Recommender", fold: Fold) -> "Known":
        """Ages are told at the newest event of what is known when asked; without a clock, at the moment after
        all that the bundle knows."""
        facts = recommender.facts
        history = fold.history
        now = float(history.times.max()) if history.size and history.is_clock else facts.now
        ages = facts.age_days(np.arange(recommender.catalogue.size, dtype=np.int32), now)
        column = facts.main_column
        return cls(
            np.asarray(recommender.nearest.neighbours.vectors),
            None if np.isnan(ages).all() else ages,
            None if column is None else facts.groups(column),
        )


class Tally:
    """Adds up blocks of lists; of each list it keeps a few numbers, never the list.

    Args:
        fold: its train says how popular items are.
        items: N.
    """

    def __init__(self, fold: Fold, items: int, known: Known) -> None:
        self.counts = fold.train.counts(items)
        self.known = known
        self.times = np.zeros(items, np.int64)
        self.lists: dict[str, list[metrics.PerUser]] = {}

    def add(self, rows: Rows, history: Interactions, found: metrics.Found) -> None:
        """Lists (B, K) of the same B users as `history` and `found`."""
        self.times += np.bincount(rows[rows != PAD], minlength=len(self.times))
        told = {
            "novelty": metrics.list_novelty(rows, self.counts),
            "shown": metrics.list_means(rows, self.counts.astype(np.float64)),
            "watched": metrics.history_popularity(history, self.counts),
            "serendipity": metrics.serendipity(found, rows, history, self.counts),
        }
        if self.known.vectors is not None:
            told["diversity"] = metrics.list_diversity(rows, self.known.vectors)
        if self.known.groups is not None:
            told["miscalibration"] = metrics.miscalibration(rows, history, self.known.groups)
        for key, values in told.items():
            self.lists.setdefault(key, []).append(values)

    def marks(self) -> dict[str, float]:
        """By metric, once all are added; NaN where a number would say nothing."""
        values = {key: np.concatenate(self.lists.pop(key)) for key in list(self.lists)}
        nobody = np.zeros(0)
        said = {key: metrics.mean(values.get(key, nobody)) for key in ("novelty", "serendipity")}
        shown = int((self.times > 0).sum())
        marks = {
            "coverage": shown / len(self.times) if len(self.times) else float("nan"),
            "novelty": said["novelty"],
            "gini": metrics.inequality(self.times),
            "popularity_lift": metrics.lift(values.get("shown", nobody), values.get("watched", nobody)),
            "serendipity": said["serendipity"],
        }
        if self.known.age_days is not None:
            marks["age_days"] = metrics.median_age(self.times, self.known.age_days)
        for key, is_known in (
            ("diversity", self.known.vectors is not None),
            ("miscalibration", self.known.groups is not None),
        ):
            if is_known:
                marks[key] = metrics.mean(values.get(key, nobody))
        return marks
