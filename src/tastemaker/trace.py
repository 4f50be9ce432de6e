"""One request on its way through the stages: how long each took, what was skipped, what the ranker saw.

A stage asks `allows` before it begins and tells `took` afterwards. Whoever measures nothing passes none.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tastemaker.rank.ranker import Sheet
    from tastemaker.retrieve.candidates import Candidates

Stage = Literal["retrieve", "rank", "rerank", "explain"]

GIVEN_UP: tuple[Stage, ...] = ("explain", "rerank", "rank", "retrieve")
"""Stages in the order in which they are given up where time is short. Without the last, what is popular is
shown."""

FORGETS = 0.05
"""How much of what a stage usually takes is renewed by the time it took just now."""


class Pace:
    """What each stage usually takes, in seconds; it learns as it goes."""

    def __init__(self) -> None:
        self.usual: dict[Stage, float] = {}

    def learn(self, stage: Stage, seconds: float) -> None:
        known = self.usual.get(stage, seconds)
        self.usual[stage] = known + FORGETS * (seconds - known)


class Trace:
    """Of one request.

    Args:
        pace: what stages usually take; without one, nothing is skipped.
        until: `time.perf_counter()` by which the answer should be there.

    Attributes:
        taken: seconds by stage, in the order in which they ran.
        skipped: stages that there was no time for; the ranker sees no list, and rules move none, of what is
            popular.
        seen: candidates and what the ranker saw of them; None where it wasn't asked.
    """

    def __init__(self, pace: Pace | None = None, until: float = float("inf")) -> None:
        self.taken: dict[Stage, float] = {}
        self.skipped: list[Stage] = []
        self.seen: tuple[Candidates, Sheet] | None = None
        self._pace, self._until = pace, until

    def allows(self, stage: Stage) -> bool:
        """Whether there is time for a stage and for those that are given up after it."""
        if self._pace is None:
            return True
        usual = self._pace.usual
        needed = sum(
            usual.get(each, 0.0) for each in GIVEN_UP[GIVEN_UP.index(stage) :] if each not in self.taken
        )
        if time.perf_counter() + needed <= self._until:
            return True
        self.skipped.append(stage)
        return False

    @contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        """Times what is done inside."""
        started = time.perf_counter()
        yield
        seconds = time.perf_counter() - started
        self.taken[stage] = self.taken.get(stage, 0.0) + seconds
        if self._pace is not None:
            self._pace.learn(stage, seconds)


NO_TRACE = Trace()
"""For whoever doesn't ask: nothing is skipped, and what it says of times means nothing."""
