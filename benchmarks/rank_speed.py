"""What does it cost to put candidates in order?    python -m benchmarks.rank_speed

One call of the exported ranker for all candidates of a request, on one core: scaling of the numbers by
NumPy, then LiteRT. Beside it the same network written out in NumPy (a second definition that nothing
serves by, only to tell whether another engine would be worth it). Weights are untrained: they cost the
same. Microseconds of CPU time, the median of `--repeats` calls after 20 that warm up, and the quickest
tenth of them; a crowded machine makes the first worse than it is.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.rows import record
from tastemaker.features.lessons import Lessons
from tastemaker.features.scaling import Scaling
from tastemaker.recipe import RankingRecipe
from tastemaker.retrieve.tower import Tower

Floats = npt.NDArray[np.float32]

HEADS = 5


def lessons(candidates: int, numbers: int, dim: int) -> Lessons:
    """One request."""
    rng = np.random.default_rng(7)
    return Lessons(
        numbers=rng.standard_normal((candidates, numbers)).astype(np.float32),
        queries=rng.standard_normal((1, dim)).astype(np.float32),
        vectors=rng.standard_normal((candidates, dim)).astype(np.float32),
        rows=np.arange(candidates, dtype=np.int32),
        lists=np.zeros(candidates, np.int32),
        positions=np.zeros(candidates, np.int32),
        labels={},
    )


def in_numpy(network: Any) -> Callable[[dict[str, Floats]], Floats]:
    """The network of the recipe's defaults (shared trunk, full-rank crosses), layer by layer."""
    dense = [layer.get_weights() for layer in network.layers if type(layer).__name__ == "Dense"]
    sizes = [layer.scale for layer in network.layers if type(layer).__name__ == "Rescaling"][:2]
    has_vectors = "query" in [tensor.name for tensor in network.inputs]

    def ask(inputs: dict[str, Floats]) -> Floats:
        left = iter(dense)
        x = inputs["numbers"]
        if has_vectors:
            query, item = (inputs[name] * size for name, size in zip(("query", "item"), sizes, strict=True))
            kernel, bias = next(left)
            beside = np.concatenate([query, item, query * item], 1)
            x = np.concatenate([x, np.maximum(beside @ kernel + bias, 0)], 1)
        first = x
        for _ in range(RankingRecipe().crosses):
            kernel, bias = next(left)
            x = first * (x @ kernel + bias) + x
        for _ in RankingRecipe().hidden:
            kernel, bias = next(left)
            x = np.maximum(x @ kernel + bias, 0)
        kernel, bias = next(left)
        return np.asarray(x @ kernel + bias)

    return ask


def of_found(request: Lessons, networks: int) -> bytes:
    """The `.tflite` file of so many untrained networks of one head, as one; what orders lists found."""
    from tastemaker.model.mixing import mixed
    from tastemaker.model.ranking import FittedRanker
    from tastemaker.model.ranking_network import ranking_network
    from tastemaker.model.wide import Line

    scaling, width = Scaling.fit(request.numbers), request.numbers.shape[1]
    start, slopes = np.zeros(1, np.float32), np.ones(width, np.float32)
    members = [
        FittedRanker(
            heads=("click",),
            scaling=scaling,
            epochs=0,
            tower=b"",
            original=b"",
            examination=None,
            network=ranking_network(request, start, RankingRecipe(), slopes=slopes),
        )
        for _ in range(networks)
    ]
    return mixed(members, 0.5, Line(1.0, 0.0), 0).tower


def microseconds(call: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """Median and quickest tenth."""
    for _ in range(20):
        call()
    taken = []
    for _ in range(repeats):
        started = time.process_time_ns()
        call()
        taken.append((time.process_time_ns() - started) / 1000)
    return float(np.median(taken)), float(np.quantile(taken, 0.1))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--candidates", type=int, default=500)
    parser.add_argument("--numbers", type=int, default=20)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=1000)
    asked = parser.parse_args()
    from tastemaker.model.export import to_litert
    from tastemaker.model.ranking_network import ranking_network

    table = Table(title=f"{asked.candidates} candidates × {asked.numbers} numbers, µs of one core")
    for heading in ("vectors", "experts", "engine", "median", "quickest tenth", "largest difference"):
        table.add_column(heading)
    for dim, experts in ((0, 0), (asked.dim, 0), (asked.dim, 3)):
        request = lessons(asked.candidates, asked.numbers, dim)
        network = ranking_network(request, np.zeros(HEADS, np.float32), RankingRecipe(experts=experts))
        scaling, tower = Scaling.fit(request.numbers), Tower(to_litert(network))
        query = np.repeat(request.queries, asked.candidates, 0)

        def inputs(
            request: Lessons = request, scaling: Scaling = scaling, query: Floats = query
        ) -> dict[str, Floats]:
            return {
                "numbers": scaling(request.numbers),
                "query": query,
                "item": request.vectors[request.rows],
            }

        served = tower(**inputs())
        ways: dict[str, Callable[[], Floats]] = {
            "LiteRT": lambda tower=tower, inputs=inputs: tower(**inputs())  # type: ignore[misc]
        }
        if not experts:
            by_hand = in_numpy(network)
            ways["NumPy"] = lambda by_hand=by_hand, inputs=inputs: by_hand(inputs())  # type: ignore[misc]
        for engine, call in ways.items():
            median, quick = microseconds(call, asked.repeats)
            off = float(np.abs(call() - served).max())
            record(
                "rank_speed",
                candidates=asked.candidates,
                numbers=asked.numbers,
                dim=dim,
                experts=experts,
                engine=engine,
                median_us=round(median, 1),
                quickest_tenth_us=round(quick, 1),
                largest_difference=off,
            )
            table.add_row(*(str(dim), str(experts), engine, f"{median:.0f}", f"{quick:.0f}", f"{off:.0e}"))
    for networks in (1, 4):
        request = lessons(asked.candidates, asked.numbers, 0)
        scaling, tower = Scaling.fit(request.numbers), Tower(of_found(request, networks))
        median, quick = microseconds(
            lambda tower=tower, scaling=scaling, request=request: tower(numbers=scaling(request.numbers)),
            asked.repeats,
        )
        record(
            "rank_speed",
            candidates=asked.candidates,
            numbers=asked.numbers,
            dim=0,
            experts=0,
            networks=networks,
            engine="LiteRT",
            median_us=round(median, 1),
            quickest_tenth_us=round(quick, 1),
        )
        table.add_row("0", "0", f"LiteRT, mean of {networks}", f"{median:.0f}", f"{quick:.0f}", "")
    Console().print(table)


if __name__ == "__main__":
    main()
