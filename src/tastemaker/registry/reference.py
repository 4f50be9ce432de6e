"""The one reference of a registry: which model is live, which were before it, and which are being tried."""

import os
import secrets
import time
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tastemaker.door.files import content, parsed, told
from tastemaker.errors import BundleError, RegistryError
from tastemaker.registry.names import LONGEST_PLACEMENT

NAME = "live.json"
LARGEST = 2**20
MOST_BEFORE = 100
"""Models that rolling back can go through."""

Kind = Literal["canary", "shadow"]
"""canary: some people see its answers. shadow: it is asked too, and its answers are only logged."""

VersionName = Field(pattern=r"^[0-9a-f]{12}$")


class Trial(BaseModel):
    """A model beside the live one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    placement: str = Field(max_length=LONGEST_PLACEMENT)
    """"": all of them"""
    kind: Kind
    version: str = VersionName
    share: float = Field(gt=0, le=1)
    """of people"""


class Reference(BaseModel):
    """What is served.

    Attributes:
        number: counts up with every change.
        live: the version that answers; None where nothing was promoted yet.
        trials: at most one of each kind for a placement.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int = Field(0, ge=0)
    live: str | None = Field(None, pattern=r"^[0-9a-f]{12}$")
    since: str = ""
    """when the live one went live, ISO 8601"""
    trials: tuple[Trial, ...] = ()
    before: tuple[str, ...] = ()
    """what was live before, oldest first: rolling back goes to the last"""
    last: dict[str, Any] = {}
    """the line of the history that tells of this change, in case writing it there was cut off"""

    @model_validator(mode="after")
    def _is_one_a_place(self) -> "Reference":
        if len({(trial.placement, trial.kind) for trial in self.trials}) < len(self.trials):
            raise ValueError("two trials of one kind share a placement")
        return self


class _Seen(NamedTuple):
    mark: tuple[int, ...] | None
    reference: Reference


class ReferenceFile:
    """`live.json`, read when it has changed and replaced whole."""

    def __init__(self, root: Path) -> None:
        self._path = root / NAME
        self._seen = _Seen((), Reference())

    def read(self) -> Reference:
        """One stat where nothing has changed. Raises: RegistryError where it can't be read."""
        seen = self._seen
        mark = self._mark()
        if mark != seen.mark:
            # The mark is of before the reading: a change in between is then read once more, never missed.
            seen = self._seen = _Seen(mark, self._parsed())
        return seen.reference

    def _mark(self) -> tuple[int, ...] | None:
        try:
            found = os.stat(self._path, follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RegistryError(f"{told(self._path)} can't be read: {error.strerror}.") from None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _parsed(self) -> Reference:
        try:
            return Reference.model_validate(parsed(content(self._path, LARGEST), self._path))
        except FileNotFoundError:
            return Reference()
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            why = told(f"{where}: {first['msg']}" if where else first["msg"])
        except (BundleError, OSError) as error:
            why = told(error)
        raise RegistryError(
            f"{told(self._path)} is damaged ({why}): put it back from a copy, or remove it and promote anew."
        ) from None

    def replace(self, reference: Reference) -> None:
        """Durable once this returns. Raises: RegistryError; the old one is then still there."""
        partial = self._path.with_name(f".{NAME}.{secrets.token_hex(4)}.partial")
        before = self._mark()
        try:
            with partial.open("x", encoding="utf-8") as file:
                file.write(reference.model_dump_json(indent=1))
                file.flush()
                os.fsync(file.fileno())
            # Two changes within one tick of the file system's clock would else look the same to who polls.
            now = max(time.time_ns(), (before[2] if before else 0) + 1)
            os.utime(partial, ns=(now, now))
            partial.rename(self._path)
            synced(self._path.parent)
        except OSError as error:
            raise RegistryError(
                f"Can't write {told(self._path)}: {error.strerror}. Nothing was changed."
            ) from None
        finally:
            partial.unlink(missing_ok=True)


def synced(folder: Path) -> None:
    """Makes what was renamed in a folder durable."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
