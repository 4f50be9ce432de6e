"""When things came out, as far as a catalogue tells."""

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import Catalogue
from tastemaker.data.names import plain_name
from tastemaker.data.titles import title_year
from tastemaker.recipe import Role

YEARS = ("year", "release_year", "released", "start_year", "publication_year", "year_of_publication")
"""What a number column is called that says when an item came out."""

YEAR_DAYS = 365.2425


def released_days(catalogue: Catalogue) -> npt.NDArray[np.float64] | None:
    """(N,) days since 1970 on which each item came out, NaN where unknown; None if a catalogue doesn't tell.

    By the first date column, else by a column of years, else by the years of titles where most titles have
    one. A year is its beginning, to within a day.
    """
    for name in catalogue.by_role(Role.DATE):
        days = catalogue.frame[name].to_physical()
        return np.array([np.nan if day is None else day for day in days], np.float64)
    for name in catalogue.by_role(Role.NUMBER):
        if plain_name(name) in YEARS:
            years = catalogue.frame[name]
            return _days([np.nan if year is None else year for year in years])
    found = [title_year(title) for title in catalogue.titles]
    if sum(year is not None for year in found) * 2 < len(found) or not found:
        return None
    return _days([np.nan if year is None else float(year) for year in found])


def _days(years: list[float]) -> npt.NDArray[np.float64]:
    return (np.array(years, np.float64) - 1970) * YEAR_DAYS
