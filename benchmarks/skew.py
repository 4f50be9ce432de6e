"""Does the ranker see when asked what it sees when it learns?    python -m benchmarks.skew

Two processes. The first has no TensorFlow and knows of each request what a service would: a bundle, the
person's events so far, the moment and the device. It answers 1,000 requests one at a time, and logs what the
network saw of every candidate. The second reads the files anew, and makes lessons of what the first says
that it showed, many at once and of the whole log, as training does. Both are compared bit for bit.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.rows import record
from tastemaker.bundle import Bundle
from tastemaker.data import Dataset, read
from tastemaker.data.impressions import Impressions
from tastemaker.data.interactions import Interactions
from tastemaker.progress import silent
from tastemaker.rank.asking import of_shown
from tastemaker.recipe import Recipe
from tastemaker.recommend import Recommender
from tastemaker.trace import Trace

DATA = Path(__file__).parents[2] / "shared/data/ml-latest-small"
QUICK = ("history.epochs=2", "ranking.epochs=2", "ranking.use=always", "seed=1")
"""What the network has learnt makes no difference to what it sees."""
Arrays = dict[str, npt.NDArray[Any]]


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--items", type=Path, default=DATA / "movies.csv")
    words.add_argument("--interactions", type=Path, default=DATA / "ratings.csv")
    words.add_argument("--bundle", type=Path, help="with a ranker, made of these files; else one is trained")
    words.add_argument("--requests", type=int, default=1000)
    words.add_argument("--dry", action="store_true", help="print the row, and keep it nowhere")
    words.add_argument("--serve", type=Path, nargs=3, help=argparse.SUPPRESS)
    asked = words.parse_args()
    if asked.serve:
        serve(*asked.serve)
        return
    data = read(asked.items, asked.interactions)
    with tempfile.TemporaryDirectory() as folder:
        bundle, questions, answers = (Path(folder) / name for name in ("bundle", "questions", "answers.npz"))
        if asked.bundle is not None:
            bundle = asked.bundle
        else:
            from tastemaker.training import train

            train(data, Recipe.read(None, QUICK)).save(bundle)
        questions.write_text(json.dumps(requests(data, asked.requests)))
        again = [sys.executable, "-m", "benchmarks.skew", "--serve", bundle, questions, answers]
        subprocess.run(again, check=True)
        row = compared(data, Bundle.open(bundle), dict(np.load(answers)))
    row |= {"data": asked.interactions.parent.name}
    print(json.dumps(row if asked.dry else record("skew", **row)))


def requests(data: Dataset, count: int) -> list[dict[str, Any]]:
    """Moments at which somebody of the log did something, no two of them the same, oldest first."""
    log = data.interactions
    assert log is not None
    rng = np.random.default_rng(1)
    found: dict[float, dict[str, Any]] = {}
    for event in rng.permutation(log.size).tolist():
        user, now = int(log.users[event]), float(log.times[event])
        before = [n for n in range(log.offsets[user], log.offsets[user + 1]) if log.times[n] < now]
        if before and now not in found:
            found[now] = {
                "user": log.user_ids[user],
                "now": now,
                "device": ["", "tv", "phone"][len(found) % 3],
                "items": data.items.id_list(log.rows[before]),
                "times": log.times[before].tolist(),
                "weights": log.weights[before].tolist(),
            }
        if len(found) == count:
            break
    return [found[now] for now in sorted(found)]


class _Refuse:
    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] in ("tensorflow", "keras", "tf_keras"):
            raise ImportError(f"{name} is not to be had")


def serve(bundle: Path, questions: Path, answers: Path) -> None:
    """Answer them one at a time, and write down what the network saw of whom and of what."""
    sys.meta_path.insert(0, _Refuse())  # type: ignore[arg-type]
    recommender = Recommender.load(bundle)
    assert recommender.ranker is not None
    logged: list[Arrays] = []
    asked = json.loads(questions.read_text())
    for each in asked:
        rows = recommender.catalogue.rows(each["items"])
        nobody_else = Interactions.from_events(
            [each["user"]],
            np.zeros(len(rows), np.int32),
            rows,
            np.array(each["times"]),
            np.array(each["weights"], np.float32),
            is_clock=True,
        )
        wishes = {"now": each["now"], "device": each["device"]}
        trace = Trace()
        recommender.recommend(each["user"], interactions=nobody_else, trace=trace, **wishes)
        assert trace.seen is not None
        found, sheet = trace.seen
        logged.append({"rows": found.rows, "scores": found.scores, **sheet._asdict()})
    assert "tensorflow" not in sys.modules
    assert len(logged) == len(asked)
    np.savez(
        answers,
        users=np.array([each["user"] for each in asked]),
        times=np.array([each["now"] for each in asked]),
        devices=np.array([each["device"] for each in asked]),
        counts=np.array([len(each["rows"]) for each in logged]),
        queries=np.stack([each["query"] for each in logged]),
        **{
            name: np.concatenate([each[name] for each in logged])
            for name in ("rows", "scores", "numbers", "items")
        },
    )


def compared(data: Dataset, bundle: Bundle, logged: Arrays) -> dict[str, Any]:
    """How many requests differ in anything, when all that was shown is made into lessons."""
    log = data.interactions
    assert log is not None
    recommender = Recommender(replace(bundle, catalogue=data.items, histories=log))
    assert recommender.ranker is not None
    counts, size = logged["counts"], len(logged["counts"])
    lists = np.repeat(np.arange(size), counts)
    names = sorted(set(logged["users"].tolist()))
    users = np.searchsorted(names, logged["users"]).astype(np.int32)
    starts = np.cumsum(counts) - counts
    shown = Impressions.from_events(
        names,
        users[lists],
        logged["rows"],
        logged["times"][lists],
        positions=(np.arange(len(lists)) - starts[lists] + 1).astype(np.int32),
        list_ids=[f"{each}" for each in lists],
        devices=logged["devices"][lists].tolist(),
        chosen=np.zeros(len(lists), np.float32),
    )
    lessons = of_shown(recommender.retrieval, recommender.ranker.view, log, shown, silent)
    assert np.array_equal(lessons.rows, logged["rows"])
    numbers = _differ(lessons.numbers, logged["numbers"])
    features = recommender.ranker.note.features
    wrong = [features[place] for place in np.flatnonzero(numbers.any(0))]
    return {
        "requests": size,
        "candidates": len(lists),
        "features": len(features),
        "requests_whose_numbers_differ": len(np.unique(lists[numbers.any(1)])),
        "requests_whose_query_differs": int(_differ(lessons.queries, logged["queries"]).any(1).sum()),
        "requests_whose_items_differ": len(
            np.unique(lists[_differ(lessons.vectors[lessons.rows], logged["items"]).any(1)])
        ),
        "features_that_differ": wrong,
    }


def _differ(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Where two arrays of float32 aren't the same, bit for bit; one NaN is as good as another."""
    assert one.dtype == other.dtype == np.float32
    assert one.shape == other.shape
    same = (one.view(np.int32) == other.view(np.int32)) | (np.isnan(one) & np.isnan(other))
    return ~same


if __name__ == "__main__":
    main()
