"""Why an item stands in a slate, in words that can be checked.

"Because you watched X" is said of the history item without which the recommended one would score
lowest: it is left out and the network asked again, so the reason is true of the model by its making.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import PAD, Catalogue, Rows
from tastemaker.data.interactions import Interactions
from tastemaker.data.titles import franchise_key, series_key
from tastemaker.features.batches import Window
from tastemaker.recipe import Role

if TYPE_CHECKING:
    from tastemaker.recommend import Recommender

Reasons = list[tuple[str, ...]]


def because(recommender: "Recommender", log: Interactions, user: int, rows: Rows) -> Reasons:
    """For each of `rows` (n,), the item of the history that lifts it most, if one does."""
    scores = _scores_without_each(recommender, log, user, rows)  # (1 + H, n): all, then without each
    if scores is None:
        return [()] * len(rows)
    lift = scores[0] - scores[1:]
    history = recommender.nearest.window(log, np.array([user], np.int32)).rows[0]
    titles = recommender.catalogue.titles
    return [
        (f"because of {titles[history[place]]}",) if lift[place, n] > 0 else ()
        for n, place in enumerate(lift.argmax(axis=0))
    ]


def _scores_without_each(
    recommender: "Recommender", log: Interactions, user: int, rows: Rows
) -> npt.NDArray[np.float32] | None:
    window = recommender.nearest.window(log, np.array([user], np.int32))
    # Of a history longer than the tower sees, the newest are asked about.
    count = int((window.rows[0, : recommender.bundle.manifest.history_length] != PAD).sum())
    if not count or not len(rows):
        return None
    without = np.repeat(window.rows, count + 1, axis=0)
    # Left out, every time it stands there; the others keep their places, so only its absence is measured.
    without[1:][window.rows[0] == window.rows[0, :count, None]] = PAD
    # So do their times: what is left is as far apart as it was.
    ages = None if window.ages is None else np.repeat(window.ages, count + 1, axis=0)
    variants = Window(without, np.repeat(window.values, count + 1, axis=0), ages)
    return recommender.nearest.scores(variants, [log.user_ids[user]] * (count + 1), rows)


def kinship(catalogue: Catalogue, row: int, rows: Rows) -> Reasons:
    """What each of `rows` openly shares with `row`: series or franchise, then values of categories."""
    titles = catalogue.titles
    series, franchise = series_key(titles[row]), franchise_key(titles[row])
    own = _values(catalogue, row)
    reasons: Reasons = []
    for other in rows:
        shared: list[str] = []
        if series_key(titles[other]) == series:
            shared.append("same series")
        elif franchise_key(titles[other]) == franchise:
            shared.append("same franchise")
        shared += [value for value in _values(catalogue, int(other)) if value in own]
        reasons.append(tuple(shared))
    return reasons


def _values(catalogue: Catalogue, row: int) -> Sequence[str]:
    """Category values that say something by themselves ("Korean"), not flags ("Yes")."""
    values: list[str] = []
    for name in catalogue.by_role(Role.CATEGORY, Role.CATEGORIES):
        value = catalogue.frame[name][row]
        found = [value] if isinstance(value, str) else list(value) if value is not None else []
        values += [v for v in found if v.casefold() not in _FLAGS]
    return values


_FLAGS = {"yes", "no", "true", "false", "y", "n", "0", "1"}
