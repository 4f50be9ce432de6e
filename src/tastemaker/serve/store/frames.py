"""Rows of a store as frames, the same whichever database they come from."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from tastemaker.serve.store.contract import Answer, Event

EVENTS: dict[str, pl.DataType] = {
    "event_id": pl.String(),
    "user_id": pl.String(),
    "item_id": pl.String(),
    "at": pl.Float64(),
    "kind": pl.String(),
    "weight": pl.Float64(),
    "watch_time": pl.Float64(),
    "recommendation_id": pl.String(),
    "position": pl.Int64(),
}
ANSWERS: dict[str, pl.DataType] = {
    "recommendation_id": pl.String(),
    "user_id": pl.String(),
    "timestamp": pl.Float64(),
    "placement": pl.String(),
    "model_version": pl.String(),
    "device": pl.String(),
    "is_shadow": pl.Boolean(),
    "item_id": pl.String(),
    "position": pl.Int64(),
    "score": pl.Float64(),
    "source": pl.String(),
    "propensity": pl.Float64(),
    "features": pl.List(pl.Float32()),
}


def events_frame(events: Sequence[Event]) -> pl.DataFrame:
    """One row an event."""
    return pl.DataFrame(events, schema=EVENTS, orient="row")


def answers_frame(answers: Sequence[Answer]) -> pl.DataFrame:
    """One row a place; an answer without any place has none."""
    rows = []
    for answer in answers:
        seen: Sequence[list[float] | None] = [None] * len(answer.items)
        if answer.features:
            seen = np.frombuffer(answer.features, "<f4").reshape(len(answer.items), -1).tolist()
        of_all = (
            *(answer.recommendation_id, answer.user_id, answer.at, answer.placement),
            *(answer.model_version, answer.device, answer.is_shadow),
        )
        rows += [
            (*of_all, item.item_id, position, item.score, item.source, item.propensity, features)
            for position, (item, features) in enumerate(zip(answer.items, seen, strict=True), start=1)
        ]
    return pl.DataFrame(rows, schema=ANSWERS, orient="row")
