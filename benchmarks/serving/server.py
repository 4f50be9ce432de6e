"""A service in a process of its own, pinned to one core, and what the operating system says of it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import orjson

TICKS = os.sysconf("SC_CLK_TCK")
CORE = 0
"""Of the service; load comes from another."""


@dataclass
class Server:
    """A running service."""

    process: subprocess.Popen[bytes]
    port: int
    started_s: float = 0.0

    @property
    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @property
    def rss_mb(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) / 1024

    def ask(self, path: str, body: Any, timeout_s: float = 10.0) -> tuple[int, Any]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request(
                "POST", path, orjson.dumps(body), {"content-type": "application/json", "connection": "close"}
            )
            answer = connection.getresponse()
            return answer.status, orjson.loads(answer.read())
        finally:
            connection.close()


@contextmanager
def serving(module: Sequence[str], bundle: Path, store: str, *words: str) -> Iterator[Server]:
    """The service, from its start to its end; `started_s` is until its first answer."""
    port = free_port()
    command = ["taskset", "-c", str(CORE), sys.executable, "-m", *module, str(bundle)]
    command += ["--port", str(port), "--store", store, "--no-auth", "--log-level", "warning", *words]
    began = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment())
    server = Server(process, port)
    try:
        while True:
            if process.poll() is not None or time.perf_counter() - began > 120:
                assert process.stderr is not None
                raise SystemExit(process.stderr.read().decode())
            try:
                if server.ask("/v1/recommend", {"user_id": "user 1"})[0] == 200:
                    break
            except OSError:
                time.sleep(0.005)
        server.started_s = time.perf_counter() - began
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def environment() -> dict[str, str]:
    """That of a plain machine: one thread each, and no tuning of ours."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    return env | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
