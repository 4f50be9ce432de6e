from dataclasses import replace

import numpy as np
import pytest

from tastemaker.data.worlds import islands
from tastemaker.errors import TrainingError
from tastemaker.evaluation.doctor.islands import folding, islands_of
from tastemaker.features.schema import Encoded
from tastemaker.progress import Trail, silent
from tastemaker.recipe import Recipe

keras = pytest.importorskip("keras")

from tastemaker.model import memory  # noqa: E402
from tastemaker.model.learn import learn  # noqa: E402
from tastemaker.model.problem import Problem  # noqa: E402

pytestmark = pytest.mark.slow  # TensorFlow takes seconds to load

WORLD = islands(groups=4, items=20, people=60, events=8)
ITEMS = len(WORLD.group)
PEOPLE = np.arange(WORLD.log.user_count, dtype=np.int32)
SMALL = {"dim": 16, "hidden": (16,), "length": 6, "dropout": 0.0, "batch_size": 64, "learning_rate": 0.01}


def problem(**tables) -> Problem:
    recipe = Recipe.of({"history": SMALL, **tables})
    return Problem(ITEMS, None, None, np.full(len(PEOPLE), -1, np.int32), True, recipe)


def lists_of(task: Problem, epochs: int) -> np.ndarray:
    """Everybody's first five when training ends."""
    found = []

    def look(top) -> float:
        found[:] = [top(WORLD.log, PEOPLE, 5)]
        return float(len(found))

    patient = task.recipe.model_copy(
        update={"history": task.recipe.history.model_copy(update={"patience": epochs})}
    )
    learn(replace(task, recipe=patient), WORLD.log, epochs, stage="x", report=silent, validate=look)
    return found[0]


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.mean([len(set(a) & set(b)) / len(a) for a, b in zip(one, other, strict=True)]))


def test_sampled_softmax_comes_to_rank_as_the_full_one_does():
    full = lists_of(problem(negatives={"count": "all"}), 25)
    again = lists_of(problem(negatives={"count": "all"}, seed=2), 25)
    as_alike = overlap(full, again)  # as two trainings of the full softmax are
    for mixture in (
        {"count": 16, "in_batch": False},
        {"count": 16, "in_batch": True, "uniform": 0.0, "alpha": 1.0},
        {"count": 16, "uniform": 0.5, "popularity": 0.0, "hard": 0.25, "queue": 0.25},
        {"count": 16, "odds": "streaming"},
    ):
        sampled = lists_of(problem(negatives=mixture), 25)
        assert overlap(full, sampled) > as_alike - 0.1, mixture
    chance = 5 / (ITEMS - 8)
    assert as_alike > 5 * chance


@pytest.mark.parametrize("kind", ["info_nce", "triplet", "bpr", "gbce"])
def test_every_loss_learns_the_world(kind):
    temperature = 0.1 if kind == "info_nce" else 1.0
    loss = {"kind": kind, "temperature": temperature}
    epochs = 40 if kind == "gbce" else 15  # β makes its steps smaller: after 15 it depends on the seed
    rows = lists_of(problem(loss=loss, negatives={"count": 32}), epochs)
    users, items = islands_of(WORLD.log, ITEMS)
    assert np.mean(folding(rows, users, items)) < 0.25  # by chance: 3 in 4


def test_positives_alone_fold_the_groups_into_each_other_and_gravity_keeps_them_apart():
    alone = {"count": 0, "in_batch": False}
    users, items = islands_of(WORLD.log, ITEMS)
    folded = lists_of(problem(loss={"kind": "gbce"}, negatives=alone), 15)
    apart = lists_of(problem(loss={"kind": "gbce", "gravity": 0.1}, negatives=alone), 15)
    assert np.mean(folding(folded, users, items)) > 0.5
    assert np.mean(folding(apart, users, items)) < 0.2


def test_what_was_shown_and_passed_over_is_drawn():
    shown = WORLD.log.where(WORLD.log.rows < 10)
    task = replace(
        problem(negatives={"count": 8, "uniform": 0.0, "popularity": 0.0, "seen_not_chosen": 1.0}),
        impressions=shown,
    )
    learned = learn(task, WORLD.log, 1, stage="x", report=silent)
    assert np.isfinite(learned.arrays["item_vectors"]).all()


def test_callbacks_of_keras_hear_the_loss_and_can_stop_it():
    class Once(keras.callbacks.Callback):
        heard = None

        def on_epoch_end(self, epoch, logs=None):
            Once.heard = (epoch, logs["loss"], logs["examples_per_second"])
            self.model.stop_training = True

    learn(problem(), WORLD.log, 9, stage="x", report=silent, callbacks=[Once()])
    epoch, loss, rate = Once.heard
    assert epoch == 0
    assert 0 < loss < np.log(ITEMS) + 1
    assert rate > 0


def test_tensorboard_finds_the_curves(tmp_path):
    pytest.importorskip("tensorboard")
    import tensorflow as tf

    learn(problem(), WORLD.log, 2, stage="a stage", report=silent, trail=Trail(tensorboard=tmp_path))
    files = list((tmp_path / "a-stage").glob("events.*"))
    assert len(files) == 1
    steps = [
        (event.step, value.tag)
        for event in tf.compat.v1.train.summary_iterator(str(files[0]))
        for value in event.summary.value
    ]
    assert {(1, "loss"), (2, "loss"), (2, "examples_per_second")} <= set(steps)


def test_mlflow_is_told_or_its_absence_is(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    trail = Trail(mlflow=(tmp_path / "runs").as_uri())
    try:
        import mlflow
    except ImportError:
        with pytest.raises(TrainingError, match=r"pip install 'tastemaker\[mlflow\]'"):
            learn(problem(), WORLD.log, 2, stage="x", report=silent, trail=trail)
        return
    learn(problem(), WORLD.log, 2, stage="x", report=silent, trail=trail)
    mlflow.set_tracking_uri(trail.mlflow)
    (run,) = mlflow.search_runs(experiment_names=["tastemaker"], output_format="list")
    assert run.data.metrics["loss"] > 0
    assert run.data.params["dim"] == "16"


def test_a_training_that_will_not_fit_is_refused_before_it_starts(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 10**9)
    large = replace(problem(negatives={"count": "all"}), items=30_000_000)
    with pytest.raises(TrainingError, match=r"about .* GB of memory, and 1.0 GB are free"):
        learn(large, WORLD.log, 1, stage="x", report=silent)


def test_the_estimate_grows_with_what_grows():
    small = problem()
    million = replace(small, items=1_000_000)
    # A million rows of 16 numbers, three times over for Adam and once more for the best epoch.
    more = memory.bytes_needed(million, 4096, True) - memory.bytes_needed(small, 4096, True)
    assert more == pytest.approx(4 * 1_000_000 * 16 * 4, rel=0.05)
    # Adagrad keeps one number a row in place of two rows.
    history = small.recipe.history.model_copy(update={"optimizer": "adagrad"})
    lean = replace(million, recipe=small.recipe.model_copy(update={"history": history}))
    saved = memory.bytes_needed(million, 4096, True) - memory.bytes_needed(lean, 4096, True)
    assert saved == pytest.approx(1_000_000 * (2 * 16 - 1) * 4, rel=0.01)


def test_impressions_that_nobody_has_are_not_drawn_in_silence():
    with pytest.raises(TrainingError, match="impressions"):
        learn(problem(negatives={"count": 8, "seen_not_chosen": 1.0}), WORLD.log, 1, stage="x", report=silent)


def test_a_mixture_that_draws_nothing_is_refused_where_nothing_could_be_learnt():
    with pytest.raises(TrainingError, match="draws nothing"):
        learn(problem(negatives={"count": 0, "in_batch": False}), WORLD.log, 1, stage="x", report=silent)


def test_with_other_features_or_strengths_a_checkpoint_is_not_gone_on_from(tmp_path):
    def trained(seed: int, weight: float = 1.0) -> np.ndarray:
        numbers = np.random.default_rng(seed).normal(size=(ITEMS, 2)).astype(np.float32)
        task = replace(problem(), item_features=Encoded((), (), numbers))
        log = replace(WORLD.log, weights=np.arange(WORLD.log.size, dtype=np.float32) % 3 * weight)
        trail = Trail(checkpoints=tmp_path)
        return learn(task, log, 1, stage="x", report=silent, trail=trail).arrays["item_vectors"]

    first = trained(1)
    again = (tmp_path / "x.npz").stat().st_mtime_ns
    np.testing.assert_array_equal(trained(1), first)
    assert (tmp_path / "x.npz").stat().st_mtime_ns == again, "it was finished already"
    for other in ((2, 1.0), (1, 0.0)):
        trained(*other)
        newest = (tmp_path / "x.npz").stat().st_mtime_ns
        assert newest > again
        again = newest


def test_what_reads_events_in_order_refuses_a_log_without_one():
    task = problem(history={**SMALL, "encoder": "transformer"})
    with pytest.raises(TrainingError, match="reads events in their order, and this log has none"):
        learn(replace(task, in_order=False), WORLD.log, 1, stage="x", report=silent)
