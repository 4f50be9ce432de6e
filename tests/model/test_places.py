"""Losses of the ranker's heads, by hand."""

import math
from typing import Any

import numpy as np
import pytest

from tastemaker.errors import TrainingError
from tastemaker.features.lessons import Lessons

keras = pytest.importorskip("keras")

from tastemaker.model.places import HeadLosses, listwise, looked_at  # noqa: E402

pytestmark = pytest.mark.slow  # TensorFlow takes seconds to load

LN2 = math.log(2)
NAN = math.nan


def lessons(**labels: Any) -> Lessons:
    """One list, a place for each label."""
    (size,) = {len(label) for label in labels.values()}
    return Lessons(
        numbers=np.zeros((size, 1), np.float32),
        queries=np.zeros((1, 0), np.float32),
        vectors=np.zeros((1, 0), np.float32),
        rows=np.zeros(size, np.int32),
        lists=np.zeros(size, np.int32),
        positions=np.arange(1, size + 1, dtype=np.int32),
        labels={head: np.array(label, np.float32) for head, label in labels.items()},
    )


def costs(what: Lessons, head: str, outputs: list[float], log_look: Any = None, looks: Any = None) -> list:
    """Losses of one head by place, in nats: without what brings heads to one size."""
    losses = HeadLosses.fit(what)
    h = losses.heads.index(head)
    wanted, weight = losses.targets(what, looks)
    given = np.zeros_like(wanted)
    given[:, h] = outputs
    each = np.array(losses.each(given, wanted, weight, log_look))[:, h]
    return (each * losses.known[h] * losses.unit[h]).tolist()


def test_a_click_costs_what_its_chance_leaves():
    # -log σ(0.5) and -log(1 - σ(-1))
    expected = [math.log(1 + math.exp(-0.5)), math.log(1 + math.exp(-1))]
    assert costs(lessons(click=[1, 0]), "click", [0.5, -1]) == pytest.approx(expected)


def test_a_watch_weighs_its_seconds_on_one_side_and_one_on_the_other():
    watched = lessons(click=[1, 1, 0], watch_time=[30, 90, 0])
    # They watched 60 s on average; there the odds are even, and seconds count 0.5, 1.5 and 0, beside 1.
    z = math.log(60)
    assert costs(watched, "watch_time", [z] * 3) == pytest.approx([1.5 * LN2, 2.5 * LN2, LN2])
    # The best constant is the mean: 120 s of three places.
    losses = HeadLosses.fit(watched)
    assert losses.start[losses.heads.index("watch_time")] == pytest.approx(math.log(40))
    around = [sum(costs(watched, "watch_time", [math.log(t)] * 3)) for t in (37, 40, 43)]
    assert around[1] < min(around[0], around[2])


def test_dwell_is_of_clicks_alone_in_log_seconds():
    watched = lessons(click=[1, 1, 0], watch_time=[math.e - 1, math.e**3 - 1, 0])
    # log1p: 1 and 3, so the mean is 2 and the deviation 1.
    assert costs(watched, "dwell", [1.5, 1.0, 7.0]) == pytest.approx([0.125, 2.0, 0.0], abs=1e-6)
    losses = HeadLosses.fit(watched)
    assert losses.start[losses.heads.index("dwell")] == pytest.approx(2)


def test_likes_count_where_they_are_known():
    liked = lessons(click=[1, 1, 0], like=[1, 0, NAN])
    assert costs(liked, "like", [0, 0, 5]) == pytest.approx([LN2, LN2, 0])


def test_a_click_at_a_place_is_a_look_times_a_click():
    # Half look, and half of those click: a quarter.
    expected = [-math.log(0.25), -math.log(0.75)]
    assert costs(lessons(click=[1, 0]), "click", [0, 0], np.log([0.5, 0.5])) == pytest.approx(expected)
    # Half of the looks meet half of the seconds.
    watched = lessons(click=[1, 0], watch_time=[30, 0])
    halved = costs(watched, "watch_time", [math.log(60)] * 2, np.log([0.5, 0.5]))
    assert halved == pytest.approx([2 * LN2, LN2])


def test_what_is_known_of_clicks_alone_needs_no_look():
    known_of_clicks = lessons(click=[1, 1, 0], like=[1, 0, NAN])
    known_of_all = lessons(click=[1, 1, 0], like=[1, 0, 0])
    away = np.log([0.5, 0.5, 0.5])
    assert costs(known_of_clicks, "like", [0, 0, 0], away)[0] == pytest.approx(LN2)
    assert costs(known_of_all, "like", [0, 0, 0], away)[0] == pytest.approx(2 * LN2)


def test_a_place_looked_at_for_sure_costs_as_ever_and_no_logit_is_too_far():
    far = np.array([-80, -1, 0, 2, 80], np.float32)
    for target in (0.0, 1.0):
        plain = np.log1p(np.exp(-np.abs(far))) + np.maximum(far, 0) - target * far
        cost = np.array(looked_at(far, np.full(5, target, np.float32), np.zeros(5, np.float32)))
        # A chance of 1 is taken for 1 - 1e-6: where it is wrong, that costs 14 nats and not 80.
        assert cost == pytest.approx(np.minimum(plain, 13.8155) if target == 0 else plain, abs=1e-3)


@pytest.mark.parametrize("logit", [-1.0, 0.0, 2.0])
def test_clicks_over_looks_estimate_the_loss_of_all_looked_at(logit):
    # Looked at with 0.25 and clicked with 0.6 of those, over all that can happen.
    clicked, passed = costs(lessons(click=[1, 0]), "click", [logit] * 2, looks=np.array([0.25, 0.25]))
    bent = math.log(1 + math.exp(logit))
    assert 0.15 * clicked + 0.85 * passed == pytest.approx(0.6 * (bent - logit) + 0.4 * bent)


def test_seconds_count_over_looks_and_what_is_known_of_clicks_alone_does_not():
    looks = np.array([0.5, 0.25, 0.5])
    watched = lessons(click=[1, 1, 0], watch_time=[30, 90, 0], like=[1, 1, NAN])
    z = math.log(60)
    assert costs(watched, "watch_time", [z] * 3, looks=looks) == pytest.approx([2 * LN2, 7 * LN2, LN2])
    assert costs(watched, "like", [0, 0, 0], looks=looks) == pytest.approx([LN2, LN2, 0], rel=1e-3)


def test_no_click_counts_more_than_twenty():
    at_one, *_ = costs(lessons(click=[1, 0]), "click", [1, 1], looks=np.array([0.05, 1]))
    beyond, *_ = costs(lessons(click=[1, 0]), "click", [1, 1], looks=np.array([0.001, 1]))
    assert beyond == pytest.approx(at_one)
    assert beyond == pytest.approx(math.log(1 + math.e) - 20, rel=1e-6)


def test_finding_what_was_chosen_in_a_list():
    lists = np.array([0, 0, 0, 1, 1, 2, 2], np.int32)
    logit = np.array([1, 0, 2, 300, 300, 5, 1], np.float32)
    wanted = np.array([1, 0, 0, 1, 1, 0, 0], np.float32)
    loss = np.array(listwise(logit, wanted, lists, 3))
    # Two chosen of two alike: ln 2 each. None chosen: nothing to learn.
    assert loss == pytest.approx([math.log(1 + math.exp(-1) + math.exp(1)), LN2, 0], rel=1e-6)


def test_where_nothing_was_clicked_nothing_is_learnt():
    with pytest.raises(TrainingError, match="Nothing that was shown was ever clicked"):
        HeadLosses.fit(lessons(click=[0, 0]))
