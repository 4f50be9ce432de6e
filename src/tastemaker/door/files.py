"""What files of a bundle are held to before anything believes them: plain, bounded, with honest headers.

A checksum says that bytes are those that were signed, not that whoever signed them meant well. So nothing
here allocates by what a file claims of itself before the claim was held against the file's own size.
"""

import ast
import json
import math
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tastemaker.errors import BundleError, TastemakerError

LARGEST_MANIFEST = 16 * 2**20
LARGEST_JSON = 64 * 2**20
"""Bytes of any other JSON; of a million titles the encoders take 5 MB."""
MOST_FILES = 10_000
LONGEST_HEADER = 10_000
"""Bytes before an array's numbers, as NumPy itself has it."""
LONGEST_TOLD = 200
"""Characters of a name in a message."""

NAME = re.compile(r"([A-Za-z0-9_-]{1,64}/)?[A-Za-z0-9_-]{1,100}\.(npy|json|parquet|tflite|keras|md|csv)")
"""What files of a bundle are called: one folder deep at most, nothing that leads out."""


def told(name: object, longest: int = LONGEST_TOLD) -> str:
    """A name as it can stand in a message of one line, whatever it holds."""
    text = str(name)
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= longest else f"{text[:longest]}…"


@contextmanager
def one_line(path: Path) -> Iterator[None]:
    """Whatever goes wrong while a bundle is read is a BundleError of one line.

    Its parts are read by four libraries, and what they say to bytes that somebody made up is theirs to
    choose: so everything is caught, polars' panics too, which are no Exception.
    """
    from polars.exceptions import PanicException

    try:
        yield
    except BundleError:
        raise
    except OSError as error:
        raise BundleError(f"{told(path)} can't be read: {error.strerror or told(error)}.") from None
    except TastemakerError as error:
        raise BundleError(f"{told(path)} is damaged: {told(error)}") from None
    except (Exception, PanicException) as error:
        first = told((str(error).splitlines() or [""])[0])
        raise BundleError(f"{told(path)} is damaged: {first or type(error).__name__}.") from None


def plain_file(path: Path) -> int:
    """A descriptor of a plain file, open for reading: no link, no pipe that would never end, no device.

    Raises: BundleError where it is none; FileNotFoundError, NotADirectoryError.
    """
    if path.is_symlink():
        raise BundleError(f"{told(path.parent)} is damaged: {told(path.name)} is not a plain file.")
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise BundleError(
            f"{told(path.parent)} is damaged: {told(path.name)} can't be opened ({error.strerror})."
        ) from None
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise BundleError(f"{told(path.parent)} is damaged: {told(path.name)} is not a plain file.")
    return opened


def content(path: Path, largest: int) -> bytes:
    """All of a plain file. Raises: BundleError where it is longer than `largest`; FileNotFoundError."""
    with os.fdopen(plain_file(path), "rb") as file:
        found = file.read(largest + 1)
    if len(found) > largest:
        raise BundleError(
            f"{told(path.parent)} is damaged: {told(path.name)} is longer than {largest:,} bytes."
        )
    return found


def files_in(folder: Path) -> Iterator[str]:
    """Names of all that lies in a bundle's folder and isn't a folder itself; links are never followed."""
    waiting, count = [""], 0
    while waiting:
        under = waiting.pop()
        with os.scandir(folder / under) as entries:
            for entry in entries:
                count += 1
                if count > MOST_FILES or under.count("/") > 1:
                    raise BundleError(f"{told(folder)} is damaged: it holds too many files or folders.")
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{under}{entry.name}/")
                else:
                    yield f"{under}{entry.name}"


def read_json(path: Path, largest: int = LARGEST_JSON) -> Any:
    """Raises: BundleError where it isn't JSON of finite numbers that says everything once."""
    return parsed(content(path, largest), path)


def parsed(text: bytes, path: Path) -> Any:
    """JSON read strictly; `path` is for the message."""
    try:
        return json.loads(
            text.decode(), parse_constant=_refused, parse_float=_finite, object_pairs_hook=_once
        )
    except (ValueError, RecursionError) as error:
        why = "it is nested too deep" if isinstance(error, RecursionError) else told(error)
        raise BundleError(
            f"{told(path.parent)} is damaged: {told(path.name)} can't be read ({why})."
        ) from None


def _refused(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is no finite number")
    return number


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found


def read_array(path: Path, *, mapped: bool = True) -> npt.NDArray[Any]:
    """A `.npy` file of plain numbers, whose header claims exactly the bytes that follow it.

    Raises: BundleError where it doesn't; FileNotFoundError.
    """
    with os.fdopen(plain_file(path), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        try:
            wanted = _bytes_of(file.read(12 + LONGEST_HEADER))
        except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError) as error:
            raise BundleError(
                f"{told(path.parent)} is damaged: {told(path.name)} is no array of numbers ({told(error)})."
            ) from None
    if wanted != size:
        raise BundleError(
            f"{told(path.parent)} is damaged: {told(path.name)} claims {wanted:,} bytes and has {size:,}."
        )
    found: npt.NDArray[Any] = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    return found


def _bytes_of(start: bytes) -> int:
    """How long a `.npy` file that begins so has to be."""
    if start[:6] != b"\x93NUMPY" or start[6] not in (1, 2, 3):
        raise ValueError("it doesn't begin as one")
    width = 2 if start[6] == 1 else 4
    length = int.from_bytes(start[8 : 8 + width], "little")
    if length > LONGEST_HEADER or len(start) < 8 + width + length:
        raise ValueError("its header is too long")
    header = ast.literal_eval(start[8 + width : 8 + width + length].decode("latin1"))
    if set(header) != {"descr", "fortran_order", "shape"} or not isinstance(header["descr"], str):
        raise ValueError("its header is none of ours")
    dtype, shape = np.dtype(header["descr"]), header["shape"]
    if dtype.kind not in "fiub" or dtype.subdtype is not None:
        raise ValueError(f"it holds {dtype}")
    if not isinstance(shape, tuple) or len(shape) > 4 or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError("its shape is none")
    return 8 + width + length + dtype.itemsize * math.prod(shape)
