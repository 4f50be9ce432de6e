"""Of what users were shown, what they passed over, as far as a part of the log may know it."""

import numpy as np
import numpy.typing as npt

from tastemaker.data import Dataset
from tastemaker.data.catalogue import PAD
from tastemaker.data.impressions import Impressions
from tastemaker.data.interactions import Interactions
from tastemaker.errors import TrainingError
from tastemaker.progress import Progress, Report
from tastemaker.recipe import Recipe


def passed_over(shown: Interactions, log: Interactions, part: Interactions) -> Interactions:
    """What was shown and not chosen, for a model that learns from `part` of the `log`.

    What `part` holds was chosen, whenever it was shown. What the file itself says was chosen was so too,
    unless the log has that choice outside of `part`: then it is what will be asked for, and it stays, as
    it would had the user chosen something else. Leaving it out would give the answer away: it was
    shown, and it alone was never passed over.

    Where `part` isn't all, nothing is known that was shown later than its newest event. Impressions whose
    times are no clock could be from any time, so none of them is known then; a log without a clock
    has no later.

    Args:
        shown: as read; its users need not be those of the log.
        log: everything that happened.
        part: what is learnt from; the log itself, when all is.
    """
    chosen = holds(part, shown) | (shown.weights > 0) & ~holds(log, shown)
    if part.size < log.size and log.is_clock:
        newest = part.times.max(initial=-np.inf) if shown.is_clock else -np.inf
        return shown.where(~chosen & (shown.times <= newest))
    return shown.where(~chosen)


def holds(log: Interactions, shown: Interactions) -> npt.NDArray[np.bool_]:
    """(E,) whether the user of each impression touched its item in the log."""
    places = [log.user(name) for name in shown.user_ids]
    users = np.array([PAD if place is None else place for place in places], np.int64)[shown.users]
    items = int(max(shown.rows.max(initial=0), log.rows.max(initial=0))) + 1
    return np.isin(users * items + shown.rows, log.users.astype(np.int64) * items + log.rows)


def check_impressions(data: Dataset, recipe: Recipe, report: Report) -> None:
    """Say in one line when what was passed over is no negative; a ranker may learn from it all the same.

    Raises: TrainingError when the recipe draws from what was passed over, and nothing was.
    """
    if recipe.negatives.seen_not_chosen and data.interactions is not None and recipe.preset == "default":
        _check_some(data.impressions, data.interactions)
    if data.impressions is not None and (why := _why_unused(data, recipe)) is not None:
        report(Progress("impressions", 0, data.impressions.size, note=f"none is drawn as a negative: {why}"))


def _check_some(impressions: Impressions | None, log: Interactions) -> None:
    if impressions is None:
        raise TrainingError(
            "negatives.seen_not_chosen draws from impressions, and none are known: give a file of them "
            "(--impressions), or leave it out."
        )
    if not passed_over(impressions.shown, log, log).size:
        raise TrainingError(
            "negatives.seen_not_chosen draws from what was passed over, and of "
            f"{impressions.size:,} impressions all were chosen. Leave it out, or see with "
            "`tastemaker data check` how they were read."
        )


def _why_unused(data: Dataset, recipe: Recipe) -> str | None:
    if data.interactions is None or recipe.preset != "default":
        return "only the default model of histories draws negatives"
    if not recipe.negatives.seen_not_chosen:
        return "set negatives.seen_not_chosen, for example to 0.5"
    if _is_whole(data.items.size, recipe):
        return "every item is a negative already; to draw some, set negatives.count, for example to 1024"
    return None


def _is_whole(items: int, recipe: Recipe) -> bool:
    """Whether every item is a negative, and none is drawn."""
    from tastemaker.model.problem import Problem
    from tastemaker.model.student import drawn_of

    return drawn_of(Problem(items, None, None, np.zeros(0, np.int32), False, recipe)) is None
