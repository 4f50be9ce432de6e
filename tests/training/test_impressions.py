"""What was shown and passed over: for a part of the log, for all of it, and what training makes of it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import tastemaker as tm
from tastemaker.data.interactions import Interactions
from tastemaker.training.impressions import check_impressions, passed_over

EVENTS = [("u", "a", 1000), ("u", "b", 2000), ("u", "c", 3000), ("v", "b", 1500), ("v", "d", 2500)]
SHOWN = [
    ("u", "a", 900, 0),
    ("u", "c", 1900, 0),
    ("u", "d", 1900, 0),
    ("u", "e", 1900, 1),
    ("v", "d", 1950, 1),
    ("v", "a", 2000, 0),
    ("v", "e", 2001, 0),
    ("w", "e", 1000, 0),
]


def read(events: Sequence[tuple[str, str, int]], shown: Sequence[tuple[str, str, int, int]]) -> tm.Dataset:
    columns = ["user_id", "item_id", "timestamp"]
    return tm.read(
        items=pl.DataFrame({"item_id": list("abcde")}),
        interactions=pl.DataFrame(events, schema=columns, orient="row"),
        impressions=pl.DataFrame(shown, schema=[*columns, "click"], orient="row"),
    )


def pairs(log: Interactions) -> list[str]:
    """`user item` of each event."""
    return [f"{log.user_ids[user]} {'abcde'[row]}" for user, row in zip(log.users, log.rows, strict=True)]


# --- what counts as passed over -------------------------------------------------------------


def test_of_all_that_happened_only_what_was_never_chosen_was_passed_over():
    data = read(EVENTS, SHOWN)
    found = passed_over(data.impressions.shown, data.interactions, data.interactions)
    # u took a and c, v took d: so says the log. Of e, u's click says it.
    assert pairs(found) == ["u d", "v a", "v e", "w e"]


def test_a_part_knows_what_was_shown_until_its_newest_event_and_no_choice_that_is_held_out():
    data = read(EVENTS, SHOWN)
    log = data.interactions
    part = log.where(log.times < 2400)  # its newest event is at 2000
    # "v e" came at 2001. "u c" and "v d" are what will be asked for: passed over, as far as one knows.
    assert pairs(passed_over(data.impressions.shown, log, part)) == ["u c", "u d", "v d", "v a", "w e"]


def test_what_is_held_out_changes_nothing_in_what_a_part_knows():
    other = [*EVENTS[:2], ("u", "d", 3000), EVENTS[3], ("v", "a", 2500)]
    clicks = {"u d": 1, "v a": 1, "u e": 1}
    told = [(user, item, time, clicks.get(f"{user} {item}", 0)) for user, item, time, _ in SHOWN]
    found = []
    for data in (read(EVENTS, SHOWN), read(other, told)):
        log = data.interactions
        found.append(pairs(passed_over(data.impressions.shown, log, log.where(log.times < 2400))))
    assert found[0] == found[1]


def test_without_a_clock_in_the_log_nothing_is_later():
    counted = [("u", "a", 0), ("u", "b", 1), ("v", "b", 0), ("v", "d", 1)]
    data = read(counted, SHOWN)
    log = data.interactions
    assert not log.is_clock
    part = log.where(log.times < 1)
    assert pairs(passed_over(data.impressions.shown, log, part)) == ["u c", "u d", "v d", "v a", "v e", "w e"]


def test_impressions_without_a_clock_are_known_to_all_of_the_log_and_to_no_part():
    data = read(EVENTS, [("u", "d", 0, 0), ("u", "e", 1, 0), ("v", "a", 0, 0)])
    log, shown = data.interactions, data.impressions.shown
    assert not shown.is_clock
    assert pairs(passed_over(shown, log, log)) == ["u d", "u e", "v a"]
    assert pairs(passed_over(shown, log, log.where(log.times < 2400))) == []


# --- what training makes of it --------------------------------------------------------------

ITEMS, USERS, EACH = 40, 60, 8
KNOBS = (
    *("history.epochs=3", "history.dim=8", "history.hidden=[8]", "history.length=4", "history.dropout=0"),
    *(
        "history.batch_size=32",
        "history.learning_rate=0.03",
        "history.pairs='none'",
        "evaluation.bootstrap=100",
    ),
    *("negatives.count=16", "negatives.in_batch=false", "negatives.uniform=0", "negatives.popularity=0"),
    "negatives.seen_not_chosen=1",
)


@pytest.fixture
def world(tmp_path) -> dict[str, Path]:
    """Files of people who take any items, and of their impressions: they are shown the even ones."""
    rng = np.random.default_rng(3)
    taken = [rng.permutation(ITEMS)[:EACH] for _ in range(USERS)]
    events = [
        f"u{user},i{item},{10_000 + 100 * step + user}"
        for user in range(USERS)
        for step, item in enumerate(taken[user])
    ]
    shown = [
        f"u{user},i{item},{5_000 + user},{item},0" for user in range(USERS) for item in range(0, ITEMS, 2)
    ]
    lines = {
        "log": ["user_id,item_id,timestamp", *events],
        "shown": ["user_id,item_id,timestamp,position,clicked", *shown],
    }
    paths = {name: tmp_path / f"{name}.csv" for name in lines}
    for name, path in paths.items():
        path.write_text("\n".join(lines[name]) + "\n")
    return paths


def share_of_even(recommender: tm.Recommender) -> float:
    """Among everybody's first ten."""
    slates = recommender.recommend_many([f"u{user}" for user in range(USERS)], k=10)
    ids = [int(item.item_id[1:]) for slate in slates for item in slate]
    assert len(ids) == 10 * USERS
    return float(np.mean([id % 2 == 0 for id in ids]))


@pytest.mark.slow
def test_what_was_passed_over_is_pushed_down(tastemaker, world, tmp_path):
    pytest.importorskip("tensorflow")
    settings = [part for knob in KNOBS for part in ("--set", knob)]
    files = ("--interactions", world["log"], "--impressions", world["shown"])
    done = tastemaker("train", *files, "--out", tmp_path / "b", *settings)
    assert done.status == 0, done.stderr
    assert "as a negative" not in done.stderr
    # People take even items as often as odd ones, so half of what they get would be even.
    assert share_of_even(tm.load(tmp_path / "b")) < 0.2


@pytest.mark.slow
def test_the_trial_and_the_refit_are_each_given_what_they_may_know(world, monkeypatch):
    pytest.importorskip("tensorflow")
    from tastemaker.training.fitted import Fitted

    given = {}
    learn = Fitted.learn

    def spied(self, epochs, stage, *rest):
        given[stage] = (self.problem.impressions, self.part)
        return learn(self, epochs, stage, *rest)

    monkeypatch.setattr(Fitted, "learn", spied)
    data = tm.read(interactions=world["log"], impressions=world["shown"])
    tm.train(data, tm.Recipe.read(None, [*KNOBS, "history.epochs=1"]))
    log, shown = data.interactions, data.impressions.shown
    trial, part = given["training"]
    refit, _ = given["refit on everything"]

    def never_touched(by: Interactions) -> int:
        touched = {(by.user_ids[user], row) for user, row in zip(by.users, by.rows, strict=True)}
        all_shown = zip(shown.users, shown.rows, strict=True)
        return sum((shown.user_ids[user], row) not in touched for user, row in all_shown)

    assert refit.size == never_touched(log)
    assert trial.size == never_touched(part) > refit.size


@pytest.mark.slow
@pytest.mark.parametrize(
    ("knobs", "why"),
    [
        ((), "set negatives.seen_not_chosen, for example to 0.5"),
        (("negatives.seen_not_chosen=1",), "every item is a negative already"),
        (("negatives.seen_not_chosen=1", "negatives.count=8"), None),
        (("preset=seed-content",), "only the default model of histories"),
    ],
)
def test_impressions_that_make_no_difference_are_said_to_in_one_line(knobs, why):
    pytest.importorskip("tensorflow")
    told = []
    check_impressions(read(EVENTS, SHOWN), tm.Recipe.read(None, knobs), told.append)
    assert [(line.step, line.steps) for line in told] == ([] if why is None else [(0, len(SHOWN))])
    assert all(f"none is drawn as a negative: {why}" in line.note for line in told)


@pytest.mark.slow
def test_a_trial_that_may_know_no_impression_still_ends_in_a_model(world):
    pytest.importorskip("tensorflow")
    late = pl.read_csv(world["shown"]).with_columns(pl.col("timestamp") + 1_000_000)
    data = tm.read(interactions=world["log"], impressions=late)
    recommender = tm.train(data, tm.Recipe.read(None, [*KNOBS, "history.epochs=2"]))
    assert np.isfinite(recommender.bundle.arrays["item_vectors"]).all()
