"""Files of titles that somebody drops into the page: read, corrected, trained, looked at, forgotten.

A try is a folder of the workshop, `try-…`, with the file under a name of ours, what was said of its columns,
and the bundle once there is one. Reading and training are commands of ours, `data check` and `train`.
"""

import json
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from tastemaker.errors import DataError, TastemakerError
from tastemaker.recipe.toml import toml_lines
from tastemaker.serve.web.jobs import Job, Jobs
from tastemaker.serve.web.looking import TRY

KINDS = (".csv", ".tsv", ".txt", ".jsonl")
"""Endings of files that are taken: text alone."""
ROLES = ("title", "id", "category", "categories", "number", "date", "text", "popularity", "ignored")
"""That a column of a catalogue may have."""
MOST_ROWS, MOST_COLUMNS, LONGEST_LINE = 200_000, 200, 1 << 20
"""Lines of a file, columns of its header, bytes of a line."""
MOST_TRIES = 8
"""That are kept; the oldest that is over goes for a new one."""
ROOM_BYTES = 500_000_000
"""Of the disk, that must be free for a file and what is made of it."""
READING = "reading-"
"""What jobs that read a try's file are called, before its id."""


class Tries:
    """The tries of one workshop; any worker may ask."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    # --- a new one --------------------------------------------------------------------------

    async def taken(self, name: str, content: AsyncIterator[bytes]) -> dict[str, Any]:
        """Take a file, and begin to read it.

        Args:
            name: that it had; only ever shown, but for its ending.
        Raises: DataError where it can't be taken; then nothing of it is left.
        """
        ending = Path(name).suffix.lower()
        if ending not in KINDS:
            raise DataError(
                f"A file that is tried ends in {', '.join(KINDS)}; this one doesn't. {_advice(ending)}"
            )
        await self._make_room()
        id = secrets.token_hex(8)
        folder = self._jobs.folder(f"{TRY}{id}")
        folder.mkdir(parents=True)
        try:
            with (folder / f"items{ending}").open("wb") as file:
                size = await _written(content, file)
            self._write(id, {"name": name, "ending": ending, "size": size, "at": time.time(), "columns": {}})
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return self.read(id, {})

    async def _make_room(self) -> None:
        """Raises TastemakerError where there is none."""
        if shutil.disk_usage(self._jobs.root).free < ROOM_BYTES:
            raise TastemakerError(
                "The disk of the workshop is nearly full: delete tries, or make room there."
            )
        kept = self.every()
        while len(kept) >= MOST_TRIES:
            over = [each for each in kept if each["state"] not in ("reading", "waiting", "training")]
            if not over:
                raise TastemakerError(f"{MOST_TRIES} files are being tried already: wait, or delete one.")
            await self.forgotten(over[-1]["id"])
            kept.remove(over[-1])

    # --- what is done with one --------------------------------------------------------------

    def read(self, id: str, columns: Mapping[str, str]) -> dict[str, Any]:
        """Read its file, `columns` having the roles that somebody says they have; the others' are inferred.

        Raises: TastemakerError where it is being trained.
        """
        noted = self._noted(id)
        if _runs(self._jobs.of(f"{TRY}{id}")):
            raise TastemakerError("It is being trained just now: stop that first.")
        noted["columns"] = dict(columns)
        self._write(id, noted)
        folder = self._jobs.folder(f"{TRY}{id}")
        shutil.rmtree(folder / "bundle", ignore_errors=True)
        for old in ("job.json", "said", "told"):
            (folder / old).unlink(missing_ok=True)
        recipe = {"data": {"columns": {name: {"role": role} for name, role in columns.items()}}}
        (folder / "recipe.toml").write_text("\n".join(toml_lines(recipe)), encoding="utf-8")
        asked = (
            "data",
            "check",
            folder / "recipe.toml",
            "--items",
            folder / f"items{noted['ending']}",
            "--json",
        )
        self._jobs.start(f"{READING}{id}", (*asked, "--rejected", folder / "rejected.csv"))
        return self.told(id)

    def trained(self, id: str) -> dict[str, Any]:
        """Train a model of it. Raises: TastemakerError where its file wasn't read yet, or can't be."""
        noted, folder = self._noted(id), self._jobs.folder(f"{TRY}{id}")
        reading = self._jobs.of(f"{READING}{id}")
        if reading is None or reading.state != "done":
            raise TastemakerError("Its file has to be read first.")
        asked = ("train", folder / "recipe.toml", "--items", folder / f"items{noted['ending']}")
        self._jobs.start(f"{TRY}{id}", (*asked, "--out", folder / "bundle", "--json"))
        return self.told(id)

    async def stopped(self, id: str) -> dict[str, Any]:
        """Stop the training."""
        self._noted(id)
        await self._jobs.stop(f"{TRY}{id}")
        return self.told(id)

    async def forgotten(self, id: str) -> None:
        """Delete the file and all that was made of it."""
        self._noted(id)
        await self._jobs.forget(f"{READING}{id}")
        await self._jobs.forget(f"{TRY}{id}")

    # --- how they stand ---------------------------------------------------------------------

    def every(self) -> list[dict[str, Any]]:
        """All that there are, newest first, in short."""
        ids = [path.parent.name.removeprefix(TRY) for path in self._jobs.root.glob(f"{TRY}*/try.json")]
        told = [self.told(id, in_short=True) for id in ids]
        return sorted(told, key=lambda each: -each["at"])

    def told(self, id: str, in_short: bool = False) -> dict[str, Any]:
        """How one stands. Raises TastemakerError where there is none.

        state: reading, unreadable, read, waiting, training, stopped, failed or ready.
        """
        noted = self._noted(id)
        reading, training = self._jobs.of(f"{READING}{id}"), self._jobs.of(f"{TRY}{id}")
        job = reading if training is None else training
        found: dict[str, Any] = {
            "id": id,
            "name": noted["name"],
            "size": noted["size"],
            "at": noted["at"],
            "state": _state(reading, training),
            "job": None if job is None else job.as_json(),
            "model": f"{TRY}{id}",
        }
        if in_short:
            return found
        found |= {"columns": noted["columns"], "roles": ROLES, "report": None, "result": None}
        if reading is not None and reading.state == "done":
            (found["report"],) = json.loads(self._jobs.said(f"{READING}{id}"))["files"]
        if found["state"] == "ready":
            said = json.loads(self._jobs.said(f"{TRY}{id}"))
            found["result"] = {name: said[name] for name in ("kind", "data", "evaluation")}
        return found

    def _noted(self, id: str) -> dict[str, Any]:
        try:
            noted: dict[str, Any] = json.loads(
                (self._jobs.folder(f"{TRY}{id}") / "try.json").read_text("utf-8")
            )
        except FileNotFoundError:
            raise TastemakerError("There is no such try; it may have been deleted.") from None
        return noted

    def _write(self, id: str, noted: dict[str, Any]) -> None:
        path = self._jobs.folder(f"{TRY}{id}") / "try.json"
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(noted), encoding="utf-8")
        partial.replace(path)


def _state(reading: Job | None, training: Job | None) -> str:
    if training is not None and training.state != "failed":
        return {"waiting": "waiting", "running": "training", "stopped": "stopped"}.get(
            training.state, "ready"
        )
    if training is not None:
        return "failed"
    if reading is None or not reading.is_over:
        return "reading"
    return "read" if reading.state == "done" else "unreadable"


def _runs(job: Job | None) -> bool:
    return job is not None and not job.is_over


def _advice(ending: str) -> str:
    if ending in (".xlsx", ".xls", ".ods"):
        return "Save the sheet as CSV (UTF-8)."
    if ending in (".zip", ".gz", ".7z"):
        return "Unpack it first."
    return "Give it as CSV, with a header line."


async def _written(content: AsyncIterator[bytes], file: BinaryIO) -> int:
    """Bytes written. Raises DataError past a limit: what would take minutes to read is refused by then."""
    size = rows = line = 0
    header = b""
    async for part in content:
        file.write(part)
        size += len(part)
        if b"\n" not in header and len(header) < LONGEST_LINE:
            header += part
        rows += part.count(b"\n")
        first, _, _ = part.partition(b"\n")
        line += len(first)
        if max(line, *map(len, part.split(b"\n"))) > LONGEST_LINE:
            raise DataError(f"A line of it has more than {LONGEST_LINE:,} bytes: is it a table of titles?")
        if b"\n" in part:
            line = len(part) - part.rfind(b"\n") - 1
        if rows > MOST_ROWS:
            raise DataError(
                f"It has more than {MOST_ROWS:,} lines, too many to be tried here; "
                "`tastemaker train --items` takes any number."
            )
    columns = 1 + max(header.partition(b"\n")[0].count(mark) for mark in (b",", b";", b"\t", b"|"))
    if columns > MOST_COLUMNS:
        raise DataError(
            f"Its header has about {columns:,} columns, and {MOST_COLUMNS} are enough for a catalogue: "
            "one row an item, one column a property."
        )
    if not size:
        raise DataError("The file is empty; a header line and at least two rows are needed.")
    return size
