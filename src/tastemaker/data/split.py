"""What may be learnt from, what is known when asked, what should be found: one log cut in three.

A split never lets the future teach: what is in `targets` comes after everything in the same
user's history. A target that the user already touched can't be found, because seen items are
never recommended, so it isn't asked for.

Here are the splits that go by order; those that draw are in `holdouts`, the choice among all in `protocols`.
"""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from tastemaker.data.interactions import Interactions
from tastemaker.errors import DataError

DAY_S = 86400

Which = npt.NDArray[np.bool_]
"""(E,) some of the events of a log."""


class Fold(NamedTuple):
    """One question put to a model. All three parts have the same `user_ids`."""

    train: Interactions
    """may be learnt from"""
    history: Interactions
    """what is known of each user when asked: the input, and what is left out of the answer"""
    targets: Interactions
    """what should be found; a user without any isn't asked"""


def leave_one_out(log: Interactions, part: Literal["test", "valid"]) -> Fold:
    """The last event of each user is the test, the one before it the validation.

    | events of a user | a b c d        | test | valid |
    |------------------|----------------|------|-------|
    | train            | may be learnt  | a b  | a b   |
    | history          | known          | a b c| a b   |
    | targets          | to be found    | d    | c     |

    Users with fewer than three events keep all of them in train and aren't asked.
    """
    from_end, enough = _places_from_end(log, at_least=3)
    asked = 0 if part == "test" else 1
    train = (from_end >= 2) | ~enough
    return fold_of(log, train, (from_end > asked) & enough | train, (from_end == asked) & enough)


def hold_out_last(log: Interactions, may: Which | None = None) -> Fold:
    """The last event of each user is to be found, from all the others: for when nothing is tuned by it.

    Users with one event keep it in train and aren't asked; nor are those whose last event isn't among `may`.
    """
    from_end, enough = _places_from_end(log, at_least=2)
    asked = (from_end == 0) & enough
    if may is not None:
        asked &= may
    return fold_of(log, ~asked, ~asked, asked)


def global_time(log: Interactions, test_share: float, gap_s: float = 0.0) -> tuple[Fold, float]:
    """One moment for everybody: what came before is known, what came at it or later is to be found.

    The moment is chosen so that `test_share` of the events come later; events of the same time
    stay together, so it can be a little more. Returns the moment too.

    Args:
        gap_s: seconds before it whose events are known when asked, but not learnt from: as if a model were
            that old when it is asked.

    Raises: DataError when there is no shared clock, or no moment with events on both sides.
    """
    if not log.is_clock:
        raise DataError(
            "A global_time split needs timestamps on one clock; these only say what came first in each "
            "user. Take split.strategy = leave_one_out."
        )
    newest = max(1, round(test_share * log.size))
    cut = float(np.sort(log.times)[log.size - newest]) if log.size else 0.0
    fold = at_time(log, cut, gap_s)
    if fold.train.size:
        return fold, cut
    if at_time(log, cut).train.size:
        raise DataError(
            f"A global_time split finds no event more than {gap_s / DAY_S:g} days before its cut. Lower "
            "split.gap_days."
        )
    raise DataError(
        f"A global_time split of {log.size} events finds none before its cut: nearly all have the same "
        "time. Lower split.test_share, or take split.strategy = leave_one_out."
    )


def at_time(log: Interactions, cut: float, gap_s: float = 0.0) -> Fold:
    """What came before a moment is known, what came at it or later is to be found.

    The last `gap_s` seconds before it aren't learnt from.
    """
    before = log.times < cut
    return fold_of(log, log.times < cut - gap_s, before, ~before)


def against(known: Interactions, later: Interactions, history: Interactions | None = None) -> Fold:
    """Later events of people to be found from what was known of them.

    Args:
        known: what was learnt from.
        later: may repeat events of the history; those aren't asked for.
        history: what is known of people when asked; None for `known`.
    Users are those of all three, in that order.
    """
    history = known if history is None else history
    names = list(dict.fromkeys([*known.user_ids, *history.user_ids, *later.user_ids]))
    parts = [_of_users(log, names) for log in (known, history, later)]
    return Fold(parts[0], parts[1], _findable(parts[1], parts[2]))


def _of_users(log: Interactions, names: list[str]) -> Interactions:
    place = {name: number for number, name in enumerate(names)}
    numbers = np.array([place[name] for name in log.user_ids], np.int32)
    users = numbers[log.users] if log.size else np.zeros(0, np.int32)
    return Interactions.from_events(
        names, users, log.rows, log.times, log.weights, is_ordered=log.is_ordered, is_clock=log.is_clock
    )


def _places_from_end(log: Interactions, at_least: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """(E,) how many events of the same user come later, and whether the user has `at_least` events."""
    counts = np.diff(log.offsets)
    from_end = log.offsets[1:][log.users] - 1 - np.arange(log.size)
    return from_end, (counts >= at_least)[log.users]


def fold_of(
    log: Interactions,
    train: npt.NDArray[np.bool_],
    history: npt.NDArray[np.bool_],
    targets: npt.NDArray[np.bool_],
) -> Fold:
    """The parts of three (E,) masks, less the targets that can't be found and their repeats."""
    learnt = log.where(train)
    known = learnt if np.array_equal(train, history) else log.where(history)
    return Fold(learnt, known, _findable(known, log.where(targets)))


def _findable(history: Interactions, targets: Interactions) -> Interactions:
    """Each target once, and only what its user hadn't touched: what is seen is never recommended."""
    items = int(max(targets.rows.max(initial=0), history.rows.max(initial=0))) + 1
    known, wanted = (log.users.astype(np.int64) * items + log.rows for log in (history, targets))
    first = np.zeros(targets.size, np.bool_)
    first[np.unique(wanted, return_index=True)[1]] = True
    return targets.where(first & ~np.isin(wanted, known))
