import math

import numpy as np
import pytest

from tastemaker.errors import TrainingError
from tastemaker.progress import silent

keras = pytest.importorskip("keras")

from tastemaker.model.fit import Batches, StopByRanking, Tell, fit  # noqa: E402

pytestmark = pytest.mark.slow  # TensorFlow takes seconds to load


class Counter(keras.layers.Layer):
    """One weight, which every step moves."""

    def build(self, *_):
        self.weight = self.add_weight(shape=(1,), initializer="zeros", name="weight")

    def call(self, x):
        return x * 0 + self.weight


def counting(learning_rate: float = 1.0) -> "keras.Model":
    """Each step of one example adds 1 to its one weight: the loss is -weight."""
    inputs = keras.Input((1,))
    model = keras.Model(inputs, Counter()(inputs))
    loss = lambda _, y: -keras.ops.mean(y)  # noqa: E731
    model.compile(optimizer=keras.optimizers.SGD(learning_rate), loss=loss)
    return model


def batches(examples: int = 6, batch_size: int = 2, value: float = 1.0, seed: int = 1) -> Batches:
    def make(chosen, rng):
        return np.full((len(chosen), 1), value, np.float32), np.zeros((len(chosen), 1), np.float32)

    return Batches(examples, batch_size, seed, make)


def weight(model) -> float:
    return float(model.get_weights()[0][0])


@pytest.mark.parametrize(
    ("scores", "patience", "kept", "asked"),
    [
        ([0.1, 0.3, 0.2, 0.25, 0.9], 2, 2, 4),  # two epochs without a better one: the fifth is never seen
        ([0.1, 0.3, 0.2, 0.4, 0.1, 0.1], 2, 4, 6),
        ([0.5, 0.4, 0.3, 0.2], 3, 1, 4),
        ([0.1, 0.2, 0.3], 3, 3, 3),  # all epochs are used up
        ([0.2, 0.2, 0.2], 2, 1, 3),  # as good is not better
    ],
)
def test_the_best_epoch_is_kept_and_patience_is_counted_from_it(scores, patience, kept, asked):
    model, script = counting(), iter(scores)
    given: list[float] = []

    def validate() -> float:
        given.append(next(script))
        return given[-1]

    epochs = fit(
        model, batches(), len(scores), stage="x", report=silent, validate=validate, patience=patience
    )
    assert epochs == kept
    assert len(given) == asked
    assert weight(model) == 3 * kept  # three steps an epoch


def test_without_validation_all_epochs_count():
    model = counting()
    assert fit(model, batches(), 5, stage="x", report=silent) == 5
    assert weight(model) == 15


def test_a_loss_that_is_no_number_ends_training_with_advice():
    with pytest.raises(
        TrainingError, match=r"refit: the loss became nan at step 1 of epoch .*\. Lower the learn"
    ):
        fit(counting(), batches(value=math.nan), 3, stage="refit", report=silent)
    with pytest.raises(TrainingError, match="the loss became"):
        fit(counting(learning_rate=1e38), batches(examples=60), 3, stage="refit", report=silent)


def test_the_epoch_that_went_wrong_is_named():
    with pytest.raises(TrainingError, match=r"at step 1 of epoch 1\."):
        fit(counting(), batches(value=math.nan), 3, stage="refit", report=silent)


@pytest.mark.parametrize(
    ("scores", "smooth", "kept"),
    [
        ([0.1, 0.9, 0.1, 0.4, 0.5, 0.6], 1, 2),
        # Means of three: .1, .5, .37, .47, .33, .5: the second is still the best, and as good is not better.
        ([0.1, 0.9, 0.1, 0.4, 0.5, 0.6], 3, 2),
        # .1, .35, .33, .4, .43, .5
        ([0.1, 0.6, 0.3, 0.3, 0.7, 0.5], 3, 6),
    ],
)
def test_a_lucky_epoch_is_not_taken_for_the_best(scores, smooth, kept):
    tell = Tell("x", 1, 1, silent)
    stop = StopByRanking(iter(scores).__next__, 9, tell, smooth)
    stop.set_model(counting())
    for epoch in range(len(scores)):
        stop.on_epoch_end(epoch)
    assert stop.best_epochs == kept


def test_progress_tells_steps_loss_and_the_newest_score():
    told, scores = [], iter([0.25, 0.5])
    fit(counting(), batches(24, 2), 2, stage="training", report=told.append, validate=lambda: next(scores))
    assert [(p.step, p.steps) for p in told] == [(10, 24), (12, 24), (20, 24), (24, 24)]
    assert {p.stage for p in told} == {"training"}
    assert told[0].note == ""
    assert told[-1].note == "validation NDCG@10 0.2500"
    assert all(p.loss is not None and p.rate is not None and p.rate > 0 for p in told)


def test_each_epoch_has_an_order_of_its_own_and_a_seed_repeats_them():
    def orders(seed: int) -> list[list[int]]:
        seen: list[int] = []
        made = Batches(10, 4, seed, lambda chosen, rng: seen.extend(chosen.tolist()))
        found = []
        for _ in range(3):
            for step in range(len(made)):
                made[step]
            found.append(seen.copy())
            seen.clear()
            made.on_epoch_end()
        return found

    one = orders(1)
    assert all(sorted(order) == list(range(10)) for order in one)
    assert one[0] != one[1] != one[2]
    assert one == orders(1) != orders(2)


def test_ctrl_c_comes_through():
    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(counting(), batches(), 3, stage="x", report=stop)


def test_an_epoch_shows_every_example_once_in_an_order_of_its_own():
    def orders(seed: int) -> list[list[int]]:
        dataset, epochs = Batches(11, 4, seed, lambda chosen, rng: chosen.tolist()), []
        for _ in range(2):
            epochs.append([example for step in range(len(dataset)) for example in dataset[step]])
            dataset.on_epoch_end()
        return epochs

    first, second = orders(1)
    assert sorted(first) == sorted(second) == list(range(11))
    assert first != second
    assert orders(1) == [first, second] != orders(2)


def test_progress_of_epochs_that_are_longer_than_the_first_never_passes_its_end():
    told = []
    tell = Tell("x", 10, 4, told.append)
    tell.set_params({"epochs": 2})
    tell.on_train_begin()
    for epoch, steps in enumerate([10, 12]):
        tell.on_epoch_begin(epoch)
        for step in range(steps):
            tell.on_train_batch_end(step, {"loss": 1.0})
    assert [(p.step, p.steps) for p in told] == [(10, 20), (20, 20)]
    tell.on_train_batch_end(18, {"loss": 1.0})
    assert max(p.step for p in told) == 20
