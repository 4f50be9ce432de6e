from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from tastemaker.data.catalogue import Catalogue
from tastemaker.errors import FilterError
from tastemaker.recipe import Column, Role
from tastemaker.retrieve.predicate import DEEPEST, KEPT, LONGEST, Filters

FRAME = pl.DataFrame(
    {
        "id": ["a", "b", "c", "d", "e", "f"],
        "Title": ["Heat (1995)", "Roma", 'Say "hi" (2001)', "Kin's", "Ran (1985)", None],
        "Language": ["Korean", "korean", "French", "French", None, "Latin"],
        "genres": [["war", "love"], ["love"], [], None, ["war"], ["sci fi"]],
        "Score": [1.5, -2.0, 7.0, None, 1e3, float("nan")],
        "Release Date": [
            date(2020, 1, 31), date(2020, 2, 1), None, date(1999, 12, 31), date(2024, 5, 5), date(2020, 1, 31)
        ],
        "Kids": ["Yes", "No", "yes", None, "no", "No"],
        "is new": [1.0, 0.0, None, 1.0, 0.0, 0.0],
        "in": ["x", "y", "x", "y", "x", "y"],
        "Rate": [1.0] * 6,
        "RATE": [2.0] * 6,
    }
)  # fmt: skip
ROLES = [
    *(Role.ID, Role.TITLE, Role.CATEGORY, Role.CATEGORIES, Role.NUMBER, Role.DATE),
    *(Role.CATEGORY, Role.NUMBER, Role.CATEGORY, Role.NUMBER, Role.NUMBER),
]
COLUMNS = [Column(name=name, role=role) for name, role in zip(FRAME.columns, ROLES, strict=True)]
CATALOGUE = Catalogue(FRAME, (*COLUMNS, Column(name="url", role=Role.IGNORED)))
FILTERS = Filters(CATALOGUE)


def passing(text: str) -> str:
    return "".join(np.array(list("abcdef"))[FILTERS.passed(text).rows])


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ('Language == "Korean"', "a"),
        ("Language == 'Korean'", "a"),
        ('Language != "Korean"', "bcdf"),  # e is missing: that it isn't Korean can't be said
        ('not Language == "Korean"', "bcdef"),  # but it is not among those that are
        ('Language in ["Korean", "Latin"]', "af"),
        ('Language not in ["Korean", "Latin"]', "bcd"),
        ("Language in []", ""),
        ("Language not in []", "abcdf"),
        ("Language is missing", "e"),
        ("Language is known", "abcdf"),
        ("Language is not missing", "abcdf"),
        ("Language is not known", "e"),
        ("Score > 1.5", "ce"),
        ("Score >= 1.5", "ace"),
        ("Score < 1.5", "b"),
        ("Score <= -2", "b"),
        ("Score == 1e3", "e"),
        ("Score != 7", "abe"),  # d is missing, f is no number
        ("Score in [7, 1.5]", "ac"),
        ("Score is missing", "df"),
        ("1.5 < Score", "ce"),
        ("1.5 >= Score", "ab"),
        ("7 == Score", "c"),
        ('genres == "love"', "ab"),
        ('genres != "love"', "ef"),  # c and d have none at all
        ('genres in ["war", "sci fi"]', "aef"),
        ('genres not in ["war", "sci fi"]', "b"),
        ("genres is missing", "cd"),
        ('`Release Date` == "2020-01-31"', "af"),
        ('`release date` >= "2020-02-01"', "be"),
        ('release_date < "2000-01-01"', "d"),
        ('release_date in ["1999-12-31", "2024-05-05"]', "de"),
        ("year(release_date) == 2020", "abf"),
        ("2020 < year(`Release Date`)", "e"),
        ("year(release_date) in [1999, 2024.0]", "de"),
        ("year(release_date) is missing", "c"),
        ("year(title) < 1995", "e"),
        ("year(title) is missing", "bdf"),
        ("Kids", "ac"),
        ("not Kids", "bdef"),  # nobody says that d is for kids
        ("kids == true", "ac"),
        ("kids == FALSE", "bef"),
        ("kids != true", "bef"),
        ("is_new", "ad"),
        ("`is new` and not kids", "d"),
        ('`in` == "x"', "ace"),
        ('id in ["b", "zz"]', "b"),
        ('Title == "Say \\"hi\\" (2001)"', "c"),
        ("Title == 'Kin\\'s'", "d"),
        ("Rate == 1 and RATE == 2", "abcdef"),
        # or is weakest, not is strongest, and brackets decide
        ('Language == "French" or Kids and Score > 5', "cd"),
        ('(Language == "French" or Kids) and Score > 5', "c"),
        ("not Kids and Score > 5", "e"),
        ("not (Kids and Score > 5)", "abdef"),
        ("not not Kids", "ac"),
        ("kids AND NOT is_new", "c"),
        ("\n kids\tand\nis_new\u00a0", "a"),
    ],
)
def test_what_passes(text, ids):
    assert passing(text) == ids


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "In the filter, at character 1: it is empty."),
        ("langage == 'x'", "at character 1: there is no column 'langage'. Did you mean 'Language'?"),
        ("kids and zzz == 1", "at character 10: there is no column 'zzz'. There are id, Title, Language, "),
        ("year >= 2020", "there is no column 'year'. Did you mean year(`Release Date`)?"),
        ("url == 'x'", "the column 'url' was ignored when the catalogue was read."),
        ("rate == 1", "'rate' could be any of 'Rate', 'RATE'."),
        ("Language == Korean", "13: a value should stand here, not 'Korean'. A text stands in quotes."),
        ("Language = 'x'", "at character 10: '=' means nothing here. Did you mean '=='?"),
        ("Language == 'x", "at character 13: a ' is opened and never closed."),
        ("Language < 'x'", "'Language' has no order: use ==, != or in."),
        ("genres < 'x'", "'genres' has no order: use ==, != or in."),
        ("Language == 3", "'Language' holds texts: put this number in quotes."),
        ("Score == '3'", "'Score' holds numbers; this is a text."),
        ("Score", "'Score' doesn't say yes or no; compare it with something."),
        ("Score == true", "'Score' doesn't say yes or no; compare it with something."),
        ("Kids < true", "yes and no have no order: use ==, != or in."),
        ("release_date > 'soon'", "'Release Date' holds dates, and 'soon' is none. \"2020-01-31\" is."),
        ("release_date > 2020", "its years are year(`Release Date`)."),
        ("year(Score) > 1", "of a date or a title; 'Score' is neither. Did you mean year(`Release Date`)?"),
        ("month(release_date) > 1", "there is no 'month' of a column; there is year()."),
        ("year(year(release_date)) > 1", "')' should stand here, not '('."),
        ("year(", "a column should stand here, not the end."),
        ("1990 <= Score <= 2000", "one comparison at a time: 1990 <= year and year < 2000."),
        ("'x'", "'x'\" should be compared with a column, as in year >= 2020."),
        ("kids kids", "at character 6: 'and', 'or' or the end should stand here, not 'kids'."),
        ("kids and", "a column should stand here, not the end."),
        ("(kids", "at character 6: ')' should stand here, not the end."),
        ("kids)", "'and', 'or' or the end should stand here, not ')'."),
        ("Language in ['a' 'b']", "at character 18: ',' should stand here, not \"'b'\"."),
        ("Language in 'a'", "'[' should stand here"),
        ("Score in [true]", "a list is of numbers, texts or dates."),
        ("Language is empty", "'missing' or 'known' should stand here, not 'empty'."),
        ("Score > 3x", "'3x' is no number; a text stands in quotes."),
        ("Score > ٣", "'٣' is no number"),
        ("__import__('os')", "there is no '__import__' of a column"),
        ("Title == '\ud800'", "this is not text."),
        ("(" * 60 + "kids" + ")" * 60, f"more than {DEEPEST} deep"),
        ("not " * 60 + "kids", f"more than {DEEPEST} deep"),
        ("kids" + " " * LONGEST, "The filter has 4,004 characters; 4,000 are the most."),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_one_line_with_its_place(text, told):
    with pytest.raises(FilterError) as error:
        FILTERS.passed(text)
    assert told in str(error.value)
    assert len(str(error.value).splitlines()) == 1


WORDS = some.sampled_from(
    [
        *("and", "or", "not", "in", "is", "missing", "known", "true", "kids", "Language", "genres", "Score"),
        *("year", "release_date", "`in`", "year(", "(", ")", "[", "]", ",", "==", "!=", "<", ">=", "'x'"),
        *('"2020-01-31"', "3", "-1e9", "9" * 400, "'", "`", "\\", "\x00", "é", "\n"),
    ]
)


@given(text=some.text() | some.lists(WORDS, max_size=12).map(" ".join) | some.lists(WORDS).map("".join))
@settings(max_examples=400, deadline=None)
def test_any_text_is_a_filter_or_a_mistake_in_one_line(text):
    told = "one line"
    try:
        rows = FILTERS.passed(text).rows
    except FilterError as error:
        told = str(error)
    else:
        assert rows.shape == (6,)
        assert rows.dtype == np.bool_
    assert len(told.splitlines()) == 1


TERMS = some.sampled_from(
    [
        ("Language == 'French'", set("cd")),
        ("Score > 1.5", set("ce")),
        ("genres == 'love'", set("ab")),
        ("kids", set("ac")),
        ("year(release_date) == 2020", set("abf")),
    ]
)
FORMULAE = some.recursive(
    TERMS,
    lambda inner: (
        some.tuples(inner, inner).map(lambda two: (f"({two[0][0]} and {two[1][0]})", two[0][1] & two[1][1]))
        | some.tuples(inner, inner).map(lambda two: (f"({two[0][0]} or {two[1][0]})", two[0][1] | two[1][1]))
        | inner.map(lambda one: (f"not {one[0]}", set("abcdef") - one[1]))
    ),
    max_leaves=12,
)


@given(FORMULAE)
@settings(deadline=None)
def test_and_or_and_not_are_those_of_sets(formula):
    text, ids = formula
    assert set(passing(text)) == ids


def test_what_no_item_meets_is_told_with_what_is_near():
    assert FILTERS.passed("Language == 'frensh'").remarks == (
        "no item has 'frensh' in 'Language' (there is 'French')",
    )
    assert FILTERS.passed("genres in ['warr', 'zzz']").remarks == (
        "no item has 'warr' in 'genres' (there is 'war')",
        "no item has 'zzz' in 'genres'",
    )
    assert FILTERS.passed("Language == 'French'").remarks == ()


def test_what_was_asked_last_is_kept_and_can_not_be_written_to():
    filters = Filters(CATALOGUE)
    first = filters.passed("kids").rows
    assert filters.passed("kids").rows is first
    with pytest.raises(ValueError, match="read-only"):
        first[0] = False
    for n in range(KEPT):
        filters.passed(f"Score > {n}")
    assert filters.passed("kids").rows is not first
    assert (filters.passed("kids").rows == first).all()


def test_a_catalogue_of_ids_alone_can_be_filtered_by_them():
    frame = pl.DataFrame({"item": ["x", "y"]})
    filters = Filters(Catalogue(frame, (Column(name="item", role=Role.ID),)))
    assert filters.passed("item != 'x'").rows.tolist() == [False, True]
    empty = Filters(Catalogue(frame.clear(), (Column(name="item", role=Role.ID),)))
    assert empty.passed("item != 'x'").rows.shape == (0,)
