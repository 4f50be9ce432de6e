"""The parts of a full request, each called by itself in one process: seconds of processor for each.

    python -m benchmarks.serving.bare BUNDLE --requests 400

History read, query tower, search for 500 candidates, what the ranker sees, its network, MMR, JSON. Each part
is called for every person before the next begins, as if there were nothing else to do.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from tastemaker.recommend import Recommender
from tastemaker.serve.histories import history_of
from tastemaker.serve.store import Past, opened


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("bundle", type=Path)
    words.add_argument("--requests", type=int, default=400)
    asked = words.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(asyncio.run(measured(asked.bundle, asked.requests, Path(folder)))))


async def measured(bundle: Path, count: int, folder: Path) -> dict[str, float]:
    """Microseconds of processor a request, by part."""
    recommender = Recommender.load(bundle)
    ranker, nearest, usual = recommender.ranker, recommender.nearest, recommender.usually
    assert ranker is not None
    assert usual.chain is not None
    store, catalogue, most = (
        await opened(str(folder / "bare.sqlite")),
        recommender.catalogue,
        recommender.pool(10),
    )
    ids = recommender.bundle.histories.user_ids
    people = [ids[(7919 * number + 17) % len(ids)] for number in range(count)]
    one = np.zeros(1, np.int32)
    for name in people[:20]:
        recommender.recommend(name, k=10, explain=False)
    told: dict[str, float] = {}

    def timed(name: str, do: Callable[..., Any], *columns: list[Any]) -> list[Any]:
        started = time.process_time()
        done = [do(*row) for row in zip(*columns, strict=True)]
        told[name] = 1e6 * (time.process_time() - started) / count
        return done

    started = time.process_time()
    pasts: list[Past] = [await store.past(name, 500) for name in people]
    told["read"] = 1e6 * (time.process_time() - started) / count
    logs = timed("history", lambda name, past: history_of(recommender.bundle, name, past), people, pasts)
    windows = timed("window", lambda log: nearest.window(log, one), logs)
    queries = timed("tower", lambda window, name: nearest.query_vectors(window, [name]), windows, people)
    timed("search", lambda query, log: nearest._index.search(query, most, [log.of(0)]), queries, logs)
    found = [recommender.sources.search(log, one, most)[0] for log in logs]
    for log in logs:  # what the tower said is known, as it is in a request
        nearest.asked_by(log, 0)
    sheets = timed("sheet", lambda log, own: ranker.view.sheet(log, 0, own), logs, found)
    told["sheet"] -= (
        told["window"] + told["tower"]
    )  # here it is made again, since the last one asked was another
    heads = timed("network", ranker.heads, sheets)
    ordered = [own.sorted_by(ranker.objective(head)) for own, head in zip(found, heads, strict=True)]
    lists = timed(
        "mmr",
        lambda own, log: recommender.shown(own, 10, usual, log.of(0), log.user_ids[0], log.times),
        ordered,
        logs,
    )
    bodies = [
        [
            {"item_id": catalogue.ids[row], "title": catalogue.titles[row], "score": score, "rank": rank}
            for rank, (row, score) in enumerate(
                zip(shown.found.rows.tolist(), shown.found.scores.tolist(), strict=True), 1
            )
        ]
        for shown in lists
    ]
    timed("json", orjson.dumps, bodies)
    await store.close()
    told["all"] = sum(told.values())
    return {name: round(value, 1) for name, value in told.items()}


if __name__ == "__main__":
    main()
