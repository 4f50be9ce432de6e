"""The search, on a planted hill; and on a real training, whose exam it may not see."""

import gc
import sqlite3
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import tastemaker as tm
from tastemaker.errors import RecipeError, TrainingError
from tastemaker.training.histories import Choice, on_validation
from tastemaker.training.settings import settled
from tastemaker.training.space import space_of

optuna = pytest.importorskip("optuna")
from tastemaker.training.study import FULL, opened  # noqa: E402
from tastemaker.training.tuning import Search, tune  # noqa: E402

EPOCHS = 8
BASE = tm.Recipe.read(None, ["seed=3", "history.dropout=0.6", "history.learning_rate=0.01"])
KNOBS = {"history.dropout": {"low": 0.0, "high": 0.8}, "history.learning_rate": [0.01, 1.0]}


class Hill:
    """Highest where nearly a fifth is dropped, rising over the epochs; at a rate of 1 hardly any."""

    def __init__(self):
        self.tried = []
        self.epochs = []

    def __call__(self, recipe, watch):
        self.tried.append((recipe.history.dropout, recipe.history.learning_rate))
        self.epochs.append(0)
        height = (1 - abs(recipe.history.dropout - 0.2)) * (0.1 if recipe.history.learning_rate == 1 else 1)
        for epoch in range(1, EPOCHS + 1):
            self.epochs[-1] = epoch
            watch(height * epoch / EPOCHS)
        return Choice(height, EPOCHS, "none")


def search(
    attempt, trials, folder=None, *, knobs=KNOBS, base=BASE, made_for="x", timeout=None, told=None, kept=None
):
    told, kept = [] if told is None else told, [] if kept is None else kept
    where = space_of(knobs, base)
    identity = {"data": made_for, "recipe": {}, "space": where.as_json()}
    with opened(folder, identity, warm_up=2) as study:
        found = Search(study, where, base, base, attempt)
        found.run(trials, timeout, told.append, kept.append)
        return found.found()


def settings_of(tuning):
    return tuning.trials.select(list(KNOBS)).rows()


# --- what is found --------------------------------------------------------------------------


def test_the_recipe_itself_comes_first_and_the_top_of_the_hill_is_found():
    hill, told = Hill(), []
    found = search(hill, 40, told=told)
    assert hill.tried[0] == (0.6, 0.01)
    assert found.base_value == pytest.approx(0.6)
    assert found.recipe.history.dropout == pytest.approx(0.2, abs=0.03)
    assert found.recipe.history.learning_rate == 0.01
    assert found.value == pytest.approx(1 - abs(found.recipe.history.dropout - 0.2))
    assert found.recipe.seed == 3
    best = [trial.best for trial in told]
    assert best == sorted(best)
    assert best[-1] == found.value == found.trials["value"][found.number]


def test_nothing_is_better_than_the_recipe_itself_so_it_is_kept():
    base = BASE.having({"history.dropout": 0.2})
    found = search(Hill(), 6, base=base)
    assert (found.number, found.value) == (0, found.base_value)
    assert found.recipe.history == base.history


def test_a_recipe_outside_of_the_space_is_tried_as_it_stands():
    hill = Hill()
    search(hill, 3, knobs={"history.dropout": {"low": 0.1, "high": 0.3}})
    assert hill.tried[0] == (0.6, 0.01)
    assert all(0.1 <= dropout <= 0.3 for dropout, _ in hill.tried[1:])


def test_weak_trials_are_cut_short_and_no_others():
    hill = Hill()
    states = search(hill, 25).trials["state"].to_list()
    weak = [rate == 1 for _, rate in hill.tried]
    assert sum(weak) > 2
    for place, epochs in enumerate(hill.epochs):
        # Of a tenth of the height in each epoch: out as soon as it may be, once there is a middle.
        if weak[place] and place >= FULL + 2:
            assert (states[place], epochs) == ("pruned", 3)
        assert (states[place] == "complete") == (epochs == EPOCHS)
    assert states[:FULL] == ["complete"] * FULL


def test_the_same_seed_tries_the_same_and_another_seed_doesnt():
    one, same, other = Hill(), Hill(), Hill()
    search(one, 6)
    search(same, 6)
    search(other, 6, base=BASE.having({"seed": 4}))
    assert one.tried == same.tried
    assert one.tried[0] == other.tried[0]
    assert one.tried[1:] != other.tried[1:]


def test_settings_that_were_tried_are_not_trained_again():
    hill = Hill()
    knobs = {"history.learning_rate": [0.01, 1.0]}
    found = search(hill, 8, knobs=knobs)
    full = [rate for (_, rate), epochs in zip(hill.tried, hill.epochs, strict=True) if epochs == EPOCHS]
    assert sorted(full) == [0.01, 1.0]
    assert found.trials.height == 8
    assert found.trials["value"].n_unique() == 2
    assert "the same as trial 0" in found.trials["note"].to_list()


def test_no_trial_begins_after_the_time_is_up():
    hill = Hill()
    assert search(hill, 5, timeout=1e-9).trials.height == len(hill.tried) == 1


# --- what goes wrong ------------------------------------------------------------------------


def test_settings_that_dont_train_are_a_failed_trial_and_the_search_goes_on():
    hill = Hill()

    def steep(recipe, watch):
        if recipe.history.learning_rate == 1:
            raise TrainingError("the loss became nan")
        return hill(recipe, watch)

    found = search(steep, 8)
    failed = found.trials.filter(pl.col("state") == "failed")
    assert 0 < failed.height < 8
    assert set(failed["note"]) == {"the loss became nan"}
    assert failed["value"].null_count() == failed.height
    assert found.recipe.history.learning_rate == 0.01


def test_a_recipe_that_doesnt_train_is_refused_and_comes_first_again_next_time(tmp_path):
    def never(recipe, watch):
        raise TrainingError("there is nothing to learn from")

    with pytest.raises(TrainingError, match="nothing to learn from"):
        search(never, 3, tmp_path)
    hill = Hill()
    found = search(hill, 2, tmp_path)
    assert hill.tried[0] == (0.6, 0.01)
    assert found.trials["state"].to_list() == ["failed", "complete", "complete"]
    assert found.base_value == pytest.approx(0.6)


def test_nobody_to_ask_is_refused():
    with pytest.raises(TrainingError, match="Nobody in the log has enough events"):
        search(lambda recipe, watch: None, 3)


# --- the folder -----------------------------------------------------------------------------


def test_in_two_calls_the_same_trials_as_in_one(tmp_path):
    whole, first, second = Hill(), Hill(), Hill()
    at_once = search(whole, 7)
    search(first, 3, tmp_path)
    found = search(second, 4, tmp_path)
    assert first.tried + second.tried == whole.tried
    assert found.trials["number"].to_list() == list(range(7))
    assert (found.value, found.number, found.base_value) == (
        at_once.value,
        at_once.number,
        at_once.base_value,
    )


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"made_for": "y"}, "other data"),
        ({"knobs": {"history.dropout": [0.1, 0.2]}}, "another space"),
    ],
)
def test_a_study_of_something_else_is_refused_and_stays(tmp_path, changed, what):
    before = search(Hill(), 2, tmp_path)
    with pytest.raises(TrainingError, match=f"holds a study of {what}"):
        search(Hill(), 2, tmp_path, **changed)
    after = search(Hill(), 1, tmp_path)
    assert settings_of(after)[:2] == settings_of(before)


def test_an_interrupted_trial_is_a_failed_one_and_those_before_it_are_kept(tmp_path):
    hill = Hill()

    def cut(recipe, watch):
        if len(hill.tried) == 2:
            raise KeyboardInterrupt
        return hill(recipe, watch)

    with pytest.raises(KeyboardInterrupt):
        search(cut, 5, tmp_path)
    found = search(Hill(), 1, tmp_path)
    assert found.trials["state"].to_list() == ["complete", "complete", "failed", "complete"]
    assert found.trials["note"][2] == "interrupted"


def test_a_trial_that_was_killed_is_failed_by_the_next_call(tmp_path):
    search(Hill(), 1, tmp_path)
    storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 'study.db'}")
    optuna.load_study(study_name="tastemaker", storage=storage).ask()
    found = search(Hill(), 1, tmp_path)
    assert found.trials["state"].to_list() == ["complete", "failed", "complete"]


def test_one_at_a_time(tmp_path):
    def again(recipe, watch):
        with pytest.raises(TrainingError, match="being tuned by another process"):
            search(Hill(), 1, tmp_path)
        return Hill()(recipe, watch)

    search(again, 1, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["study.db"]


def test_what_no_study_made_is_not_written_over(tmp_path):
    (tmp_path / "recipe.toml").write_text("seed = 1\n")
    with pytest.raises(TrainingError, match="that no study made"):
        search(Hill(), 1, tmp_path)
    (tmp_path / "recipe.toml").unlink()
    (tmp_path / "study.db").write_bytes(b"no database, whatever its name says. " * 100)
    with pytest.raises(TrainingError, match="can't be opened as a study"):
        search(Hill(), 1, tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(TrainingError, match="is a file"):
        search(Hill(), 1, tmp_path / "file")


# --- a real training ------------------------------------------------------------------------

SETTINGS = (
    *("history.epochs=2", "history.dim=8", "history.hidden=[8]", "history.length=6", "history.batch_size=64"),
    *("split.strategy=leave_one_out", "evaluation.bootstrap=100"),
)
SPACE = {"history.learning_rate": {"low": 0.001, "high": 0.1, "log": True}, "history.hidden": [[8], [8, 8]]}


def a_log(planted, of_last=lambda items, user: items[-1], of_one_before=lambda items, user: items[-2]):
    """The planted log with other last events, or events before them."""
    log = pl.read_csv(planted.interactions, schema_overrides={"user_id": pl.String, "item_id": pl.String})
    rows = []
    for number, user in enumerate(planted.user_ids):
        own = log.filter(pl.col("user_id") == user).sort("timestamp")
        items = own["item_id"].to_list()
        items = [*items[:-2], of_one_before(items, number), of_last(items, number)]
        rows += zip([user] * len(items), items, own["timestamp"].to_list(), strict=True)
    return pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")


def other_item(planted):
    return lambda items, user: next(
        item for item in np.roll(planted.item_ids, user).tolist() if item not in items
    )


@pytest.mark.slow
def test_what_the_exam_asks_changes_no_trial_and_what_the_validation_asks_does(planted):
    pytest.importorskip("tensorflow")
    other = other_item(planted)
    logs = [a_log(planted), a_log(planted, of_last=other), a_log(planted, of_one_before=other)]
    data = [tm.read(items=planted.items, interactions=log) for log in logs]
    assert data[0].fingerprint != data[1].fingerprint
    recipe = tm.Recipe.read(None, SETTINGS)
    same, exam, validation = (tm.tune(each, recipe, trials=2, space=SPACE) for each in data)
    assert same.trials["value"].to_list() == exam.trials["value"].to_list()
    assert same.trials["value"].to_list() != validation.trials["value"].to_list()
    assert 0 < same.value <= 1
    gc.collect()
    kept = [type(thing).__name__ for thing in gc.get_objects() if type(thing).__name__ == "Network"]
    assert not kept, "memory would fill up, trial by trial"


@pytest.mark.slow
def test_the_recipe_that_is_written_comes_to_the_same_value(planted, tmp_path, monkeypatch):
    pytest.importorskip("tensorflow")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    base = tm.Recipe.read(None, SETTINGS).having(
        {"data.items": planted.items, "data.interactions": planted.interactions}
    )
    data = tm.read(recipe=base.data)
    found = tm.tune(data, base, trials=3, out="tuned", space=SPACE)
    monkeypatch.chdir("/")
    path = tmp_path / "here" / "tuned" / "recipe.toml"
    read = tm.Recipe.read(path)
    again = tm.read(recipe=read.data)
    assert again.fingerprint == data.fingerprint
    choice = on_validation(
        again, again.interactions, settled(read, again.interactions), lambda now: None, lambda value: None
    )
    assert choice.value == found.value
    head = path.read_text().split("\n\n")[0]
    assert f"{found.value:.4f} in trial {found.number}" in head
    assert data.fingerprint in head
    assert all(line.startswith("# ") for line in head.splitlines())
    with pytest.raises(TrainingError, match="another base recipe"):
        tm.tune(data, base.having({"history.dim": 10}), trials=1, out=path.parent, space=SPACE)


@pytest.mark.slow
def test_what_a_watch_raises_ends_a_training_and_the_next_is_none_the_worse(planted):
    pytest.importorskip("tensorflow")

    class Enough(Exception):
        pass

    def once(value):
        heard.append(value)
        raise Enough

    data = tm.read(items=planted.items, interactions=planted.interactions)
    recipe = tm.Recipe.read(None, SETTINGS)
    heard, whole = [], []
    with pytest.raises(Enough):
        on_validation(data, data.interactions, recipe, lambda now: None, once)
    on_validation(data, data.interactions, recipe, lambda now: None, whole.append)
    assert len(heard) == 1
    assert len(whole) == 2
    assert heard == whole[:1]


# --- at the door ----------------------------------------------------------------------------


@pytest.fixture
def data(planted):
    return tm.read(items=planted.items, interactions=planted.interactions)


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"trials": 0}, "trials is 0: give 1 or more."),
        ({"timeout": 0.0}, "timeout is 0 seconds: give more than 0."),
        ({"recipe": tm.Recipe(preset="seed-softmax")}, "nothing to tune"),
        ({"space": "no/such.toml"}, "Can't read the space no/such.toml"),
    ],
)
def test_what_cannot_be_tuned_is_refused_before_any_work(data, tmp_path, wrong, line):
    with pytest.raises((TrainingError, RecipeError), match=line):
        tune(data, **({"trials": 1, "out": tmp_path / "t"} | wrong))
    assert not (tmp_path / "t").exists()


def test_a_catalogue_alone_is_refused(planted):
    with pytest.raises(TrainingError, match="a catalogue alone has no validation to tune by"):
        tune(tm.read(items=planted.items), trials=1)


def test_the_study_is_an_ordinary_one(tmp_path: Path):
    """Anybody's tools for Optuna open it."""
    search(Hill(), 1, tmp_path)
    with sqlite3.connect(tmp_path / "study.db") as database:
        assert database.execute("select study_name from studies").fetchall() == [("tastemaker",)]
