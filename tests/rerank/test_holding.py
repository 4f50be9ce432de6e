"""Fillings against every filling there is, tried one by one."""

from collections import Counter
from itertools import permutations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tastemaker.rerank.holding import Cap, Share, Task, fill


def over(cap: Cap, pinned: list[int], filling: tuple[int, ...]) -> int:
    """How much higher than its `most` a cap would have to be, for groups that pins alone haven't filled."""
    counts = Counter(group for item in filling[: cap.first] for group in cap.of(item))
    own = Counter(group for item in pinned if item in filling[: cap.first] for group in cap.of(item))
    return max((max(0, count - max(cap.most, own[group])) for group, count in counts.items()), default=0)


def short(share: Share, filling: tuple[int, ...]) -> int:
    return max(0, share.need - sum(share.member[item] for item in filling[: share.first]))


def every(task: Task):
    """All fillings with the pins in their places, each with what it breaks."""
    pinned = list(task.pins.values())
    for filling in permutations(range(task.size), task.places):
        if all(filling[place] == item for place, item in task.pins.items()):
            broken = tuple(over(cap, pinned, filling) for cap in task.caps)
            yield (*broken, *(short(share, filling) for share in task.shares)), filling


def best(task: Task) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The least broken, caps before shares and earlier before later; of those the first by the alphabet."""
    fillings = list(every(task))
    least = min(broken for broken, _ in fillings)
    # What can't be held to is held to so far: a cap at most so much over, a share at most so much short.
    return least, min(
        filling for broken, filling in fillings if all(a <= b for a, b in zip(broken, least, strict=True))
    )


@st.composite
def tasks(draw, most_items: int = 6) -> Task:
    size = draw(st.integers(1, most_items))
    places = draw(st.integers(1, min(size, 4)))
    items = draw(st.permutations(range(size)))
    pinned = draw(st.sets(st.integers(0, places - 1), max_size=2))
    first = st.integers(1, places)
    one = st.lists(st.integers(-1, 2), min_size=size, max_size=size)
    several = st.lists(
        st.sets(st.integers(0, 3), max_size=2).map(lambda own: tuple(sorted(own))),
        min_size=size,
        max_size=size,
    )
    caps = st.builds(Cap, first, st.integers(0, 2), st.one_of(one, several))
    members = st.lists(st.booleans(), min_size=size, max_size=size)
    shares = st.tuples(first, st.integers(0, 3), members).map(lambda t: Share(t[0], min(t[1], t[0]), t[2]))
    found = tuple(draw(st.lists(shares, max_size=2)))
    apart = [
        (a, b)
        for a in range(len(found))
        for b in range(a)
        if not any(x and y for x, y in zip(found[a].member, found[b].member, strict=True))
    ]
    pins = dict(zip(sorted(pinned), items, strict=False))
    return Task(size, places, pins, tuple(draw(st.lists(caps, max_size=2))), found, tuple(apart))


GREEDY_MISSES = Task(
    # Place 0 might go to item 0, which fills the group of both members of the share.
    size=4,
    places=2,
    pins={},
    caps=(Cap(2, 1, [0, 1, 0, 0]),),
    shares=(Share(2, 1, [False, False, True, True]),),
)


@settings(max_examples=80, deadline=None)
@given(tasks())
@example(GREEDY_MISSES)
def test_a_filling_is_the_least_disturbed_of_the_least_broken(task):
    found = fill(task)
    broken, items = best(task)
    assert (*found.over, *found.short) == broken
    assert tuple(found.items) == items
