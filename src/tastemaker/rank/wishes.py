"""When, on what and for what a list is wanted, beside what it is held to."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from tastemaker.errors import ObjectiveError, TastemakerError
from tastemaker.rank.objective import Objective
from tastemaker.retrieve.limits import Held

if TYPE_CHECKING:
    from tastemaker.rank.ranker import Ranker


class Wishes(Held, total=False):
    """What a list is held to, and when and for what it is wanted, as keywords; see `Held` for the first.

    now: when it is asked for, seconds since 1970 or a datetime; left out, the moment after the person's
        newest event, or after the newest of all where theirs have no times. What is popular, new and so on
        is taken as of then.
    device: on what it will be shown, as impressions call it.
    objective: what it is sorted by, instead of the recipe's `ranking.objective`: `click^0.5 * watch_time`.
    """

    now: float | datetime | None
    device: str
    objective: str | None


def held_of(wishes: Wishes) -> Held:
    """What the list is held to, of all that was wished. Raises TypeError for a wish that nobody knows."""
    for name in wishes:
        if name not in Wishes.__annotations__:
            raise TypeError(f"{name!r} is no keyword here. There are {', '.join(Wishes.__annotations__)}.")
    held = {name: wish for name, wish in wishes.items() if name in Held.__annotations__}
    return cast(Held, held)


class Occasion(NamedTuple):
    """When, on what and for what a list is wanted.

    now: seconds since 1970; None for the moment after the person's newest event.
    objective: None for the bundle's own.
    """

    now: float | None = None
    device: str = ""
    objective: Objective | None = None

    @classmethod
    def of(cls, wishes: Wishes, ranker: "Ranker | None") -> "Occasion":
        """Raises: ObjectiveError where the objective is no formula, or of something that isn't foretold;
        TastemakerError where `now` is no time."""
        now, text = wishes.get("now"), wishes.get("objective")
        if isinstance(now, datetime):
            now = (now if now.tzinfo else now.replace(tzinfo=UTC)).timestamp()
        if now is not None and not np.isfinite(now):
            raise TastemakerError(f"now is {now}: that is no time. Give seconds since 1970, or leave it out.")
        if text is None:
            return cls(now, wishes.get("device", ""))
        if ranker is None:
            raise ObjectiveError(
                "This bundle has no ranker, so nothing is foretold that an objective could weigh: leave it "
                "out, or train with ranking.use=always."
            )
        return cls(now, wishes.get("device", ""), Objective.parse(text, ranker.note.heads))


NO_OCCASION = Occasion()
