"""Can logs of one policy tell what another would have come to?    python -m benchmarks.off_policy obd worlds

obd: six directions of the Open Bandit Dataset's sample, where both policies ran, so that each estimate stands
beside what did happen (../shared/data/obd_sample). worlds: planted, so that the truth is known: how often do
95 % intervals cover it? rare: the same with ever fewer rewards, to find from where on they can be trusted.
"""

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.rows import one_of, record
from tastemaker.evaluation.intervals import mean_interval
from tastemaker.evaluation.off_policy.answer import off_policy
from tastemaker.evaluation.off_policy.logs import Logs, read_logs
from tastemaker.evaluation.off_policy.policies import LoggedPolicy, Policy, Uniform
from tastemaker.evaluation.off_policy.worlds import Bandit

OBD = Path(__file__).parents[2] / "shared" / "data" / "obd_sample"
PARTS = ("obd", "worlds", "rare")


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("parts", nargs="*", type=one_of(PARTS), default=["obd", "worlds"])
    words.add_argument("--worlds", type=int, default=400)
    asked = words.parse_args()
    for part in asked.parts:
        table = obd() if part == "obd" else worlds(asked.worlds) if part == "worlds" else rare(asked.worlds)
        Console(width=120).print(table)


def obd() -> Table:
    table = Table(
        "logs", "asked about", "estimate", "what happened", "effective rewards", "verdict", "covers"
    )
    for campaign in ("all", "men", "women"):
        logs = {name: read_logs(OBD / name / campaign / f"{campaign}.csv") for name in ("random", "bts")}
        for logger, target in (("random", "bts"), ("bts", "random")):
            policy: Policy = LoggedPolicy(logs["bts"], "bts") if target == "bts" else Uniform()
            found = off_policy(logs[logger], policy, np.random.default_rng(1))
            happened = mean_interval(logs[target].rewards, np.random.default_rng(1))
            told = found.estimates["sndr"]
            covers = told.low <= happened.mean <= told.high
            rewards = next(check.value for check in found.checks if check.name == "effective rewards")
            estimates = {name: list(each) for name, each in found.estimates.items()}
            record(
                "off_policy",
                part="obd",
                campaign=campaign,
                logs=logger,
                target=target,
                estimates=estimates,
                happened=list(happened),
                covers=covers,
                can_answer=found.can_answer,
                checks={check.name: check.value for check in found.checks},
            )
            table.add_row(
                f"{logger}/{campaign}",
                target,
                *(f"{each.mean:.4f} ({each.low:.4f}–{each.high:.4f})" for each in (told, happened)),
                f"{rewards:.1f}",
                "answers" if found.can_answer else "cannot answer",
                "yes" if covers else "no",
            )
    return table


def worlds(count: int) -> Table:
    table = Table("rounds", "estimator", "bias / sd", "sd", "covered", "answered")
    for rounds in (500, 2000):
        world = Bandit.made(seed=7)
        covered, means, answered = tried(world, rounds, count)
        for name in covered:
            off = (np.mean(means[name]) - world.truth) / np.std(means[name])
            share = float(np.mean(covered[name]))
            record(
                "off_policy",
                part="worlds",
                rounds=rounds,
                worlds=count,
                estimator=name,
                bias_in_sd=off,
                sd=float(np.std(means[name])),
                covered=share,
                answered=answered,
            )
            cells = (f"{off:+.2f}", f"{np.std(means[name]):.4f}", f"{share:.3f}", f"{answered:.3f}")
            table.add_row(f"{rounds:,}", name, *cells)
    return table


def rare(count: int) -> Table:
    table = Table("rewards expected", "effective rewards", "snips covered", "sndr covered")
    for rate in (0.002, 0.004, 0.006, 0.01, 0.015, 0.03):
        world = Bandit.made(seed=7, rate=rate)
        found = []
        for seed in range(count):
            rng = np.random.default_rng([seed, 1])
            told = off_policy(world.logs(2000, rng), world.policy, rng, resamples=400)
            rewards = next(check.value for check in told.checks if check.name == "effective rewards")
            covers = [
                told.estimates[name].low <= world.truth <= told.estimates[name].high
                for name in ("snips", "sndr")
            ]
            found.append((rewards, *covers))
        effective, snips, sndr = np.mean(found, 0)
        record(
            "off_policy",
            part="rare",
            rounds=2000,
            worlds=count,
            rate=rate,
            effective_rewards=effective,
            snips_covered=snips,
            sndr_covered=sndr,
        )
        table.add_row(f"{2000 * rate:.0f}", f"{effective:.1f}", f"{snips:.3f}", f"{sndr:.3f}")
    return table


def tried(
    world: Bandit, rounds: int, count: int
) -> tuple[dict[str, list[bool]], dict[str, list[float]], float]:
    """By estimator, whether each interval held the truth, and each estimate; and the share answered."""
    covered: dict[str, list[bool]] = {}
    means: dict[str, list[float]] = {}
    answered = 0
    for seed in range(count):
        rng = np.random.default_rng([seed, 0])
        logs: Logs = world.logs(rounds, rng)
        found = off_policy(logs, world.policy, rng, resamples=400)
        answered += found.can_answer
        for name, each in found.estimates.items():
            if name == "dm":  # it has no interval
                continue
            covered.setdefault(name, []).append(each.low <= world.truth <= each.high)
            means.setdefault(name, []).append(each.mean)
    return covered, means, answered / count


if __name__ == "__main__":
    main()
