"""Lists that go on: a cursor says what was shown, so that nothing comes twice, whatever changed meanwhile.

It holds a hash of each item shown, four bytes each, and no secret: whoever makes one up leaves items out of
their own list, as `exclude` would.
"""

import base64
import binascii
from collections.abc import Sequence
from zlib import crc32

import numpy as np
import numpy.typing as npt

from tastemaker.errors import TastemakerError

Hashes = npt.NDArray[np.uint32]

FURTHEST = 1000
"""Items after which a list ends: a cursor has to fit into a request."""
FORM = b"\x01"


def cursor(shown: Hashes) -> str | None:
    """Of all items (n,) shown so far; None where the list ends."""
    if not len(shown) or len(shown) >= FURTHEST:
        return None
    return base64.urlsafe_b64encode(FORM + shown.astype("<u4").tobytes()).decode()


def shown_before(text: str) -> Hashes:
    """(n,) what a cursor says was shown. Raises TastemakerError where it is none of ours."""
    try:
        content = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError, ValueError):
        content = b""
    if content[:1] != FORM or len(content) % 4 != 1 or not 1 < len(content) <= 4 * FURTHEST + 1:
        raise TastemakerError(
            "The cursor is none of ours: send the one of the answer that goes on, unchanged."
        )
    return np.frombuffer(content[1:], "<u4").astype(np.uint32)


def hashes(ids: Sequence[str]) -> Hashes:
    """(n,) of ids."""
    return np.array([crc32(id.encode()) for id in ids], np.uint32)
