"""How often is there an alarm where nothing drifted?    python -m benchmarks.drift BUNDLE LOG --seeds 30

A real log is cut in two by a coin for each event, or for each person: nothing has changed between the halves,
so any alarm is a false one. `by chance` counts runs in which any distance is beyond chance (5 % are allowed),
`raised` those in which it is beyond its limit as well.
"""

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.rows import record
from tastemaker.data import read_new_log
from tastemaker.data.interactions import Interactions
from tastemaker.evaluation.drift.report import drift
from tastemaker.recommend import Recommender


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("bundle", type=Path)
    words.add_argument("log", type=Path)
    words.add_argument("--seeds", type=int, default=30)
    asked = words.parse_args()
    recommender = Recommender.load(asked.bundle)
    log, items = read_new_log(asked.log, recommender.catalogue, recommender.recipe.data.columns)
    table = Table("halves", "runs", "by chance", "raised", "largest distance, in limits")
    for way in ("by events", "by people"):
        found = []
        for seed in range(asked.seeds):
            rng = np.random.default_rng([seed, 8])
            coins = rng.random(log.size if way == "by events" else log.user_count) < 0.5
            is_first = coins if way == "by events" else coins[log.users]
            halves = [(_part(log, own), items) for own in (is_first, ~is_first)]
            found.append(drift(recommender, halves[0], halves[1], rng, swaps=399).alarms)
        by_chance = sum(any(alarm.adjusted <= 0.05 for alarm in alarms) for alarms in found)
        raised = sum(any(alarm.is_raised for alarm in alarms) for alarms in found)
        most = max(alarm.distance / alarm.limit for alarms in found for alarm in alarms)
        record(
            "drift",
            bundle=asked.bundle,
            log=asked.log,
            halves=way,
            runs=asked.seeds,
            by_chance=by_chance,
            raised=raised,
            largest_in_limits=most,
            measured=[alarm.name for alarm in found[0]],
        )
        table.add_row(way, f"{asked.seeds}", f"{by_chance}", f"{raised}", f"{most:.2f}")
    Console(width=100).print(table)


def _part(log: Interactions, keep: np.ndarray) -> Interactions:
    """Without those who did nothing in it."""
    kept = log.where(keep)
    there, users = np.unique(kept.users, return_inverse=True)
    names = [log.user_ids[int(user)] for user in there]
    return Interactions.from_events(names, users.astype(np.int32), kept.rows, kept.times, kept.weights)


if __name__ == "__main__":
    main()
