import json

import numpy as np
import pytest

from tastemaker.evaluation.off_policy.worlds import Bandit


@pytest.fixture(scope="module")
def bundle(by_hand, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ope") / "bundle"
    by_hand.save(folder)
    return folder


def lines(rows) -> str:
    return "user_id,item_id,position,propensity,click\n" + "\n".join(",".join(map(str, row)) for row in rows)


@pytest.fixture
def logs(written):
    """Ann was shown one of all six items, evenly; c, which the bundle shows her first after b, is clicked."""
    rng = np.random.default_rng(0)
    items = rng.integers(0, 6, 1200)
    rows = [
        (f"v{n}", "abcdef"[item], 1, 1 / 6, int(rng.random() < (0.5 if item == 1 else 0.1)))
        for n, item in enumerate(items)
    ]
    return written(lines(rows), "logs.csv")


def test_a_bundle_is_weighed_by_what_it_would_have_shown(tastemaker, bundle, logs):
    done = tastemaker("ope", logs, "--policy", bundle, "--json")
    assert done.status == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["can_answer"] is True
    # Strangers get what is most popular: b, or d, which is as popular but further down.
    assert told["estimates"]["snips"]["mean"] == pytest.approx(0.5, abs=0.12)
    assert told["answer"]["low"] > told["logged"]["mean"]


@pytest.mark.slow  # it imports matplotlib
def test_estimates_are_drawn(tastemaker, logs, tmp_path):
    plot = tmp_path / "ope.svg"
    done = tastemaker("ope", logs, "--target", "uniform", "--plot", plot)
    assert done.status == 0, done.stderr
    assert "<svg" in plot.read_text()
    assert "doubly robust" in plot.read_text()


def test_the_table_says_what_it_came_to_and_whether_to_believe_it(tastemaker, logs):
    done = tastemaker("ope", logs, "--target", "uniform")
    assert done.status == 0
    assert "No difference can be shown" in " ".join(done.stdout.split())
    assert "effective rows" in done.stdout


def test_that_logs_can_not_answer_is_status_1(tastemaker, written, bundle):
    sure = written(lines([("ann", "b", 1, 1, 0), ("bob", "c", 1, 1, 1)]), "sure.csv")
    done = tastemaker("ope", sure, "--policy", bundle)
    assert done.status == 1
    assert "cannot answer" in done.stdout
    silent = written("item_id,click\na,1\nb,0\n", "silent.csv")
    told = tastemaker("ope", silent, "--target", "uniform", "--json")
    assert told.status == 1
    assert json.loads(told.stdout)["verdict"] == "unclear"


def test_another_log_is_a_target(tastemaker, written, logs):
    rng = np.random.default_rng(1)
    leaning = rng.choice(6, 600, p=[0.05, 0.75, 0.05, 0.05, 0.05, 0.05])
    theirs = [("u", "abcdef"[item], 1, 0.5, 0) for item in leaning]
    done = tastemaker("ope", logs, "--target", written(lines(theirs), "theirs.csv"), "--json")
    assert done.status == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["policy"] == "the policy of theirs.csv"
    assert told["answer"]["mean"] == pytest.approx(0.75 * 0.5 + 0.25 * 0.1, abs=0.08)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "--policy BUNDLE, or --target"),
        (("--target", "uniform", "--windows", "2"), "give --target LOGS"),
        (("--target", "uniform", "--clip", "0"), "above 0"),
        (("--target", "uniform", "--reward", "joy"), "click and watch_time"),
        (("--target", "uniform", "--plot", "x.png"), "should end in .svg"),
        (("--target", "nothing.csv"), "There is no file nothing.csv"),
        (("--target", "uniform", "--interactions", "x.csv"), "go with --policy"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(tastemaker, logs, arguments, told):
    done = tastemaker("ope", logs, *arguments)
    assert (done.status, done.stderr.count("\n"), done.stdout) == (2, 1, "")
    assert told in done.stderr


def test_the_planted_bandit_shows_what_it_says():
    world = Bandit.made(seed=1, kinds=2, items=3)
    logs = world.logs(60_000, np.random.default_rng(0))
    for kind in range(2):
        own = logs.contexts[:, 0] == kind
        shown = np.bincount(logs.items[own], minlength=3) / own.sum()
        assert shown == pytest.approx(world.logger[kind], abs=0.02)
        clicked = np.bincount(logs.items[own], logs.rewards[own], minlength=3) / np.bincount(logs.items[own])
        assert clicked == pytest.approx(world.rates[kind], abs=0.03)
