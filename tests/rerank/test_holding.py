"""Fillings against every filling there is, tried one by one."""

from collections import Counter
from dataclasses import replace
from itertools import permutations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tastemaker.rerank import program
from tastemaker.rerank.holding import fill
from tastemaker.rerank.task import Cap, Share, Task


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


@settings(max_examples=40, deadline=None)
@given(tasks())
@example(GREEDY_MISSES)
def test_a_filling_is_the_least_disturbed_of_the_least_broken(task):
    found = fill(task)
    broken, items = best(task)
    assert (*found.over, *found.short) == broken
    assert tuple(found.items) == items


def test_what_greed_misses_is_found_by_hand_as_well():
    # Two groups by turns, both among the first 30 of 60 items and the last 10, whom the share is for.
    groups = [n % 2 for n in range(30)] + [2] * 20 + [n % 2 for n in range(10)]
    member = [n >= 50 for n in range(60)]
    found = fill(Task(60, 20, {}, (Cap(12, 6, groups),), (Share(12, 6, member),)))
    # Three of each group leave room for three of each.
    assert found.items[:12] == [0, 1, 2, 3, 4, 5, 50, 51, 52, 53, 54, 55]
    assert (found.over, found.short) == ((0,), (0,))
    # Four places, four groups, each once: whoever has two groups leaves a place empty, and so would the one
    # whom the share is for. The cap goes before the share.
    several = [(0, 1), (2,), (3,), (0,), (1,), (2, 3), (0, 1), (3,)]
    found = fill(Task(8, 4, {}, (Cap(4, 1, several),), (Share(4, 1, [n == 5 for n in range(8)]),)))
    assert found.items == [1, 2, 3, 4]
    assert (found.over, found.short) == ((0,), (1,))


def test_where_no_program_may_look_pins_hold_and_what_breaks_is_counted(monkeypatch):
    monkeypatch.setattr(program.Program, "_solved", lambda *_: None)  # as if all nodes were used up
    found = fill(replace(GREEDY_MISSES, pins={1: 0}))
    assert found.items == [1, 0]
    assert found.short == (1,)
