"""Who touched what, in time order: the log as arrays.

Cleaned by `clean`, cut by `split`; models, baselines and metrics all read this one form.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import PAD, Rows


@dataclass(frozen=True)
class Interactions:
    """Events grouped by user, oldest first within a user (CSR: user u owns `offsets[u]:offsets[u+1]`).

    Attributes:
        user_ids: (U,) external ids, unique, in order of first appearance in the log.
        offsets: (U + 1,) int64.
        rows: (E,) int32 catalogue rows, never PAD.
        times: (E,) float64, seconds since 1970 or a plain sequence number; equal times keep the
            order of the file. All zero when the log has no times.
        weights: (E,) float32, how strong an event is (weight, watch time or rating as given); 1
            where the log says nothing. Of impressions: 1 where the file says that it was chosen, else 0.
        is_ordered: whether the order within a user means anything: there were timestamps, or the
            format is a sequence.
        is_clock: whether `times` are points on one clock that all users share, so that a cut in time
            makes sense; false for sequence numbers.
    """

    user_ids: Sequence[str]
    offsets: npt.NDArray[np.int64]
    rows: Rows
    times: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float32]
    is_ordered: bool = True
    is_clock: bool = True

    @classmethod
    def from_events(
        cls,
        user_ids: Sequence[str],
        users: npt.NDArray[np.int32],
        rows: Rows,
        times: npt.NDArray[np.float64] | None = None,
        weights: npt.NDArray[np.float32] | None = None,
        *,
        is_ordered: bool | None = None,
        is_clock: bool | None = None,
    ) -> "Interactions":
        """Group events that come in any order.

        Args:
            user_ids: (U,) external ids.
            users: (E,) int32 positions in `user_ids`.
            rows: (E,) int32 catalogue rows.
            times: (E,) or None when unknown: then the given order stands.
            weights: (E,) or None for 1 each.
            is_ordered: None takes it from whether `times` were given.
            is_clock: None takes it from `times`: false when every user counts up from the same
                small start (0, 1, 2 … in each), as in a file of sequences.
        """
        known_times = times is not None
        times = np.zeros(len(rows)) if times is None else np.asarray(times, np.float64)
        weights = np.ones(len(rows), np.float32) if weights is None else np.asarray(weights, np.float32)
        order = np.lexsort((np.arange(len(rows)), times, users))
        counts = np.bincount(users, minlength=len(user_ids))
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        sorted_times = times[order]
        if is_clock is None:
            is_clock = known_times and not _counts_from_start(sorted_times, offsets)
        return cls(
            user_ids,
            offsets,
            np.asarray(rows, np.int32)[order],
            sorted_times,
            weights[order],
            known_times if is_ordered is None else is_ordered,
            is_clock,
        )

    @property
    def user_count(self) -> int:
        return len(self.user_ids)

    @property
    def size(self) -> int:
        """Number of events."""
        return len(self.rows)

    @cached_property
    def users(self) -> npt.NDArray[np.int32]:
        """(E,) the user of each event."""
        return np.repeat(np.arange(self.user_count, dtype=np.int32), np.diff(self.offsets))

    @cached_property
    def _user_of(self) -> dict[str, int]:
        return {id: user for user, id in enumerate(self.user_ids)}

    def user(self, user_id: str) -> int | None:
        """Position of a user, or None when the log never saw them."""
        return self._user_of.get(user_id)

    def of(self, user: int) -> Rows:
        """(n,) the rows that one user touched, oldest first."""
        return self.rows[self.offsets[user] : self.offsets[user + 1]]

    def __iter__(self) -> Iterator[Rows]:
        return (self.of(user) for user in range(self.user_count))

    def of_users(self, users: npt.NDArray[np.int32]) -> "Interactions":
        """(B,) some of the users alone, in that order."""
        counts = np.diff(self.offsets)[users]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        events = np.arange(offsets[-1]) + np.repeat(self.offsets[users] - offsets[:-1], counts)
        return replace(
            self,
            user_ids=[self.user_ids[user] for user in users.tolist()],
            offsets=offsets,
            rows=self.rows[events],
            times=self.times[events],
            weights=self.weights[events],
        )

    def where(self, keep: npt.NDArray[np.bool_]) -> "Interactions":
        """The same users with only the events in `keep` (E,)."""
        counts = np.bincount(self.users[keep], minlength=self.user_count)
        return replace(
            self,
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            rows=self.rows[keep],
            times=self.times[keep],
            weights=self.weights[keep],
        )

    def renumbered(self, new_rows: Rows) -> "Interactions":
        """The same events in another catalogue: row r becomes `new_rows[r]`, or goes where that is PAD."""
        kept = self.where(new_rows[self.rows] != PAD)
        return replace(kept, rows=new_rows[kept.rows])

    def first_times(self, items: int) -> npt.NDArray[np.float64]:
        """(items,) when each row was first touched; infinite where it never was."""
        first = np.full(items, np.inf)
        np.minimum.at(first, self.rows, self.times)
        return first

    def counts(self, items: int) -> npt.NDArray[np.int64]:
        """(N,) how many events each of `items` rows has."""
        return np.bincount(self.rows, minlength=items)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over users, rows and times: equal exactly when the logs are."""
        digest = hashlib.sha256()
        for user_id in self.user_ids:
            digest.update(user_id.encode() + b"\0")
        for array in (self.offsets, self.rows, self.times):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def _counts_from_start(times: npt.NDArray[np.float64], offsets: npt.NDArray[np.int64]) -> bool:
    """Whether times are counters that begin anew with each user, not one shared clock."""
    if not len(times):
        return False
    starts = times[offsets[:-1][np.diff(offsets) > 0]]
    return bool(np.all(starts == starts[0]) and starts[0] in (0, 1) and np.all(times == np.round(times)))
