"""What a report is made from: a recommender, its exam, and the lists that people were given."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import Rows
from tastemaker.data.interactions import Interactions
from tastemaker.errors import DataError
from tastemaker.evaluation.judge import Marked, marked_catalogue, remembered
from tastemaker.evaluation.report import Report

if TYPE_CHECKING:
    from tastemaker.recommend import Recommender

Users = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Lists:
    """What was shown to whom.

    Attributes:
        rows: (A, k) lists, padded with PAD.
        history: of everybody; of a catalogue alone, everybody "touched" the one item that was asked for.
        users: (A,) who was asked, positions in `history`.
        whose: who they are, in words.
    """

    rows: Rows
    history: Interactions
    users: Users
    whose: str

    @property
    def size(self) -> int:
        return len(self.users)

    @cached_property
    def own(self) -> Interactions:
        """The histories of those who were asked alone, in the order of `rows`."""
        is_asked = np.zeros(self.history.user_count, np.bool_)
        is_asked[self.users] = True
        lengths = np.where(is_asked, np.diff(self.history.offsets), 0)[self.users]
        kept = self.history.where(is_asked[self.history.users])
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        names = [self.history.user_ids[int(user)] for user in self.users]
        return Interactions(
            names, offsets, kept.rows, kept.times, kept.weights, kept.is_ordered, kept.is_clock
        )


@dataclass(frozen=True)
class Case:
    """Attributes:
    report: of the exam, or of the one that was held in training; None where there was none.
    exam: with its lists; None where only the report of it is left.
    folder: of the bundle; None where it lies nowhere.
    """

    recommender: "Recommender"
    report: Report | None
    exam: Marked | None
    folder: Path | None = None

    @classmethod
    def of(cls, recommender: "Recommender", exam: Marked | None = None, folder: Path | None = None) -> "Case":
        """Where no exam was held just now: of a catalogue alone the series exam once more, of people what
        is remembered.
        """
        if exam is None and not recommender.bundle.histories.size:
            exam = marked_catalogue(recommender)
        if exam is not None:
            return cls(recommender, exam.report, exam, folder)
        try:
            return cls(recommender, remembered(recommender), None, folder)
        except DataError:
            return cls(recommender, None, None, folder)

    @property
    def is_catalogue(self) -> bool:
        """Items ask, not people."""
        return not self.recommender.bundle.histories.size

    @cached_property
    def lists(self) -> Lists:
        """Those of the exam; else of everybody whom the bundle knows, `evaluation.max_users` at most.

        Raises: DataError where nobody can be given any.
        """
        if self.exam is not None:
            whose = "titles that have another season" if self.is_catalogue else "everybody who was asked"
            return Lists(self.exam.ours.rows, self.exam.fold.history, self.exam.ours.users, whose)
        log, knobs = self.recommender.bundle.histories, self.recommender.recipe
        users = np.flatnonzero(np.diff(log.offsets)).astype(np.int32)
        if not len(users):
            raise DataError("Nobody can be given a list: the bundle knows no people, and has too few series.")
        if len(users) > knobs.evaluation.max_users:
            rng = np.random.default_rng(knobs.seed)
            users = np.sort(rng.choice(users, knobs.evaluation.max_users, replace=False))
        rows = self.recommender.top(log, users, min(knobs.evaluation.k, self.recommender.catalogue.size))
        return Lists(rows, log, users, "everybody whom the bundle knows, from all that it knows of them")
