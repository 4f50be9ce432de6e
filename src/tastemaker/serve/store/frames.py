"""Rows of a store as frames, and the places of an answer as one cell: the same for every database."""

from collections.abc import Sequence

import numpy as np
import orjson
import polars as pl

from tastemaker.serve.store.contract import Answer, Event, Given

EVENTS: dict[str, type[pl.DataType] | pl.DataType] = {
    "event_id": pl.String,
    "user_id": pl.String,
    "item_id": pl.String,
    "at": pl.Float64,
    "kind": pl.String,
    "weight": pl.Float64,
    "watch_time": pl.Float64,
    "recommendation_id": pl.String,
    "position": pl.Int64,
}
"""Columns of a frame of events, those of `Event` in its order."""

ANSWERS: dict[str, type[pl.DataType] | pl.DataType] = {
    "recommendation_id": pl.String,
    "user_id": pl.String,
    "timestamp": pl.Float64,
    "placement": pl.String,
    "model_version": pl.String,
    "device": pl.String,
    "is_shadow": pl.Boolean,
    "item_id": pl.String,
    "position": pl.Int64,
    "score": pl.Float64,
    "source": pl.String,
    "propensity": pl.Float64,
    "features": pl.List(pl.Float32),
}
"""Columns of a frame of answers, one row a place. position: from 1; features: (F,) or null."""


def events_frame(events: Sequence[Event]) -> pl.DataFrame:
    return pl.DataFrame(events, schema=EVENTS, orient="row")


def answers_frame(answers: Sequence[Answer]) -> pl.DataFrame:
    """One row for each place of each answer, in their order."""
    rows = []
    for answer in answers:
        width = len(answer.features) // max(len(answer.items), 1)
        for place, given in enumerate(answer.items):
            own = np.frombuffer(answer.features[place * width : (place + 1) * width], "<f4")
            features = own.tolist() if width else None
            rows.append((*answer[:7], given.item_id, place + 1, *given[1:], features))
    return pl.DataFrame(rows, schema=ANSWERS, orient="row")


def json_of(items: Sequence[Given]) -> bytes:
    """Places of an answer as a JSON list of lists. A score that is no number becomes null."""
    return orjson.dumps([list(given) for given in items])


def items_of(json: bytes | str) -> tuple[Given, ...]:
    """Of what `json_of` wrote."""
    return tuple(
        Given(item_id, float("nan") if score is None else score, source, propensity)
        for item_id, score, source, propensity in orjson.loads(json)
    )
