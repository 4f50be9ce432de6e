"""The door: nothing but health without a key, and with one what its role is for."""

import asyncio

import fastapi
import httpx
import pytest

from tastemaker.serve.guard.guard import Guard
from tastemaker.serve.guard.keys import Keys
from tastemaker.serve.guard.rates import RateSettings
from tastemaker.serve.guard.roles import Role, Table

TABLE = Table([("POST", "/v1/recommend", Role.READ), ("POST", "/v1/events", Role.WRITE_EVENTS)])
ROUTES = [
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("POST", "/v1/recommend"),
    ("POST", "/v1/events"),
    ("DELETE", "/v1/users/x"),
    ("GET", "/metrics"),
]


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A file of keys, and a key of each role."""
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    keys = Keys.opened(path, create=True)
    return path, {role.value: keys.add(role, role.value) for role in Role}


def served():
    """An app with a route of each kind, which says who came."""
    app = fastapi.FastAPI(docs_url=None, redoc_url=None)

    async def who(request: fastapi.Request):
        state = request.scope["state"]
        return {"route": state["route"], "key_id": state.get("key_id"), "role": state.get("role")}

    for method, path in ROUTES:
        app.add_api_route(path.replace("/x", "/{user_id}"), who, methods=[method])
    return app


def ask(guard, *requests, base="http://127.0.0.1:8000", client=("192.0.2.9", 1)):
    """Answers to (method, path, headers), one after another."""

    async def asked():
        transport = httpx.ASGITransport(guard, client=client)
        async with httpx.AsyncClient(transport=transport, base_url=base) as http:
            return [await http.request(method, path, headers=headers) for method, path, headers in requests]

    return asyncio.run(asked())


def guarded(shown, rates=None, refused=None):
    refused = [] if refused is None else refused
    return Guard(served(), Keys.opened(shown[0]), TABLE, rates, refused=refused.append)


def test_without_a_key_every_route_but_health_is_refused(shown):
    reasons = []
    guard = guarded(shown, refused=reasons)
    paths = [*ROUTES, ("GET", "/openapi.json"), ("GET", "/nothing"), ("OPTIONS", "/v1/events"), ("GET", "/")]
    answers = ask(guard, *((method, path, {}) for method, path in paths))
    assert [answer.status_code for answer in answers] == [200, 200] + [401] * 8
    assert all(answer.headers["www-authenticate"].startswith("Bearer") for answer in answers[2:])
    assert reasons == ["auth"] * 8
    error = answers[2].json()["error"]
    assert error["code"] == "unauthorized"
    assert set(error) == {"code", "message", "request_id"}


@pytest.mark.parametrize(
    ("role", "statuses"),
    [
        ("read", [200, 200, 200, 403, 403, 403]),
        ("write-events", [200, 200, 403, 200, 403, 403]),
        ("admin", [200, 200, 200, 200, 200, 200]),
    ],
)
def test_a_role_opens_what_it_is_for(shown, role, statuses):
    headers = {"X-API-Key": shown[1][role]}
    answers = ask(guarded(shown), *((method, path, headers) for method, path in ROUTES))
    assert [answer.status_code for answer in answers] == statuses


def test_a_route_that_nobody_listed_is_for_admins_even_if_it_exists(shown):
    guard = guarded(shown)
    for role, status in (("read", 403), ("admin", 200)):
        (answer,) = ask(guard, ("GET", "/openapi.json", {"X-API-Key": shown[1][role]}))
        assert answer.status_code == status


def test_the_app_learns_who_came_and_the_route_but_no_id_of_a_person(shown):
    key = shown[1]["admin"]
    (answer,) = ask(guarded(shown), ("DELETE", "/v1/users/x", {"X-API-Key": key}))
    assert answer.json() == {"route": "other", "key_id": key[3:15], "role": "admin"}


def test_bearer_does_as_well_and_two_keys_are_none(shown):
    key = shown[1]["read"]
    guard = guarded(shown)
    answers = ask(
        guard,
        ("POST", "/v1/recommend", {"Authorization": f"Bearer {key}"}),
        ("POST", "/v1/recommend", {"Authorization": f"bearer {key}"}),
        ("POST", "/v1/recommend", {"Authorization": f"Basic {key}"}),
        ("POST", "/v1/recommend", {"Authorization": f"Bearer {key}", "X-API-Key": shown[1]["admin"]}),
        ("POST", f"/v1/recommend?key={key}", {}),
    )
    assert [answer.status_code for answer in answers] == [200, 200, 401, 401, 401]


@pytest.mark.parametrize(
    "key", ["", "x", "tm__", "tm_000000000000_" + "x" * 43, "é" * 60, "tm_" + "9" * 5000]
)
def test_what_is_no_key_is_refused(shown, key):
    (answer,) = ask(guarded(shown), ("POST", "/v1/recommend", {b"x-api-key": key.encode("utf-8")}))
    assert answer.status_code == 401


def test_a_key_that_asks_too_often_is_told_when_to_come_again(shown):
    reasons = []
    guard = guarded(shown, RateSettings(requests_per_s=0.25, burst=2), reasons)
    request = ("POST", "/v1/recommend", {"X-API-Key": shown[1]["read"]})
    other = ("POST", "/v1/recommend", {"X-API-Key": shown[1]["admin"]})
    answers = ask(guard, request, request, request, other)
    assert [answer.status_code for answer in answers] == [200, 200, 429, 200]
    assert answers[2].headers["retry-after"] == "4"  # one in four seconds
    assert answers[2].json()["error"]["code"] == "too_many_requests"
    assert reasons == ["rate"]


def test_an_address_that_guesses_is_shut_out_but_not_a_key_that_was_right_before(shown):
    guard = guarded(shown, RateSettings(failures_per_minute=3))
    right = ("POST", "/v1/recommend", {"X-API-Key": shown[1]["read"]})
    new = ("POST", "/v1/recommend", {"X-API-Key": shown[1]["admin"]})
    wrong = ("POST", "/v1/recommend", {"X-API-Key": "tm_000000000000_" + "x" * 43})
    answers = ask(guard, right, wrong, wrong, wrong, wrong, new, right)
    assert [answer.status_code for answer in answers] == [200, 401, 401, 401, 429, 429, 200]
    assert int(answers[4].headers["retry-after"]) in (19, 20)  # three a minute
    (elsewhere,) = ask(guard, new, client=("198.51.100.1", 1))
    assert elsewhere.status_code == 200


def test_wrong_secrets_of_a_known_key_are_told_to_wait(shown):
    guard = guarded(shown)
    known = shown[1]["read"][:16]
    answers = ask(guard, *(("POST", "/v1/recommend", {"X-API-Key": f"{known}{n:043d}"}) for n in range(7)))
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 2


@pytest.mark.parametrize(
    ("base", "headers", "status"),
    [
        ("http://127.0.0.1:8000", {}, 200),
        ("http://localhost", {"Origin": "http://localhost"}, 200),
        ("http://[::1]:8000", {}, 200),
        ("http://evil.example:8000", {}, 403),
        ("http://127.0.0.1.evil.example", {}, 403),
        ("http://127.0.0.1:8000", {"Origin": "https://evil.example"}, 403),
        ("http://127.0.0.1:8000", {"Origin": "null"}, 403),
    ],
)
def test_without_keys_only_this_machine_asks_and_no_page_of_another_site(base, headers, status):
    (answer,) = ask(Guard(served(), None, TABLE), ("DELETE", "/v1/users/x", headers), base=base)
    assert answer.status_code == status


def test_a_prefix_of_a_proxy_changes_no_role(shown):
    guard = guarded(shown)

    async def behind(scope, receive, send):
        await guard({**scope, "root_path": "/taste"}, receive, send)

    key = {"X-API-Key": shown[1]["read"]}
    answers = ask(behind, ("POST", "/taste/v1/recommend", key), ("POST", "/taste/v1/events", key))
    assert [answer.status_code for answer in answers] == [200, 403]


def test_web_sockets_are_closed_at_once(shown):
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    asyncio.run(guarded(shown)({"type": "websocket", "path": "/health/live", "headers": []}, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]
