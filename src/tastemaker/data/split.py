"""What may be learnt from, what is known when asked, what should be found: one log cut in three.

A split never lets the future teach: what is in `targets` comes after everything in the same
user's history. A target that the user already touched can't be found, because seen items are
never recommended, so it isn't asked for.
"""

import json
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from tastemaker.data.interactions import Interactions
from tastemaker.errors import DataError
from tastemaker.recipe import SplitRecipe

MIN_ASKED = 200
"""Users behind a cut in time below which an interval is too wide to tell two models apart."""

MIN_ASKED_SHARE = 0.2
"""Share of users behind a cut in time below which the answer is about an odd few."""


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
    return _fold(log, train, (from_end > asked) & enough | train, (from_end == asked) & enough)


def hold_out_last(log: Interactions, may: Which | None = None) -> Fold:
    """The last event of each user is to be found, from all the others: for when nothing is tuned by it.

    Users with one event keep it in train and aren't asked; nor are those whose last event isn't among `may`.
    """
    from_end, enough = _places_from_end(log, at_least=2)
    asked = (from_end == 0) & enough
    if may is not None:
        asked &= may
    return _fold(log, ~asked, ~asked, asked)


def hold_out_any(
    log: Interactions, rng: np.random.Generator, share: float = 0.1, may: Which | None = None
) -> Fold:
    """Some of each user's events, drawn at random, are to be found from the others: where order says nothing.

    A `share` of them, and at least one event of each, of those among `may`; users with one event keep it in
    train and aren't asked.
    """
    counts = np.diff(log.offsets)
    wanted = np.where(counts > 1, np.maximum(1, (share * counts).astype(np.int64)), 0)
    # A random order within each user, of which the first are taken.
    never = np.zeros(log.size, np.bool_) if may is None else ~may
    shuffled = np.lexsort((rng.random(log.size), never, log.users))
    place = np.arange(log.size) - log.offsets[:-1][log.users]
    asked = np.zeros(log.size, np.bool_)
    asked[shuffled] = place < wanted[log.users]
    asked &= ~never
    return _fold(log, ~asked, ~asked, asked)


def global_time(log: Interactions, test_share: float) -> Fold:
    """One moment for everybody: what came before is known, what came at it or later is to be found.

    The moment is chosen so that `test_share` of the events come later; events of the same time
    stay together, so it can be a little more.

    Raises: DataError when there is no shared clock, or no moment with events on both sides.
    """
    if not log.is_clock:
        raise DataError(
            "A global_time split needs timestamps on one clock; these only say what came first in each "
            "user. Take split.strategy = leave_one_out."
        )
    newest = max(1, round(test_share * log.size))
    fold = at_time(log, float(np.sort(log.times)[log.size - newest]) if log.size else 0.0)
    if not fold.train.size:
        raise DataError(
            f"A global_time split of {log.size} events finds none before its cut: nearly all have the same "
            "time. Lower split.test_share, or take split.strategy = leave_one_out."
        )
    return fold


def at_time(log: Interactions, cut: float) -> Fold:
    """What came before a moment is known, what came at it or later is to be found."""
    before = log.times < cut
    return _fold(log, before, before, ~before)


def cold_items(log: Interactions, share: float, rng: np.random.Generator) -> Fold:
    """A `share` of the items, drawn at random, as if they were new: nothing is learnt of who touched them.

    What each user did with them is to be found, from all that the user did with others; order says
    nothing here.

    Raises: DataError when that leaves no item to learn from, or none to be found.
    """
    touched = np.unique(log.rows)
    new = rng.choice(touched, round(share * len(touched)), replace=False)
    if not 0 < len(new) < len(touched):
        raise DataError(
            f"A cold_item split with a share of {share:g} of {len(touched)} items holds out {len(new)}."
        )
    is_new = np.isin(log.rows, new)
    return _fold(log, ~is_new, ~is_new, is_new)


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


def choose(log: Interactions, recipe: SplitRecipe, seed: int) -> tuple[Fold, str]:
    """The split that a recipe asks for, and a sentence on what was chosen and why.

    `auto` takes global_time where enough people are seen on both sides of the cut, else the last
    event of each user.
    """
    if recipe.strategy == "leave_one_out":
        told = "leave_one_out, as the recipe asks: each user's last event is to be found"
        return leave_one_out(log, "test"), f"{told}, the one before it is known but not learnt from."
    if recipe.strategy == "global_time":
        told = (
            f"global_time, as the recipe asks: the newest {recipe.test_share:.0%} of events are to be found"
        )
        return global_time(log, recipe.test_share), f"{told}."
    if recipe.strategy == "cold_item":
        told = (
            f"cold_item, as the recipe asks: {recipe.test_share:.0%} of the items are taken out of training"
        )
        fold = cold_items(log, recipe.test_share, np.random.default_rng(seed))
        return fold, f"{told}, and what people did with them is to be found."
    return _auto(log, recipe.test_share)


def _auto(log: Interactions, test_share: float) -> tuple[Fold, str]:
    last = "leave_one_out: each user's last event is to be found"
    if not log.is_clock:
        return hold_out_last(log), f"{last}, because the log has no clock that all users share."
    try:
        fold = global_time(log, test_share)
    except DataError:
        return hold_out_last(log), f"{last}, because nearly all events have the same time."
    both = int(np.sum((np.diff(fold.history.offsets) > 0) & (np.diff(fold.targets.offsets) > 0)))
    active = max(1, int(np.sum(np.diff(log.offsets) > 0)))
    seen = f"{both:,} of {active:,} users ({both / active:.0%}) are seen on both sides of a cut in time"
    if both >= MIN_ASKED and both >= MIN_ASKED_SHARE * active:
        return fold, f"global_time: the newest {test_share:.0%} of events are to be found; {seen}."
    return hold_out_last(log), f"{last}, because only {seen}."


def save(fold: Fold, item_ids: Sequence[str], folder: Path, *, strategy: str) -> None:
    """Write train, history and targets as .parquet with a manifest.json: all of it, or nothing.

    Columns are `user_id, item_id, timestamp, weight`. An earlier split in `folder` is replaced;
    anything else in the way is left alone and refused.

    Args:
        item_ids: (N,) the catalogue's ids, which rows are turned back into.
        strategy: how the fold was made, for the manifest.

    Raises: DataError when the folder can't be written.
    """
    if folder.exists() and not _may_be_replaced(folder):
        raise DataError(f"{folder} exists and is not a split. Name a new folder, or remove it first.")
    made = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        made.mkdir(parents=True)
        for name, part in fold._asdict().items():
            _frame(part, item_ids).write_parquet(made / f"{name}.parquet")
        (made / "manifest.json").write_text(
            json.dumps(_manifest(fold, len(item_ids), strategy), indent=2) + "\n"
        )
        if folder.exists():
            shutil.rmtree(folder)
        made.rename(folder)
    except OSError as error:
        raise DataError(f"Can't write the split to {folder}: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _places_from_end(log: Interactions, at_least: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """(E,) how many events of the same user come later, and whether the user has `at_least` events."""
    counts = np.diff(log.offsets)
    from_end = log.offsets[1:][log.users] - 1 - np.arange(log.size)
    return from_end, (counts >= at_least)[log.users]


def _fold(
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


def _may_be_replaced(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    if not any(folder.iterdir()):
        return True
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and manifest.get("kind") == "split"


def _frame(part: Interactions, item_ids: Sequence[str]) -> pl.DataFrame:
    whole = bool(np.all(part.times == np.round(part.times)))
    return pl.DataFrame(
        {
            "user_id": pl.Series(list(part.user_ids), dtype=pl.String).gather(part.users),
            "item_id": pl.Series(list(item_ids), dtype=pl.String).gather(part.rows),
            "timestamp": part.times.astype(np.int64) if whole else part.times,
            "weight": part.weights,
        }
    )


def _manifest(fold: Fold, items: int, strategy: str) -> dict[str, Any]:
    parts = {
        name: {"events": part.size, "fingerprint": part.fingerprint} for name, part in fold._asdict().items()
    }
    asked = int(np.sum(np.diff(fold.targets.offsets) > 0))
    return {
        "kind": "split",
        "format": 1,
        "strategy": strategy,
        "users": fold.train.user_count,
        "users_asked": asked,
        "items": items,
        "parts": parts,
    }
