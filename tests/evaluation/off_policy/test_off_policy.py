"""Answers about planted worlds: how often they hold, and when there must be none."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from tastemaker.errors import DataError
from tastemaker.evaluation.off_policy.answer import off_policy
from tastemaker.evaluation.off_policy.logs import Logs, read_logs
from tastemaker.evaluation.off_policy.policies import Choices, LoggedPolicy, Uniform
from tastemaker.evaluation.off_policy.worlds import Bandit, Known


class Always(NamedTuple):
    """One item, come what may."""

    item: int
    name: str = "always the same"

    def over(self, logs: Logs) -> Iterator[Choices]:
        one = np.full((logs.size, 1), self.item, np.int32)
        yield Choices(slice(0, logs.size), one, np.ones((logs.size, 1)))


@pytest.fixture
def world() -> Bandit:
    return Bandit.made(seed=3)


@pytest.mark.slow
def test_intervals_cover_the_truth_as_often_as_they_say():
    names = ("ips", "snips", "dr", "sndr")
    covered: dict[str, list[bool]] = {name: [] for name in names}
    off: dict[str, list[float]] = {name: [] for name in names}
    answered = []
    for seed in range(800):
        world, rng = Bandit.made(seed), np.random.default_rng([seed, 5])
        found = off_policy(world.logs(800, rng), world.policy, rng, resamples=400)
        answered.append(found.can_answer)
        for name in names:
            each = found.estimates[name]
            covered[name].append(each.low <= world.truth <= each.high)
            off[name].append(each.mean - world.truth)
    assert np.mean(answered) >= 0.99  # a mean weight is 3.3 standard errors off once in a thousand
    for name in names:
        assert 0.93 <= np.mean(covered[name]) <= 0.97, name
    for name in ("ips", "dr"):  # the others are unbiased but for terms of 1/n
        assert abs(np.mean(off[name])) < 3 * np.std(off[name]) / np.sqrt(800), name
    assert np.var(off["dr"]) < 0.9 * np.var(off["ips"])


def test_the_answer_is_near_the_truth_and_says_by_how_much_it_differs(world):
    rng = np.random.default_rng(1)
    found = off_policy(world.logs(20_000, rng), world.policy, rng, resamples=200)
    assert found.can_answer
    assert found.answer.mean == pytest.approx(world.truth, abs=0.015)
    logged = float(world.share @ (world.logger * world.rates).sum(1))
    assert found.logged.mean == pytest.approx(logged, abs=0.012)
    assert found.difference.mean == pytest.approx(found.answer.mean - found.logged.mean)
    assert "That is more" in found.section().lead
    assert found.section().verdict == "good"


def test_a_policy_that_is_the_logger_itself_weighs_all_alike(world):
    rng = np.random.default_rng(1)
    found = off_policy(world.logs(500, rng), Known(world.logger), rng, resamples=100)
    checks = {check.name: check.value for check in found.checks}
    assert checks["effective rows"] == pytest.approx(500)
    assert found.estimates["ips"].mean == pytest.approx(found.logged.mean)
    assert "No difference can be shown" in found.section().lead


def reasons(logs: Logs, policy) -> str:
    found = off_policy(logs, policy, np.random.default_rng(0), resamples=100)
    assert not found.can_answer
    assert found.answer is None
    assert found.section().verdict == "unclear"
    assert found.section().lead.startswith("These logs cannot answer that")
    assert found.as_json()["answer"] is None
    return "; ".join(found.reasons)


def test_what_the_logger_never_showed_nobody_knows(world):
    logs = world.logs(3000, np.random.default_rng(2))
    never = replace(logs, item_ids=(*logs.item_ids, "new"))
    assert "100% of what always the same shows was never logged" in reasons(never, Always(8))
    # A logger that never shows item 0 to anybody, and a target that gives it more than 5 %.
    chances = world.logger.copy()
    chances[:, 0] = 0
    chances /= chances.sum(1, keepdims=True)
    lame = replace(world, logger=chances)
    assert (world.share @ world.target)[0] > 0.05
    assert "was never logged at its place" in reasons(lame.logs(3000, np.random.default_rng(2)), world.policy)


def test_wrong_propensities_show_in_the_mean_weight(world):
    logs = world.logs(3000, np.random.default_rng(2))
    assert "where 1 is due" in reasons(replace(logs, chances=logs.chances / 2), world.policy)


def test_without_chance_or_with_impossible_chances_there_is_no_answer(world):
    logs = world.logs(200, np.random.default_rng(2))
    assert "left nothing to chance" in reasons(replace(logs, chances=np.ones(200)), world.policy)
    assert "no column says with what chance" in reasons(
        replace(logs, chances=np.full(200, np.nan)), world.policy
    )
    for wrong in (0.0, 1.5, -0.1):
        chances = logs.chances.copy()
        chances[7] = wrong
        assert "1 propensities are no chances" in reasons(replace(logs, chances=chances), world.policy)


def test_too_little_left_after_weighing_is_no_answer():
    # One row in a hundred has what the target shows, and 2 % of those are clicked.
    rng = np.random.default_rng(0)
    items = (rng.random(2000) < 0.01).astype(int)
    logs = Logs.of(items, np.where(items == 1, 0.01, 0.99), rng.random(2000) < 0.02)
    assert "it takes 50" in reasons(logs, Always(1))


def test_uniform_gives_what_is_left_the_same_chance():
    logs = Logs.of([0, 1, 2, 3], [0.5] * 4, [1] * 4, places=[0, 1, 2, 0], lists=[0, 0, 0, 1])
    (choices,) = Uniform().over(logs)
    assert choices.of_logged(logs).tolist() == pytest.approx([1 / 4, 1 / 3, 1 / 2, 1 / 4])
    assert choices.chances.sum(1) == pytest.approx(1)


def test_another_log_is_a_policy_by_how_often_it_showed_what():
    shown = Logs.of(
        [0, 0, 1, 2], [0.5] * 4, [0] * 4, item_ids=("a", "b", "z"), times=np.array([0.0, 1, 8, 9])
    )
    logs = Logs.of([0, 1], [0.5] * 2, [0, 1], item_ids=("b", "a"), times=np.array([-5.0, 20]))
    (whole,) = LoggedPolicy(shown).over(logs)
    # b once, a twice, and z, which these logs never showed, once, of four.
    assert whole.chances.tolist() == [[0.25, 0.5, 0.25]] * 2
    (halves,) = LoggedPolicy(shown, windows=2).over(logs)
    assert halves.chances.tolist() == [[0, 1, 0], [0.5, 0, 0.5]]
    with pytest.raises(DataError, match="its logs don't say when"):
        LoggedPolicy(replace(shown, times=np.full(4, np.inf)), windows=2)


DIRECTIONS = [
    (campaign, *way) for campaign in ("all", "men", "women") for way in (("random", "bts"), ("bts", "random"))
]


@pytest.mark.slow
@pytest.mark.parametrize(("campaign", "logger", "target"), DIRECTIONS)
def test_intervals_hold_what_did_happen_in_the_open_bandit_sample(shared_data, campaign, logger, target):
    folder = shared_data("obd_sample")
    logs = {name: read_logs(folder / name / campaign / f"{campaign}.csv") for name in (logger, target)}
    assert (logs[logger].size, logs[logger].unit) == (10_000, "rows")
    policy = LoggedPolicy(logs["bts"]) if target == "bts" else Uniform()
    found = off_policy(logs[logger], policy, np.random.default_rng(1))
    happened = float(logs[target].rewards.mean())
    for name in ("ips", "snips", "dr", "sndr"):
        assert found.estimates[name].low <= happened <= found.estimates[name].high
    # Thompson sampling all but gave up some items: nothing can be said of showing them oftener.
    assert found.can_answer == ((campaign, target) not in (("all", "random"), ("women", "random")))
