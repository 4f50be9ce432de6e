"""Who asks: somebody of a log, a stranger, or anyone with a history."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tastemaker.bundle import Bundle
from tastemaker.data.catalogue import PAD, Rows
from tastemaker.data.interactions import Interactions
from tastemaker.errors import TastemakerError

Users = npt.NDArray[np.int32]

_NOTHING = np.zeros(0, np.int32)


class Asker(NamedTuple):
    """Who asks.

    users: (1,) one person of `log`.
    query: who that is, in words.
    why: in words, nothing is known of them, if it isn't.
    notes: ids of a history that the catalogue lacks.
    """

    log: Interactions
    users: Users
    query: str
    why: str
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        bundle: Bundle,
        user_id: str | None,
        history: Sequence[str] | None,
        interactions: Interactions | None,
    ) -> "Asker":
        """A person of `interactions` (else of the bundle's log), or a history of item ids, oldest first.

        Raises: TastemakerError unless it is one of the two.
        """
        if (user_id is None) == (history is None):
            raise TastemakerError("recommend takes a user_id or a history, one of the two.")
        if history is None:
            log = bundle.histories if interactions is None else interactions
            user = log.user(str(user_id))
            log, users = nobody(user_id=str(user_id)) if user is None else (log, np.array([user], np.int32))
            return cls(log, users, f"user {user_id}", f"user {user_id} has no known history")
        rows = bundle.catalogue.rows(map(str, history))
        unknown = [repr(str(id)) for id, row in zip(history, rows, strict=True) if row == PAD]
        notes = (f"not in the catalogue, left out: {', '.join(unknown)}",) if unknown else ()
        why = "nothing of the history is known" if len(history) else "there is no history"
        return cls(*nobody(rows[rows != PAD]), f"a history of {len(history)}", why, notes)


def nobody(rows: Rows = _NOTHING, user_id: str = "") -> tuple[Interactions, Users]:
    """A person whom no log knows, who touched `rows` (n,), oldest first."""
    log = Interactions.from_events([user_id], np.zeros(len(rows), np.int32), rows, is_ordered=True)
    return log, np.zeros(1, np.int32)
