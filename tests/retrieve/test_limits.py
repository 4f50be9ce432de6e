import pytest

from tastemaker.errors import FilterError, TastemakerError
from tastemaker.retrieve.limits import Limits


@pytest.fixture(scope="module")
def limits(by_hand) -> Limits:
    return Limits(by_hand.catalogue)  # a … f; genres x x y x - y


def test_nothing_asked_is_no_limit(limits):
    assert limits.of().rows is None
    assert limits.of(None, None, []).notes == ()


@pytest.mark.parametrize(
    ("filter", "only", "exclude", "rows"),
    [
        ("genre == 'x'", None, [], [0, 1, 3]),
        (None, ["d", "a", "a"], [], [0, 3]),
        (None, None, ["d", "a", "a"], [1, 2, 4, 5]),
        ("genre == 'x'", ["a", "c", "d"], ["d"], [0]),
        (None, [], [], []),
        (None, ["a"], ["a"], []),
    ],
)
def test_all_three_must_be_passed(limits, filter, only, exclude, rows):
    assert limits.of(filter, only, exclude).rows.nonzero()[0].tolist() == rows


def test_unknown_ids_are_told(limits):
    limit = limits.of(only=["a", "zz"], exclude=["y", "a,b"])
    assert limit.notes == (
        "not in the catalogue, left out of `only`: 'zz'",
        "not in the catalogue, left out of `exclude`: 'y', 'a,b'",
    )
    many = limits.of(exclude=[f"z{n}" for n in range(1012)]).notes[0]
    assert many.endswith("'z9' and 1,002 more")


def test_why_nothing_is_left_is_told(limits):
    assert limits.of("genre == 'z'").notes == ("nothing passes the filter. no item has 'z' in 'genre'",)
    assert limits.of("genre == 'x'", ["c"]).notes == ("nothing passes the filter and the lists",)
    left = limits.of("genre == 'x'")
    assert left.told(2) == ()
    assert left.told(0) == ("3 pass the filter, and nothing new is among them",)
    assert limits.of().told(0) == ()


def test_mistakes_are_refused(limits):
    with pytest.raises(FilterError):
        limits.of("genre ==")
    with pytest.raises(TastemakerError, match="only is the text 'abc'; it should be a list"):
        limits.of(only="abc")
