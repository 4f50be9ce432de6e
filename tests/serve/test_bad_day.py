"""Short of time, or of a store: what is left out and named, and that nothing is falsely acknowledged."""

import asyncio
import shutil
import time

import pytest

from tastemaker.recommend import Recommender
from tastemaker.serve.answering import Answering
from tastemaker.serve.live import Live
from tastemaker.serve.overload import Turns
from tastemaker.serve.settings import Settings
from tastemaker.serve.store import opened
from tastemaker.serve.watch.metrics import Metrics
from tastemaker.serve.watch.traces import SILENT
from tastemaker.serve.wire import RecommendIn
from tests.served import Served

RULED = "[placements.home]\nweights = { diversity = 0.5 }\n"


@pytest.fixture(scope="module")
def six(by_hand, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad") / "six"
    Recommender(by_hand).save(folder)
    (folder.parent / "ruled.toml").write_text(RULED)
    return folder


def answer(folder, store, usual: dict[str, float], budget_ms: float, **asked: object) -> dict:
    """Where stages usually take so many seconds."""

    async def run() -> dict:
        recipe = folder.parent / "ruled.toml"
        settings = Settings(bundle=folder, store=str(store), budget_ms=budget_ms, recipe=recipe)
        held = await opened(settings.store)
        try:
            live = await Live.started(settings, held)
            answering = Answering(settings, live, held, Metrics(), Turns(1.0))
            answering.pace.usual.update(usual)
            span = SILENT.request([])
            return await answering.recommend(RecommendIn(**asked), time.perf_counter(), span)
        finally:
            await held.close()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("usual", "left_out"),
    [
        ({}, []),
        ({"explain": 60.0}, ["explain"]),
        ({"rerank": 60.0}, ["explain", "rerank"]),
        ({"retrieve": 60.0}, ["retrieve"]),
    ],
)
def test_what_there_is_no_time_for_is_left_out_and_named(six, tmp_path, usual, left_out):
    said = answer(six, tmp_path / "s", usual, 30_000, user_id="ann", explain=True, k=3)
    assert set(left_out) <= set(said["degraded"])
    assert ("retrieve" in said["degraded"]) == ("retrieve" in left_out)
    assert ("rerank" in said["degraded"]) == ("rerank" in left_out) or "retrieve" in left_out
    assert len(said["items"]) == 3
    assert not {"a", "e"} & {item["item_id"] for item in said["items"]}  # seen stays seen


def test_without_any_time_what_is_popular_is_shown(six, tmp_path):
    service = Served(six, "--no-auth", "--store", tmp_path / "s", "--budget-ms", "0.001")
    try:
        said = service.post("/v1/recommend", {"user_id": "ann", "k": 3})
        assert "retrieve" in said["degraded"]
        assert [item["item_id"] for item in said["items"]] == ["b", "d", "f"]  # 5, 5, 3
        assert b"tastemaker_degraded" in service.raw(
            b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 3
        )
    finally:
        assert service.stop() == 0


@pytest.fixture
def postgres(tmp_path):
    from tests.postgres import binaries, cluster

    if binaries() is None:
        pytest.skip("PostgreSQL isn't installed")
    with cluster() as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("is_spooled", [False, True])
def test_while_the_store_is_down_lists_go_on_and_nothing_is_falsely_acknowledged(
    six, tmp_path, postgres, is_spooled
):
    spool = ("--spool", tmp_path / "spool") if is_spooled else ()
    service = Served(six, "--no-auth", "--store", postgres.address, *spool)
    event = {"user_id": "eve", "item_id": "e", "event_id": "before"}
    later = {"user_id": "eve", "item_id": "a", "event_id": "meanwhile"}
    try:
        service.post("/v1/events", {"events": [event]})
        assert service.ids(user_id="eve", k=2) == ["d", "c"]
        postgres.kill()
        said = service.post("/v1/recommend", {"user_id": "eve", "k": 2})
        assert [item["item_id"] for item in said["items"]] == ["d", "c"]  # what was last heard of her
        assert "store" in said["degraded"] or is_spooled
        assert service.ids(user_id="ann", k=2) == ["d", "c"]  # and of him the model knows
        assert service.ask("GET", "/health/ready").status == 200
        told = [service.ask("POST", "/v1/events", {"events": [later]}) for _ in range(3)]
        if is_spooled:
            assert [(each.status, each.body["accepted"]) for each in told] == [(202, 1), (202, 0), (202, 0)]
        else:
            assert {each.status for each in told} == {503}
            assert told[0].headers["retry-after"]
        postgres.start()
        end = time.monotonic() + 20
        wanted = {"before", "meanwhile"} if is_spooled else {"before"}
        while time.monotonic() < end:
            kept = service.ask("GET", "/v1/users/eve")
            if kept.status == 200 and {each["event_id"] for each in kept.body["events"]} == wanted:
                break
            time.sleep(0.1)
        assert sorted(each["event_id"] for each in kept.body["events"]) == sorted(wanted)
        service.post("/v1/events", {"events": [later]})  # sent again, it is there once
        time.sleep(1.5)
        assert len(service.get("/v1/users/eve")["events"]) == 2
    finally:
        status = service.stop()
        shutil.rmtree(tmp_path / "spool", ignore_errors=True)
    assert status == 0
    assert "Traceback" not in service.log
