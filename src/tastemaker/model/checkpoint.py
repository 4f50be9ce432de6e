"""A training that was cut off goes on where it stood, and ends as if it had never stopped."""

import contextlib
import json
import os
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tastemaker.errors import TrainingError

State = dict[str, npt.NDArray[Any]]


@dataclass
class Checkpoint:
    """One file that holds the newest state of one training.

    Attributes:
        path: of the file; its folder is made where it is missing.
        identity: of the training, as JSON takes it; a file with another identity is not gone on from.
        every: seconds between two saves.
    """

    path: Path
    identity: Mapping[str, Any]
    every: float = 60.0
    _saved: float = field(default_factory=time.monotonic)

    @property
    def is_due(self) -> bool:
        return time.monotonic() - self._saved >= self.every

    def save(self, state: State) -> None:
        """Write `state`, whole or not at all. Raises TrainingError when the disk won't take it."""
        partial = self.path.with_name(f".{self.path.name}.partial")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                np.savez(file, allow_pickle=False, **state, identity=self._identity)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            raise TrainingError(
                f"Can't write the checkpoint {self.path}: {error.strerror or error}."
            ) from None
        self._saved = time.monotonic()

    def load(self) -> State | None:
        """The newest state, or None where there is none of this training."""
        try:
            with np.load(self.path, allow_pickle=False) as arrays:
                if not np.array_equal(arrays["identity"], self._identity):
                    return None
                return {name: arrays[name] for name in arrays.files if name != "identity"}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None  # not there, or cut off while it was written by an older version: begin anew

    @property
    def _identity(self) -> npt.NDArray[np.uint8]:
        return np.frombuffer(json.dumps(self.identity, sort_keys=True, default=str).encode(), np.uint8)


def under(start: str, state: Mapping[str, npt.NDArray[Any]]) -> State:
    """The part of a state whose names begin with `start`, without it."""
    return {name.removeprefix(start): array for name, array in state.items() if name.startswith(start)}
