"""Which split is made: what a recipe asks for, or what a log allows; once, or in k folds.

Each is one way to ask a model a fair question; what may be asked of it depends on what it is for. The ways
themselves are in `split` and `holdouts`.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tastemaker.data.holdouts import (
    able,
    cold_items,
    cold_users,
    dealt,
    first_share,
    hold_out_any,
    user_holdout,
    without_items,
    without_users,
)
from tastemaker.data.interactions import Interactions
from tastemaker.data.split import DAY_S, Fold, fold_of, global_time, hold_out_last, leave_one_out
from tastemaker.errors import DataError
from tastemaker.recipe import SplitRecipe

MIN_ASKED = 200
"""Users behind a cut in time below which an interval is too wide to tell two models apart."""

MIN_ASKED_SHARE = 0.2
"""Share of users behind a cut in time below which the answer is about an odd few."""


class Split(NamedTuple):
    """A fold, and how it came to be.

    fold: what is learnt, known and to be found.
    why: a sentence on what was chosen and why.
    strategy: its name.
    cut: the moment from which on events are to be found, for everybody; None where there is no such moment.
    """

    fold: Fold
    why: str
    strategy: str
    cut: float | None = None


def choose(log: Interactions, recipe: SplitRecipe, seed: int) -> Split:
    """The split that a recipe asks for.

    `auto` takes global_time where enough people are seen on both sides of the cut, else the last
    event of each user.

    Raises: DataError where the log doesn't allow it.
    """
    strategy, share = recipe.strategy, recipe.test_share
    if strategy == "auto":
        return _auto(log, recipe)
    rng = np.random.default_rng(seed)
    cut = None
    if strategy == "leave_one_out":
        fold = leave_one_out(log, "test")
        told = "each user's last event is to be found, the one before it is known but not learnt from"
    elif strategy == "global_time":
        fold, cut = global_time(log, share, recipe.gap_days * DAY_S)
        told = f"the newest {share:.0%} of events are to be found{_gap(recipe)}"
    elif strategy == "random":
        fold = hold_out_any(log, rng, share)
        told = f"{share:.0%} of each user's events, drawn at random, are to be found from the others"
    elif strategy == "cold_item":
        fold = cold_items(log, share, rng)
        told = f"{share:.0%} of the items are taken out of training; what people did with them is to be found"
    elif strategy == "user_holdout":
        fold = user_holdout(log, share, recipe.fold_in, rng)
        told = (
            f"{share:.0%} of the users are taken out of training; asked, {recipe.fold_in:.0%} of their "
            "events are known, the rest is to be found"
        )
    else:
        fold = cold_users(log, share, recipe.cold_events, rng)
        told = (
            f"{share:.0%} of the users are taken out of training; asked, {_first(recipe.cold_events)} known, "
            "the rest is to be found"
        )
    return Split(fold, f"{strategy}, as the recipe asks: {told}.", strategy, cut)


def folds(log: Interactions, recipe: SplitRecipe, count: int, seed: int) -> Iterator[Split]:
    """`count` splits such that everything is held out in exactly one of them.

    Of random that is each event (but of people who touched one item only), of cold_item each item, of
    user_holdout and cold_user each user with enough events.

    Raises: DataError for another strategy, or where there are fewer than `count` to be dealt out.
    """
    strategy, rng = recipe.strategy, np.random.default_rng(seed)
    if strategy == "random":
        part = dealt(log, count, rng)
        found = [fold_of(log, part != fold, part != fold, part == fold) for fold in range(count)]
        told = "each user's events are dealt to {} parts; those of part {} are to be found from the others"
    elif strategy == "cold_item":
        items = _shuffled(np.unique(log.rows), count, "items", rng)
        found = [without_items(log, items[fold::count]) for fold in range(count)]
        told = "the items are dealt to {} parts; those of part {} are taken out of training"
    elif strategy in ("user_holdout", "cold_user"):
        is_cold = strategy == "cold_user"
        users = _shuffled(able(log, recipe.cold_events + 1 if is_cold else 2), count, "users", rng)
        known = np.full(log.user_count, recipe.cold_events) if is_cold else first_share(log, recipe.fold_in)
        found = [without_users(log, users[fold::count], known, rng) for fold in range(count)]
        told = "the users are dealt to {} parts; those of part {} are taken out of training"
    else:
        raise DataError(
            f"split.strategy = {strategy} can't be made in folds: there is one newest part only. Take "
            "random, cold_item, user_holdout or cold_user."
        )
    for number, fold in enumerate(found, 1):
        yield Split(fold, f"{strategy}: {told.format(count, number)}.", strategy)


def _shuffled(
    units: npt.NDArray[np.int32], count: int, what: str, rng: np.random.Generator
) -> npt.NDArray[np.int32]:
    if len(units) < max(2, count):
        raise DataError(
            f"{count} folds need {count} {what} at least that can be held out; there are {len(units)}."
        )
    return rng.permutation(units)


def _auto(log: Interactions, recipe: SplitRecipe) -> Split:
    last = "leave_one_out: each user's last event is to be found"

    def by_user(why: str) -> Split:
        return Split(hold_out_last(log), f"{last}, because {why}.", "leave_one_out")

    if not log.is_clock:
        return by_user("the log has no clock that all users share")
    try:
        fold, cut = global_time(log, recipe.test_share, recipe.gap_days * DAY_S)
    except DataError:
        return by_user("nearly all events have the same time")
    both = int(np.sum((np.diff(fold.history.offsets) > 0) & (np.diff(fold.targets.offsets) > 0)))
    active = max(1, int(np.sum(np.diff(log.offsets) > 0)))
    seen = f"{both:,} of {active:,} users ({both / active:.0%}) are seen on both sides of a cut in time"
    if both >= MIN_ASKED and both >= MIN_ASKED_SHARE * active:
        told = f"the newest {recipe.test_share:.0%} of events are to be found{_gap(recipe)}; {seen}"
        return Split(fold, f"global_time: {told}.", "global_time", cut)
    return by_user(f"only {seen}")


def _gap(recipe: SplitRecipe) -> str:
    if not recipe.gap_days:
        return ""
    return f", and what came up to {recipe.gap_days:g} days before them is known but not learnt from"


def _first(events: int) -> str:
    return {0: "nothing of them is", 1: "their first event is"}.get(
        events, f"their first {events} events are"
    )
