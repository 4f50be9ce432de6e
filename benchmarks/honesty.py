"""Do intervals hold the truth as often as they say, and tests raise false alarms no oftener?

    python -m benchmarks.honesty --law hits --share 0.02 --users 50
    python -m benchmarks.honesty --law hits --share 0.02 --users 50 --ways     other intervals of the mean

A thousand worlds whose truth is known. In each, users who are easy or hard for all models alike (correlation
0.7) are asked by models with the same law, and by one that is better by a known gain. `shift` adds a normal
deviate and the gain; of `hits` a user has 1 with a chance of `share`, else 0; `ndcg` puts the one target of
a hit at a rank, the first ranks more often; `several` has 0 or a beta variate, as NDCG has with several
targets. Rates of 95 % and of 5 % are measured with a standard error of 0.7 points.
"""

import argparse
import json
import warnings
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from scipy import special, stats

from benchmarks.rows import RESULTS, record
from tastemaker.evaluation.comparison import LEVEL, detectable, holm, permutation_test
from tastemaker.evaluation.intervals import difference_interval, mean_interval

Values = npt.NDArray[np.float64]
LAWS = ("shift", "hits", "ndcg", "several")
ALIKE = 0.7
MODELS = 4
SHUFFLES = 1000
RANKS = 1 / np.arange(1, 11)
GRID = 2**20
CURVE = special.betaincinv(1, 4, (np.arange(4096) + 0.5) / 4096)


class Law(NamedTuple):
    """What a model gives to a user who is as lucky with it as `z`, a standard normal deviate."""

    name: str
    share: float

    def __call__(self, z: Values, gain: float = 0.0) -> Values:
        if self.name == "shift":
            return z + gain
        share = self.share + gain
        chance = special.ndtr(z)
        place = np.clip((chance - (1 - share)) / share, 0, 1 - 1e-12)  # of those who have something
        given = np.ones(len(z))
        if self.name == "ndcg":
            ranks = np.searchsorted(np.cumsum(RANKS) / RANKS.sum(), 1 - place, side="left")
            given = 1 / np.log2(np.minimum(ranks, 9) + 2)
        elif self.name == "several":
            given = CURVE[(place * len(CURVE)).astype(np.int64)]
        return np.where(chance > 1 - share, given, 0.0)

    def mean(self, gain: float = 0.0) -> float:
        return float(self(special.ndtri((np.arange(GRID) + 0.5) / GRID), gain).mean())


def lucks(rng: np.random.Generator, users: int, models: int) -> Values:
    """(models, users)"""
    ease = rng.normal(size=users)
    return np.sqrt(ALIKE) * ease + np.sqrt(1 - ALIKE) * rng.normal(size=(models, users))


def gain_that_shows(law: Law, users: int) -> float:
    """The gain at which models differ by just what so many users can detect."""
    ours, theirs = lucks(np.random.default_rng(0), 200_000, 2)
    low, high = 0.0, 0.9 if law.name != "shift" else 5.0
    high = min(high, 0.999 - law.share)
    base = law.mean()
    for _ in range(25):
        gain = (low + high) / 2
        spread = float((law(ours, gain) - law(theirs)).std())
        least = detectable(np.resize([spread, -spread], users)) or 0.0
        low, high = (gain, high) if law.mean(gain) - base < least else (low, gain)
    return (low + high) / 2


def measured(law: Law, users: int, worlds: int, seed: int) -> dict[str, float]:
    """Shares of worlds: whose truth an interval held, and in which a test found a difference."""
    rng = np.random.default_rng(seed)
    within = None if law.name == "shift" else 1.0
    ends = None if within is None else (0.0, 1.0)
    gain = gain_that_shows(law, users)
    mean, better = law.mean(), law.mean(gain)
    found = dict.fromkeys(("mean", "difference", "no_difference", "alarms", "family", "power"), 0)
    for _ in range(worlds):
        first, *others = lucks(rng, users, MODELS + 1)
        ours, theirs = law(first), [law(each) for each in others]
        gained = law(first, gain)
        of_mean = mean_interval(ours, rng, within=ends)
        of_difference = difference_interval(gained, theirs[0], rng, within=within)
        of_none = difference_interval(ours, theirs[0], rng, within=within)
        chances = [permutation_test(ours - each, rng, SHUFFLES) for each in theirs]
        found["mean"] += of_mean.low <= mean <= of_mean.high
        found["difference"] += of_difference.low <= better - mean <= of_difference.high
        found["no_difference"] += of_none.low <= 0 <= of_none.high
        found["alarms"] += chances[0] <= LEVEL
        found["family"] += min(holm(chances)) <= LEVEL
        found["power"] += permutation_test(gained - theirs[0], rng, SHUFFLES) <= LEVEL
    return {"gain": better - mean, **{name: count / worlds for name, count in found.items()}}


def ways(law: Law, users: int, worlds: int, seed: int) -> dict[str, dict[str, float]]:
    """By kind of interval of the mean: the share of worlds whose truth it held, and the median width."""
    rng = np.random.default_rng(seed)
    mean, ends = law.mean(), None if law.name == "shift" else (0.0, 1.0)
    found: dict[str, list[tuple[bool, float]]] = {}
    for _ in range(worlds):
        values = law(lucks(rng, users, 1)[0])
        ours = mean_interval(values, rng, within=ends)
        for name, (low, high) in {"ours": ours[1:], **_others(values, rng)}.items():
            found.setdefault(name, []).append((bool(low <= mean <= high), high - low))
    return {
        name: {
            "holds": float(np.mean([held for held, _ in each])),
            "width": float(np.median([wide for _, wide in each])),
        }
        for name, each in found.items()
    }


def _others(values: Values, rng: np.random.Generator) -> dict[str, tuple[float, float]]:
    if values.std() == 0:  # none of them says anything but this
        return dict.fromkeys(("percentile", "BCa", "studentised", "skewed t"), (values[0], values[0]))
    size, t = len(values), stats.t.ppf(0.975, len(values) - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        drawn = stats.bootstrap((values,), np.mean, n_resamples=1000, method="percentile", rng=rng)
        better = stats.bootstrap(
            (values,), np.mean, bootstrap_result=drawn, n_resamples=0, method="BCa", rng=rng
        )
    again = values[rng.integers(0, size, (1000, size))]
    error, errors = values.std(ddof=1) / np.sqrt(size), again.std(1, ddof=1) / np.sqrt(size)
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.nan_to_num((again.mean(1) - values.mean()) / errors)
    low, high = np.quantile(steps, [0.025, 0.975])
    bend = stats.skew(values) / (6 * np.sqrt(size)) * (1 + 2 * t * t)  # Johnson, JASA 1978
    return {
        "percentile": tuple(drawn.confidence_interval),
        "BCa": tuple(better.confidence_interval),
        "studentised": (values.mean() - high * error, values.mean() - low * error),
        "skewed t": (values.mean() + error * (bend - t), values.mean() + error * (bend + t)),
    }


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--law", choices=LAWS, default=None, help="without it: the table of all rows")
    words.add_argument("--share", type=float, default=0.1, help="of users with more than 0; not of shift")
    words.add_argument("--users", type=int, nargs="+", default=[50, 200, 1000, 5000])
    words.add_argument("--worlds", type=int, default=1000)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--ways", action="store_true")
    asked = words.parse_args()
    for users in asked.users if asked.law else ():
        law = Law(asked.law, 0.0 if asked.law == "shift" else asked.share)
        rates = measured(law, users, asked.worlds, asked.seed)
        shown = {"law": law.name, "share": law.share, "users": users}
        if asked.ways:
            for way, rates in ways(law, users, asked.worlds, asked.seed).items():
                told = record(
                    "interval_ways", way=way, **shown, worlds=asked.worlds, seed=asked.seed, **rates
                )
                print({key: told[key] for key in ("law", "share", "users", "way", "holds", "width")})
            continue
        record("honesty", **shown, worlds=asked.worlds, shuffles=SHUFFLES, seed=asked.seed, **rates)
    if not asked.ways:
        Console(width=120).print(table())


def table() -> Table:
    """The newest row of each."""
    lines = (RESULTS / "honesty.jsonl").read_text(encoding="utf-8").splitlines()
    newest = {(row["law"], row["share"], row["users"]): row for row in map(json.loads, lines)}
    shown = Table(
        "law",
        "users",
        "worlds",
        "holds: mean",
        "gain",
        "no gain",
        "false alarms",
        f"of {MODELS}, Holm",
        "power",
        title="Shares of the worlds",
    )
    for (law, share, users), row in newest.items():
        names = ("mean", "difference", "no_difference", "alarms", "family", "power")
        name = law if law == "shift" else f"{law} {share:.0%}"
        shown.add_row(name, f"{users:,}", f"{row['worlds']:,}", *(f"{row[each]:.1%}" for each in names))
    return shown


if __name__ == "__main__":
    main()
