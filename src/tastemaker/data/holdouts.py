"""Splits by drawing: some events, some items or some people, held out by the dice.

Each draws by the `rng` it is given, so the same seed makes the same split; the masks that they draw are what
`protocols.folds` deals out instead.
"""

import numpy as np
import numpy.typing as npt

from tastemaker.data.interactions import Interactions
from tastemaker.data.split import Fold, Which, fold_of
from tastemaker.errors import DataError

Ints = npt.NDArray[np.int64]


def hold_out_any(
    log: Interactions, rng: np.random.Generator, share: float = 0.1, may: Which | None = None
) -> Fold:
    """Some of each user's events, drawn at random, are to be found from the others: where order says nothing.

    A `share` of them, and at least one event of each, of those among `may`; users with one event keep it in
    train and aren't asked.
    """
    counts = np.diff(log.offsets)
    wanted = np.where(counts > 1, np.maximum(1, (share * counts).astype(np.int64)), 0)
    # Those that may be asked for come first in each user's random order, and of them the first are taken.
    never = np.zeros(log.size, np.bool_) if may is None else ~may
    asked = (_places(log, rng, never) < wanted[log.users]) & ~never
    return fold_of(log, ~asked, ~asked, asked)


def cold_items(log: Interactions, share: float, rng: np.random.Generator) -> Fold:
    """A `share` of the items, drawn at random, as if they were new: see `without_items`.

    Raises: DataError when that leaves no item to learn from, or none to be found.
    """
    touched = np.unique(log.rows)
    new = rng.choice(touched, round(share * len(touched)), replace=False)
    if not 0 < len(new) < len(touched):
        raise DataError(
            f"A cold_item split with a share of {share:g} of {len(touched)} items holds out {len(new)}."
        )
    return without_items(log, new)


def without_items(log: Interactions, new: npt.NDArray[np.integer]) -> Fold:
    """Nothing is learnt of who touched the items `new`; what each user did with them is to be found.

    From all that the user did with others; order says nothing here.
    """
    is_new = np.isin(log.rows, new)
    return fold_of(log, ~is_new, ~is_new, is_new)


def user_holdout(log: Interactions, share: float, fold_in: float, rng: np.random.Generator) -> Fold:
    """A `share` of the users is never learnt from; asked, most of what they did is known.

    See `without_users`.

    Args:
        fold_in: share of their events that are known when asked; at least one, and never all.

    Raises: DataError when nobody can be held out, or nobody would be left.
    """
    return without_users(log, _drawn_users(log, share, 2, rng), first_share(log, fold_in), rng)


def cold_users(log: Interactions, share: float, known: int, rng: np.random.Generator) -> Fold:
    """A `share` of the users as if they were new: never learnt from, and `known` events of each when asked.

    Raises: DataError when nobody can be held out, or nobody would be left.
    """
    users = _drawn_users(log, share, known + 1, rng)
    return without_users(log, users, np.full(log.user_count, known), rng)


def without_users(
    log: Interactions, users: npt.NDArray[np.integer], known: Ints, rng: np.random.Generator
) -> Fold:
    """Nothing is learnt of `users`; the rest of what they did is to be found from some of it.

    Strong generalisation (Marlin, 2004; Liang et al., WWW 2018). The `known` events (U,) of each are the
    oldest where there is an order, else drawn. Of everybody else everything is learnt and known.
    """
    held_out = np.isin(log.users, users)
    places = _positions(log) if log.is_ordered else _places(log, rng)
    asked = held_out & (places >= known[log.users])
    return fold_of(log, ~held_out, ~asked, asked)


def first_share(log: Interactions, share: float) -> Ints:
    """(U,) how many of each user's events a share of them is: at least one, and never all."""
    counts = np.diff(log.offsets)
    return np.clip((share * counts).astype(np.int64), 1, np.maximum(counts - 1, 1))


def able(log: Interactions, at_least: int) -> npt.NDArray[np.int32]:
    """The users who have `at_least` so many events."""
    return np.flatnonzero(np.diff(log.offsets) >= at_least).astype(np.int32)


def dealt(log: Interactions, parts: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """(E,) the part from 0 that each event is dealt to; all of a user's events with one item go together.

    Each user's items are dealt round in a random order, beginning anywhere, so that parts are of like size.
    Who has touched one item only is dealt to no part: -1.
    """
    items = int(log.rows.max(initial=0)) + 1
    pairs, of_event = np.unique(log.users.astype(np.int64) * items + log.rows, return_inverse=True)
    users = pairs // items
    counts = np.bincount(users, minlength=log.user_count)
    order = np.lexsort((rng.random(len(pairs)), users))
    place = np.empty(len(pairs), np.int64)
    place[order] = np.arange(len(pairs)) - np.concatenate([[0], np.cumsum(counts)])[users[order]]
    part = (place + rng.integers(parts, size=log.user_count)[users]) % parts
    return np.where(counts[users] > 1, part, -1)[of_event]


def _drawn_users(
    log: Interactions, share: float, at_least: int, rng: np.random.Generator
) -> npt.NDArray[np.int32]:
    users, active = able(log, at_least), len(able(log, 1))
    count = min(max(1, round(share * len(users))), active - 1)
    if not len(users) or count < 1:
        raise DataError(
            f"No user can be held out of {active:,}, of whom {len(users):,} have {at_least} events or more: "
            "others must be left to learn from. Take split.strategy = leave_one_out."
        )
    return rng.choice(users, count, replace=False)


def _positions(log: Interactions) -> Ints:
    """(E,) the place of each event among its user's, from 0, oldest first."""
    return np.arange(log.size) - log.offsets[:-1][log.users]


def _places(log: Interactions, rng: np.random.Generator, last: Which | None = None) -> Ints:
    """(E,) the same in an order that is drawn; events among `last` come after the others."""
    late = np.zeros(log.size, np.bool_) if last is None else last
    places = np.empty(log.size, np.int64)
    places[np.lexsort((rng.random(log.size), late, log.users))] = _positions(log)
    return places
