"""What was the first seed's number, and what is it measured honestly?    python -m benchmarks.seed_softmax

MovieLens 100K, users split 90/10, five seeds.

As the seed had it: the input is all of a user's films, the label one of them at random, nothing is
masked, softmax over all 1,682. A model that copies its input reaches the ceiling of that protocol
(each label is one of the n films of its own input: the loss is ln n, and P@10 is min(10, n) / n / 10),
so the number says little, and nothing here is tuned for it.

The honest twin: the same users and labels, but the label is taken out of the input, and the user's
other films are masked. `ours` is the default model without order, tuned on users held out of the
training part, with EASE and popularity taught by the same users in the same run.
"""

import argparse
import math
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.rows import record
from tastemaker.data import Dataset, read
from tastemaker.data.catalogue import PAD
from tastemaker.data.interactions import Interactions
from tastemaker.data.sources import convert
from tastemaker.data.split import Fold
from tastemaker.evaluation.baselines import Ease, Popularity
from tastemaker.evaluation.exam import FullRanking, examine
from tastemaker.features.encode import Encoder
from tastemaker.model.fit import Batches, fit
from tastemaker.model.seed_softmax import SeedSoftmax
from tastemaker.progress import silent
from tastemaker.recipe import Recipe
from tastemaker.training import train

SEED_FIGURES = {"train loss": 5.486163, "test loss": 5.653057, "P@10": 0.013340}
STEPS, BATCH = 3000, 200  # as the tutorial that the seed follows
RIDGE = 200  # EASE, the best of 50 to 400 on held-out users of the training part; ours has the same
# The network is the default for sets. Ridge and weight of the even EASE beside it were chosen on 120 users
# held out of the training part, in four splits, 20 labels each: a weight of 10 to 70 is within 1 %. The
# validation of `train` asks people whom the pairs have counted; here strangers are asked, so it can't
# choose for them.
HONEST = ("ranking.use=never", "history.order=none", f"history.pair_ridge={RIDGE}", "history.pair_weight=45")

Users = npt.NDArray[np.int64]
Row = dict[str, float]


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared/data/ml-100k")
    words.add_argument("--seeds", type=int, default=5)
    words.add_argument("--honest", action="store_true", help="the honest twin alone")
    asked = words.parse_args()
    frames = convert("movielens", asked.data)
    data = read(frames["items"], frames["interactions"])
    assert data.interactions is not None
    rows: dict[str, list[Row]] = {}
    for seed in range(asked.seeds):
        started = time.perf_counter()
        for name, row in measured(data, data.interactions, seed, asked.honest).items():
            rows.setdefault(name, []).append(row)
            record("seed_softmax", data=asked.data.name, seed=seed, model=name, **row)
        Console(stderr=True).print(f"seed {seed}: {time.perf_counter() - started:.0f} s")
    show(rows)


def measured(data: Dataset, log: Interactions, seed: int, is_honest: bool = False) -> dict[str, Row]:
    """Every line of both tables, for one split of the users; or those of the honest twin alone."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(log.user_count)
    cut = round(0.9 * log.user_count)
    learners, asked = np.sort(order[:cut]), np.sort(order[cut:])
    labels = np.array([rng.choice(log.of(int(user))) for user in range(log.user_count)], np.int32)
    if is_honest:
        return honest_twin(data, log, learners, asked, labels, seed)
    lines = {"seed-softmax": as_the_seed(data, log, learners, asked, labels, seed)}
    lines["popularity, as the seed"] = popularity_as_the_seed(log, learners, asked, labels)
    counts = np.diff(log.offsets)[asked]
    lines["ceiling: copy the input"] = {
        "test loss": float(np.log(counts).mean()),
        "P@10": float((np.minimum(10, counts) / counts).mean() / 10),
    }
    return lines | honest_twin(data, log, learners, asked, labels, seed)


def as_the_seed(
    data: Dataset, log: Interactions, learners: Users, asked: Users, labels: npt.NDArray[np.int32], seed: int
) -> Row:
    """The seed's network under the seed's protocol."""
    keras.utils.set_random_seed(seed)
    length = int(np.diff(log.offsets).max())
    lists = np.full((log.user_count, length), PAD, np.int32)
    for user, rows in enumerate(log):
        lists[user, : len(rows)] = rows
    encoded = Encoder.fit(data.items, Recipe().features).encode(data.items)
    model = SeedSoftmax(data.items.size, length, encoded)
    model.compile(
        optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False
    )

    def inputs(users: Users) -> dict[str, npt.NDArray[Any]]:
        return {"rows": lists[users], "seen": np.zeros((len(users), data.items.size), bool)}

    def make(chosen: npt.NDArray[np.int64], draw: np.random.Generator) -> Any:
        users = learners[chosen]
        places = log.offsets[users] + draw.integers(np.diff(log.offsets)[users])
        return inputs(users), log.rows[places]

    batches = Batches(len(learners), BATCH, seed, make)
    fit(model, batches, math.ceil(STEPS / len(batches)), stage="seed-softmax", report=silent)
    test = model.predict(inputs(asked), batch_size=BATCH, verbose=0)
    return {
        "train loss": loss(model.predict(inputs(learners), batch_size=BATCH, verbose=0), labels[learners]),
        "test loss": loss(test, labels[asked]),
        "P@10": precision_at_10(test, labels[asked]),
    }


def popularity_as_the_seed(
    log: Interactions, learners: Users, asked: Users, labels: npt.NDArray[np.int32]
) -> Row:
    is_learner = np.isin(log.users, learners)
    counts = np.bincount(log.rows[is_learner], minlength=int(log.rows.max()) + 1)
    # A film nobody rated yet counts half a time, so that its log exists.
    logits = np.repeat(np.log(np.maximum(counts, 0.5))[None], len(asked), axis=0)
    return {"test loss": loss(logits, labels[asked]), "P@10": precision_at_10(logits, labels[asked])}


def honest_twin(
    data: Dataset, log: Interactions, learners: Users, asked: Users, labels: npt.NDArray[np.int32], seed: int
) -> dict[str, Row]:
    """The label out of the input, other films masked; P@10."""
    is_asked = np.isin(log.users, asked)
    is_label = log.rows == labels[log.users]
    fold = Fold(log.where(~is_asked), log.where(is_asked & ~is_label), log.where(is_asked & is_label))
    recipe = Recipe.read(None, [*HONEST, f"seed={seed + 1}"])
    learnt = Dataset(data.items, fold.train, None, data.report)
    tops = {
        "ours": train(learnt, recipe),
        "EASE": FullRanking(Ease(RIDGE).fit(fold.train, data.items.size)),
        "popularity": FullRanking(Popularity().fit(fold.train, data.items.size)),
    }
    users = asked.astype(np.int32)
    return {
        f"honest: {name}": {
            "P@10": examine(top, fold, 10, data.items.size, name=name, users=users).mean("precision")
        }
        for name, top in tops.items()
    }


def loss(logits: npt.NDArray[Any], labels: npt.NDArray[np.int32]) -> float:
    top = logits.max(1, keepdims=True)
    log_sum = top[:, 0] + np.log(np.exp(logits - top).sum(1))
    return float((log_sum - logits[np.arange(len(labels)), labels]).mean())


def precision_at_10(logits: npt.NDArray[Any], labels: npt.NDArray[np.int32]) -> float:
    above = (logits > logits[np.arange(len(labels)), labels][:, None]).sum(1)
    return float((above < 10).mean() / 10)


def show(rows: dict[str, list[Row]]) -> None:
    keys = ("train loss", "test loss", "P@10")
    table = Table("", *keys, title=f"Means of {len(next(iter(rows.values())))} seeds ± standard deviation")
    table.add_row("the first seed says", *(f"{SEED_FIGURES[key]:.4f}" for key in keys))
    for name, each in rows.items():
        cells = []
        for key in keys:
            values = [row[key] for row in each if key in row]
            spread = np.std(values, ddof=1) if len(values) > 1 else 0.0
            cells.append(f"{np.mean(values):.4f} ± {spread:.4f}" if values else "")
        table.add_row(name, *cells)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
