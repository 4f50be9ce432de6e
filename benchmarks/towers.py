"""LiteRT or ONNX: which runs an exported query tower?    python -m benchmarks.towers

Towers with random weights, exported by Keras both ways: whether that works, how far the answers are from
Keras's on random and on extreme inputs, and what a call costs.

Wants what the package doesn't: `pip install onnxruntime tf2onnx onnx`.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import numpy.typing as npt

from benchmarks.rows import record
from tastemaker.model.export import to_litert
from tastemaker.model.history import QueryTower
from tastemaker.model.sequence import SequenceTower
from tastemaker.retrieve.tower import Tower

LENGTH, DIM = 50, 64
Arrays = Mapping[str, npt.NDArray[np.float32]]
Run = Callable[[Arrays], npt.NDArray[np.float32]]


def main() -> None:
    keras.utils.set_random_seed(1)
    for name, tower in towers():
        rng = np.random.default_rng(1)
        tower.set_weights([rng.normal(size=each.shape, scale=0.3) for each in tower.get_weights()])
        tower(inputs(tower, 4))  # Keras exports what it has seen
        for runtime, export in (("LiteRT", litert), ("ONNX Runtime", onnx)):
            row = measured(tower, export)
            print(name, runtime, row, flush=True)
            record("towers", tower=name, runtime=runtime, **row)


def towers() -> Iterator[tuple[str, keras.Model]]:
    """As the defaults make them, and one that does without GELU."""
    for activation in ("gelu", "relu"):
        bags = QueryTower(LENGTH, DIM, [128], activation, 0.4, encoder="recency", in_order=True, user=None)
        yield f"recency, {activation}", bags.whole
    blocks = {"blocks": 2, "heads": 2, "slow": 0.7, "width": 5, "before": False, "dropout": 0.4}
    yield "transformer", SequenceTower(LENGTH, DIM, **blocks, user=None).whole


def litert(tower: keras.Model) -> tuple[int, Run]:
    model = to_litert(tower)
    run = Tower(model)
    return len(model), lambda arrays: run(**arrays)


def onnx(tower: keras.Model) -> tuple[int, Run]:
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tower.onnx"
        tower.export(path, format="onnx", verbose=False)
        model = path.read_bytes()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options)
    return len(model), lambda arrays: session.run(None, dict(arrays))[0]


def measured(tower: keras.Model, export: Callable[[keras.Model], tuple[int, Run]]) -> dict[str, Any]:
    try:
        size, run = export(tower)
    except Exception as error:  # of the converter's own kinds
        return {"works": False, "why": str(error).splitlines()[0][-160:]}
    apart = {
        kind: float(np.abs(run(arrays) - tower.predict(arrays, verbose=0, batch_size=256)).max())
        for kind, arrays in {
            "random": inputs(tower, 256),
            "large": inputs(tower, 256, scale=30.0),
            "tiny": inputs(tower, 256, scale=1e-6),
            "empty": inputs(tower, 256, present=0.0),
        }.items()
    }
    times = {batch: microseconds(run, inputs(tower, batch)) for batch in (1, 32, 256)}
    return {
        "works": True,
        "kilobytes": round(size / 1024),
        "apart": {kind: float(f"{value:.1e}") for kind, value in apart.items()},
        "us_alone": round(times[1], 1),
        "us_each_of_32": round(times[32] / 32, 1),
        "us_each_of_256": round(times[256] / 256, 1),
    }


def inputs(tower: keras.Model, batch: int, scale: float = 1.0, present: float = 0.7) -> Arrays:
    rng = np.random.default_rng(2)
    there = (rng.random((batch, LENGTH)) < present).astype(np.float32)
    every = {
        "history": rng.normal(size=(batch, LENGTH, DIM), scale=scale).astype(np.float32) * there[..., None],
        "present": there,
        "value": rng.normal(size=(batch, LENGTH)).astype(np.float32) * there,
    }
    return {each.name: every[each.name] for each in tower.inputs}


def microseconds(run: Run, arrays: Arrays) -> float:
    """A call, the median of 200 by CPU time."""
    run(arrays)
    times = []
    for _ in range(200):
        started = time.process_time()
        run(arrays)
        times.append(time.process_time() - started)
    return 1e6 * statistics.median(times)


if __name__ == "__main__":
    main()
