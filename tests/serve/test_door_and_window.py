"""All layers together on a real server: who comes in, what is seen of it, and a key that is revoked."""

import io
import json
import logging
import socket
import threading
import time

import fastapi
import httpx
import pytest
import uvicorn

from tastemaker.serve.guard.guard import Guard
from tastemaker.serve.guard.keys import Keys
from tastemaker.serve.guard.roles import Role, Table
from tastemaker.serve.guard.sizes import Sizes
from tastemaker.serve.watch import logs
from tastemaker.serve.watch.metrics import Metrics
from tastemaker.serve.watch.watched import Watched

TABLE = Table([("GET", "/v1/items/{item_id}/similar", Role.READ)])


@pytest.fixture
def out():
    root = logging.getLogger()
    before = root.handlers[:], root.level
    out = io.BytesIO()
    logs.configure("info", out)
    yield out
    root.handlers[:], root.level = before
    logging.captureWarnings(False)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys.json"


@pytest.fixture
def served(path, out):
    """The address of a service, its metrics, and a key that may read."""
    app = fastapi.FastAPI()

    @app.get("/v1/items/{item_id}/similar")
    async def similar(item_id: str):
        return {"item_id": item_id}

    @app.get("/health/live")
    async def live():
        return {}

    keys = Keys.opened(path, create=True)
    shown = keys.add(Role.READ, "shop")
    metrics = Metrics()
    guard = Guard(app, keys, TABLE, refused=metrics.refused)
    whole = Watched(Sizes(guard, refused=metrics.refused), metrics)
    taken = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(uvicorn.Config(whole, log_config=None, access_log=False))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [taken]}, daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.005)
    yield f"http://127.0.0.1:{taken.getsockname()[1]}", metrics, shown
    running.should_exit = True
    thread.join(10)


def test_a_key_comes_in_is_seen_and_is_out_soon_after_its_end(served, path, out):
    address, metrics, shown = served
    with httpx.Client(base_url=address, headers={"X-API-Key": shown}) as http:
        assert http.get("/v1/items/secret-item/similar").json() == {"item_id": "secret-item"}
        assert httpx.get(f"{address}/health/live").status_code == 200
        assert httpx.get(f"{address}/v1/items/a/similar").status_code == 401
        Keys.opened(path).revoke(shown[3:15])
        end = time.monotonic() + 3.0  # it is out in half a second, where nobody else wants the processor
        while (answer := http.get("/v1/items/a/similar")).status_code == 200 and time.monotonic() < end:
            time.sleep(0.02)
    assert answer.status_code == 401
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    seen = [line for line in lines if line["event"] == "answered"]
    assert (seen[0]["status"], seen[0]["key_id"]) == (200, shown[3:15])
    assert {line["route"] for line in seen} == {"GET /v1/items/{item_id}/similar"}
    assert any(line["event"] == "library_said" for line in lines)  # uvicorn has started
    for hidden in (b"secret-item", shown[16:].encode()):
        assert hidden not in out.getvalue()
    page = metrics.render()[0]
    assert b'tastemaker_refused_total{reason="auth"} 2.0' in page
    assert b"secret-item" not in page
