"""Models change under load: no request fails, each answer is of one version, a damaged one never answers."""

import http.client
import json
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tastemaker.bundle import Bundle
from tastemaker.recommend import Recommender
from tastemaker.registry import Registry
from tests.served import Served, asked

PROMOTIONS, ROLLBACKS = 50, 10
HISTORIES = (["a"], ["e"], ["f"], ["a", "e"], [])


def another(bundle: Bundle, number: int) -> Bundle:
    """The same six items where other ones are near and other ones popular."""
    turned = np.roll(np.arange(6), number)
    vectors = bundle.arrays["item_vectors"][turned]
    arrays = {"item_vectors": vectors, "neighbour_vectors": vectors}
    arrays["popularity"] = bundle.arrays["popularity"][turned]
    manifest = bundle.manifest.model_copy(update={"created": f"2024-0{number + 1}-01T00:00:00+00:00"})
    return replace(bundle, arrays=arrays, manifest=manifest)


@pytest.fixture
def shelf(by_hand, tmp_path) -> tuple[Path, dict[str, dict[str, list[str]]]]:
    """A registry of three versions, the first one live, and what each answers to each history."""
    registry, says = Registry.opened(tmp_path / "registry", create=True), {}
    for number in range(3):
        recommender = Recommender(another(by_hand, number))
        recommender.save(tmp_path / f"bundle{number}")
        version = registry.add(tmp_path / f"bundle{number}")
        lists = [[each.item_id for each in recommender.recommend(history=own, k=6)] for own in HISTORIES]
        says[version] = {json.dumps(own): ids for own, ids in zip(HISTORIES, lists, strict=True)}
    registry.promote(next(iter(says)), "first")
    assert len({json.dumps(lists) for lists in says.values()}) == 3
    return tmp_path / "registry", says


def start(shelf, *more: object) -> Served:
    store = Path(shelf).parent / "store.sqlite"
    return Served("--registry", shelf, "--no-auth", "--store", store, *more)


class Crowd:
    """Clients that ask without end, each on its own line; `wrong` is what none of them should have seen."""

    def __init__(self, service: Served, says: dict, count: int) -> None:
        self.service, self.says, self.asked, self.wrong = service, says, 0, []
        self.versions: set[str] = set()
        self._is_over = False
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(count)]
        for thread in self._threads:
            thread.start()

    def _ask(self, number: int) -> None:
        line = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=20)
        while not self._is_over:
            own = HISTORIES[(number + self.asked) % len(HISTORIES)]
            try:
                said = asked(line, "POST", "/v1/recommend", {"history": own, "k": 6})
            except OSError as error:
                self.wrong.append(repr(error))
                line.close()
                continue
            self.asked += 1
            if said.status != 200:
                self.wrong.append(said)
                continue
            version = said.body["model_version"]
            self.versions.add(version)
            if [item["item_id"] for item in said.body["items"]] != self.says[version][json.dumps(own)]:
                self.wrong.append((version, own, said.body))

    def end(self) -> None:
        self._is_over = True
        for thread in self._threads:
            thread.join(20)


@pytest.mark.slow
def test_fifty_promotions_and_ten_rollbacks_under_load_fail_no_request(shelf):
    root, says = shelf
    versions = list(says)
    service = start(root, "--workers", 2, "--queue-ms", 1000)
    try:
        crowd = Crowd(service, says, 3)
        slowest = 0.0
        for nth in range(PROMOTIONS):
            version = versions[(nth + 1) % 3]
            assert service.post("/v1/models/promote", {"version": version, "because": "x"})["live"] == version
            began, heard = time.monotonic(), {}
            if nth % 5 == 4:
                before = versions[nth % 3]
                assert service.post("/v1/models/rollback", {"because": "y"})["live"] == before
                service.post("/v1/models/promote", {"version": version})
                began = time.monotonic()
            if nth % 10 == 0:  # both workers follow
                while len(heard) < 2 or set(heard.values()) != {version}:
                    now = service.get("/v1/models")
                    heard[now["worker"]] = now["live"]
                    assert time.monotonic() - began < 10
                slowest = max(slowest, time.monotonic() - began)
        crowd.end()
        assert crowd.wrong == []
        assert crowd.asked > 500
        assert crowd.versions == set(versions)
        assert slowest < 1.0
    finally:
        crowd.end()
        assert service.stop() == 0


@pytest.mark.slow
def test_a_damaged_bundle_is_refused_the_old_one_serves_and_the_reason_is_told(shelf):
    root, says = shelf
    first, second, _ = says
    service = start(root)
    try:
        victim = next((root / "models" / second).rglob("item_vectors*"))
        content = bytearray(victim.read_bytes())
        content[-3] ^= 1
        victim.chmod(0o644)
        victim.write_bytes(bytes(content))
        path = root / "live.json"
        reference = json.loads(path.read_text())
        for key, value in reference.items():
            if value == first:
                reference[key] = second
        reference["number"] += 1
        fresh = path.with_name("fresh")
        fresh.write_text(json.dumps(reference))
        fresh.rename(path)
        end = time.monotonic() + 5
        while not (told := service.get("/v1/models"))["refused"] and time.monotonic() < end:
            time.sleep(0.05)
        assert told["live"] == first
        assert set(told["refused"]) == {second}
        assert "item_vectors" in told["refused"][second]
        said = service.post("/v1/recommend", {"history": ["a"], "k": 6})
        assert said["model_version"] == first
        assert [item["item_id"] for item in said["items"]] == says[first]['["a"]']
        assert service.ask("POST", "/v1/models/promote", {"version": second}).status == 409
    finally:
        assert service.stop() == 0
    assert "model_refused" in service.log


@pytest.mark.slow
def test_a_canary_is_shown_to_its_share_always_the_same_and_a_shadow_to_nobody(shelf):
    root, says = shelf
    first, second, third = says
    service = start(root)
    try:
        trial = {"version": second, "kind": "canary", "share": 0.2}
        assert service.put("/v1/models/trials", trial)["trials"][0]["version"] == second
        service.put("/v1/models/trials", {"version": third, "kind": "shadow", "share": 1.0})
        people = [f"person {n}" for n in range(400)]

        def seen() -> list[str]:
            line = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
            return [
                asked(line, "POST", "/v1/recommend", {"user_id": who, "k": 2}).body["model_version"]
                for who in people
            ]

        versions = seen()
        assert set(versions) == {first, second}
        # 400 people at 0.2: 80, give or take 4 standard deviations of 8.
        assert 48 <= versions.count(second) <= 112
        assert seen() == versions
        end = time.monotonic() + 5
        while time.monotonic() < end:
            answers = service.get("/v1/users/person%201")["answers"]
            if sum(each["is_shadow"] for each in answers) == 2:
                break
            time.sleep(0.05)
        assert {each["model_version"] for each in answers if each["is_shadow"]} == {third}
        assert {each["model_version"] for each in answers if not each["is_shadow"]} == {versions[1]}
        shown = {each["recommendation_id"] for each in answers if not each["is_shadow"]}
        assert {each["recommendation_id"] for each in answers if each["is_shadow"]} == {
            f"{one}.shadow" for one in shown
        }
        service.delete("/v1/models/trials?kind=canary")
        assert set(seen()) == {first}
    finally:
        assert service.stop() == 0
        shutil.rmtree(root, ignore_errors=True)
