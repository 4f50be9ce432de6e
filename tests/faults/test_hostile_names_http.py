"""The hostile names over HTTP, wherever a name is taken: nothing 5xx, nothing outside the store touched."""

import json

import pytest
from hostile_names import NAMES, VERSION
from test_hostile_names import OWN, snapshot

from tastemaker.recommend import Recommender
from tastemaker.registry import Registry
from tests.served import at, served

STORE = "a/store"


@pytest.fixture(scope="module")
def tree(by_hand, tmp_path_factory):
    root = tmp_path_factory.mktemp("tree")
    (root / "outside").mkdir()
    (root / "outside" / "canary.txt").write_text("as it was")
    Recommender(by_hand).save(root / "outside" / VERSION)
    registry = Registry.opened(root / "a" / "registry", create=True)
    registry.promote(registry.add(root / "outside" / VERSION), "first")
    (root / STORE).mkdir()
    return root


@pytest.fixture(scope="module")
def service(tree):
    options = ("--registry", tree / "a" / "registry", "--store", tree / STORE / "store.sqlite", "--no-auth")
    with served(*options) as service:
        yield service


def ways(name: str) -> list[tuple[str, str, object]]:
    """Every place of a request that takes a name."""
    part = at(name)
    return [
        ("GET", f"/v1/items/{part}", None),
        ("GET", f"/v1/items/{part}/similar", None),
        ("GET", f"/v1/items/a/similar?placement={part}&filter={part}", None),
        ("PUT", f"/v1/items/{part}", {"title": name}),
        ("DELETE", f"/v1/items/{part}", None),
        ("GET", f"/v1/users/{part}", None),
        ("DELETE", f"/v1/users/{part}", None),
        ("GET", f"/v1/models/{part}", None),
        ("GET", f"/v1/search?q={part}", None),
        ("DELETE", f"/v1/models/trials?kind=canary&placement={part}", None),
        ("GET", f"/{part}", None),
        ("POST", "/v1/recommend", {"user_id": name}),
        ("POST", "/v1/recommend", {"history": [name], "exclude": [name]}),
        ("POST", "/v1/recommend", {"liked": [name]}),
        ("POST", "/v1/recommend", {"placement": name}),
        ("POST", "/v1/recommend", {"filter": name}),
        ("POST", "/v1/recommend", {"objective": name, "device": name[:64], "country": name[:64]}),
        ("POST", "/v1/recommend", {"cursor": name}),
        ("POST", "/v1/rank", {"items": [name]}),
        ("POST", "/v1/events", {"events": [{"user_id": name, "item_id": name, "event_id": name[:128]}]}),
        ("POST", "/v1/events", {"events": [{"user_id": "x", "item_id": "a", "event": name}]}),
        ("POST", "/v1/models/promote", {"version": name, "because": name}),
        ("PUT", "/v1/models/trials", {"version": name, "kind": "shadow", "placement": name}),
    ]


def withstood(service, tree, names: list[str]) -> None:
    # A registry's own file of what was refused may grow; the store lies in a folder of its own.
    less = (*OWN, STORE)

    def kept() -> dict:
        return {name: about for name, about in snapshot(tree, less).items() if not name.startswith(STORE)}

    before = kept()
    for name in names:
        for method, path, body in ways(name):
            content = None if body is None else json.dumps(body).encode()
            said = service.ask(method, path, content)
            assert said.status < 500, (name, method, path, said)
            assert "root:" not in json.dumps(said.body)
            assert "as it was" not in json.dumps(said.body)
        for header in ("X-Request-Id", "X-API-Key", "Authorization", "traceparent", "Content-Type", "Cookie"):
            value = name.encode("utf-8", "surrogatepass").replace(b"\r", b" ").replace(b"\n", b" ")[:2000]
            line = b"GET /v1/placements HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            got = service.raw(line + header.encode() + b": " + value + b"\r\n\r\n", 2)
            assert not got.startswith(b"HTTP/1.1 5"), (name, header, got[:80])
    assert kept() == before
    assert {path.name.split("-")[0] for path in (tree / STORE).iterdir()} == {"store.sqlite"}
    assert "Traceback" not in service.log
    assert service.ask("GET", "/health/ready").status == 200


@pytest.mark.slow
def test_none_of_the_names_touches_anything_outside(service, tree):
    assert len(NAMES) >= 200
    withstood(service, tree, NAMES)
