"""How much recall does a millisecond buy, and what does our layer cost over the bare library?

    python -m benchmarks.retrieval --items 60000 1000000
    python -m benchmarks.retrieval --crossover
    python -m benchmarks.retrieval --draw docs/retrieval.svg

Planted vectors: 64 numbers, in groups of about a thousand, as wide as the groups lie apart; queries are new
members of the groups. Recall is the share of the true 100 nearest, which a plain product in single precision
says. Beside every index stands the library it is made of: the same FAISS or Annoy object at the same width,
asked for 100 without any of what `Index` promises, nor the counting again in single precision; and FAISS with
that (IndexRefineFlat, of which the order of 112 is counted again). Two at a time are asked in turn, and what
one takes more is the median over neighbouring pairs. Behind a filter, who passes is drawn at random. Times
are medians, of CPU time of one thread, since others use the machine too.
"""

import argparse
import importlib.util
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.rows import RESULTS, one_of, record
from tastemaker.retrieve import kinds
from tastemaker.retrieve.exact import Exact
from tastemaker.retrieve.scan import Scan
from tastemaker.retrieve.shortlist import Approximate
from tastemaker.training.index import recall_of, tuned

Floats = npt.NDArray[np.float32]

DIM, K, QUERIES, BATCH = 64, 100, 256, 256
ROUNDS = 7  # of a whole batch
WIDTHS: dict[str, tuple[int, ...]] = {
    "exact": (0,),
    "ivf": (4, 8, 16, 32, 64, 128),
    "hnsw": (32, 64, 128, 256, 512),
    "annoy": (1000, 4000, 16_000, 64_000),
}
PASSING = (0.1, 0.01, 0.001)
SIZES = (5_000, 10_000, 16_000, 30_000, 60_000, 120_000, 350_000, 600_000, 1_000_000)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--items", type=int, nargs="+", default=[60_000])
    words.add_argument("--kinds", type=one_of(WIDTHS), nargs="+", default=list(WIDTHS))
    words.add_argument("--crossover", action="store_true", help="exact and ivf by size, instead")
    words.add_argument("--draw", type=Path, help="a picture of the newest rows, and nothing is measured")
    asked = words.parse_args()
    console = Console(width=120)
    if asked.draw:
        draw(asked.draw)
    elif asked.crossover:
        console.print(shown([crossover(items) for items in SIZES]))
    else:
        for items in asked.items:
            for kind in asked.kinds:
                if kind == "annoy" and importlib.util.find_spec("annoy") is None:
                    console.print("annoy isn't installed: left out")
                    continue
                console.print(shown(list(measured(kind, items))))


def planted(items: int, seed: int = 7) -> tuple[Floats, Floats, Floats]:
    """(N, D) vectors, (Q, D) queries to measure with, and as many others to tune with."""
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(max(10, items // 1000), DIM)).astype(np.float32)

    def members(count: int) -> Floats:
        spread = rng.standard_normal((count, DIM), np.float32)
        return np.asarray(middles[rng.integers(0, len(middles), count)] + spread, np.float32)

    return members(items), members(QUERIES), members(QUERIES)


def measured(kind: Any, items: int) -> Iterator[dict[str, Any]]:
    """A row of its building, one a width and batch, one a filter."""
    vectors, queries, others = planted(items)
    nobody: list[tuple[()]] = [()] * QUERIES
    truth = Scan(vectors).search(queries, K, nobody).rows
    before, started = resident_mb(), time.process_time()
    index = kinds.built(kind, vectors)
    index.search(queries[:1], K, nobody[:1])
    seconds = time.process_time() - started
    yield record(
        "retrieval", what="build", items=items, kind=kind, seconds=seconds, mb=resident_mb() - before
    )
    bare, again = library(index), recounted(index, vectors)
    for width in WIDTHS[kind]:
        if isinstance(index, Approximate):
            index.width = width
        shared: dict[str, Any] = {"items": items, "kind": kind, "width": width}
        shared["recall"] = recall_of(index, queries, truth)
        shared["bare_recall"] = share_found(bare(queries, width), truth)
        for batch in (1, BATCH):
            ours, theirs = in_turn(
                lambda part: index.search(part, K, nobody[: len(part)]),
                lambda part, width=width: bare(part, width),
                queries,
                batch,
            )
            more: dict[str, Any] = {}
            if again is not None:
                same, counted = in_turn(
                    lambda part: index.search(part, K, nobody[: len(part)]),
                    lambda part, width=width: again(part, width),
                    queries,
                    batch,
                )
                more["recounted_us"] = np.median(counted)
                more["over_recounted"] = np.median(same / counted) - 1
            yield record(
                "retrieval",
                what="search",
                **shared,
                **more,
                batch=batch,
                us=np.median(ours),
                us_p95=np.percentile(ours, 95),
                bare_us=np.median(theirs),
                overhead=np.median(ours / theirs) - 1,
            )
    if isinstance(index, Approximate):
        tuned(index, others, Scan(vectors).search(others, K, nobody).rows, 0.99)
    rng = np.random.default_rng(1)
    for passing in PASSING:
        only = rng.random(items) < passing
        due = Scan(vectors).search(queries, K, nobody, only).rows
        taken = [
            cpu_us(lambda at=at, only=only: index.search(queries[at : at + 1], K, [()], only))
            for at in range(64)
        ]
        yield record(
            "retrieval",
            what="filter",
            items=items,
            kind=kind,
            passing=passing,
            recall=share_found(index.search(queries, K, nobody, only).rows, due),
            batch=1,
            us=np.median(taken),
            us_p95=np.percentile(taken, 95),
        )


def in_turn(
    one: Callable[[Floats], Any], other: Callable[[Floats], Any], queries: Floats, batch: int
) -> tuple[Floats, Floats]:
    """Microseconds a query of either, batch by batch: first one, then the other, then the other way round.

    They ask half the queries apart, so that neither finds in the cache what the other has just read.
    """
    taken: dict[Callable[[Floats], Any], list[float]] = {one: [], other: []}
    for round in range(ROUNDS if batch > 1 else 2):
        for at in range(0, len(queries), batch):
            for step, way in enumerate((one, other) if round % 2 else (other, one)):
                start = (at + step * len(queries) // 2) % len(queries) if batch == 1 else at
                taken[way].append(
                    cpu_us(lambda way=way, start=start: way(queries[start : start + batch])) / batch
                )
    return np.array(taken[one]), np.array(taken[other])


def crossover(items: int) -> dict[str, Any]:
    """What one query takes with a plain product, with `exact`, and with `ivf` tuned to find .99."""
    vectors, queries, others = planted(items)
    nobody: list[tuple[()]] = [()] * QUERIES
    scan = Scan(vectors)
    lists = kinds.built("ivf", vectors)
    assert isinstance(lists, Approximate)
    tuned(lists, others, scan.search(others, K, nobody).rows, 0.99)
    halved = Exact(vectors)
    halved.search(queries[:1], K, nobody[:1])
    taken = []
    for at in range(64):
        part = queries[at : at + 1]
        ways: list[Callable[[], Any]] = [
            lambda part=part: scan.search(part, K, [()]),
            lambda part=part: super(Exact, halved).search(part, K, [()]),  # however small the catalogue
            lambda part=part: lists.search(part, K, [()]),
        ]
        taken.append([cpu_us(way) for way in ways])
    product, exact, ivf = np.median(taken, axis=0)
    return record(
        "retrieval",
        what="crossover",
        items=items,
        product_us=product,
        exact_us=exact,
        ivf_us=ivf,
        ivf_width=lists.width,
        ivf_recall=recall_of(lists, queries, scan.search(queries, K, nobody).rows),
    )


def library(index: Any) -> Callable[[Floats, int], npt.NDArray[np.int64]]:
    """What the index is made of: queries and a width → rows."""
    import faiss

    faiss.omp_set_num_threads(1)
    match type(index).__name__:
        case "Exact":
            return lambda queries, width: index.halved.search(queries, K)[1]
        case "Ivf":

            def lists(queries: Floats, width: int) -> npt.NDArray[np.int64]:
                index.filled.nprobe = width
                return np.asarray(index.filled.search(queries, K)[1])

            return lists
        case "Hnsw":

            def graph(queries: Floats, width: int) -> npt.NDArray[np.int64]:
                index.graph.hnsw.efSearch = width
                longer = np.pad(queries, ((0, 0), (0, index.graph.d - DIM)))
                return np.asarray(index.graph.search(longer, K)[1])

            return graph
    # Their queries have numbers more, which are 0.
    return lambda queries, width: np.array(
        [index.trees.get_nns_by_vector([*query, 0.0], K, width) for query in queries.tolist()]
    )


def recounted(index: Any, vectors: Floats) -> Callable[[Floats, int], npt.NDArray[np.int64]] | None:
    """FAISS doing the same: what it finds in half precision, a few more, it counts again in single."""
    import faiss

    base = {"Exact": "halved", "Ivf": "filled"}.get(type(index).__name__)
    if base is None:
        return None
    whole = faiss.IndexRefineFlat(getattr(index, base), faiss.swig_ptr(vectors))
    whole.k_factor = 1.12

    def search(queries: Floats, width: int) -> npt.NDArray[np.int64]:
        if base == "filled":
            index.filled.nprobe = width
        return np.asarray(whole.search(queries, K)[1])

    return search


def share_found(rows: npt.NDArray[Any], truth: npt.NDArray[Any]) -> float:
    """Of each row of truth, what of it came; nothing is asked of one who has none."""
    shares = [
        np.isin(due[due >= 0], got).mean() for due, got in zip(truth, rows, strict=True) if (due >= 0).any()
    ]
    return float(np.mean(shares))


def cpu_us(work: Callable[[], Any]) -> float:
    started = time.process_time()
    work()
    return 1e6 * (time.process_time() - started)


def resident_mb() -> float:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))


SHOWN = (
    *(
        "what",
        "items",
        "kind",
        "width",
        "batch",
        "passing",
        "recall",
        "us",
        "us_p95",
        "bare_us",
        "overhead",
        "recounted_us",
        "over_recounted",
    ),
    *("seconds", "mb", "product_us", "exact_us", "ivf_us", "ivf_width", "ivf_recall"),
)


def shown(rows: list[dict[str, Any]]) -> Table:
    columns = [name for name in SHOWN if any(name in row for row in rows)]
    table = Table(*columns)
    for row in rows:
        cells = [row.get(name, "") for name in columns]
        table.add_row(*(f"{cell:,.4g}" if isinstance(cell, float) else f"{cell}" for cell in cells))
    return table


def draw(path: Path) -> None:
    """Queries a second against recall, one at a time, of the newest rows of each size and kind."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "tastemaker", "svg.fonttype": "none", "font.size": 9}
    from matplotlib import pyplot as plt

    lines = (RESULTS / "retrieval.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["what"] == "search" and row["batch"] == 1]
    newest = {(row["items"], row["kind"], row["width"]): row for row in rows}
    sizes = sorted({items for items, _, _ in newest})
    figure, places = plt.subplots(1, len(sizes), figsize=(4.4 * len(sizes), 3.4), squeeze=False)
    for place, items in zip(places[0], sizes, strict=True):
        for colour, kind in zip(("black", "tab:blue", "tab:orange", "tab:green"), WIDTHS, strict=True):
            of = sorted((row["recall"], row["bare_recall"], row["us"], row["bare_us"])
                        for key, row in newest.items() if key[:2] == (items, kind))  # fmt: skip
            if of:
                recall, bare_recall, us, bare_us = np.array(of).T
                place.plot(recall, 1e6 / us, "o-", color=colour, label=kind, markersize=4)
                place.plot(bare_recall, 1e6 / bare_us, "x:", color=colour, markersize=5)
        place.set(title=f"{items:,} items", xlabel=f"recall@{K}", ylabel="queries a second", yscale="log")
        place.grid(alpha=0.3, which="both")
    places[0][0].plot([], [], "x:", color="grey", label="the bare library")
    places[0][0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
