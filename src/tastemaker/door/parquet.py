"""What a Parquet file will take once it is read, as its pages say, before any of it is unpacked.

A few kilobytes may claim gigabytes: pages that unpack to more, or one value repeated a billion times. The
footer and the page headers are Thrift's compact protocol (github.com/apache/parquet-format), of which this
reads the little that tells sizes.
"""

import os
from pathlib import Path
from typing import Any

import polars as pl

from tastemaker.door.files import plain_file, told
from tastemaker.errors import BundleError

LARGEST_FOOTER = 16 * 2**20
ROOM, ROOM_PER_BYTE = 256 * 2**20, 20
"""Bytes in memory that a file may take: so many, and so many for each byte that it has."""
PER_VALUE = 16
"""Bytes in memory of the shortest string."""
DEEPEST = 32

Fields = dict[int, Any]


def read_parquet(path: Path) -> pl.DataFrame:
    """Raises: BundleError where it isn't Parquet, or would take far more room than its size allows."""
    with os.fdopen(plain_file(path), "rb") as file:
        data = file.read()
    room = ROOM + ROOM_PER_BYTE * len(data)
    try:
        wanted = claimed(data)
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise BundleError(f"{told(path.parent)} is damaged: {path.name} is no Parquet ({error}).") from None
    if wanted > room:
        raise BundleError(f"{told(path.parent)} is damaged: {path.name} claims {wanted:,} bytes unpacked.")
    frame = pl.read_parquet(data)
    # Values of a dictionary lie there once, however often they are told.
    texts = [frame[name] for name, kind in frame.schema.items() if kind == pl.String]
    texts += [frame[name].explode() for name, kind in frame.schema.items() if kind == pl.List(pl.String)]
    spelled = sum(int(text.str.len_bytes().sum()) for text in texts)
    if spelled > room:
        raise BundleError(f"{told(path.parent)} is damaged: {path.name} spells out {spelled:,} bytes.")
    return frame


def claimed(data: bytes) -> int:
    """Bytes that all pages of a file say they unpack to, and that their values take at least.

    Raises: ValueError, IndexError, KeyError, TypeError where it isn't laid out as Parquet.
    """
    if data[:4] != b"PAR1" or data[-4:] != b"PAR1" or len(data) < 12:
        raise ValueError("it doesn't begin and end as one")
    length = int.from_bytes(data[-8:-4], "little")
    if length > min(LARGEST_FOOTER, len(data) - 12):
        raise ValueError("its footer is longer than it")
    footer, _ = _struct(data, len(data) - 8 - length)
    total, seen = 0, 0
    for group in footer.get(4, []):
        total += PER_VALUE * int(group[3])
        for column in group[1]:
            about = column[3]
            at = min(place for place in (about.get(11), about[9]) if place)
            end = at + about[7]
            seen += about[7]
            if at < 4 or about[7] < 0 or end > len(data) or seen > len(data):
                raise ValueError("its pages lie outside of it")
            total += PER_VALUE * max(0, about[5])
            while at < end:
                page, at = _struct(data, at)
                if page[2] < 0 or page[3] < 0:
                    raise ValueError("a page has less than no bytes")
                total += page[2]
                kind = page.get(5) or page.get(7) or page.get(8)  # of data, a dictionary, data again
                total += PER_VALUE * max(0, kind[1]) if kind else 0
                at += page[3]
    return total


def _struct(data: bytes, at: int, depth: int = 0) -> tuple[Fields, int]:
    """The fields of a struct by number, and where it ends."""
    if depth > DEEPEST:
        raise ValueError("it is nested too deep")
    fields: Fields = {}
    number = 0
    while data[at]:
        kind, step = data[at] & 15, data[at] >> 4
        at += 1
        if step:
            number += step
        else:
            number, at = _signed(data, at)
        fields[number], at = (kind == 1, at) if kind in (1, 2) else _value(data, at, kind, depth)
    return fields, at + 1


def _value(data: bytes, at: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind in (4, 5, 6):
        return _signed(data, at)
    if kind in (1, 2, 3):
        return data[at], at + 1
    if kind == 7:
        return None, at + 8
    if kind == 8:
        length, at = _number(data, at)
        return None, at + length
    if kind in (9, 10):
        return _list(data, at, depth)
    if kind == 12:
        return _struct(data, at, depth + 1)
    raise ValueError(f"nothing is of kind {kind}")


def _list(data: bytes, at: int, depth: int) -> tuple[list[Any], int]:
    count, kind = data[at] >> 4, data[at] & 15
    at += 1
    if count == 15:
        count, at = _number(data, at)
    if depth > DEEPEST or count > len(data):
        raise ValueError("it lists more than it has")
    found = []
    for _ in range(count):
        value, at = _value(data, at, kind, depth + 1)
        found.append(value)
    return found, at


def _signed(data: bytes, at: int) -> tuple[int, int]:
    number, at = _number(data, at)
    return number >> 1 ^ -(number & 1), at


def _number(data: bytes, at: int) -> tuple[int, int]:
    number, shift = 0, 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7
        if shift > 63:
            raise ValueError("a number never ends")
