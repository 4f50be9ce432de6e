"""`history.jsonl`: what happened to the models of a registry, a line each, appended and never rewritten."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from tastemaker.door.files import told
from tastemaker.errors import RegistryError

NAME = "history.jsonl"

Event = Literal["added", "promoted", "rolled back", "refused", "kept out", "trial", "trial ended"]


class Line(BaseModel):
    """One thing that happened."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    at: str
    """ISO 8601, UTC"""
    event: Event
    version: str = ""
    """whom it happened to; empty where a path was refused that gave none"""
    path: str = ""
    """where it came from"""
    reason: str = ""
    by: str = ""
    instead_of: str | None = None
    """what was live before"""
    number: int = 0
    """of the reference that came of it; 0 where it stayed"""
    metrics: dict[str, Any] = {}
    """what spoke for it"""


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class History:
    """Written under the registry's lock, read without."""

    def __init__(self, root: Path) -> None:
        self._path = root / NAME

    def append(self, line: Line) -> None:
        """Durable once this returns. Raises: RegistryError."""
        text = json.dumps(line.model_dump(mode="json"), ensure_ascii=True).encode() + b"\n"
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            opened = os.open(self._path, flags, 0o644)
            with os.fdopen(opened, "r+b", buffering=0) as file:
                size = os.fstat(opened).st_size
                if size and os.pread(opened, 1, size - 1) != b"\n":  # its last line was cut off
                    text = b"\n" + text
                file.write(text)
                os.fsync(opened)
        except OSError as error:
            raise RegistryError(f"Can't write {told(self._path)}: {error.strerror}.") from None

    def lines(self) -> Iterator[Line]:
        """Oldest first; a line that was cut off is passed over."""
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return
        with file:
            for text in file:
                try:
                    yield Line.model_validate(json.loads(text))
                except (ValueError, ValidationError, RecursionError):
                    continue

    def has(self, number: int) -> bool:
        """Whether the change that led to this reference is told."""
        return any(line.number == number for line in self.lines())
