"""Long work that the page asks for: our commands, one at a time, each in a process and a folder of its own.

What a job says lies in its folder, so any worker can tell how it stands. It gets none of the service's
secrets: only what a program needs to run at all stands in its environment.
"""

import asyncio
import fcntl
import json
import os
import re
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tastemaker.errors import TastemakerError
from tastemaker.serve.watch import logs

State = Literal["waiting", "running", "done", "no", "failed", "stopped"]
NEEDED = (
    *("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH"),
    *("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"),
)
"""Of the environment."""
LONGEST_S = 3600.0
LOOK_S = 0.2
LAST = 8192
"""Bytes of what a job said that are read to know how it stands."""
NICE = 10
FOLDERS = re.compile(r"""(?<![\w:/])/(?:[^/\s'"]+/)+""")
"""Where a file lies, of its whole path; nobody who looks at the page needs to know."""


class Job(NamedTuple):
    """How a piece of work stands.

    state: waiting for its turn, running, done, no (exit status 1: done, and the answer is no), failed, or
        stopped by somebody.
    progress: stage, step, steps, loss, rate and note of `Progress`, the newest; None where nothing was told.
    message: why it failed, in a line.
    began, ended: seconds since 1970.
    """

    name: str
    state: State
    progress: dict[str, Any] | None = None
    message: str = ""
    began: float | None = None
    ended: float | None = None

    @property
    def is_over(self) -> bool:
        return self.state not in ("waiting", "running")

    def as_json(self) -> dict[str, Any]:
        return self._asdict()


class Jobs:
    """The jobs of one service.

    Args:
        root: a folder for all of them; workers share it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._tasks: dict[str, asyncio.Task[None]] = {}
        # Locked for as long as this worker lives: numbers of processes come again, in a container soon.
        self._mark = secrets.token_hex(8)
        self._held = os.open(self._sign(self._mark), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._held, fcntl.LOCK_EX)

    def folder(self, name: str) -> Path:
        """Where a job works and leaves what it makes."""
        return self.root / name

    def start(self, name: str, arguments: Sequence[object], also: Sequence[str] = ()) -> Job:
        """`tastemaker ARGUMENTS` in the folder of `name`, once it is its turn; one that runs goes on.

        Args:
            name: of letters, digits and -; made by us, never by whoever asks.
            also: variables of the environment that it needs beside those that every program does.
        """
        there = self.of(name)
        if there is not None and not there.is_over:
            return there
        folder = self.folder(name)
        folder.mkdir(parents=True, exist_ok=True)
        for old in ("said", "told"):
            (folder / old).unlink(missing_ok=True)
        self._note(name, "waiting")
        self._tasks[name] = asyncio.create_task(self._run(name, [str(each) for each in arguments], also))
        self._tasks[name].add_done_callback(lambda _: self._tasks.pop(name, None))
        return Job(name, "waiting")

    def of(self, name: str) -> Job | None:
        """How it stands; None where there is none of that name."""
        noted = self._noted(name)
        if noted is None:
            return None
        state: State = noted["state"]
        if state in ("waiting", "running") and not self._lives(noted["worker"]):
            return Job(name, "failed", None, "The service was stopped meanwhile.", noted.get("began"))
        progress, message = _told(self.folder(name) / "told")
        if state not in ("failed", "no"):
            message = ""
        return Job(name, state, progress, message, noted.get("began"), noted.get("ended"))

    def said(self, name: str) -> str:
        """What it wrote as its result."""
        return (self.folder(name) / "said").read_text(encoding="utf-8")

    async def stop(self, name: str) -> None:
        """End it, if it runs in this worker or another."""
        noted = self._noted(name)
        if noted is None or noted["state"] not in ("waiting", "running"):
            return
        task = self._tasks.get(name)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        elif noted.get("process"):
            with suppress(ProcessLookupError):
                os.killpg(noted["process"], signal.SIGTERM)
        self._note(name, "stopped", ended=time.time())

    async def forget(self, name: str) -> None:
        """End it and delete all that it left."""
        await self.stop(name)
        await asyncio.to_thread(shutil.rmtree, self.folder(name), True)

    async def close(self) -> None:
        for name in list(self._tasks):
            await self.stop(name)
        self._sign(self._mark).unlink(missing_ok=True)
        os.close(self._held)

    # --- one job ----------------------------------------------------------------------------

    async def _run(self, name: str, arguments: list[str], also: Sequence[str]) -> None:
        turn = os.open(self.root / ".turn", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not _locked(turn):
                await asyncio.sleep(LOOK_S)
                if self._is_stopped(name):
                    return
            await self._in_turn(name, arguments, also)
        except OSError as error:
            logs.logger().error("job_failed", reason=type(error).__name__)
            self._note(name, "failed", ended=time.time())
        finally:
            os.close(turn)  # and with it the turn is another's

    async def _in_turn(self, name: str, arguments: list[str], also: Sequence[str]) -> None:
        folder, began = self.folder(name), time.time()
        with open(folder / "said", "wb") as said, open(folder / "told", "wb") as heard:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tastemaker", *arguments),
                cwd=folder,
                stdin=asyncio.subprocess.PIPE,  # closed when we end, however that is: then it ends too
                stdout=said,
                stderr=heard,
                env=_environment(os.environ, also),
                start_new_session=True,
            )
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, NICE)  # who is served comes first
        self._note(name, "running", began=began, process=process.pid)
        try:
            status = await asyncio.wait_for(process.wait(), LONGEST_S)
        except TimeoutError:
            status = -1
            with (folder / "told").open("a") as heard:
                heard.write(f"tastemaker: It took longer than {LONGEST_S / 60:.0f} minutes.\n")
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await asyncio.shield(process.wait())
        if self._is_stopped(name):  # by another worker
            return
        state: State = "done" if status == 0 else "no" if status == 1 else "failed"
        self._note(name, state, began=began, ended=time.time())
        logs.logger().info("job_ended", state=state, took_s=round(time.time() - began, 1))

    # --- what is noted of it ----------------------------------------------------------------

    def _note(self, name: str, state: State, **more: Any) -> None:
        path = self.folder(name) / "job.json"
        with suppress(FileNotFoundError):  # its folder was deleted meanwhile
            partial = path.with_suffix(".partial")
            partial.write_text(json.dumps({"state": state, "worker": self._mark, **more}))
            partial.replace(path)

    def _is_stopped(self, name: str) -> bool:
        noted = self._noted(name)
        return noted is None or noted["state"] == "stopped"

    def _sign(self, mark: str) -> Path:
        return self.root / f".worker-{mark}"

    def _lives(self, mark: str) -> bool:
        """Whether the worker that made that mark does."""
        if mark == self._mark:
            return True
        try:
            sign = os.open(self._sign(mark), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            if not _locked(sign):
                return True
            self._sign(mark).unlink(missing_ok=True)
            return False
        finally:
            os.close(sign)

    def _noted(self, name: str) -> dict[str, Any] | None:
        try:
            noted: dict[str, Any] = json.loads((self.folder(name) / "job.json").read_text())
        except FileNotFoundError:
            return None
        return noted


def _locked(turn: int) -> bool:
    try:
        fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _environment(whole: Mapping[str, str], also: Sequence[str]) -> dict[str, str]:
    return {name: whole[name] for name in (*NEEDED, *also) if name in whole} | {
        "TASTEMAKER_PROGRESS": "json",
        "TASTEMAKER_LEASH": "stdin",
        "PYTHONUNBUFFERED": "1",
    }


def _told(path: Path) -> tuple[dict[str, Any] | None, str]:
    """The newest progress, and the last line of ours for people, without where files lie."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LAST))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return None, ""
    progress, message = None, ""
    for line in reversed(lines):
        if line.startswith("{") and progress is None:
            with suppress(ValueError):
                progress = json.loads(line)
        elif line.startswith("tastemaker: ") and not message:
            message = FOLDERS.sub("", line.removeprefix("tastemaker: "))
    return progress, message or "It ended without a word; the log of the service knows more."


def at_hand(jobs: Jobs | None) -> Jobs:
    """Raises TastemakerError where nothing is made."""
    if jobs is None:
        raise TastemakerError("This service makes nothing: it was started without a workshop.")
    return jobs
