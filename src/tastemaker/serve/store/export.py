"""What a store kept, in the form that training reads: a log of choices, and a log of what was shown.

All of it is gathered in memory, as training does; a million events take some 200 MB.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal, NamedTuple

import polars as pl

from tastemaker.serve.store.contract import MEANINGS, Store
from tastemaker.serve.store.frames import ANSWERS, EVENTS
from tastemaker.serve.store.opening import found

RISKY = r"^[=+\-@\t\r]"
"""How a cell begins that a spreadsheet would run as a formula."""


class Export(NamedTuple):
    """interactions: user_id, item_id, timestamp, weight, event, watch_time, recommendation_id; touches only.
    impressions: one row for each place of each answer that somebody with a name was shown.
    answers: all places of all answers with features, shadows and answers to nobody too.
    """

    interactions: pl.DataFrame
    impressions: pl.DataFrame
    answers: pl.DataFrame

    def write(self, folder: Path, form: Literal["parquet", "csv"] = "parquet") -> list[Path]:
        """Write each as a file of its name; as CSV, features are left out and formulas are made harmless.

        Raises: OSError.
        """
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for name, frame in self._asdict().items():
            paths.append(folder / f"{name}.{form}")
            if form == "parquet":
                frame.write_parquet(paths[-1])
            else:
                harmless(frame.drop("features", strict=False)).write_csv(paths[-1])
        return paths


async def exported(store: Store, since: float = 0.0) -> Export:
    """Everything from `since` on, seconds since 1970.

    What came of a list is looked for in all events of it; those are never older than the list.

    Raises: StoreError.
    """
    events = await _whole(store.events(since), EVENTS)
    answers = await _whole(store.answers(since), ANSWERS)
    is_touch = ~pl.col("kind").is_in(list(MEANINGS))
    interactions = events.filter(is_touch).select(
        "user_id",
        "item_id",
        timestamp="at",
        # Where some say how strong it was, one that doesn't counts as one.
        weight=pl.col("weight").fill_null(1.0),
        event="kind",
        watch_time="watch_time",
        recommendation_id="recommendation_id",
    )
    outcomes = (
        events.filter(pl.col("recommendation_id") != "")
        .group_by("recommendation_id", "user_id", "item_id")
        .agg(
            click=is_touch.any().cast(pl.Int8),
            watch_time=pl.col("watch_time").max(),
            like=(pl.col("kind") == "like").any().cast(pl.Int8),
            hidden=(pl.col("kind") == "hide").any().cast(pl.Int8),
        )
    )
    impressions = (
        answers.filter(~pl.col("is_shadow") & (pl.col("user_id") != ""))
        .join(outcomes, on=["recommendation_id", "user_id", "item_id"], how="left", maintain_order="left")
        .select(
            *("user_id", "item_id", "timestamp", "position", "recommendation_id", "source", "device"),
            pl.col("click").fill_null(0),
            "watch_time",
            pl.col("like", "hidden").fill_null(0),
            "propensity",
        )
    )
    return Export(interactions, impressions, answers)


def gathered(address: str, since: float = 0.0) -> Export:
    """The same of a store by its address, which must be there already. Raises: StoreError."""

    async def work() -> Export:
        store = await found(address)
        try:
            return await exported(store, since)
        finally:
            await store.close()

    return asyncio.run(work())


def harmless(frame: pl.DataFrame) -> pl.DataFrame:
    """Text that a spreadsheet would run gets a quote before it."""
    cell = pl.col(pl.String)
    return frame.with_columns(
        pl.when(cell.str.contains(RISKY)).then(pl.concat_str(pl.lit("'"), cell)).otherwise(cell).name.keep()
    )


async def _whole(
    blocks: AsyncIterator[pl.DataFrame], schema: dict[str, type[pl.DataType] | pl.DataType]
) -> pl.DataFrame:
    return pl.concat([pl.DataFrame(schema=schema), *[block async for block in blocks]])
