"""What does a large bundle cost: to open, and to answer everybody at once?    python -m benchmarks.large

60,000 items and 140,000 people: clustered vectors, planted histories, and a tower that was trained, though on
less. Whole processes, with seconds and peak memory from the operating system. Beside the command, on the same
vectors and with the same seen items left out: the batch `recommend` of implicit and the search of ours,
several times in turn, on all cores.

Wants implicit: `pip install -r benchmarks/peers/requirements-implicit.txt`.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse
from threadpoolctl import threadpool_limits

from benchmarks.commands import run
from benchmarks.rows import record
from tastemaker.bundle import Bundle
from tastemaker.data.catalogue import Catalogue
from tastemaker.data.interactions import Interactions
from tastemaker.lists import BLOCK, cores
from tastemaker.recommend import Recommender
from tastemaker.retrieve.exact import Exact

DIM = 64
EVENTS = 50
OPEN_AND_ANSWER = """
import sys, time
started = time.perf_counter()
from tastemaker.recommend import Recommender
loaded = time.perf_counter()
recommender = Recommender.load(sys.argv[1])
opened = time.perf_counter()
def peak():  # getrusage would count what the parent held when it forked
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
held = peak()
assert len(recommender.recommend(history=["item 7", "item 11"], k=10)) == 10
answered = time.perf_counter()
assert not {"tensorflow", "keras"} & set(sys.modules)
print(loaded - started, opened - loaded, answered - opened, held,
      peak(), time.process_time())
"""


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--items", type=int, default=60_000)
    words.add_argument("--people", type=int, default=140_000)
    words.add_argument("-k", type=int, default=100)
    words.add_argument("--repeats", type=int, default=3)
    asked = words.parse_args()
    sizes = {"items": asked.items, "people": asked.people, "k": asked.k, "dim": DIM, "events": EVENTS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # In a process of its own: the peak of a process that is started is at least what its parent holds.
        plant = get_context("spawn").Process(target=planted, args=(asked.items, asked.people, folder))
        plant.start()
        plant.join()
        opening(folder / "large", sizes)
        whole_command(folder, sizes)
        beside_implicit(Bundle.open(folder / "large"), sizes, asked.repeats)


def trained(folder: Path) -> Bundle:
    """A small model of histories with a tower of the usual width."""
    rng = np.random.default_rng(1)
    users = np.repeat(np.arange(400), 20)
    log = pl.DataFrame(
        {"user_id": users, "item_id": rng.integers(0, 300, len(users)), "timestamp": range(len(users))}
    )
    log.write_csv(folder / "log.csv")
    settings = [
        "history.encoder=recency",
        f"history.dim={DIM}",
        "history.epochs=1",
        "history.pairs=none",
        "ranking.use=never",
    ]
    sets = [part for setting in settings for part in ("--set", setting)]
    run("train", "--interactions", str(folder / "log.csv"), *sets, "--out", str(folder / "small"))
    return Bundle.open(folder / "small")


def planted(items: int, people: int, folder: Path) -> None:
    """A tower that is trained on little, with many items, in clusters, and many people: `folder`/large."""
    small = trained(folder)
    rng = np.random.default_rng(2)
    centres = rng.normal(size=(500, DIM + 1))
    vectors = centres[rng.integers(0, 500, items)] + 0.7 * rng.normal(size=(items, DIM + 1))
    ids = [f"item {n}" for n in range(items)]
    columns = small.catalogue.columns
    frame = pl.DataFrame({column.name: ids for column in columns})
    users = np.repeat(np.arange(people, dtype=np.int32), EVENTS)
    rows = rng.integers(0, items, len(users)).astype(np.int32)
    names = [f"user {n}" for n in range(people)]
    histories = Interactions.from_events(names, users, rows, np.arange(len(users), dtype=float))
    arrays = {
        "item_vectors": vectors.astype(np.float32),
        "popularity": np.bincount(rows, minlength=items).astype(np.float32),
    }
    catalogue = Catalogue(frame, columns)
    Recommender(replace(small, catalogue=catalogue, histories=histories, arrays=arrays)).save(
        folder / "large"
    )
    (folder / "users.txt").write_text("\n".join(names))


def opening(path: Path, sizes: dict[str, int]) -> None:
    """A fresh process opens the bundle and answers once; medians of five."""
    told = [
        subprocess.run(
            [sys.executable, "-c", OPEN_AND_ANSWER, str(path)], check=True, capture_output=True, text=True
        ).stdout.split()
        for _ in range(5)
    ]
    runs = np.array(told, float)
    middle = np.median(runs, axis=0).round(3).tolist()
    names = ("import_s", "open_s", "first_answer_s", "rss_open_mb", "rss_answered_mb", "cpu_s")
    row = record("large", what="opening", **sizes, **dict(zip(names, middle, strict=True)))
    print({name: row[name] for name in names}, flush=True)


def whole_command(folder: Path, sizes: dict[str, int]) -> None:
    users, out = folder / "users.txt", folder / "lists.parquet"
    done = run(
        "recommend",
        str(folder / "large"),
        "--users-file",
        str(users),
        "-k",
        str(sizes["k"]),
        "--out",
        str(out),
    )
    assert pl.scan_parquet(out).select(pl.len()).collect().item() == sizes["people"] * sizes["k"]
    row = record(
        "large",
        what="recommend --users-file",
        **sizes,
        wall_s=round(done.wall_s, 1),
        cpu_s=round(done.cpu_s, 1),
        people_per_s=round(sizes["people"] / done.wall_s),
        peak_mb=round(done.peak_mb),
    )
    print({name: row[name] for name in ("wall_s", "cpu_s", "people_per_s", "peak_mb")}, flush=True)


def beside_implicit(bundle: Bundle, sizes: dict[str, int], repeats: int) -> None:
    """Search alone, in turn: each time both are asked for everybody."""
    from implicit.cpu.als import AlternatingLeastSquares

    recommender, log, k = Recommender(bundle), bundle.histories, sizes["k"]
    everyone = np.arange(log.user_count, dtype=np.int32)
    queries = recommender.nearest.query_vectors(recommender.nearest.window(log, everyone), log.user_ids)
    vectors = bundle.arrays["item_vectors"]
    index, at_once = Exact(np.asarray(vectors)), BLOCK // 8
    peer = AlternatingLeastSquares(factors=vectors.shape[1], num_threads=cores())
    peer.user_factors, peer.item_factors = queries, np.asarray(vectors)
    ones = np.ones(log.size, np.float32)
    touched = sparse.csr_matrix((ones, log.rows, log.offsets), shape=(log.user_count, len(vectors)))

    def ours() -> list[Any]:
        def block(at: int) -> Any:
            part = slice(at, at + at_once)
            return index.search(queries[part], k, [log.of(int(user)) for user in everyone[part]]).rows

        with ThreadPoolExecutor(cores()) as pool:
            return list(pool.map(block, range(0, len(everyone), at_once)))

    def theirs() -> list[Any]:
        steps = [everyone[at : at + 1000] for at in range(0, len(everyone), 1000)]
        return [
            peer.recommend(part, touched[part], N=k, filter_already_liked_items=True)[0] for part in steps
        ]

    seconds: dict[str, list[float]] = {"ours": [], "implicit": []}
    with threadpool_limits(1, "blas"):  # as implicit asks for, and as `lists` does
        for _ in range(repeats):
            found = {name: timed(ask, seconds[name]) for name, ask in (("ours", ours), ("implicit", theirs))}
    same = np.mean(np.sort(np.concatenate(found["ours"])) == np.sort(np.concatenate(found["implicit"])))
    ratios = [theirs / ours for ours, theirs in zip(seconds["ours"], seconds["implicit"], strict=True)]
    row = record(
        "large",
        what="search beside implicit",
        **sizes,
        repeats=repeats,
        seconds={name: [round(each, 2) for each in times] for name, times in seconds.items()},
        speed_ratio=round(statistics.median(ratios), 3),
        speed_ratio_range=[round(min(ratios), 3), round(max(ratios), 3)],
        same_rows=round(float(same), 5),
        peak_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    )
    print(
        {name: row[name] for name in ("seconds", "speed_ratio", "speed_ratio_range", "same_rows")}, flush=True
    )


def timed(ask: Callable[[], list[Any]], seconds: list[float]) -> list[Any]:
    started = time.perf_counter()
    answer = ask()
    seconds.append(time.perf_counter() - started)
    return answer


if __name__ == "__main__":
    main()
