"""Facts of a catalogue made up on the spot, without any training."""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl

from tastemaker.bundle import Bundle
from tastemaker.data.catalogue import Catalogue
from tastemaker.data.interactions import Interactions
from tastemaker.manifest import Manifest
from tastemaker.recipe import Column, Recipe, Role
from tastemaker.rerank.draft import Draft
from tastemaker.rerank.facts import Facts

NOW = 1_704_067_200.0
"""2024-01-01, in seconds since 1970."""
DAY = 86_400.0


def facts_of(
    items: int,
    *,
    genres: Sequence[Sequence[str]] | None = None,
    ages: Sequence[float | None] | None = None,
    years: Sequence[int | None] | None = None,
    popularity: Sequence[float] | None = None,
    touched: Sequence[tuple[int, float]] = ((0, NOW),),
) -> Facts:
    """Facts of a bundle of so many items.

    Args:
        ages: (N,) days since each came out, at NOW; a date column.
        years: (N,) a column of years.
        touched: item and time of each event of the log.
    """
    columns: dict[str, tuple[Role, object]] = {
        "id": (Role.ID, [str(item) for item in range(items)]),
        "title": (Role.TITLE, [f"title {item}" for item in range(items)]),
    }
    if genres is not None:
        columns["genres"] = (Role.CATEGORIES, [list(own) for own in genres])
    if ages is not None:
        today = date(2024, 1, 1)
        out = [None if age is None else today - timedelta(days=age) for age in ages]
        columns["out"] = (Role.DATE, out)
    if years is not None:
        columns["year"] = (Role.NUMBER, [None if year is None else float(year) for year in years])
    frame = pl.DataFrame({name: values for name, (_, values) in columns.items()})
    told = tuple(Column(name=name, role=role) for name, (role, _) in columns.items())
    vectors = np.ones((items, 2), np.float32)
    rows, times = zip(*touched, strict=True)
    return Facts(
        Bundle(
            manifest=Manifest(
                kind="content",
                recipe=Recipe().model_dump(mode="json"),
                columns={"items": list(told)},
                history_length=5,
                value_scale={"mean": 1.0, "deviation": 1.0, "is_log": False},
                data={},
                created="2024-01-01T00:00:00+00:00",
                versions={},
            ),
            catalogue=Catalogue(frame, told),
            users=None,
            histories=Interactions.from_events(
                ["u"], np.zeros(len(rows), np.int32), np.array(rows, np.int32), np.array(times, np.float64)
            ),
            arrays={
                "item_vectors": vectors,
                "neighbour_vectors": vectors,
                "popularity": np.ones(items) if popularity is None else np.array(popularity, np.float64),
            },
            encoders={"items": {}},
            card="",
        ),
        vectors,
    )


def draft_of(rows: Sequence[int], scores: Sequence[float] | None = None) -> Draft:
    """Of these rows, in this order; scores fall by 1 a place unless they are told."""
    falling = np.arange(len(rows), 0, -1) if scores is None else np.array(scores)
    return Draft(np.array(rows, np.int32), falling.astype(np.float32))
