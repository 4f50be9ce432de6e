import numpy as np

from tastemaker.data.catalogue import PAD, Move
from tastemaker.retrieve.series import Series

TITLES = ["Comet: Season 1", "Roma", "Comet: Season 2", "Dune (1984)"]


def groups(series: Series) -> list[list[int]]:
    return [np.flatnonzero(series.of == number).tolist() for number in dict.fromkeys(series.of)]


def test_seasons_of_one_series_share_a_number():
    assert groups(Series.named(TITLES)) == [[0, 2], [1], [3]]


def test_what_comes_joins_its_series_and_what_is_renamed_leaves_it():
    before = Series.named(TITLES)
    # Roma goes, Dune becomes a season of Comet's sequel, and a third season of Comet comes.
    titles = ["Comet: Season 1", "Comet: Season 2", "Comet Returns: Season 1", "Comet: Season 3", "Roma"]
    move = Move(np.array([0, PAD, 1, 2], np.int32), np.array([2, 3, 4], np.int32), np.zeros(0, np.int32))
    assert groups(before.after(titles, move)) == [[0, 1, 3], [2], [4]] == groups(Series.named(titles))
    assert groups(before) == [[0, 2], [1], [3]]
