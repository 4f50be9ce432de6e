import json
import math
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from tastemaker.errors import ObjectiveError
from tastemaker.evaluation.objectives import (
    AS_SHOWN,
    MEASURES,
    HeldOut,
    ObjectiveReport,
    compare_objectives,
)

KINDS = {
    # chance of a click once looked at, seconds it lasts, share of it that is watched, chance of the end
    "bait": (0.5, 600, 0.015, 0.01),
    "long": (0.2, 7200, 0.3, 0.1),
    "good": (0.3, 1500, 0.8, 0.7),
    "clip": (0.2, 300, 0.9, 0.8),
}
THREE = ("bait", "long", "good")
FORMULA = "click^0.5 * completion * min(watch_time, 600)"


def world(lists=600, places=12, seed=0, kinds=THREE):
    """Lists in random order, of which a place is looked at with chance 1 / position."""
    rng = np.random.default_rng(seed)
    size = lists * places
    truth = np.array([KINDS[kinds[place]] for place in rng.integers(0, len(kinds), size)])
    click, length, share, end = truth.T
    positions = np.tile(np.arange(1, places + 1), lists).astype("int32")
    looked = 1 / positions
    clicked = rng.uniform(size=size) < click * looked
    watched = np.where(clicked, length * share * rng.uniform(0.5, 1.5, size), 0)
    heads = {"click": click, "watch_time": click * length * share, "completion": click * end}
    # What a ranker says is near the truth, not on it.
    heads = {name: (value * rng.uniform(0.9, 1.1, size)).astype("float32") for name, value in heads.items()}
    return HeldOut(
        lists=np.repeat(np.arange(lists), places).astype("int32"),
        positions=positions,
        heads=heads,
        labels={
            "click": clicked.astype("float32"),
            "watch_time": watched.astype("float32"),
            "completion": (clicked & (rng.uniform(size=size) < end)).astype("float32"),
        },
        propensities=looked.astype("float32"),
        lengths_s=length.astype("float32"),
        vectors=rng.normal(size=(size, 4)).astype("float32"),
    )


def asked(shown, objectives=(FORMULA,), **settings):
    return compare_objectives(shown, objectives, rng=np.random.default_rng(1), **settings)


REPORT = asked(world())


def test_each_trap_is_told_and_what_is_good_is_left_alone():
    assert [line.objective for line in REPORT.lines] == [
        AS_SHOWN,
        FORMULA,
        "click",
        "watch_time",
        "completion",
    ]
    flags = {line.objective: line.flags for line in REPORT.lines}
    assert flags[AS_SHOWN] == flags[FORMULA] == flags["completion"] == ()
    (bait,), (long,) = flags["click"], flags["watch_time"]
    assert bait.startswith("clicks +")
    assert ", watch time −" in bait
    assert bait.endswith(": clickbait")
    assert long.startswith("watch time +")
    assert ", but what is shown lasts +" in long
    assert long.endswith(": long-video trap")


def test_an_order_is_worth_what_the_world_says():
    # Twelve of three kinds, each one in three: the first five hold all of the best kind there is, four on
    # average, and the next best. The means of that, by drawing lists and looking up the truth.
    rng = np.random.default_rng(9)
    drawn = rng.integers(0, 3, (20_000, 12))
    truth = np.array([KINDS[kind] for kind in THREE])[drawn]
    click, length, share, _ = np.moveaxis(truth, 2, 0)
    for objective, value in (("click", click), ("watch_time", click * length * share)):
        first = np.argsort(-value, axis=1, kind="stable")[:, :5]
        line = REPORT.line(objective)
        shown = np.take_along_axis(length, first, 1).mean()
        assert line.marks["length"].low < shown < line.marks["length"].high
        # Propensities tell more clicks and more watch time by the right share.
        for name, of in (("click_rate", click), ("watch_time", click * length * share)):
            change = np.take_along_axis(of, first, 1).mean() / of.mean() - 1
            assert line.changes[name].low - 0.1 < change < line.changes[name].high + 0.1, (objective, name)


def test_without_lengths_completions_tell_of_long_videos():
    report = asked(replace(world(kinds=("long", "clip")), lengths_s=None))
    (long,) = report.line("watch_time").flags
    assert long.endswith(": long-video trap, as far as can be told without lengths")
    assert ", but completions −" in long
    assert report.line("completion").flags == ()
    assert "length shown" not in report.markdown()


def test_more_clicks_that_are_watched_are_no_bait():
    line = asked(world(lists=1500, kinds=("clip", "good")), []).line("click")
    assert line.changes["click_rate"].low > 0
    assert line.changes["watch_time"].low > 0
    assert not any("clickbait" in flag for flag in line.flags)


def test_where_all_are_good_there_is_no_trap():
    report = asked(world(kinds=("good",)))
    assert not any(line.flags for line in report.lines)
    assert "No trap can be shown." in report.notes()


def test_propensities_undo_what_the_place_did():
    # The second is liked twice as much and looked at a quarter as often: +100 %, which clicks call −50 %.
    rng = np.random.default_rng(4)
    lists = 8000
    liked, looked = np.tile([0.2, 0.4], lists), np.tile([1, 0.25], lists)
    shown = HeldOut(
        lists=np.repeat(np.arange(lists), 2).astype("int32"),
        positions=np.tile([1, 2], lists).astype("int32"),
        heads={"click": liked.astype("float32")},
        labels={"click": (rng.uniform(size=2 * lists) < liked * looked).astype("float32")},
    )
    naive = asked(shown, [], k=1).line("click").changes["click_rate"]
    assert naive.low < -0.5 < naive.high
    for scale in (1, 0.1):  # whatever they are a share of
        report = asked(
            replace(shown, propensities=(looked * scale).astype("float32")), [], k=1, resamples=400
        )
        freed = report.line("click").changes["click_rate"]
        assert freed.low < 1 < freed.high < 1.3
        # As shown: 0.2 clicks in the first place, of 0.6 in both, which stand for 0.3 clicks a list.
        assert report.line(AS_SHOWN).marks["click_rate"].mean == pytest.approx(0.2 / 0.6 * 0.3, rel=0.05)


def slowly(shown, score, k):
    """All measures, a place at a time; `score` gives what a place is sorted by."""
    size = len(shown.lists)
    weigh = (lambda p: 1.0) if shown.propensities is None else (lambda p: 1 / float(shown.propensities[p]))
    clicked = [p for p in range(size) if shown.labels["click"][p] == 1]
    scale = len(clicked) / sum(weigh(p) for p in clicked) if clicked else 1.0
    found = {name: [0.0, 0.0] for name in MEASURES}

    def add(name, value, count=1.0):
        if not math.isnan(value):
            found[name][0] += value
            found[name][1] += count

    for one in range(int(shown.lists.max()) + 1):
        places = [p for p in range(size) if shown.lists[p] == one]
        places.sort(key=lambda p: shown.positions[p] or 10**9)
        places.sort(key=lambda p: -score(p))
        places = places[:k]
        for p in places:
            click, watched = float(shown.labels["click"][p]), float(shown.labels["watch_time"][p])
            weight, length = weigh(p), float(shown.lengths_s[p])
            add("click_rate", click * weight * scale)
            add("watch_time", watched * weight * scale)
            add("length", length)
            if click == 1:
                completed = float(shown.labels["completion"][p])
                add("completion_rate", completed * weight, weight)
                if not math.isnan(watched):
                    bound = 30 if math.isnan(length) else 0.1 * length
                    add("short_rate", float(watched < bound) * weight, weight)
        if len(places) > 1:
            unit = [shown.vectors[p] / np.linalg.norm(shown.vectors[p]) for p in places]
            pairs = [1 - unit[a] @ unit[b] for a in range(len(unit)) for b in range(a)]
            add("diversity", float(np.mean(pairs)))
    return {name: value / count if count else None for name, (value, count) in found.items()}


def ragged(seed):
    """Small lists of all lengths, with holes in everything, in no order of places."""
    rng = np.random.default_rng(seed)
    lists = np.sort(np.append(np.arange(8), rng.integers(0, 8, 40))).astype("int32")
    size = len(lists)

    def holed(values):
        return np.where(rng.uniform(size=size) < 0.15, np.nan, values).astype("float32")

    click = (rng.uniform(size=size) < 0.5).astype(float)
    return HeldOut(
        lists=lists,
        positions=np.array([rng.choice([0, *range(1, 9)]) for _ in range(size)], "int32"),
        heads={"click": rng.choice([0.1, 0.2, 0.3, np.nan], size).astype("float32")},
        labels={
            "click": holed(click),
            "watch_time": holed(click * rng.uniform(0, 300, size)),
            "completion": holed(click * (rng.uniform(size=size) < 0.5)),
        },
        propensities=rng.uniform(0.1, 1, size).astype("float32"),
        lengths_s=holed(rng.uniform(60, 3000, size)),
        vectors=rng.normal(size=(size, 3)).astype("float32"),
    )


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("weighed", [True, False])
def test_measures_are_those_of_a_slow_loop(seed, weighed):
    shown = ragged(seed)
    shown = shown if weighed else replace(shown, propensities=None)
    report = asked(shown, ["-click"], k=1 + seed, resamples=20)
    scores = {
        AS_SHOWN: lambda p: 0.0,
        "click": lambda p: np.nan_to_num(float(shown.heads["click"][p]), nan=-9),
        "-click": lambda p: np.nan_to_num(-float(shown.heads["click"][p]), nan=-9),
    }
    for objective, score in scores.items():
        line, slow = report.line(objective), slowly(shown, score, 1 + seed)
        for name in MEASURES:
            expected = slow[name] if slow[name] is None else pytest.approx(slow[name], rel=1e-5)
            assert line.marks[name].mean == expected, (objective, name)
    as_shown, click = report.line(AS_SHOWN).marks["length"], report.line("click")
    assert click.changes["length"].mean == pytest.approx(click.marks["length"].mean / as_shown.mean - 1)
    assert report.longer == sum((shown.lists == one).sum() > 1 + seed for one in range(8))


def test_intervals_are_as_wide_as_the_spread_over_lists_says():
    shown = replace(world(places=5), propensities=None)
    mark = REPORT_OF_FIVES.line(AS_SHOWN).marks["click_rate"]
    per_list = shown.labels["click"].reshape(-1, 5).mean(1)
    error = per_list.std() / math.sqrt(len(per_list))
    assert mark.mean == pytest.approx(per_list.mean())
    assert mark.high - mark.low == pytest.approx(2 * 1.96 * error, rel=0.1)
    # Lists of five have all their places among the first five, whatever the order.
    change = REPORT_OF_FIVES.line("click").changes["click_rate"]
    assert (change.mean, change.low, change.high) == (0, 0, 0)
    assert REPORT_OF_FIVES.longer == 0


REPORT_OF_FIVES = asked(replace(world(places=5), propensities=None))


def test_it_survives_json_and_has_none_for_what_nobody_knows():
    assert ObjectiveReport.from_json(json.loads(json.dumps(REPORT.as_json(), allow_nan=False))) == REPORT
    shown = world(lists=5)
    bare = HeldOut(
        shown.lists,
        shown.positions * 0,
        {"click": shown.heads["click"]},
        {"click": shown.labels["click"] * 0},
    )
    report = asked(bare, [])
    assert report.line("click").marks["click_rate"].mean == 0
    assert report.line("click").changes["click_rate"].mean is None
    assert report.line("click").marks["watch_time"].mean is None
    assert ObjectiveReport.from_json(json.loads(json.dumps(report.as_json(), allow_nan=False))) == report
    nobody = HeldOut(*(np.zeros(0, "int32"),) * 2, {"click": np.zeros(0)}, {"click": np.zeros(0)})
    assert asked(nobody, []).line("click").marks["click_rate"].mean is None


def test_people_can_read_it_in_a_hundred_columns():
    console = Console(width=100, file=StringIO(), force_terminal=False)
    console.print(REPORT)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= 100
    table = REPORT.markdown()
    change = REPORT.line("click").changes["click_rate"].mean
    assert f" +{change * 100:.0f}\u00a0%" in text
    assert f" +{change * 100:.0f}\u00a0%" in table
    assert "| `as shown` | " in table
    for note in REPORT.notes():
        assert note in table
    assert "600 lists, 600 longer than 5: of the others all is shown." in REPORT.notes()[-2]


def test_a_head_there_is_not_is_told():
    with pytest.raises(ObjectiveError, match="this ranker has no head 'like'"):
        asked(world(lists=3), ["click * like"])
