"""What may become a path, and what may stand in the history: checked once, at the registry's door."""

import os
import re
from pathlib import Path

from tastemaker.door.files import told
from tastemaker.errors import RegistryError

VERSION = re.compile(r"[0-9a-f]{12}")
LONGEST_PLACEMENT, LONGEST_REASON = 64, 2000
"""Characters."""


def version_of(name: object) -> str:
    """Nothing but twelve hexadecimal characters ever becomes part of a path. Raises: RegistryError."""
    if not isinstance(name, str) or not VERSION.fullmatch(name):
        raise RegistryError(
            f"{told(name)!r} is no version: one has 12 characters from 0 to 9 and a to f, see models list."
        )
    return name


def placement_of(name: object) -> str:
    """Raises: RegistryError where it is no name of a placement; "" is all of them."""
    if not isinstance(name, str) or len(name) > LONGEST_PLACEMENT or not name.isprintable():
        raise RegistryError(
            f"{told(name)!r} is no placement: give {LONGEST_PLACEMENT} printable characters at most."
        )
    return name


def words(text: object, what: str) -> str:
    """A reason or a name as one line. Raises: RegistryError."""
    if not isinstance(text, str):
        raise RegistryError(f"{what} is {told(text)}: give it in words.")
    line = " ".join(
        "".join(c if c.isprintable() or c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text).split()
    )
    if len(line) > LONGEST_REASON:
        raise RegistryError(f"{what} has {len(line):,} characters; {LONGEST_REASON:,} are the most.")
    return line


def inside(root: Path, path: Path) -> Path:
    """`path` itself, a real folder below `root`. Raises: RegistryError where a link leads elsewhere."""
    if path.is_symlink() or os.path.realpath(path) != str(path):
        raise RegistryError(f"{told(path)} leads out of the registry {told(root)}: it isn't followed.")
    return path
