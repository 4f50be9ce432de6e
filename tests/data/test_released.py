from datetime import date

import numpy as np
import polars as pl
import pytest

from tastemaker.data.catalogue import Catalogue
from tastemaker.data.released import released_days
from tastemaker.recipe import Column, Role


def catalogue(titles: list[str], **columns: tuple[Role, list[object]]) -> Catalogue:
    frame = pl.DataFrame({"title": titles} | {name: values for name, (_, values) in columns.items()})
    roles = [Column(name=name, role=role) for name, (role, _) in columns.items()]
    return Catalogue(frame, (Column(name="title", role=Role.TITLE), *roles))


def test_a_date_goes_before_a_year_and_a_year_before_the_title():
    titles, years = ["A (1971)", "B (1980)"], (Role.NUMBER, [1972.0, None])
    dates = (Role.DATE, [date(1970, 1, 11), None])
    assert released_days(catalogue(titles, year=years, out=dates)).tolist() == pytest.approx(
        [10, np.nan], nan_ok=True
    )
    # New Year's Day of 1971, 1972 and 1980 were days 365, 730 and 3652.
    assert released_days(catalogue(titles, year=years)) == pytest.approx([730, np.nan], abs=1, nan_ok=True)
    assert released_days(catalogue(titles)) == pytest.approx([365, 3652], abs=1)


def test_where_most_titles_have_no_year_nothing_is_told():
    assert released_days(catalogue(["A (1971)", "B", "C"], length=(Role.NUMBER, [1.0, 2.0, 3.0]))) is None
    assert released_days(catalogue([])) is None
