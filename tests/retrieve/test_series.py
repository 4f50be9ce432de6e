import numpy as np
import pytest

from tastemaker.data.catalogue import PAD, Move
from tastemaker.data.interactions import Interactions
from tastemaker.hits import Hits
from tastemaker.retrieve.series import Series

TITLES = [
    "Comet: Season 2 // 혜성: 시즌 2",  # 0
    "Comet: Season 1 // 혜성: 시즌 1",  # 1
    "Comet: Season 3 // 彗星: シーズン3",  # 2: another Comet
    "Comet: Season 4",  # 3: of no known language
    "Roma",  # 4
    "Dune",  # 5
    "Dune: Part Two",  # 6
    "Dune (1984)",  # 7
    "Ark: Season 1",  # 8
    "Ark: Season 5",  # 9
    "Ark: Season 7",  # 10
]


def following(*history: int, k: int = 3, only: list[int] | None = None) -> list[int]:
    rows = np.array(history, np.int32)
    log = Interactions.from_events(["u"], np.zeros(len(rows), np.int32), rows)
    allowed = None if only is None else np.isin(np.arange(len(TITLES)), only)
    hits = Series(TITLES).search(log, np.zeros(1, np.int32), k, allowed)
    assert hits.rows.shape == (1, k)
    assert ((hits.scores == -np.inf) == (hits.rows == PAD)).all()
    assert (hits.scores[0, :-1] >= hits.scores[0, 1:]).all()
    return [int(row) for row in hits.rows[0] if row != PAD]


@pytest.mark.parametrize(
    ("history", "next_up"),
    [
        ([1], [0]),
        ([1, 4, 4], [0]),
        ([1, 0], [3]),  # season 3 is another series' by its native name
        ([0], [3]),  # never back to season 1
        ([4], []),
        ([5], [6]),  # what has no number comes before Part Two; Dune (1984) is another film
        ([7], []),
        ([8], [9]),  # the next there is
        ([9, 8], [10]),  # season 5 is seen
        ([9, 10], []),
        ([8, 1, 4], [0, 9]),  # the series touched last comes first
        ([1, 8, 1], [0, 9]),
        ([], []),
    ],
)
def test_the_next_season_of_each_series_begun(history, next_up):
    assert following(*history) == next_up


def test_a_next_season_that_may_not_come_back_is_not_replaced():
    assert following(8, 1, only=[0, 3, 10]) == [0]
    assert following(8, 1, k=1) == [0]


def test_of_hits_the_first_of_each_series_is_kept():
    hits = Hits(np.array([[9, 1, 8, 0, 4, PAD]], np.int32), np.array([[6, 5, 4, 3, 2, -np.inf]], np.float32))
    assert Series(TITLES).first_of_each(hits, 5).rows.tolist() == [[9, 1, 4]]
    assert Series(TITLES).first_of_each(hits, 2).scores.tolist() == [[6, 5]]


COMETS = ["Comet: Season 1", "Roma", "Comet: Season 2", "Dune (1984)"]


def groups(series: Series) -> list[list[int]]:
    return [np.flatnonzero(series.numbers == number).tolist() for number in dict.fromkeys(series.numbers)]


def test_seasons_of_one_series_share_a_number():
    assert groups(Series(COMETS)) == [[0, 2], [1], [3]]


def test_what_comes_joins_its_series_and_what_is_renamed_leaves_it():
    before = Series(COMETS)
    assert len(before.numbers) == 4  # read before anything moves
    # Roma goes, Dune becomes a season of Comet's sequel, and a third season of Comet comes.
    titles = ["Comet: Season 1", "Comet: Season 2", "Comet Returns: Season 1", "Comet: Season 3", "Roma"]
    move = Move(np.array([0, PAD, 1, 2], np.int32), np.array([2, 3, 4], np.int32), np.zeros(0, np.int32))
    assert groups(before.after(titles, move)) == [[0, 1, 3], [2], [4]] == groups(Series(titles))
    assert groups(before) == [[0, 2], [1], [3]]
