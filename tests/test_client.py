"""The client against a real service: its methods and types against OpenAPI, and each route there and back."""

import ast
import asyncio
import inspect
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tastemaker.client import (
    AsyncClient,
    Client,
    ClientError,
    NotFoundError,
    RefusedError,
    UnreachableError,
    calls,
    messages,
)
from tastemaker.recommend import Recommender
from tastemaker.serve import wire

ROUTES = {
    "recommend": ("POST", "/v1/recommend"),
    "rank": ("POST", "/v1/rank"),
    "similar": ("GET", "/v1/items/{item_id}/similar"),
    "item": ("GET", "/v1/items/{item_id}"),
    "put_item": ("PUT", "/v1/items/{item_id}"),
    "delete_item": ("DELETE", "/v1/items/{item_id}"),
    "search": ("GET", "/v1/search"),
    "placements": ("GET", "/v1/placements"),
    "send_events": ("POST", "/v1/events"),
    "export_user": ("GET", "/v1/users/{user_id}"),
    "erase_user": ("DELETE", "/v1/users/{user_id}"),
    "models": ("GET", "/v1/models"),
    "model": ("GET", "/v1/models/{version}"),
    "promote": ("POST", "/v1/models/promote"),
    "rollback": ("POST", "/v1/models/rollback"),
    "trial": ("PUT", "/v1/models/trials"),
    "end_trial": ("DELETE", "/v1/models/trials"),
    "live": ("GET", "/health/live"),
    "ready": ("GET", "/health/ready"),
    "metrics": ("GET", "/metrics"),
}
SHAPES = [
    *("RecommendIn", "RankIn", "EventIn", "EventsIn", "PromoteIn", "RollbackIn", "TrialIn", "MoveOut"),
    *("ItemOut", "AnswerOut", "EventRejected", "EventsOut", "FoundOut", "SearchOut"),
]


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_has_the_fields_that_the_service_has_and_no_other(name):
    ours, theirs = getattr(messages, name), getattr(wire, name)
    schema = theirs.model_json_schema(mode="validation")
    assert set(ours.__annotations__) == set(schema["properties"])
    assert ours.__required_keys__ == frozenset(schema.get("required", []))


def test_both_clients_have_a_method_for_each_route_and_the_same_arguments():
    for name in [*ROUTES, "pages"]:
        now, later = getattr(Client, name), getattr(AsyncClient, name)
        assert inspect.signature(now).parameters == inspect.signature(later).parameters


def test_the_key_is_in_no_repr_and_in_no_error():
    with Client("http://127.0.0.1:9", key="tm_secret") as client:
        assert "secret" not in repr(client)
        with pytest.raises(UnreachableError) as told:
            client.live()
    assert "secret" not in str(told.value)
    with pytest.raises(ClientError) as wrong:
        Client("http://127.0.0.1:9", key="tm_secret\n")
    assert "secret" not in str(wrong.value)


def test_events_are_sent_again_after_a_refusal_with_the_same_ids_and_not_sooner_than_told(monkeypatch):
    sent, slept = [], []

    def answer(request):
        sent.append(request.content)
        if len(sent) == 1:
            error = {"error": {"code": "overload", "message": "Later."}}
            return httpx.Response(503, json=error, headers={"retry-after": "2"})
        return httpx.Response(202, json={"accepted": 1, "duplicates": 0, "rejected": []})

    monkeypatch.setattr(time, "sleep", slept.append)
    client = Client("http://service")
    client._http = httpx.Client(base_url="http://service", transport=httpx.MockTransport(answer))
    assert client.send_events([{"user_id": "a", "item_id": "b"}])["accepted"] == 1
    assert sent[0] == sent[1]
    assert b"event_id" in sent[0]
    assert slept == [2.0]


def test_a_batch_holds_a_thousand_events_and_less_than_a_mebibyte():
    small = [{"user_id": "a", "item_id": "b"}] * 2001
    assert [(start, len(part)) for start, part in calls.batches(small)] == [
        (0, 1000),
        (1000, 1000),
        (2000, 1),
    ]
    large = [{"user_id": "a" * 512, "item_id": "é" * 512}] * 1000
    sizes = [len(httpx.Request("POST", "/", json=part).content) for _, part in calls.batches(large)]
    assert max(sizes) < 2**20


@pytest.fixture(scope="module")
def address(by_hand, tmp_path_factory):
    """Of a real service over six items, laid out in tests/conftest.py."""
    folder = tmp_path_factory.mktemp("client")
    Recommender(by_hand).save(folder / "six")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    command = [sys.executable, "-m", "tastemaker", "serve", str(folder / "six"), "--no-auth"]
    source = os.pathsep.join([str(Path(wire.__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            [*command, "--port", str(port)], stderr=log, env={**os.environ, "PYTHONPATH": source}
        ) as process,
    ):
        with Client(f"http://127.0.0.1:{port}") as client:
            for _ in range(200):
                try:
                    client.live()
                    break
                except UnreachableError:
                    time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
        process.terminate()


def test_every_route_of_the_service_has_a_method_and_every_shape_a_type(address):
    told = httpx.get(f"{address}/openapi.json").json()
    found = {(method.upper(), path) for path, ways in told["paths"].items() for method in ways}
    assert found == set(ROUTES.values())
    errors_and_free = {"ErrorOut", "ProblemOut", "ItemIn"}
    assert set(told["components"]["schemas"]) - errors_and_free == set(SHAPES)
    for name, (method, path) in ROUTES.items():
        asked = {each["name"] for each in told["paths"][path][method.lower()].get("parameters", [])}
        arguments = set(inspect.signature(getattr(Client, name)).parameters) - {"self"}
        assert asked <= arguments


def test_each_method_there_and_back(address):
    with Client(address) as client:
        assert client.live() == {"status": "alive"}
        assert client.ready() == {"status": "ready", "store": "up"}
        assert set(client.recommend(history=["a"], k=1)) == set(messages.AnswerOut.__annotations__)
        shown = [item["item_id"] for page in client.pages(history=["a"], k=2) for item in page["items"]]
        assert sorted(shown) == ["b", "c", "d", "e", "f"]
        assert {item["item_id"] for item in client.rank(items=["a", "f"])["items"]} == {"a", "f"}
        assert [item["item_id"] for item in client.similar("a", k=5)["items"]].count("a") == 0
        assert client.item("a")["item_id"] == "a"
        assert client.search(client.item("a")["title"])["items"][0]["item_id"] == "a"
        assert "home" in client.placements()
        event = {"user_id": "new", "item_id": "a", "event_id": "once"}
        assert client.send_events([event, event])["duplicates"] == 1
        assert [each["event_id"] for each in client.export_user("new")["events"]] == ["once"]
        assert client.erase_user("new")["erased"] == 1
        assert client.model(client.models()["live"])["kind"]
        assert b"tastemaker_" in client.metrics().encode()
        version = client.models()["live"]
        for refused in (
            lambda: client.promote(version=version),
            lambda: client.rollback(because="a test"),
            lambda: client.trial(version=version, kind="canary"),
            lambda: client.end_trial("canary"),
        ):
            with pytest.raises(RefusedError) as told:  # the route is there, a registry isn't
                refused()
            assert (told.value.status, told.value.code) == (409, "registry")
        with pytest.raises(RefusedError) as told:
            client.recommend(k=0)
        assert told.value.fields[0]["field"] == "body.k"
        with pytest.raises(NotFoundError):
            client.item("nobody/knows it")


def test_the_client_to_be_awaited_does_the_same(address):
    async def shown():
        async with AsyncClient(address) as client:
            pages = [page async for page in client.pages(history=["a"], k=2)]
        return [item["item_id"] for page in pages for item in page["items"]]

    assert sorted(asyncio.run(shown())) == ["b", "c", "d", "e", "f"]


def test_the_client_to_be_awaited_is_the_other_word_for_word_but_for_the_waiting():
    files = [Path(calls.__file__).with_name(name) for name in ("now.py", "later.py")]
    waits, awaited = (file.read_text(encoding="utf-8") for file in files)
    for theirs, ours in (
        ("AsyncClient", "Client"),
        ("AsyncIterator", "Iterator"),
        ("__aenter__", "__enter__"),
        ("__aexit__", "__exit__"),
        ("aclose", "close"),
        ("async ", ""),
        ("await ", ""),
        ("asyncio", "time"),
        ("many tasks", "many threads"),
    ):
        awaited = awaited.replace(theirs, ours)
    (mine,), (other,) = (
        [each for each in ast.parse(text).body if isinstance(each, ast.ClassDef)] for text in (waits, awaited)
    )
    assert ast.unparse(mine) == ast.unparse(other)
