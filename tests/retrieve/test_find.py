import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import integers

from tastemaker.data.catalogue import PAD, Move
from tastemaker.errors import AmbiguousTitleError, UnknownItemError
from tastemaker.retrieve.find import TitleFinder

TITLES = [
    "Wednesday: Season 2",
    "Wednesday: Season 1",
    "A Wednesday // अ वेडनेसडे",
    "The Glory: Season 1 // 더 글로리: 시즌 1",
    "Kingdom: Season 1 // 킹덤: 시즌 1",
    "Kingdom: Season 2 // 킹덤: 시즌 2",
    "Kingdom: Series 1 // キングダム: 第1シリーズ",
    "Gin Tama: Season 1 // 銀魂: 第1期 1年目",
    "Gin Tama: Season 2 // 銀魂: 第2期",
    "Dune (1984)",
    "Dune (2021)",
    "Matrix, The (1999)",
    "Seven (a.k.a. Se7en) (1995)",
    "Money Heist: Part 1 // La casa de papel: Parte 1",
    "Money Heist: Korea: Season 1 // 종이의 집: 시즌 1",
    "It",
]


def found(typed: str) -> str:
    return TITLES[TitleFinder(TITLES).find(typed)]


def test_a_typo_finds_the_first_season():
    assert found("wednsday") == "Wednesday: Season 1"


def test_a_series_name_means_its_first_season_present():
    assert found("wednesday") == "Wednesday: Season 1"


def test_the_whole_title_means_itself_in_any_case():
    assert found("WEDNESDAY: SEASON 2") == "Wednesday: Season 2"


@pytest.mark.parametrize(
    "typed", ["더 글로리", "더 글로리: 시즌 1", "the glory", "The Glory: Season 1", TITLES[3]]
)
def test_either_half_finds_the_title_with_or_without_season(typed):
    assert found(typed) == TITLES[3]


@pytest.mark.parametrize("typed", ["The Matrix", "matrix, the", "the matrix (1999)", "the matrix 1999"])
def test_an_inverted_article_and_a_year_may_be_left_out(typed):
    assert found(typed) == "Matrix, The (1999)"


def test_an_alias_in_brackets_is_a_name():
    assert found("se7en") == "Seven (a.k.a. Se7en) (1995)"


def test_an_exact_name_beats_a_nearer_looking_one():
    assert found("it") == "It"
    assert found("a wednesday") == "A Wednesday // अ वेडनेसडे"


def test_words_of_a_longer_name_are_enough():
    assert found("money heist korea") == TITLES[14]
    assert found("money heist") == TITLES[13]


def test_two_films_of_one_name_are_asked_back():
    with pytest.raises(AmbiguousTitleError) as asked:
        found("Dune")
    assert asked.value.candidates == ["Dune (1984)", "Dune (2021)"]
    assert found("dune 2021") == "Dune (2021)"


def test_two_series_of_one_english_name_are_asked_back():
    with pytest.raises(AmbiguousTitleError) as asked:
        found("kingdom")
    assert asked.value.candidates == [TITLES[4], TITLES[6]]
    assert found("킹덤") == TITLES[4]


def test_seasons_with_unlike_native_endings_are_one_series():
    assert found("Gin Tama") == TITLES[7]


@pytest.mark.parametrize("typed", ["qqqq zzzz", "", "!!"])
def test_what_is_like_nothing_is_refused_in_one_line(typed):
    with pytest.raises(UnknownItemError) as refused:
        found(typed)
    assert "\n" not in str(refused.value)


def test_a_refusal_names_the_nearest():
    with pytest.raises(UnknownItemError, match="Wednesday"):
        found("wedding dance")


def test_an_empty_catalogue_refuses_all():
    with pytest.raises(UnknownItemError):
        TitleFinder([]).find("anything")


def test_a_typo_among_20000_titles_takes_a_moment():
    finder = TitleFinder([f"Title {n} of the {n % 977} wonders: Season 1" for n in range(20_000)])
    finder.find("title 7 of the 7 wonders")  # builds the index
    start = time.perf_counter()
    assert finder.find("titel 19999 of the 459 wondrs") == 19_999
    assert time.perf_counter() - start < 0.5  # 50 ms by itself; a busy machine gets ten times that


POOL = [
    *TITLES,
    "Gravity (2013)",
    "Wednesday: Season 3",
    "It Follows",
    "Kingdom: Season 3 // 킹덤: 시즌 3",
    "",
]
ASKED = [
    *POOL,
    "wednsday",
    "kingdom",
    "dune",
    "gin tama",
    "킹덤",
    "it",
    "matrix",
    "gravty",
    "zzzz",
    "money",
    "",
]


def answer(finder: TitleFinder, typed: str) -> object:
    try:
        return finder.find(typed)
    except AmbiguousTitleError as error:
        return sorted(error.candidates)
    except UnknownItemError as error:
        return type(error)


@given(seed=integers(0, 9999))
@settings(max_examples=60, deadline=None)
def test_after_titles_came_changed_and_went_the_answers_are_those_of_a_new_finder(seed):
    rng = np.random.default_rng(seed)
    titles = [str(title) for title in rng.choice(POOL, rng.integers(1, 12))]
    finder = TitleFinder(titles)
    finder.find(titles[0]) if titles[0] else None
    for typed in ASKED:  # so that all is indexed
        answer(finder, typed)
    for _ in range(3):
        stays = np.flatnonzero(rng.random(len(titles)) < 0.7)
        rows = np.full(len(titles), PAD, np.int32)
        rows[stays] = np.arange(len(stays))
        titles = [titles[row] for row in stays] + [str(title) for title in rng.choice(POOL, 2)]
        told = np.union1d(np.arange(len(stays), len(titles)), rng.integers(0, len(titles), 2)).astype(
            np.int32
        )
        for row in told:
            titles[row] = str(rng.choice(POOL))
        grown = finder.after(titles, Move(rows, told, told[:0]))
        anew = TitleFinder(titles)
        for typed in ASKED:
            assert answer(grown, typed) == answer(anew, typed), typed
        finder = grown


def test_what_is_indexed_is_not_indexed_again():
    finder = TitleFinder(TITLES)
    answer(finder, "zzzz")
    rows = np.arange(len(TITLES), dtype=np.int32)
    late = np.array([len(TITLES)], np.int32)
    grown = finder.after([*TITLES, "Gravity (2013)"], Move(rows, late, late))
    assert "_names" in grown.__dict__
    assert grown.find("gravity") == len(TITLES)
    with pytest.raises(UnknownItemError):
        finder.find("gravity")
