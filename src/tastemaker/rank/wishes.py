"""When, on what and for what a list is wanted, beside what it is held to."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from tastemaker.errors import ObjectiveError, TastemakerError
from tastemaker.rank.objective import Objective
from tastemaker.retrieve.limits import Held

if TYPE_CHECKING:
    from tastemaker.data.impressions import Impressions
    from tastemaker.rank.ranker import Ranker
    from tastemaker.recipe import BusinessRule


class Showing(Held, total=False):
    """What a list is held to, and when, where and to whom it is shown, as keywords; see `Held` for the first.

    now: when it is asked for, seconds since 1970 or a datetime; left out, the moment after the person's
        newest event, or after the newest of all where theirs have no times. What is popular, new and so on
        is taken as of then.
    placement: of a site, as the recipe's `[reranking.placements]` call it.
    weights: strengths of rules instead of the recipe's: `{"diversity": 0.3, "popularity": -0.1}`.
    rules: of the business instead of the recipe's, as `tastemaker.recipe.rules` reads them.
    country: where it is shown.
    age: of the viewer in years.
    impressions: what people were shown before.
    """

    now: float | datetime | None
    placement: str
    weights: Mapping[str, float]
    rules: "Sequence[BusinessRule] | None"
    country: str
    age: float | None
    impressions: "Impressions | None"


class Wishes(Showing, total=False):
    """The same of a person's list; see `Showing` for the rest.

    device: on what it will be shown, as impressions call it.
    objective: what it is sorted by, instead of the recipe's `ranking.objective`: `click^0.5 * watch_time`.
    """

    device: str
    objective: str | None


def held_of(wishes: Showing) -> Held:
    """What the list is held to, of all that was wished. Raises TypeError for a wish that nobody knows."""
    for name in wishes:
        if name not in Wishes.__annotations__:
            raise TypeError(f"{name!r} is no keyword here. There are {', '.join(Wishes.__annotations__)}.")
    held = {name: wish for name, wish in wishes.items() if name in Held.__annotations__}
    return cast(Held, held)


def moment_of(now: float | datetime | None) -> float | None:
    """Seconds since 1970; without a zone it is UTC. Raises TastemakerError where it is no time."""
    if isinstance(now, datetime):
        now = (now if now.tzinfo else now.replace(tzinfo=UTC)).timestamp()
    if now is not None and not np.isfinite(now):
        raise TastemakerError(f"now is {now}: that is no time. Give seconds since 1970, or leave it out.")
    return now


class Occasion(NamedTuple):
    """When, on what and for what a list is wanted.

    now: seconds since 1970; None for the moment after the person's newest event.
    objective: None for the bundle's own.
    """

    now: float | None = None
    device: str = ""
    objective: Objective | None = None

    @classmethod
    def of(cls, wishes: Showing, ranker: "Ranker | None", usual: str | None = None) -> "Occasion":
        """
        Args:
            usual: objective of the placement, where none is wished for and a ranker can tell.
        Raises: ObjectiveError where the objective is no formula, or of something that isn't foretold;
        TastemakerError where `now` is no time."""
        now, text = moment_of(wishes.get("now")), cast(Wishes, wishes).get("objective")
        if text is None and ranker is not None:
            text = usual
        if text is None:
            return cls(now, cast(Wishes, wishes).get("device", ""))
        if ranker is None:
            raise ObjectiveError(
                "This bundle has no ranker, so nothing is foretold that an objective could weigh: leave it "
                "out, or train with ranking.use=always."
            )
        return cls(now, cast(Wishes, wishes).get("device", ""), Objective.parse(text, ranker.note.heads))


NO_OCCASION = Occasion()
