import asyncio
import json
from dataclasses import replace

import numpy as np
import pytest

from tastemaker.data.interactions import Interactions
from tastemaker.serve.store import Event, opened


@pytest.fixture(scope="module")
def bundle(by_hand, tmp_path_factory):
    folder = tmp_path_factory.mktemp("drift") / "bundle"
    by_hand.save(folder)
    return folder


@pytest.fixture
def windows(written):
    def log(name: str, items: str):
        lines = [
            f"p{n},{items[(n + step) % len(items)]},{1_600_000_000 + n + 1000 * step}"
            for n in range(60)
            for step in range(3)
        ]
        return written("user_id,item_id,timestamp\n" + "\n".join(lines) + "\n", name)

    return log


def test_the_same_again_is_good_and_new_items_are_an_alarm(tastemaker, bundle, windows):
    before, after = windows("before.csv", "abcdef"), windows("after.csv", "abcxyz")
    quiet = tastemaker("drift", bundle, "--before", before, "--after", before, "--swaps", 199)
    assert quiet.status == 0, quiet.stderr
    assert "Nothing has drifted" in quiet.stdout
    loud = tastemaker("drift", bundle, "--before", before, "--after", after, "--swaps", 199, "--json")
    assert loud.status == 1, loud.stderr
    told = json.loads(loud.stdout)
    assert "cold items" in told["raised"]
    (cold,) = (alarm for alarm in told["alarms"] if alarm["name"] == "cold items")
    assert (cold["before"], cold["after"]) == ("0.0%", "50.0%")


def test_what_a_service_heard_is_held_against_the_newest_that_the_bundle_learnt_from(
    tastemaker, town_bundle, tmp_path
):
    """Eighty people over ten days, of whom the last two count; then two days, quiet ones and loud ones."""
    made, day = 1_700_000_000, 86_400
    touched = [
        (f"p{n % 80}", n % 40 + (100 if n < 400 else 0), made - 10 * day + n * 1080) for n in range(800)
    ]
    names = sorted({name for name, _, _ in touched})
    users, rows, times = (np.array(each) for each in zip(*touched, strict=True))
    log = Interactions.from_events(
        names, np.searchsorted(names, users).astype(np.int32), rows.astype(np.int32), times.astype(float)
    )
    manifest = town_bundle().manifest.model_copy(update={"created": "2023-11-14T22:13:20+00:00"})
    replace(town_bundle(), histories=log, manifest=manifest).save(tmp_path / "bundle")
    kept = {"quiet": lambda n: f"n{n % 40}", "loud": lambda n: f"new{n % 40}"}
    status = {}
    for name, item in kept.items():
        events = [
            Event(f"e{n}", f"p{n % 80}", item(n), made + 1080.0 * n + 1, "click", None, None, "", None)
            for n in range(160)
        ]

        async def write(url: str, events: list[Event] = events) -> None:
            store = await opened(url)
            await store.add(events)
            await store.close()

        asyncio.run(write(str(tmp_path / f"{name}.sqlite")))
        done = tastemaker(
            "drift", tmp_path / "bundle", "--store", tmp_path / f"{name}.sqlite", "--swaps", 199, "--json"
        )
        told = json.loads(done.stdout)
        status[name] = done.status
        assert told["events"] == {"before": 160, "after": 160}  # as long a time, not all that it learnt from
    assert status == {"quiet": 0, "loud": 1}


@pytest.mark.slow  # it imports matplotlib
def test_distances_are_drawn(tastemaker, bundle, windows, tmp_path):
    plot = tmp_path / "drift.svg"
    before, after = windows("before.csv", "abcdef"), windows("after.csv", "abcxyz")
    done = tastemaker("drift", bundle, "--before", before, "--after", after, "--swaps", 199, "--plot", plot)
    assert done.status == 1, done.stderr
    assert "people the bundle" in plot.read_text()


@pytest.mark.parametrize(
    ("more", "told"),
    [(("--plot", "x.png"), "should end in .svg"), (("--against", "nowhere"), "nowhere")],
)
def test_a_mistake_is_one_line_and_status_2(tastemaker, bundle, windows, more, told):
    log = windows("before.csv", "abcdef")
    done = tastemaker("drift", bundle, "--before", log, "--after", log, *more)
    assert (done.status, done.stderr.count("\n"), done.stdout) == (2, 1, "")
    assert told in done.stderr
