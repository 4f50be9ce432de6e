"""The service as a process of its own, as it runs in earnest, and a client for it."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

START_S = 30.0


class Said(NamedTuple):
    """An answer: its status, its JSON (None where it is none), its headers in lower case."""

    status: int
    body: Any
    headers: dict[str, str]


class Served:
    """A running service.

    Args:
        arguments: of `tastemaker serve`; `--port 0` is added.
    """

    def __init__(self, *arguments: object, key: str = "") -> None:
        command = [sys.executable, "-m", "tastemaker", "serve", *map(str, arguments), "--port", "0"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self.key = key
        self._lines: list[bytes] = []
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()
        self.port = int(self._told("Serving on ").rsplit(":", 1)[1])
        self._until_ready()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self._lines.extend(iter(self.process.stderr.readline, b""))

    def _told(self, beginning: str) -> str:
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            for line in self.log.splitlines():
                if line.startswith(beginning):
                    return line
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        self.process.kill()
        raise RuntimeError(f"the service did not start: {self.log}")

    def _until_ready(self) -> None:
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            try:
                if self.ask("GET", "/health/ready").status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise RuntimeError(f"the service did not get ready: {self.log}")

    @property
    def log(self) -> str:
        """All that it wrote to stderr so far."""
        return b"".join(list(self._lines)).decode(errors="replace")

    @property
    def rss_mb(self) -> float:
        """Memory of the process, without its workers."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def ask(self, method: str, path: str, body: Any = None, key: str | None = None, **headers: str) -> Said:
        """`body` as JSON, or as it is where it is bytes; over a connection of its own."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            return asked(line, method, path, body, self.key if key is None else key, **headers)
        finally:
            line.close()

    def get(self, path: str) -> Any:
        return self._well(self.ask("GET", path))

    def post(self, path: str, body: Any) -> Any:
        return self._well(self.ask("POST", path, body))

    def put(self, path: str, body: Any) -> Any:
        return self._well(self.ask("PUT", path, body))

    def delete(self, path: str) -> Any:
        return self._well(self.ask("DELETE", path))

    def ids(self, path: str = "/v1/recommend", **asked: Any) -> list[str]:
        """Those of a list."""
        return [item["item_id"] for item in self.post(path, asked)["items"]]

    @staticmethod
    def _well(said: Said) -> Any:
        assert said.status in (200, 202), said
        return said.body

    def raw(self, content: bytes, wait_s: float = 0.5, is_end: bool = False) -> bytes:
        """What comes back over a bare socket; `is_end` says that nothing more is sent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait_s) as line:
            got = b""
            try:
                line.sendall(content)
                if is_end:
                    line.shutdown(socket.SHUT_WR)
                while part := line.recv(65536):
                    got += part
            except OSError:  # it has closed, or waits for more
                pass
            return got

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it by a signal; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self._reading.join(5)
        return status


def asked(
    line: http.client.HTTPConnection, method: str, path: str, body: Any, key: str = "", **headers: str
) -> Said:
    content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    sent = {} if content is None else {"Content-Type": "application/json"}
    if key:
        sent["X-API-Key"] = key
    line.request(method, path, content, sent | headers)
    answer = line.getresponse()
    told = answer.read()
    try:
        found = json.loads(told)
    except ValueError:
        found = None
    return Said(answer.status, found, {name.lower(): value for name, value in answer.getheaders()})


def at(item_id: str) -> str:
    """An id as part of a path; what is no text at all, too."""
    return quote(item_id, safe="", errors="surrogatepass")


@contextmanager
def served(*arguments: object, key: str = "") -> Iterator[Served]:
    service = Served(*arguments, key=key)
    try:
        yield service
    finally:
        service.stop()
