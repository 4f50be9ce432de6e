"""A file of events that wait for their store: appended to and safe on the disk, read back after a crash.

A record is its length and the CRC-32 of it (4 bytes each, little-endian), and one event as a JSON list.
Whoever has a file open holds a lock on it: one without a lock was left behind by a process that is gone.
"""

import fcntl
import os
import struct
import uuid
import zlib
from collections.abc import Sequence
from pathlib import Path

import orjson

from tastemaker.serve.store.contract import Event

ENDING = ".spool"
REFUSED = ".refused"
"""Of a file with events that a store wouldn't take though it was well: for somebody to look at."""
_HEAD = struct.Struct("<II")


def packed(events: Sequence[Event]) -> bytes:
    """Raises: TypeError where a text isn't Unicode."""
    texts = [orjson.dumps(list(event)) for event in events]
    return b"".join(_HEAD.pack(len(text), zlib.crc32(text)) + text for text in texts)


def unpacked(content: bytes) -> list[Event]:
    """All whole records; what follows the first that is cut short or damaged was never acknowledged."""
    events = []
    start = 0
    while start + _HEAD.size <= len(content):
        length, check = _HEAD.unpack_from(content, start)
        text = content[start + _HEAD.size : start + _HEAD.size + length]
        if not length or len(text) < length or zlib.crc32(text) != check:
            break
        events.append(Event(*orjson.loads(text)))
        start += _HEAD.size + length
    return events


class SpoolFile:
    """One file, locked as long as it is open."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.size = os.fstat(descriptor).st_size
        self.events: list[Event] = []
        self.by_user: dict[str, list[Event]] = {}
        self.ids: set[str] = set()
        self._descriptor = descriptor
        self._remember(unpacked(path.read_bytes()))

    @classmethod
    def made(cls, folder: Path, events: Sequence[Event] = ()) -> "SpoolFile":
        """A new file with these events in it. Raises: OSError."""
        path = folder / f"{uuid.uuid4().hex}.new"  # nobody takes it over before it is locked
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        file = cls(path, descriptor)
        try:
            file.append(events)
            file.path = path.rename(path.with_suffix(ENDING))
            _sync_folder(folder)
        except BaseException:
            file.delete()
            raise
        return file

    @classmethod
    def left(cls, folder: Path) -> "list[SpoolFile]":
        """Take over the files of processes that are gone."""
        found = []
        for path in sorted(folder.glob(f"*{ENDING}")):
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
            except FileNotFoundError:
                continue  # replayed and deleted just now by its owner
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                found.append(cls(path, descriptor))
            except (BlockingIOError, FileNotFoundError):
                os.close(descriptor)
        return found

    def append(self, events: Sequence[Event]) -> None:
        """Keep events; they are safe when this returns, and none of them is there after an error.

        Raises: OSError, TypeError.
        """
        content = packed(events)
        try:
            written = 0
            while written < len(content):
                written += os.write(self._descriptor, content[written:])
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(content)
        self._remember(events)

    def delete(self) -> None:
        self.path.unlink(missing_ok=True)
        self.close()

    def set_aside(self) -> None:
        """Under a name that isn't replayed again."""
        self.path.rename(self.path.with_suffix(REFUSED))
        self.close()

    def close(self) -> None:
        os.close(self._descriptor)

    def _remember(self, events: Sequence[Event]) -> None:
        self.events += events
        for event in events:
            self.by_user.setdefault(event.user_id, []).append(event)
            self.ids.add(event.event_id)


def forget_refused(folder: Path, user_id: str) -> None:
    """Take a person out of what was set aside. Raises: OSError."""
    for path in folder.glob(f"*{REFUSED}"):
        kept = [event for event in unpacked(path.read_bytes()) if event.user_id != user_id]
        path.write_bytes(packed(kept))


def _sync_folder(folder: Path) -> None:
    """The name of a new file is safe only then."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
