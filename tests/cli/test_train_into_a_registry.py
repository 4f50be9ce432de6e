"""A planted world with one law, and models that learnt it or something else: only a better one goes live."""

import csv
import json
import random
import shutil
from pathlib import Path

import pytest

from tastemaker.registry import Registry

pytestmark = pytest.mark.slow

ITEMS, PEOPLE, EARLIER, LATER = 40, 150, 9, 3
KNOBS = (
    *("history.dim=8", "history.hidden=[8]", "history.length=6", "history.epochs=3", "history.batch_size=64"),
    *("evaluation.bootstrap=100", "promotion.latency=5"),
)


def log(path: Path, *, lawful: bool, steps: int) -> Path:
    """After item n comes item n + 7; where it isn't lawful, anything comes up to step `EARLIER`."""
    rng = random.Random(5)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["user_id", "item_id", "timestamp"])
        for user in range(PEOPLE):
            for step in range(steps):
                law = (user + 7 * step) % ITEMS
                item = law if lawful or step >= EARLIER else rng.randrange(ITEMS)
                rows.writerow([f"u{user}", f"i{item}", 1_600_000_000 + 86_400 * step + user])
    return path


@pytest.fixture(scope="module")
def trained(tastemaker, tmp_path_factory):
    """`trained(registry, lawful, steps)` trains into a registry and gives status and JSON."""
    pytest.importorskip("tensorflow")
    folder = tmp_path_factory.mktemp("world")

    def train(registry: Path, lawful: bool, steps: int, *more: str):
        files = ("--interactions", log(folder / "log.csv", lawful=lawful, steps=steps))
        knobs = [part for knob in (*KNOBS, *more) for part in ("--set", knob)]
        done = tastemaker("train", *files, *knobs, "--registry", registry, "--json")
        assert done.status in (0, 1), done.stderr
        return done.status, json.loads(done.stdout)["promotion"]

    return train


@pytest.fixture(scope="module")
def sound(trained, tmp_path_factory) -> Path:
    """A registry whose only model has learnt the law from the earlier events."""
    folder = tmp_path_factory.mktemp("sound") / "registry"
    status, promotion = trained(folder, True, EARLIER)
    assert (status, promotion["is_promoted"], promotion["reason"]) == (0, True, "It is the first.")
    assert Registry.opened(folder).reference().live == promotion["version"]
    return folder


def test_one_that_learnt_from_shuffled_items_is_kept_out(trained, sound, tmp_path):
    registry = Registry.opened(shutil.copytree(sound, tmp_path / "registry"))
    live = registry.reference()
    status, promotion = trained(registry.root, False, EARLIER + LATER)
    assert (status, promotion["is_promoted"]) == (1, False)
    assert promotion["reason"].startswith("It is worse.")
    low, high = promotion["measured"]["difference"][1:]
    assert low < high < 0
    assert registry.reference() == live
    line = registry.history()[-1]
    assert (line.event, line.version, line.reason) == ("kept out", promotion["version"], promotion["reason"])
    assert registry.version(promotion["version"]).kind == "history"  # it is there, should somebody want it


def test_one_that_learnt_the_law_replaces_one_that_did_not(trained, tmp_path):
    folder = tmp_path / "registry"
    _, first = trained(folder, False, EARLIER)
    status, second = trained(folder, True, EARLIER + LATER)
    assert (status, second["is_promoted"], second["instead_of"]) == (0, True, first["version"]), second
    registry = Registry.opened(folder)
    assert registry.reference().live == second["version"]
    line = registry.history()[-1]
    assert (line.event, line.instead_of) == ("promoted", first["version"])
    measured = line.metrics
    assert measured["people"] == PEOPLE
    assert measured["ndcg@10"] > measured["ndcg@10 of live"] + 0.2
    assert measured["chance"] < 0.001
    assert {"latency_ms", "latency_ms of live", "folding", "folding of live", "coverage@10"} <= set(measured)


def test_a_broken_guardrail_keeps_a_better_one_out(trained, tmp_path):
    folder = tmp_path / "registry"
    _, first = trained(folder, False, EARLIER)
    knobs = ("promotion.latency=0.001", "promotion.coverage=50")
    status, second = trained(folder, True, EARLIER + LATER, *knobs)
    assert (status, second["is_promoted"]) == (1, False)
    assert "promotion.latency" in second["reason"]
    assert "promotion.coverage" in second["reason"]
    assert Registry.opened(folder).reference().live == first["version"]


def test_without_events_that_are_new_to_the_live_model_nothing_speaks_for_another(trained, sound, tmp_path):
    registry = Registry.opened(shutil.copytree(sound, tmp_path / "registry"))
    status, promotion = trained(registry.root, True, EARLIER, "history.dim=9")
    assert (status, promotion["is_promoted"]) == (1, False)
    assert promotion["reason"].startswith("Only 0 people did something after all that the live model has")


def test_a_catalogue_alone_can_be_the_first_and_not_the_second(tastemaker, planted, settings, tmp_path):
    pytest.importorskip("tensorflow")
    arguments = ("train", "--items", planted.items, *settings, "--registry", tmp_path / "registry")
    first = tastemaker(*arguments)
    assert first.status == 0
    assert "is live now. It is the first." in first.stdout
    second = tastemaker(*arguments, "--set", "seed=4", "--out", tmp_path / "bundle")
    assert second.status == 1
    assert "was not promoted. No exam could be held" in " ".join(second.stdout.split())
    assert (tmp_path / "bundle" / "manifest.json").is_file()
    assert len(Registry.opened(tmp_path / "registry").versions()) == 2
    assert sorted(path.name for path in (tmp_path / "registry").iterdir()) == [
        *(".lock", "history.jsonl", "live.json", "models"),
    ]
