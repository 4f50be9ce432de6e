from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemaker.data.values import dates, looks_like_value, numbers, times
from tastemaker.errors import DataError


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["81,21,00,000", "1,00,000", None], [812_100_000, 100_000, None]),  # Indian
        (["1,234,567.8", "12"], [1_234_567.8, 12]),
        (["1.234.567,8", "1.234", "2,5"], [1_234_567.8, 1234, 2.5]),  # European
        (["1.234.567", "1.234"], [1_234_567, 1234]),
        (["1 234 567", "12\u00a0345", "1'000"], [1_234_567, 12_345, 1000]),
        (["0,5", "2"], [0.5, 2]),
        (["1,234", "5"], [1234, 5]),
        (["1.234", "5"], [1.234, 5]),  # nothing says that it groups
        ([" 7 ", "-3", "+2", "1e3", ".5"], [7, -3, 2, 1000, 0.5]),
        (["N/A", "-", "", "null"], [None] * 4),
        (["12%", "nan", "inf", "1,23,4", "abc"], [None] * 5),
    ],
)
def test_numbers_of_every_grouping(cells, values):
    assert numbers(pl.Series(cells, dtype=pl.String))[0].to_list() == values


def indian(number):
    head, tail = str(number)[:-3], str(number)[-3:]
    groups = [tail]
    while head:
        groups.insert(0, head[-2:])
        head = head[:-2]
    return ",".join(groups)


@given(st.lists(st.integers(0, 10**12), min_size=1))
def test_grouped_numbers_come_back_whole(values):
    for write in (lambda number: f"{number:,}", indian, str, lambda number: f"{number:,}".replace(",", " ")):
        assert numbers(pl.Series([write(number) for number in values]))[0].to_list() == values


@given(st.lists(st.floats(-1e9, 1e9).map(lambda number: round(number, 2)), min_size=1))
def test_european_numbers_come_back_when_the_mark_is_stated(values):
    cells = [f"{number:,.2f}".translate(str.maketrans(",.", ".,")) for number in values]
    assert numbers(pl.Series(cells), ",")[0].to_list() == pytest.approx(values)


@pytest.mark.parametrize(
    ("cells", "order", "days"),
    [
        (["2023-03-23", "2023-01-05 10:00:00"], "ymd", [(2023, 3, 23), (2023, 1, 5)]),
        (["23-03-2023", "05-01-2023"], "dmy", [(2023, 3, 23), (2023, 1, 5)]),
        (["3/23/2023", "1/5/2023", None], "mdy", [(2023, 3, 23), (2023, 1, 5), None]),
        (["01-Jan-1995", "14-Feb-1996"], "ymd", [(1995, 1, 1), (1996, 2, 14)]),
        (["Jan 2, 1995", "2nd January 1995"], "ymd", [(1995, 1, 2), (1995, 1, 2)]),
        (["March 1999", "1999-04"], "ymd", [(1999, 3, 1), (1999, 4, 1)]),
        (["20230131"], "ymd", [(2023, 1, 31)]),
        (["1260759144"], "ymd", [(2009, 12, 14)]),
        (["1260759144000"], "ymd", [(2009, 12, 14)]),
        (["31/12/99", "01/02/03"], "dmy", [(1999, 12, 31), (2003, 2, 1)]),
        (["31.04.2023", "30.04.2023", "soon"], "dmy", [None, (2023, 4, 30), None]),
        (["02/02/2020"], "dmy", [(2020, 2, 2)]),  # either way the same day
    ],
)  # fmt: skip
def test_one_order_is_found_for_a_whole_column(cells, order, days):
    found = dates(pl.Series(cells, dtype=pl.String), column="Release Date")
    assert found.values.to_list() == [day and date(*day) for day in days]
    assert found.order == order


def test_dates_that_could_be_either_are_refused_and_the_way_out_is_said():
    cells = pl.Series(["01/02/2023", "03/04/2023"])
    with pytest.raises(DataError, match="could be day-month-year or month-day-year") as refusal:
        dates(cells, column="Release Date")
    assert """--set 'data.columns."Release Date".date_order=dmy'""" in str(refusal.value)
    assert dates(cells, "mdy").values.to_list() == [date(2023, 1, 2), date(2023, 3, 4)]
    assert dates(cells, "dmy").values.to_list() == [date(2023, 2, 1), date(2023, 4, 3)]


def test_a_column_that_mixes_two_orders_is_refused():
    with pytest.raises(DataError, match="mixes dates"):
        dates(pl.Series(["13/01/2023", "14/01/2023", "01/15/2023"]), column="d")


def test_one_stray_order_among_many_is_emptied():
    cells = pl.Series([*(f"{day:02}/01/2023" for day in range(1, 32)), "01/15/2023"])
    assert dates(cells).values.to_list()[-1] is None
    assert dates(cells).order == "dmy"


@pytest.mark.parametrize(
    ("cells", "seconds"),
    [
        (["1260759144", "1260759145.5"], [1_260_759_144, 1_260_759_145.5]),
        (["1260759144000"], [1_260_759_144]),
        (["1260759144000000"], [1_260_759_144]),
        (["0", "1", "2"], [0, 1, 2]),
        (["1970-01-02"], [86_400]),
        (["19700102"], [86_400]),
        (["1970-01-01T01:00:00Z", "1970-01-01 01:00:00.5"], [3600, 3600.5]),
        (["1970-01-01 02:00:00+01:00", "1969-12-31 20:00:00 -0500"], [3600, 3600]),
        (["1/13/1970 1:30 PM", "1/1/1970 12:00 AM"], [12 * 86_400 + 13.5 * 3600, 0]),
        (["1", "oops", None], [1, None, None]),
    ],
)
def test_times_are_seconds_whatever_wrote_them(cells, seconds):
    assert times(pl.Series(cells, dtype=pl.String))[0].to_list() == seconds


@pytest.mark.parametrize("cell", ["12", "1,234", "2023-01-05", "http://a.b/c", "0.5"])
def test_values_are_told_from_names(cell):
    assert looks_like_value(cell)


@pytest.mark.parametrize("cell", ["Title", "user_id", "Top 10", "s1", "", "May"])
def test_names_are_told_from_values(cell):
    assert not looks_like_value(cell)
