"""How the first places can be filled at all, asked of an integer program, where a greedy pass gets stuck."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tastemaker.rerank.task import Task

NODES = 2_000
"""Of its tree, that a program may look at: such questions are NP-hard where caps are many."""


class Program:
    """The same question to an integer program: how many of each kind of item stand before each end.

    A kind are the items that no cap that could be full and no share that is owed can tell apart.
    """

    def __init__(self, task: Task) -> None:
        from scipy import sparse

        self._task = task
        self._ends = task.ends[: task.spans]
        pinned = set(task.pins.values())
        self._waiting = [item for item in range(task.size) if item not in pinned]
        counts = [Counter(group for item in self._waiting for group in cap.of(item)) for cap in task.caps]
        used = [task.at_first(cap) for cap in task.caps]
        full = [
            {group for group, count in own.items() if count + at_first.get(group, 0) > cap.most}
            for cap, own, at_first in zip(task.caps, counts, used, strict=True)
        ]
        kinds: dict[tuple[tuple[frozenset[int], ...], tuple[bool, ...]], int] = {}
        self._kind = {}
        for item in self._waiting:
            groups = tuple(frozenset(cap.of(item)) & own for cap, own in zip(task.caps, full, strict=True))
            kind = groups, tuple(bool(share.member[item]) for share in task.shares)
            self._kind[item] = kinds.setdefault(kind, len(kinds))
        spans = list(zip([0, *self._ends[:-1]], self._ends, strict=True))
        self._free = [task.free(end) - task.free(start) for start, end in spans]
        self._size = len(kinds) * len(spans)
        self._refused: set[int] = set()
        lines: list[tuple[dict[int, float], float, float]] = []  # sums of variables, from and to
        for span, free in enumerate(self._free):
            lines.append(({self._at(kind, span): 1.0 for kind in kinds.values()}, free, free))
        for number, there in Counter(self._kind.values()).items():
            lines.append(({self._at(number, span): 1.0 for span in range(len(spans))}, 0, there))
        for number, (cap, own, at_first) in enumerate(zip(task.caps, full, used, strict=True)):
            for group in sorted(own):
                line = self._within(cap.first, [n for key, n in kinds.items() if group in key[0][number]])
                line[self._size + number] = -1.0
                lines.append((line, -np.inf, cap.most - at_first.get(group, 0)))
        for number, share in enumerate(task.shares):
            line = self._within(share.first, [n for key, n in kinds.items() if key[1][number]])
            line[self._size + len(task.caps) + number] = 1.0
            lines.append((line, task.owed(share), np.inf))
        self._from, self._to = (np.array([line[side] for line in lines], float) for side in (1, 2))
        self._matrix = sparse.csr_array(
            (
                [factor for line, *_ in lines for factor in line.values()],
                (
                    [number for number, (line, *_) in enumerate(lines) for _ in line],
                    [variable for line, *_ in lines for variable in line],
                ),
            ),
            shape=(len(lines), self._size + len(task.caps) + len(task.shares)),
        )
        give = len(task.caps) + len(task.shares)
        self._low = np.zeros(self._size + give)
        # Fillings that take early items first answer most of what is asked later.
        firsts: dict[int, int] = {}
        for item, kind_of in self._kind.items():
            firsts.setdefault(kind_of, item)
        early = np.repeat([firsts[kind] for kind in range(len(kinds))], len(spans)) / task.size
        self._early = np.concatenate([early, np.zeros(give)])
        self._high = np.concatenate(
            [np.tile(np.array(self._free, float), len(kinds)), np.full(give, float(task.places))]
        )

    def _at(self, kind: int, span: int) -> int:
        return kind * len(self._ends) + span

    def _within(self, first: int, kinds: Sequence[int]) -> dict[int, float]:
        spans = [span for span, end in enumerate(self._ends) if end <= first]
        return {self._at(kind, span): 1.0 for kind in kinds for span in spans}

    def loosened(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """By how little caps (C,) and shares (S,) must give way, the first of them before all others."""
        give = range(self._size, len(self._low))
        as_they_are = np.where(np.arange(len(self._low)) < self._size, self._high, 0.0)
        found = self._solved(self._low, as_they_are, self._early)
        for variable in give:
            if found is None or found[variable] > 0:
                wish = np.zeros(len(self._low))
                wish[variable] = 1.0
                better = self._solved(self._low, self._high, wish)
                found = found if better is None else better
            if found is None:  # not even where everything gives way, of so many nodes: then all of it may
                break
            self._high[variable] = found[variable]
        self._found = found
        given = tuple(int(most) for most in self._high[self._size :])
        return given[: len(self._task.caps)], given[len(self._task.caps) :]

    def can_follow(self, item: int, span: int) -> bool:
        """Whether all places can be filled where an item stands next before an end, the number of which is
        `span`, after all those of which this was said before. What is true of one is true of its kind."""
        variable = self._at(self._kind[item], span)
        if variable in self._refused:
            return False
        self._low[variable] += 1
        if self._found is None or self._found[variable] < self._low[variable]:
            other = self._solved(self._low, self._high, self._early)
            if other is None:
                self._low[variable] -= 1
                self._refused.add(variable)
                return False
            self._found = other
        return True

    def _solved(
        self,
        low: npt.NDArray[np.float64],
        high: npt.NDArray[np.float64],
        wish: npt.NDArray[np.float64],
    ) -> npt.NDArray[np.int64] | None:
        """Whole numbers between `low` and `high` that all lines allow, with the least of `wish`."""
        from scipy.optimize import Bounds, LinearConstraint, milp

        done = milp(
            wish,
            integrality=np.ones(len(low), np.int64),
            bounds=Bounds(low, high),
            constraints=LinearConstraint(self._matrix, self._from, self._to),
            options={"node_limit": NODES},
        )
        return None if done.x is None else np.rint(done.x).astype(np.int64)
