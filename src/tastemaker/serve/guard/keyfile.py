"""The file of keys: JSON, only its owner may read it, replaced as a whole and never half written."""

import fcntl
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tastemaker.errors import KeysError
from tastemaker.serve.guard.roles import Role

FORMAT = 1
"""1: scrypt with n = 2**14, r = 8, p = 1, 32 bytes."""
NAME_LENGTH = 100
LARGEST = 2**22
"""Bytes of a file that is still read: some ten thousand keys."""

Stamp = tuple[int, int, int] | None
"""When it was changed, its length, its number: where one differs, so does the content. None: no file."""


@dataclass(frozen=True)
class Key:
    """One key, less its secret."""

    id: str
    name: str
    role: Role
    made: int
    """Seconds since 1970."""
    salt: bytes = field(repr=False)
    hash: bytes = field(repr=False)


def stamp(path: Path) -> Stamp:
    """What tells one content of the file from another."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def read(path: Path) -> dict[str, Key]:
    """The keys by id. Raises: KeysError where there is no such file, or it isn't one of keys."""
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
        if len(raw) > LARGEST:
            raise KeysError(f"{path} is larger than {LARGEST} bytes: that is no file of keys.")
        content = json.loads(raw)
        if content["format"] != FORMAT:
            raise KeysError(f"{path} is of format {content['format']!r}; this version reads {FORMAT}.")
        keys = [_key(entry) for entry in content["keys"]]
    except FileNotFoundError:
        raise KeysError(f"There is no file of keys at {path}. `tastemaker keys add` makes one.") from None
    except OSError as error:
        raise KeysError(f"{path} can't be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise KeysError(f"{path} isn't a file of keys as `tastemaker keys add` writes them.") from None
    return {key.id: key for key in keys}


def write(path: Path, keys: dict[str, Key]) -> None:
    """Put these in the file's place, durably. Raises: OSError."""
    entries = [
        {
            "id": key.id,
            "name": key.name,
            "role": key.role.value,
            "made": key.made,
            "salt": key.salt.hex(),
            "hash": key.hash.hex(),
        }
        for key in keys.values()
    ]
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(
            os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
        ) as file:
            json.dump({"format": FORMAT, "keys": entries}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Nobody else changes the file meanwhile. Reading needs no lock: it is replaced as a whole."""
    lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _key(entry: dict[str, object]) -> Key:
    """Raises: ValueError, KeyError, TypeError where it isn't one."""
    key = Key(
        str(entry["id"]),
        str(entry["name"]),
        Role(str(entry["role"])),
        int(str(entry["made"])),
        bytes.fromhex(str(entry["salt"])),
        bytes.fromhex(str(entry["hash"])),
    )
    if not re.fullmatch("[0-9a-f]{12}", key.id) or len(key.salt) < 16 or len(key.hash) != 32:
        raise ValueError(key.id)
    return key
