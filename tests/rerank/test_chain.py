import numpy as np
import pytest

from tastemaker.rerank.chain import Chain
from tastemaker.rerank.draft import Draft, Request
from tastemaker.retrieve.candidates import Candidates
from tastemaker.slate import Move


class Turned:
    """The last comes first."""

    name = "turned"

    def __call__(self, draft, request):
        return draft.ordered(np.arange(len(draft))[::-1], {int(draft.rows[-1]): "for a change"})


class First:
    """One row comes first, if it is there."""

    name = "first"

    def __init__(self, row: int) -> None:
        self.row = row

    def __call__(self, draft, request):
        return draft.ordered(np.flatnonzero(draft.rows == self.row))


class Without:
    name = "without"

    def __init__(self, row: int) -> None:
        self.row = row

    def __call__(self, draft, request):
        return draft.where(draft.rows != self.row).noting(f"{self.row} is gone")


def candidates() -> Candidates:
    """Four items, two of the first source, two of the second."""
    said = np.array([[3, np.nan], [np.nan, 0.7], [2, np.nan], [np.nan, 0.6]], np.float32)
    by = np.array([0, 1, 0, 1], np.int32)
    return Candidates(
        np.array([7, 2, 9, 4], np.int32), np.array([4, 3, 2, 1], np.float32), ("a", "b"), by, said
    )


def test_rules_run_in_their_order_and_each_is_told_what_it_moved():
    shown = Chain([Turned(), First(7)])(candidates(), Request(k=3))
    # 7 2 9 4 → 4 9 2 7 → 7 4 9 2, of which three are shown.
    assert shown.found.rows.tolist() == [7, 4, 9]
    assert shown.found.scores.tolist() == [4, 3, 2]  # of the places
    assert shown.found.sources == (("a",), ("b",), ("a",))
    assert shown.moves() == [
        (Move("turned", 1, 4), Move("first", 4, 1)),
        (Move("turned", 4, 1), Move("first", 1, 2)),
        (Move("turned", 3, 2), Move("first", 2, 3)),
    ]
    assert shown.reasons == {4: ("for a change",)}
    assert shown.propensities is None


def test_what_was_removed_moves_the_others_up_and_is_noted():
    shown = Chain([Without(7), First(5)])(candidates(), Request(k=10))
    assert shown.found.rows.tolist() == [2, 9, 4]
    assert shown.found.scores.tolist() == [3, 2, 1]
    assert shown.moves() == [(Move("without", 2, 1),), (Move("without", 3, 2),), (Move("without", 4, 3),)]
    assert shown.notes == ("7 is gone",)


def test_of_nothing_comes_nothing():
    nothing = Candidates(np.zeros(0, np.int32), np.zeros(0, np.float32), ("a",), np.zeros(0, np.int32),
                         np.zeros((0, 1), np.float32))  # fmt: skip
    shown = Chain([Empty()])(nothing, Request(k=3))
    assert len(shown.found) == 0
    assert shown.moves() == []


class Empty:
    """Looks at the draft as every soft rule does."""

    name = "empty"

    def __call__(self, draft, request):
        return draft.sorted_by(draft.relevance)


def test_relevance_runs_from_0_to_1_and_of_equals_is_1():
    draft = Draft(np.arange(3, dtype=np.int32), np.array([5, 3, 1], np.float32))
    assert draft.relevance.tolist() == [1, 0.5, 0]
    assert Draft(draft.rows, np.full(3, 2, np.float32)).relevance.tolist() == [1, 1, 1]


def test_ties_stay_as_they_stand_and_what_is_left_out_follows():
    draft = Draft(np.array([3, 1, 2], np.int32), np.array([9, 8, 7], np.float32))
    assert draft.sorted_by(np.array([1, 2, 2], np.float32)).rows.tolist() == [1, 2, 3]
    assert draft.ordered(np.array([2])).rows.tolist() == [2, 3, 1]


@pytest.mark.parametrize(("one", "other"), [({"user_id": "a"}, {"user_id": "b"}), ({"seed": 1}, {"seed": 2}),
                                            ({"now": 5.0}, {"now": 6.0})])  # fmt: skip
def test_chance_is_the_same_for_the_same_request_and_no_other(one, other):
    def drawn(rule, **said):
        return Request(k=1, **said).rng(rule).integers(1 << 30)

    assert drawn("x", **one) == drawn("x", **one)
    assert drawn("x", **one) != drawn("x", **other)
    assert drawn("x", **one) != drawn("y", **one)
