"""Who comes in: every route and method of the real service, keys too small, and what its log holds."""

import json
import re

import pytest

from tastemaker.recommend import Recommender
from tastemaker.serve.guard.keys import Keys
from tastemaker.serve.guard.roles import Role
from tastemaker.serve.web import files
from tests.served import Served, at, served

OPEN = {("get", "/health/live"), ("get", "/health/ready")}
PAGE = {("get", path) for path in files.PATHS}
"""Files without data."""
METHODS = ("get", "post", "put", "delete", "patch", "head", "options")
PERSON, ITEM, WORD = "someone-secret-7731", "item-secret-8842", "word-secret-9953"


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> dict[str, str]:
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    made = Keys.opened(path, create=True)
    return {"path": str(path)} | {role.value: made.add(role, f"the {role.value}") for role in Role}


@pytest.fixture(scope="module")
def service(by_hand, keys, tmp_path_factory):
    folder = tmp_path_factory.mktemp("doors")
    Recommender(by_hand).save(folder / "six")
    options = ("--keys", keys["path"], "--store", folder / "store.sqlite")
    with served(folder / "six", *options, key=keys["admin"]) as service:
        for role in Role:  # seen once to be right, they come in though others from here try wrong ones
            service.ask("GET", "/v1/models", None, keys[role.value])
        yield service


@pytest.fixture(scope="module")
def routes(service) -> dict[tuple[str, str], str]:
    """The role that each route needs, as its OpenAPI says."""
    paths = service.get("/openapi.json")["paths"]
    found = {
        (method, path): told.get("x-role", "")
        for path, ways in paths.items()
        for method, told in ways.items()
    }
    assert len(found) > 15
    return found


def path_of(path: str) -> str:
    version = path.replace("{version}", "0123456789ab")
    return re.sub(r"\{[^}]+\}", "a", version)


def test_every_route_and_method_is_shut_to_whoever_has_no_key(service, routes):
    more = {"/openapi.json", "/nowhere", "/v1", "/docs", "/redoc", *files.PATHS}
    for path in {path for _, path in routes} | more:
        for method in METHODS:
            if ("get" if method == "head" else method, path) in OPEN | PAGE:
                continue
            said = service.ask(method.upper(), path_of(path), None, "")
            assert said.status == 401, (method, path)


def test_wrong_keys_are_no_keys_and_too_many_of_them_are_not_even_looked_at(service, routes):
    shut = sorted(set(routes) - OPEN)
    said = [service.ask(method.upper(), path_of(path), None, "wrong").status for method, path in shut * 3]
    assert said[0] == 401
    assert set(said) == {401, 429}
    assert service.ask("GET", "/v1/models").status == 200  # a key that was right before still comes in


def test_only_health_is_open(service, routes):
    assert {route for route, role in routes.items() if not role} == OPEN
    for _, path in OPEN:
        assert service.ask("GET", path, None, "").status == 200


# A reader reads, a writer writes events, an admin does everything.
MAY = {"read": {"read"}, "write-events": {"write-events"}, "admin": {"read", "write-events", "admin"}}


def test_a_role_that_is_too_small_is_refused_and_one_that_is_not_comes_in(service, routes, keys):
    assert {role for role in routes.values() if role} == {role.value for role in Role}
    for (method, path), needed in routes.items():
        if not needed or (method, path) == ("delete", "/v1/users/{user_id}"):
            continue
        for role, may in MAY.items():
            said = service.ask(method.upper(), path_of(path), None, keys[role])
            if needed in may:
                assert said.status not in (401, 403), (role, method, path, said)
            else:
                assert said.status == 403, (role, method, path, said)


def test_what_changes_things_is_for_admins_alone(routes):
    changing = {each for each in routes if each[0] in ("put", "delete", "patch") or "models/" in each[1]}
    shown = {("get", "/v1/models/{version}")}
    assert {routes[route] for route in changing - shown} == {"admin"}
    assert routes["post", "/v1/events"] == "write-events"
    assert routes["get", "/v1/users/{user_id}"] == "admin"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.com", ""])
def test_without_keys_nobody_is_listened_to_but_this_machine(tastemaker, tmp_path, host):
    done = tastemaker("serve", tmp_path, "--no-auth", "--host", host)
    assert done.status == 2
    assert "this machine alone" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_saying_who_may_come_nothing_is_served(tastemaker, tmp_path):
    done = tastemaker("serve", tmp_path)
    assert done.status == 2
    assert "--keys FILE" in done.stderr


def test_the_log_holds_no_person_no_item_no_key_and_no_body(service, keys):
    event = {"user_id": PERSON, "item_id": ITEM, "event_id": WORD}
    for method, path, body in (
        ("POST", "/v1/events", {"events": [event]}),
        ("POST", "/v1/events", {"events": [event | {"timestamp": 9e9}]}),
        ("POST", "/v1/events", {"events": [event | {"wrong": WORD}]}),
        ("POST", "/v1/events", {"events": [event | {"timestamp": WORD}]}),
        ("POST", "/v1/recommend", {"user_id": PERSON}),
        ("POST", "/v1/recommend", {"history": [ITEM, "a"]}),
        ("POST", "/v1/recommend", {"liked": [WORD]}),
        ("POST", "/v1/recommend", {"user_id": PERSON, "filter": f"{WORD} =="}),
        ("POST", "/v1/recommend", {"user_id": PERSON, "placement": WORD}),
        ("POST", "/v1/recommend", {"cursor": WORD}),
        ("POST", "/v1/recommend", f'{{"{WORD}'.encode()),
        ("POST", "/v1/rank", {"items": [ITEM], "user_id": PERSON}),
        ("PUT", f"/v1/items/{ITEM}", {"title": WORD}),
        ("DELETE", f"/v1/items/{ITEM}", None),
        ("GET", f"/v1/items/{ITEM}", None),
        ("GET", f"/v1/items/{ITEM}/similar", None),
        ("GET", f"/v1/search?q={WORD}", None),
        ("GET", f"/v1/users/{PERSON}", None),
        ("DELETE", f"/v1/users/{PERSON}", None),
        ("GET", f"/{WORD}", None),
        ("POST", "/v1/models/promote", {"version": "0123456789ab", "because": WORD}),
    ):
        assert service.ask(method, path, body).status < 500
    service.ask("GET", f"/v1/users/{PERSON}", None, WORD)
    service.ask(
        "GET", "/v1/models", None, **{"X-Request-Id": f"<{WORD}>", "User-Agent": WORD, "Cookie": WORD}
    )
    service.raw(f"GARBAGE {WORD}\r\n\r\n".encode(), 0.1)
    log = service.log
    assert log.count('"event":"answered"') > 20
    for hidden in (PERSON, ITEM, WORD, *(keys[role.value] for role in Role)):
        assert hidden not in log
        assert hidden.split("_", 2)[-1] not in log
    for line in log.splitlines():
        if line.startswith("{"):
            json.loads(line)


def test_a_secret_person_is_not_in_the_metrics_either(service):
    said = service.ask("POST", "/v1/recommend", {"user_id": PERSON})
    assert said.status == 200
    head = f"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {service.key}\r\n"
    page = service.raw(f"{head}Connection: close\r\n\r\n".encode(), 2)
    assert b"tastemaker_" in page
    assert PERSON.encode() not in page


def test_an_id_of_many_parts_comes_in_by_the_path(service: Served):
    for odd in ("a/b", "../a", "a%2fb", "ä?&#"):
        assert service.ask("GET", f"/v1/users/{at(odd)}").body["user_id"] == odd
