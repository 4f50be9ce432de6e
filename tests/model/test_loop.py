import math
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from threading import Semaphore
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import booleans, integers, lists

from tastemaker.model.checkpoint import Checkpoint
from tastemaker.progress import silent

keras = pytest.importorskip("keras")

from tastemaker.model import loop  # noqa: E402
from tastemaker.model.fit import Losses, StopByRanking, Tell  # noqa: E402
from tastemaker.model.loop import Schedule, run  # noqa: E402

pytestmark = pytest.mark.slow  # TensorFlow takes seconds to load

PRIME = 999_983


class Cut(Exception):
    """The power went."""


@dataclass(frozen=True)
class Plan(Schedule):
    """A schedule and what a `Diary` is to learn by it."""

    epochs: int = 3
    seed: int = 1
    examples: int = 10
    batch_size: int = 4

    @property
    def steps(self) -> int:
        return math.ceil(self.examples / self.batch_size)


class Diary:
    """Learns whole numbers: every one depends on all that was laid out and learned before, and on chance.

    Args:
        plan: the numbers are 100, 101, … of as many examples.
        cut: the number of the step at which the power goes, counted from the start of this process.
    """

    def __init__(self, plan: Plan, cut: int | None = None) -> None:
        self.plan = plan
        self.model = SimpleNamespace(
            stop_training=False, get_weights=lambda: [np.array(self.weight)], set_weights=self._put
        )
        self.cut, self.steps = cut, 0
        self.weight, self.drawn, self.learned = 1, 1, []

    def _put(self, weights) -> None:
        self.weight = int(weights[0])

    def begin_epoch(self, epoch):
        self.weight = (self.weight * 31 + epoch) % PRIME

    def deal(self, rng):
        order = rng.permutation(np.arange(100, 100 + self.plan.examples))
        return np.split(order, range(self.plan.batch_size, len(order), self.plan.batch_size))

    def lay_out(self, examples, rng):
        self.drawn = (self.drawn * 17 + int(examples.sum())) % PRIME  # as a queue remembers what came by
        return len(examples), (examples.tolist(), self.drawn, int(rng.integers(PRIME)))

    def learn(self, work, done):
        if self.steps == self.cut:
            raise Cut
        self.steps += 1
        examples, drawn, chance = work
        self.learned.append([*examples, drawn, chance])
        self.weight = (self.weight * 7 + drawn + chance + round(1000 * done)) % PRIME
        return float(max(examples))

    def state(self):
        whole = [number for step in self.learned for number in (len(step), *step)]
        return {"numbers": np.array([self.weight, self.drawn, *whole])}

    def restore(self, state):
        self.weight, self.drawn, *whole = state["numbers"].tolist()
        self.learned = []
        while whole:
            count = whole.pop(0)
            self.learned.append([whole.pop(0) for _ in range(count)])

    @property
    def examples(self) -> list[list[int]]:
        """Of every step."""
        return [step[:-2] for step in self.learned]


class Hearing(keras.callbacks.Callback):
    """Writes down every event; stops training where it is told to, and loses power at an event."""

    def __init__(self, stop_at: tuple | None = None, cut_at: tuple | None = None) -> None:
        super().__init__()
        self.heard: list[tuple] = []
        self.stop_at, self.cut_at = stop_at, cut_at

    def _hear(self, *event) -> None:
        if event[:2] == self.cut_at:
            raise Cut
        self.heard.append(event)
        if event[:2] == self.stop_at:
            self.model.stop_training = True

    def on_train_begin(self, logs=None):
        self._hear("train begins")

    def on_epoch_begin(self, epoch, logs=None):
        self._hear("epoch begins", epoch)

    def on_train_batch_begin(self, batch, logs=None):
        self._hear("step begins", batch)

    def on_train_batch_end(self, batch, logs=None):
        self._hear("step ends", batch, logs["loss"])

    def on_epoch_end(self, epoch, logs=None):
        self._hear("epoch ends", epoch, logs["loss"])

    def on_train_end(self, logs=None):
        self._hear("train ends")


class Scripted(Checkpoint):
    """Is due when the script says so, step by step, and never after its end."""

    script: Iterable[bool] = ()

    @property
    def is_due(self) -> bool:
        return next(self.script, False)


def learned(plan: Plan, *callbacks) -> Diary:
    diary = Diary(plan)
    run(diary, plan, callbacks)
    return diary


@pytest.mark.parametrize(("examples", "batch_size"), [(10, 4), (8, 4), (1, 4), (5, 1), (3, 50)])
def test_an_epoch_shows_every_example_once(examples, batch_size):
    plan = Plan(examples=examples, batch_size=batch_size)
    steps = learned(plan).examples
    assert len(steps) == 3 * plan.steps
    for epoch in range(3):
        shown = steps[epoch * plan.steps : (epoch + 1) * plan.steps]
        assert sorted(chain(*shown)) == list(range(100, 100 + examples))
        assert all(len(step) == batch_size for step in shown[:-1])


def test_each_epoch_has_an_order_of_its_own_and_a_seed_repeats_them():
    def orders(seed: int) -> list[list[int]]:
        steps = learned(Plan(batch_size=10, seed=seed))
        return [*steps.examples, [step[-1] for step in steps.learned]]  # and what was drawn by chance

    one = orders(1)
    assert len({tuple(order) for order in one}) == 4
    assert len(set(one[3])) == 3
    assert one == orders(1)
    assert all(first != second for first, second in zip(one, orders(2), strict=True))


def test_callbacks_hear_of_every_epoch_and_step_with_the_mean_loss_so_far():
    hearing = Hearing()
    diary = learned(Plan(epochs=2), hearing)
    wanted: list[tuple] = [("train begins",)]
    for epoch in range(2):
        wanted.append(("epoch begins", epoch))
        total, seen = 0, 0
        for step, examples in enumerate(diary.examples[3 * epoch : 3 * epoch + 3]):
            total, seen = total + max(examples) * len(examples), seen + len(examples)
            wanted += [("step begins", step), ("step ends", step, total / seen)]
        wanted.append(("epoch ends", epoch, total / 10))
    assert hearing.heard == [*wanted, ("train ends",)]


def test_learning_is_told_how_far_it_is(tmp_path):
    told = []

    class Listening(Diary):
        def learn(self, work, done):
            loss = super().learn(work, done)
            told.append(done)
            return loss

    plan, checkpoint = Plan(epochs=2), Checkpoint(tmp_path / "newest.npz", {}, every=0)
    with pytest.raises(Cut):
        run(Listening(plan, cut=4), plan, [], checkpoint)
    run(Listening(plan), plan, [], checkpoint)
    assert told == pytest.approx([0, 1 / 3, 2 / 3, 1, 4 / 3, 5 / 3])


def test_the_losses_of_a_cut_training_are_those_of_a_whole_one(tmp_path):
    plan, checkpoint, whole = Plan(), Checkpoint(tmp_path / "newest.npz", {}, every=0), Losses()
    run(Diary(plan), plan, [whole])
    with pytest.raises(Cut):
        run(Diary(plan, cut=7), plan, [Losses()], checkpoint)  # in the third epoch
    after = Losses()
    run(Diary(plan), plan, [after], checkpoint)
    assert after.values == whole.values
    assert len(set(whole.values)) == 3


def test_epochs_may_have_any_number_of_steps_and_steps_any_number_of_examples():
    class Uneven(Diary):
        """A batch is one number, its loss, and is said to hold ten times as many examples."""

        epochs = iter([[5, 1], [6], [], [2, 3, 1]])

        def deal(self, rng):
            return [np.array([number]) for number in next(self.epochs)]

        def lay_out(self, examples, rng):
            return 10 * int(examples[0]), super().lay_out(examples, rng)[1]

    hearing, plan = Hearing(), Plan(epochs=4)
    run(Uneven(plan), plan, [hearing])
    ends = [told[1:] for told in hearing.heard if told[0] == "epoch ends"]
    assert ends == [(0, 26 / 6), (1, 6), (2, 0), (3, 14 / 6)]  # Σ n² / Σ n


def test_callbacks_know_the_model_and_how_long_it_will_take():
    hearing = Hearing()
    diary = learned(Plan(epochs=2), hearing)
    assert hearing.model is diary.model
    assert hearing.params == {"epochs": 2, "steps": 3}


@pytest.mark.parametrize("at", [("step ends", 0), ("epoch ends", 0)])
def test_stop_training_ends_it_after_the_epoch(at):
    hearing = Hearing(stop_at=at)
    assert len(learned(Plan(epochs=5), hearing).learned) == 3
    assert hearing.heard[-2][:2] == ("epoch ends", 0)
    assert hearing.heard[-1] == ("train ends",)


def test_a_model_that_was_stopped_before_can_learn_again():
    diary = Diary(Plan())
    diary.model.stop_training = True
    run(diary, diary.plan, [])
    assert len(diary.learned) == 9


def test_on_one_core_steps_are_laid_out_in_turn_and_learn_the_same(monkeypatch):
    order = []

    class Told(Diary):
        def lay_out(self, examples, rng):
            order.append("lay out")
            return super().lay_out(examples, rng)

        def learn(self, work, done):
            order.append("learn")
            return super().learn(work, done)

    monkeypatch.setattr(loop, "cores", lambda: 1)
    alone = Told(Plan())
    run(alone, alone.plan, [])
    assert order == ["lay out", "learn"] * 9
    monkeypatch.setattr(loop, "cores", lambda: 2)
    assert learned(Plan()).learned == alone.learned


def test_the_next_step_is_laid_out_while_this_one_learns(monkeypatch):
    monkeypatch.setattr(loop, "cores", lambda: 2)
    laid_out = Semaphore(0)

    class Waiting(Diary):
        def lay_out(self, examples, rng):
            work = super().lay_out(examples, rng)
            laid_out.release()
            return work

        def learn(self, work, done):
            step = self.steps % 3
            for _ in range((step == 0) + (step < 2)):  # an epoch's first waits for its own work, too
                assert laid_out.acquire(timeout=5), "nothing was laid out in the meantime"
            return super().learn(work, done)

    diary = Waiting(Plan())
    run(diary, diary.plan, [])
    assert diary.steps == 9


# --- cut off and taken up again -------------------------------------------------------------


@given(
    examples=integers(1, 12),
    batch_size=integers(1, 5),
    epochs=integers(1, 3),
    seed=integers(0, 9),
    share=integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_a_training_cut_off_at_any_step_ends_as_if_it_had_never_stopped(
    examples, batch_size, epochs, seed, share
):
    plan = Plan(epochs, seed, examples, batch_size)
    whole, cut = learned(plan), share * epochs * plan.steps // 100
    with tempfile.TemporaryDirectory() as folder:
        first, second = Diary(plan, cut), Diary(plan)
        checkpoint = Checkpoint(Path(folder) / "newest.npz", {}, every=0)
        with pytest.raises(Cut):
            run(first, plan, [], checkpoint)
        run(second, plan, [], checkpoint)
    assert first.learned == whole.learned[:cut]  # saved after every step, so that no step is done twice
    assert second.steps == epochs * plan.steps - cut
    assert second.learned == whole.learned
    assert (second.weight, second.drawn) == (whole.weight, whole.drawn)


@given(due=lists(booleans(), max_size=12), cut=integers(0, 11))
@settings(max_examples=40, deadline=None)
def test_steps_since_the_last_save_are_learned_again_in_the_same_way(due, cut):
    plan = Plan(examples=14)
    whole = learned(plan)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Scripted(Path(folder) / "newest.npz", {})
        checkpoint.script = iter(due)
        with pytest.raises(Cut):
            run(Diary(plan, cut), plan, [], checkpoint)
        second = Diary(plan)
        run(second, plan, [], checkpoint)
    assert second.learned == whole.learned
    assert (second.weight, second.drawn) == (whole.weight, whole.drawn)


@pytest.mark.parametrize(
    "event", [("epoch begins", 1), ("step ends", 2), ("epoch ends", 1), ("step begins", 0)]
)
def test_a_callback_hears_the_same_of_an_epoch_that_was_cut_off(event, tmp_path):
    plan = Plan(epochs=2)
    whole = Hearing()
    first, second = Hearing(cut_at=event), Hearing()
    wanted, diary = learned(plan, whole), Diary(plan)
    checkpoint = Checkpoint(tmp_path / "newest.npz", {}, every=0)
    with pytest.raises(Cut):
        run(Diary(plan), plan, [first], checkpoint)
    run(diary, plan, [second], checkpoint)
    ends = [told for told in whole.heard if told[0] == "epoch ends"]
    assert ends == [told for told in first.heard + second.heard if told[0] == "epoch ends"]
    assert (diary.weight, diary.drawn, diary.learned) == (wanted.weight, wanted.drawn, wanted.learned)


@pytest.mark.parametrize("stop_at", [None, ("epoch ends", 1)])
def test_a_training_that_has_ended_learns_nothing_when_it_is_run_again(stop_at, tmp_path):
    checkpoint = Checkpoint(tmp_path / "newest.npz", {})  # nothing is due before the end
    plan = Plan(epochs=4)
    first, second = Diary(plan), Diary(plan)
    run(first, plan, [Hearing(stop_at)], checkpoint)
    run(second, plan, [], checkpoint)
    assert second.steps == 0
    assert first.learned == second.learned
    assert len(second.learned) == (12 if stop_at is None else 6)


def test_another_training_begins_anew(tmp_path):
    plan = Plan()
    run(Diary(plan), plan, [], Checkpoint(tmp_path / "newest.npz", {"seed": 1}))
    diary = Diary(plan)
    run(diary, plan, [], Checkpoint(tmp_path / "newest.npz", {"seed": 2}))
    assert diary.steps == 9


@given(cut=integers(0, 20), every=integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_the_best_epoch_is_remembered_over_a_cut(cut, every):
    """Scores rise, fall and rise; patience is counted over the cut, too."""
    plan, scores = Plan(epochs=9), [0.1, 0.4, 0.2, 0.5, 0.3, 0.3, 0.3, 0.9, 0.9]

    def stopping(diary: Diary) -> StopByRanking:
        return StopByRanking(lambda: scores[len(diary.learned) // 3 - 1], 3, Tell("x", plan.steps, 4, silent))

    whole = Diary(plan)
    stop = stopping(whole)
    run(whole, plan, [stop], None)
    assert (stop.best_epochs, len(whole.learned)) == (4, 21)
    with tempfile.TemporaryDirectory() as folder:
        first, second, third = Diary(plan, cut), Diary(plan), Diary(plan)
        checkpoint = Scripted(Path(folder) / "newest.npz", {})
        checkpoint.script = (step % every == 0 for step in range(1000))
        with pytest.raises(Cut):
            run(first, plan, [stopping(first)], checkpoint)
        for diary in (second, third):  # the third time there is nothing left to learn
            again = stopping(diary)
            run(diary, plan, [again], checkpoint)
            assert again.scores == stop.scores
            assert (diary.weight, diary.learned) == (whole.weight, whole.learned)
        assert third.steps == 0
