"""`evaluate --impressions`: what an objective does to lists that were shown, from files to the table."""

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
import pytest

DAY = 86_400
START = 1_600_000_000
KINDS = {  # chance of a click at a place that is looked at, share that is watched, seconds it lasts
    "bait": (0.5, 0.02, 600),
    "good": (0.3, 0.95, 1500),
    "long": (0.15, 0.08, 7200),
}
EACH = 25
PEOPLE, LISTS, PLACES = 400, 10, 6


class World(NamedTuple):
    """bundle: learnt from the first eight tenths of the lists; later: those after."""

    bundle: Path
    later: Path


def put(path: Path, head: str, rows: Iterable[Sequence[object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head.split(), *rows])
    return path


@pytest.fixture(scope="module")
def world(tastemaker, tmp_path_factory) -> World:
    """Three kinds of items: bait is clicked most and left at once, long ones are seldom clicked and never
    finished, good ones are watched. Lists hold chance's choice; of place k one in √k looks.
    """
    pytest.importorskip("tensorflow")
    folder, rng = tmp_path_factory.mktemp("shown"), np.random.default_rng(4)
    kinds = [kind for kind in KINDS for _ in range(EACH)]
    items = [(f"i{n}", kind, KINDS[kind][2] / 60) for n, kind in enumerate(kinds)]
    log: list[tuple[object, ...]] = []
    shown: list[tuple[object, ...]] = []
    for person in range(PEOPLE):
        for time in START + np.sort(rng.choice(40 * DAY, 4, replace=False)):
            row = rng.integers(len(kinds))
            log.append((f"u{person}", f"i{row}", time, watched(kinds[row], rng)))
        for place, time in enumerate(
            START + np.sort(rng.choice(np.arange(40 * DAY, 90 * DAY), LISTS, False))
        ):
            for position, row in enumerate(rng.choice(len(kinds), PLACES, replace=False), start=1):
                chance, _, length = KINDS[kinds[row]]
                clicked = rng.random() < chance / np.sqrt(position)
                seconds = watched(kinds[row], rng) if clicked else 0
                done = int(seconds > 0.8 * length)
                shown.append(
                    (
                        f"u{person}",
                        f"i{row}",
                        time,
                        position,
                        f"{person}-{place}",
                        int(clicked),
                        seconds,
                        done,
                    )
                )
                if clicked:
                    log.append((f"u{person}", f"i{row}", time + 60, seconds))
    cut = START + 80 * DAY
    files = {
        "items": put(
            folder / "items.csv", "item_id title duration_min", [(id, id, length) for id, _, length in items]
        ),
        "interactions": put(
            folder / "log.csv", "user_id item_id timestamp watch_time_s", [row for row in log if row[2] < cut]
        ),
    }
    head = "user_id item_id timestamp position recommendation_id click watch_time_s completed"
    files["impressions"] = put(folder / "shown.csv", head, [row for row in shown if row[2] < cut])
    later = put(folder / "later.csv", head, [row for row in shown if row[2] >= cut + 60])
    knobs = [
        *("history.encoder=mean", "history.epochs=2", "history.dim=8", "history.pairs=none"),
        *("split.strategy=global_time", "ranking.use=always", "ranking.objective=click * dwell"),
        *("evaluation.bootstrap=200", "evaluation.max_users=100"),
    ]
    given = [part for kind, path in files.items() for part in (f"--{kind}", path)]
    sets = [part for knob in knobs for part in ("--set", knob)]
    done = tastemaker("train", *given, "--out", folder / "bundle", *sets)
    assert done.status == 0, done.stderr
    return World(folder / "bundle", later)


def watched(kind: str, rng: np.random.Generator) -> int:
    _, share, length = KINDS[kind]
    return int(share * length * rng.uniform(0.9, 1.05))


@pytest.mark.slow
def test_the_guard_sees_bait_in_files_of_a_planted_world(tastemaker, world, tmp_path):
    plot = tmp_path / "chance.svg"
    asked = ("evaluate", world.bundle, "--impressions", world.later, "-k", "2", "--objective", "0 * click")
    done = tastemaker(*asked, "--plot", plot, "--json")
    assert done.status == 0, done.stderr
    told = json.loads(done.stdout)
    lines = {line["objective"]: line for line in told["objectives"]["lines"]}
    assert {
        "as shown",
        "click * dwell",
        "0 * click",
        "click",
        "watch_time",
        "dwell",
        "completion",
    } == lines.keys()
    # Chance's order of a third of each, of which (0.5 + 0.3 + 0.15) / 3 are clicked by who looks. Freed of
    # its place, a click counts 1 on average, so that it is as if all six places were looked at alike.
    looks = np.mean(1 / np.sqrt(np.arange(1, PLACES + 1)))
    assert lines["as shown"]["marks"]["click_rate"]["mean"] == pytest.approx(0.95 / 3 * looks, abs=0.03)
    assert lines["as shown"]["marks"]["length"]["mean"] == pytest.approx((600 + 1500 + 7200) / 3, rel=0.05)
    assert lines["0 * click"]["marks"] == lines["as shown"]["marks"]
    assert any("clickbait" in flag for flag in lines["click"]["flags"])
    assert lines["click"]["changes"]["click_rate"]["low"] > 0
    assert lines["watch_time"]["changes"]["watch_time"]["low"] > 0.3
    assert lines["watch_time"]["changes"]["completion_rate"]["low"] > 0.3
    assert not lines["watch_time"]["flags"]
    # What stood first was always looked at, so there a click has the chance of its kind.
    click = told["chances"]["click"]
    firsts = len({row["recommendation_id"] for row in csv.DictReader(world.later.open(encoding="utf-8"))})
    assert click["n"] == told["objectives"]["lists"] == firsts
    assert click["ece"] < 0.12
    assert click["bins"][0]["foretold"] < 0.25 < 0.4 < click["bins"][-1]["foretold"]
    assert any("only what stood there" in note for note in told["notes"])
    root = ElementTree.fromstring(plot.read_text(encoding="utf-8"))
    names = [part.get("id", "") for part in root.iter()]
    assert sum(name.startswith("bin-") for name in names) == len(click["bins"])
    assert (tmp_path / "chance-completion.svg").is_file()
    text = tastemaker(*asked)
    assert text.status == 0
    assert "clickbait" in text.stdout
    assert "calibration error (ECE)" in text.stdout


@pytest.mark.slow
def test_lists_that_nobody_can_be_asked_about_are_one_clear_line(tastemaker, world, tmp_path):
    head = ["user_id", "item_id", "timestamp", "position", "click"]

    def refused(*rows: Sequence[object], columns: Sequence[str] = head, **more: str) -> str:
        path = put(tmp_path / "shown.csv", " ".join(columns), rows)
        options = [part for name, value in more.items() for part in (f"--{name}", value)]
        done = tastemaker("evaluate", world.bundle, "--impressions", path, *options)
        assert (done.status, done.stdout) == (2, "")
        assert "Traceback" not in done.stderr
        return done.stderr.splitlines()[-1]

    late = START + 100 * DAY
    assert "none can be asked" in refused(("stranger", "i1", late, 1, 1), ("stranger", "i2", late, 2, 0))
    assert "none can be asked" in refused(("u1", "i1", START - DAY, 1, 1), ("u1", "i2", START - DAY, 2, 0))
    assert "says what was chosen" in refused(("u1", "i1", late), ("u1", "i2", late), columns=head[:3])
    assert "no times" in refused(("u1", "i1", 0, 1, 1), ("u1", "i2", 1, 2, 0))  # 0, 1, … is no clock
    assert "there is no head 'clik'" in refused(
        ("u1", "i1", late, 1, 1), ("u1", "i2", late, 2, 0), objective="clik"
    )
    assert "shown.csv" in refused(("u1", "nothing", late, 1, 1))


@pytest.fixture
def bundle(by_hand, tmp_path) -> Path:
    by_hand.save(tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--impressions", "shown.csv"], "This bundle has no ranker"),
        (["--impressions", "shown.csv", "--test", "log.csv"], "two questions"),
        (["--objective", "click"], "give --impressions"),
        (["--test", "log.csv", "--plot", "a.svg"], "give --impressions"),
        (["--impressions", "shown.csv", "--plot", "a.gif"], "should end in .svg"),
        (["--impressions", "shown.csv", "--plot", "nowhere/a.svg"], "there is no folder"),
    ],
)
def test_what_cant_be_asked_is_refused_before_any_file_is_read(tastemaker, bundle, options, said):
    done = tastemaker("evaluate", bundle, *options)
    assert (done.status, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert said in line
