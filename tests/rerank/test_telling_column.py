"""Which column a report looks at first: the one by which two items differ most often."""

import numpy as np
import polars as pl

from tastemaker.data.catalogue import Catalogue
from tastemaker.recipe import Column, Role
from tastemaker.rerank.facts import Facts


class Made:
    """As much of a bundle as facts of columns take."""

    def __init__(self, **columns):
        frame = pl.DataFrame({"id": [f"i{n}" for n in range(120)]} | columns)
        named = [Column(name=name, role=Role.CATEGORY) for name in columns]
        self.catalogue = Catalogue(frame, (Column(name="id", role=Role.ID), *named))


def telling(**columns):
    return Facts(Made(**columns), np.ones((120, 2), np.float32)).telling_column


def test_the_more_even_column_tells_more_apart_and_a_name_is_no_kind():
    mostly, even = ["en"] * 100 + ["ko"] * 20, ["film", "series"] * 60
    names = [f"studio {n}" for n in range(120)]
    assert telling(available=mostly, kind=even) == "kind"
    assert telling(available=mostly, studio=names) == "available"
    assert telling(same=["x"] * 120) is None
    assert telling() is None
