"""One request: one id, one line, one count, and no defect that tells what it was about."""

import asyncio
import io
import json
import logging

import fastapi
import httpx
import pytest

from tastemaker.serve.guard.guard import Guard
from tastemaker.serve.guard.roles import Role, Table
from tastemaker.serve.guard.sizes import Sizes
from tastemaker.serve.watch import logs
from tastemaker.serve.watch.metrics import Metrics
from tastemaker.serve.watch.watched import Watched

TABLE = Table([("GET", "/v1/users/{user_id}", Role.ADMIN), ("GET", "/broken/{user_id}", Role.READ)])


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
def app():
    app = fastapi.FastAPI()

    @app.get("/v1/users/{user_id}")
    async def user(user_id: str):
        return {"user": user_id}

    @app.get("/health/live")
    async def live():
        return {}

    @app.get("/broken/{user_id}")
    async def broken(user_id: str):
        raise LookupError(user_id)

    return app


def ask(app, path, metrics=None, **more):
    metrics = metrics or Metrics()
    # As the service has it: what is seen, then how much, then who.
    whole = Watched(Sizes(Guard(app, None, TABLE)), metrics)

    async def asked():
        transport = httpx.ASGITransport(whole, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            return await http.get(path, **more)

    return asyncio.run(asked())


def test_a_request_is_one_line_with_its_template_and_never_its_path(app, out):
    answer = ask(app, "/v1/users/secret-user")
    (line,) = map(json.loads, out.getvalue().splitlines())
    assert line["event"] == "answered"
    assert (line["method"], line["route"], line["status"]) == ("GET", "GET /v1/users/{user_id}", 200)
    assert line["request_id"] == answer.headers["x-request-id"]
    assert line["bytes"] == len(answer.content)
    assert line["took_ms"] > 0
    assert "dropped" not in line
    assert b"secret" not in out.getvalue()


def test_health_is_asked_too_often_to_be_logged(app, out):
    assert ask(app, "/health/live").status_code == 200
    assert out.getvalue() == b""


@pytest.mark.parametrize(
    ("sent", "is_kept"),
    [
        ("abcdef12-34_5", True),
        ("short", False),
        ("a" * 65, False),
        ("a b c d e f g", False),
        ("<script>x</script>", False),
    ],
)
def test_a_callers_own_id_is_kept_where_it_is_harmless(app, out, sent, is_kept):
    answer = ask(app, "/v1/users/a", headers={"X-Request-Id": sent})
    assert (answer.headers["x-request-id"] == sent) is is_kept


def test_a_defect_is_a_500_that_tells_nothing_and_a_traceback_in_the_log(app, out):
    metrics = Metrics()
    answer = ask(app, "/broken/secret-user", metrics)
    assert answer.status_code == 500
    (line,) = map(json.loads, out.getvalue().splitlines())
    assert line["level"] == "error"
    assert "LookupError" in line["traceback"]
    assert "broken" in line["traceback"]
    assert b"secret" not in out.getvalue()
    assert "secret" not in answer.text
    assert b'tastemaker_requests_total{route="GET /broken/{user_id}",status="500"} 1.0' in metrics.render()[0]


def test_refusals_are_seen_with_the_id_that_their_answer_tells(app, out):
    answer = ask(app, "/v1/users/a", headers={"Host": "evil.example"})
    (line,) = map(json.loads, out.getvalue().splitlines())
    assert line["status"] == answer.status_code == 403
    assert answer.json()["error"]["request_id"] == line["request_id"] == answer.headers["x-request-id"]


def test_nobody_makes_new_labels_by_asking_for_new_paths(app, out):
    metrics = Metrics()
    for number in range(20):
        ask(app, f"/nothing/{number}", metrics)
    assert metrics.render()[0].count(b"tastemaker_requests_total{") == 1


def test_who_leaves_before_the_answer_is_counted_as_gone(out):
    async def silent(scope, receive, send):
        return

    metrics = Metrics()
    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    asyncio.run(Watched(silent, metrics)(scope, None, None))
    assert b'status="499"} 1.0' in metrics.render()[0]
