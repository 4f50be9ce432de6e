"""A PostgreSQL of our own: a fresh cluster in a folder, started, stopped and killed at will.

Debian's binaries, 127.0.0.1 alone, a free port. The server refuses to run as root, so root lends it to
`postgres`.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def binaries() -> Path | None:
    """The folder of the newest server that is installed; None where there is none."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if not found and (initdb := shutil.which("initdb")):
        found = [Path(initdb).parent]
    return max(found, key=lambda path: [int(part) for part in path.parts if part.isdigit()], default=None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Cluster:
    """A database server whose data lie in `folder`/data.

    address: of its database `postgres`, as its superuser.
    """

    def __init__(self, folder: Path, bin: Path) -> None:
        self.data, self.bin, self.port = folder / "data", bin, free_port()
        self.address = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        self._run(
            "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"
        )
        settings = {
            "port": self.port,
            "listen_addresses": "'127.0.0.1'",
            "unix_socket_directories": "''",
            "shared_buffers": "64MB",
        }
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{key} = {value}\n" for key, value in settings.items())

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(self.bin / program), *map(str, arguments)]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        done = subprocess.run(  # the server inherits what is open: no pipes, or we would wait for its end
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, cwd="/"
        )
        if done.returncode:
            raise RuntimeError(f"{program} ended with {done.returncode}; see {self.data.parent}/log.")

    def start(self) -> None:
        self._run("pg_ctl", "-D", self.data, "-l", self.data.parent / "log", "-w", "-t", 30, "start")

    def stop(self, mode: str = "immediate") -> None:
        """`immediate` aborts as a crash does; `fast` lets it finish."""
        self._run("pg_ctl", "-D", self.data, "-m", mode, "-w", "-t", 30, "stop")

    @property
    def pid(self) -> int:
        """Of the postmaster, the father of every other process."""
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def processes(self) -> list[int]:
        """Every process of this server, the postmaster first."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, children)]

    def send(self, number: signal.Signals) -> None:
        """A signal to every process of it: SIGSTOP makes it hang, SIGCONT goes on."""
        for process in self.processes():
            try:
                os.kill(process, number)
            except ProcessLookupError:  # a backend that ended by itself
                continue

    def kill(self) -> None:
        """kill -9 of the whole server, as when the power goes; returns once all of it is gone."""
        gone = self.processes()
        self.send(signal.SIGKILL)
        for process in gone:
            while is_alive(process):
                time.sleep(0.001)
        # Where nobody has collected the dead yet, the next server would take them for alive.
        (self.data / "postmaster.pid").unlink()


def is_alive(process: int) -> bool:
    """Zombies don't count."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A running server, gone with all its data afterwards.

    Raises: FileNotFoundError where PostgreSQL isn't installed.
    """
    bin = binaries()
    if bin is None:
        raise FileNotFoundError("PostgreSQL isn't installed")
    folder = Path(tempfile.mkdtemp(prefix="tastemaker-postgres-"))
    try:
        made = Cluster(folder, bin)
        made.start()
        try:
            yield made
        finally:
            if (made.data / "postmaster.pid").exists() and is_alive(made.pid):
                made.send(signal.SIGCONT)
                made.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
