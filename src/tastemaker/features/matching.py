"""What a row of a table fitted earlier meant, and where it stands in one fitted now: matched by name.

A value is itself wherever it stands in its vocabulary, a word or n-gram is the slot that it is hashed to. A
bucket of numbers goes on from the one that its middle fell into; a standardised number is the same by its
column's name.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.features.encode import Encoder
from tastemaker.features.schema import Encoded
from tastemaker.features.tables import Numbers, Texts, Values


class Matched(NamedTuple):
    """Of what a model sees now, where it was.

    features: (F,) rows of the older joined table; PAD for what is new.
    numbers: (M,) places among the older dense numbers; PAD likewise.
    """

    features: Rows
    numbers: Rows


def match(
    seen: Encoded | None, encoder: Encoder | None, older: Encoder | None, left_out: str = ""
) -> Matched:
    """Match `seen`, which `encoder` gave, with what `older` gave.

    Args:
        seen: may lack fields of its encoder.
        left_out: ending of the older encoder's fields that its model never saw; "" for none.
    """
    if seen is None or encoder is None or older is None:
        size = 0 if seen is None else seen.table_size
        return Matched(np.full(size, PAD, np.int32), np.full(_numbers_of(seen), PAD, np.int32))
    starts: dict[str, int] = {}
    end = 0
    for field in older.fields:
        if not (left_out and field.name.endswith(left_out)):
            starts[field.name], end = end, end + field.size
    now, before = ({part.name: part.table for part in each.parts} for each in (encoder, older))
    rows = [np.zeros(0, np.int32)]
    for field in seen.fields:
        if field.name in starts:
            found = _places(now[field.name], before[field.name])
            rows.append(np.where(found == PAD, PAD, found + starts[field.name]).astype(np.int32))
        else:
            rows.append(np.full(field.size, PAD, np.int32))
    numbers = _by_name(encoder.dense_names, older.dense_names)
    return Matched(np.concatenate(rows), numbers)


def _numbers_of(seen: Encoded | None) -> int:
    return 0 if seen is None else seen.dense.shape[1]


def _places(now: Values | Numbers | Texts, before: Values | Numbers | Texts) -> Rows:
    """(rows of `now`,) rows of `before`; row 0, what is missing or unheard of, is the same in all."""
    match now, before:
        case Values(), Values():
            found = _by_name(now.values, before.values)
        case Texts(), Texts() if _cut_alike(now, before):
            found = _by_name(now.slots, before.slots)
        case Numbers(), Numbers():
            bounds = np.array([now.low, *now.edges, now.high])
            middles = (bounds[:-1] + bounds[1:]) / 2
            found = np.searchsorted(before.edges, middles, side="right").astype(np.int32)
        case _:
            found = np.full(now.field("").size - 1, PAD, np.int32)
    return np.concatenate([[0], np.where(found == PAD, PAD, found + 1)]).astype(np.int32)


def _cut_alike(now: Texts, before: Texts) -> bool:
    return (now.piece, now.ngrams, now.hash_rows) == (before.piece, before.ngrams, before.hash_rows)


def _by_name(now: Sequence[Hashable], before: Sequence[Hashable]) -> Rows:
    place: Mapping[Hashable, int] = {name: at for at, name in enumerate(before)}
    return np.array([place.get(name, PAD) for name in now], np.int32)
