"""The detector of leaks: clean splits are clean, and each kind of leak is found where it is planted."""

import json
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tastemaker.data.catalogue import Catalogue
from tastemaker.data.interactions import Interactions
from tastemaker.data.leaks import Protocol, leaks
from tastemaker.data.protocols import choose
from tastemaker.data.split import DAY_S, Fold
from tastemaker.errors import DataError
from tastemaker.recipe import Column, Role, SplitRecipe

ITEMS, USERS = 60, 40
STRATEGIES = ("global_time", "leave_one_out", "random", "cold_item", "user_holdout", "cold_user")


def catalogue(**columns):
    """Of ITEMS items; each column is (role, values)."""
    frame = pl.DataFrame(
        {"id": [f"i{row}" for row in range(ITEMS)]} | {k: v for k, (_, v) in columns.items()}
    )
    known = [Column(name=name, role=role) for name, (role, _) in columns.items()]
    return Catalogue(frame, (Column(name="id", role=Role.ID), *known))


PLAIN = catalogue()


def world(seed=1, names=None):
    """USERS people with twenty different items each, over a hundred days."""
    rng = np.random.default_rng(seed)
    rows = np.concatenate([rng.permutation(ITEMS)[:20] for _ in range(USERS)]).astype(np.int32)
    times = np.sort(rng.integers(0, 100 * DAY_S, (USERS, 20)), axis=1).ravel().astype(float)
    users = np.repeat(np.arange(USERS, dtype=np.int32), 20)
    weights = rng.integers(1, 6, len(rows)).astype(np.float32)
    return Interactions.from_events(names or [f"u{n}" for n in range(USERS)], users, rows, times, weights)


def made(strategy, log=None, **knobs):
    split = choose(log or world(), SplitRecipe(strategy=strategy, **knobs), 1)
    return split.fold, Protocol(strategy, split.cut, knobs.get("gap_days", 0.0) * DAY_S)


def moved(part, user, row, time):
    """The same events and one more."""
    return Interactions.from_events(
        part.user_ids,
        np.append(part.users, np.int32(user)),
        np.append(part.rows, np.int32(row)),
        np.append(part.times, time),
        np.append(part.weights, np.float32(1)),
        is_ordered=part.is_ordered,
        is_clock=part.is_clock,
    )


def kinds(found):
    return [leak.kind for leak in found.found]


LOGS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 6), st.integers(100, 110).map(float)), min_size=1, max_size=40
)


@given(
    events=LOGS,
    strategy=st.sampled_from(STRATEGIES),
    seed=st.integers(0, 9),
    gap=st.sampled_from([0.0, 2e-5]),
)
def test_no_split_of_any_strategy_leaks(events, strategy, seed, gap):
    columns = np.array(events)
    log = Interactions.from_events(
        [f"u{user}" for user in range(6)],
        columns[:, 0].astype(np.int32),
        columns[:, 1].astype(np.int32),
        columns[:, 2],
        is_clock=True,
    )
    try:
        split = choose(log, SplitRecipe(strategy=strategy, test_share=0.3, gap_days=gap), seed)
    except DataError:
        return
    assert leaks(split.fold, PLAIN, Protocol(strategy, split.cut, gap * DAY_S)).is_clean


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_clean_split_of_a_larger_world_is_clean(strategy):
    honest = np.random.default_rng(1).random(ITEMS)
    items = catalogue(length=(Role.NUMBER, honest), out=(Role.DATE, [date(1970, 1, 1)] * ITEMS))
    found = leaks(*swap(made(strategy), items))
    assert found.is_clean
    assert found.section().verdict == "good"
    json.dumps(found.as_json(), allow_nan=False)


def swap(fold_and_protocol, items):
    fold, protocol = fold_and_protocol
    return fold, items, protocol


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_target_that_is_known_when_asked_is_found(strategy):
    fold, protocol = made(strategy)
    user, row = int(fold.targets.users[0]), int(fold.targets.rows[0])
    before = 0.0  # so that only the input gives it away, not its time
    found = leaks(fold._replace(history=moved(fold.history, user, row, before)), PLAIN, protocol)
    assert kinds(found) == ["target in input"]
    assert found.found[0].count == 1
    assert found.found[0].examples == (f"i{row}",)
    assert found.section().verdict == "alarm"


@pytest.mark.parametrize("strategy", ["global_time", "leave_one_out", "random"])
def test_a_target_that_is_learnt_is_found(strategy):
    fold, protocol = made(strategy)
    user, row = int(fold.targets.users[0]), int(fold.targets.rows[0])
    found = leaks(fold._replace(train=moved(fold.train, user, row, 0.0)), PLAIN, protocol)
    assert kinds(found) == ["duplicates"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_target_that_is_asked_for_twice_is_found(strategy):
    fold, protocol = made(strategy)
    user, row, time = (part[0] for part in (fold.targets.users, fold.targets.rows, fold.targets.times))
    found = leaks(fold._replace(targets=moved(fold.targets, user, row, time)), PLAIN, protocol)
    assert kinds(found) == ["duplicates"]


def unmet(fold, user):
    """An item that somebody has nothing to do with."""
    met = {int(row) for part in fold for row in part.of(user)}
    return next(row for row in range(ITEMS) if row not in met)


@pytest.mark.parametrize(
    ("part", "days_after", "gap"),
    [("train", 0.0, 0.0), ("train", -1.0, 2.0), ("history", 0.5, 0.0), ("targets", -0.5, 0.0)],
    ids=["learnt after the cut", "learnt in the gap", "known after the cut", "asked for before it"],
)
def test_what_is_on_the_wrong_side_of_the_cut_is_found(part, days_after, gap):
    fold, protocol = made("global_time", gap_days=gap)
    late = moved(getattr(fold, part), 0, unmet(fold, 0), protocol.cut + days_after * DAY_S)
    found = leaks(fold._replace(**{part: late}), PLAIN, protocol)
    assert kinds(found) == ["the future in the past"]
    assert found.found[0].count == 1


@pytest.mark.parametrize("strategy", ["leave_one_out", "user_holdout", "cold_user"])
def test_somebody_known_by_what_they_did_after_is_found(strategy):
    fold, protocol = made(strategy)
    user = int(fold.targets.users[0])
    late = moved(fold.history, user, unmet(fold, user), fold.targets.times.max() + 1)
    assert kinds(leaks(fold._replace(history=late), PLAIN, protocol)) == ["the future in the past"]


@pytest.mark.parametrize("strategy", ["user_holdout", "cold_user"])
def test_a_stranger_who_is_learnt_from_is_found(strategy):
    fold, protocol = made(strategy)
    user = int(fold.targets.users[0])
    learnt = moved(fold.train, user, unmet(fold, user), 0.0)
    assert kinds(leaks(fold._replace(train=learnt), PLAIN, protocol)) == ["learnt from those held out"]


def test_a_new_item_that_is_learnt_from_is_found():
    fold, protocol = made("cold_item")
    row = int(fold.targets.rows[0])
    user = next(user for user in range(USERS) if row not in fold.targets.of(user))
    learnt = moved(fold.train, user, row, 0.0)
    assert kinds(leaks(fold._replace(train=learnt), PLAIN, protocol)) == ["learnt from those held out"]


def test_an_item_that_came_out_after_the_split_and_was_learnt_before_it_is_found():
    fold, protocol = made("global_time")
    early = int(fold.train.rows[0])
    days = [date(1970, 1, 1)] * ITEMS
    days[early] = date(1971, 1, 1)
    found = leaks(fold, catalogue(out=(Role.DATE, days)), protocol)
    assert set(kinds(found)) == {"released later"}
    assert found.found[0].count == int((fold.train.rows == early).sum())


@pytest.mark.parametrize("role", [Role.NUMBER, Role.POPULARITY])
@pytest.mark.parametrize("figure", ["events", "mean"])
@pytest.mark.parametrize("knows", ["the future", "the past"])
def test_a_column_that_counts_what_is_to_be_found_is_found(role, figure, knows):
    fold, protocol = made("global_time", test_share=0.4)
    log = world() if knows == "the future" else fold.history
    counts = np.bincount(log.rows, minlength=ITEMS)
    sums = np.bincount(log.rows, log.weights, ITEMS)
    values = counts.astype(float) if figure == "events" else np.round(sums / np.maximum(counts, 1), 2)
    found = leaks(fold, catalogue(score=(role, values)), protocol)
    assert kinds(found) == (["features from the future"] if knows == "the future" else [])
    if found.found:
        assert found.found[0].examples == ("column 'score'",)


def test_a_column_of_people_that_counts_what_is_to_be_found_is_found():
    fold, protocol = made("global_time", test_share=0.4)
    log = world()
    counts = np.diff(log.offsets).astype(float)
    frame = pl.DataFrame({"user": list(log.user_ids), "events": counts})
    columns = (Column(name="user", role=Role.ID), Column(name="events", role=Role.NUMBER))
    assert kinds(leaks(fold, PLAIN, protocol, Catalogue(frame, columns))) == ["features from the future"]


def test_one_person_under_two_names_is_found():
    names = [f"u{n}" for n in range(USERS)]
    names[1] = " U0"
    fold, protocol = made("leave_one_out", world(names=names))
    found = leaks(fold, PLAIN, protocol)
    assert kinds(found) == ["one person twice"]
    assert found.found[0].count == 2


def test_what_leave_one_out_lets_others_foretell_is_said():
    fold, protocol = made("leave_one_out")
    found = leaks(fold, PLAIN, protocol)
    # Each person's last event is near the end of a hundred days; a slow loop counts what comes after.
    later = [float((fold.train.times >= time).mean()) for time in fold.targets.times]
    assert any(f"{np.median(later):.0%} of train came after it" in note for note in found.notes)


def test_what_could_not_be_looked_for_is_said():
    fold, protocol = made("random")
    found = leaks(fold, PLAIN, protocol)
    assert "features from the future" not in found.looked_for
    assert any("no figures" in note for note in found.notes)
    assert any("By random order says nothing" in note for note in found.notes)
    unknown = leaks(fold, PLAIN)
    assert "the future in the past" not in unknown.looked_for
    assert any("isn't known" in note for note in unknown.notes)


def test_an_empty_fold_is_clean():
    log = world()
    nothing = log.where(np.zeros(log.size, bool))
    assert leaks(Fold(log, log, nothing), PLAIN, Protocol("leave_one_out")).is_clean
