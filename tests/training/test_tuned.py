"""What a tuning found, read off a study made here, whose law is known."""

import json

import numpy as np
import pytest

from tastemaker.errors import TrainingError

optuna = pytest.importorskip("optuna")

from tastemaker.pages import style  # noqa: E402
from tastemaker.training.tuned import drawing, read_tuned, tuned_of  # noqa: E402

KNOBS = {
    "history.dropout": optuna.distributions.FloatDistribution(0.0, 1.0),
    "history.learning_rate": optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True),
    "history.hidden": optuna.distributions.CategoricalDistribution(["[64]", "[128, 64]"]),
}


def made(trials, states=None, storage=None):
    """A study as `tune` keeps it: the value depends on dropout, and hardly on anything else."""
    study = optuna.create_study(study_name="tastemaker", storage=storage, direction="maximize")
    rng = np.random.default_rng(1)
    for number in range(trials):
        params = {
            "history.dropout": float(rng.random()),
            "history.learning_rate": float(10 ** rng.uniform(-4, -1)),
            "history.hidden": str(rng.choice(["[64]", "[128, 64]"])),
        }
        settings = params | {"history.hidden": json.loads(params["history.hidden"])}
        is_base = number == 0
        if is_base:  # outside of the space, as a recipe may be
            del params["history.hidden"]
            settings["history.hidden"] = [7]
        state = (states or {}).get(number, "COMPLETE")
        value = 1 - abs(params["history.dropout"] - 0.2) + 0.001 * float(rng.normal())
        study.add_trial(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState[state],
                value=None if state == "FAIL" else value,
                params=params,
                distributions={name: KNOBS[name] for name in params},
                user_attrs={"settings": settings} | ({"base": True} if is_base else {}),
                intermediate_values={0: value / 2} if state == "PRUNED" else None,
            )
        )
    return study


def put(folder, trials, states=None):
    """The same in a folder."""
    folder.mkdir()
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder / 'study.db'}")
    made(trials, states, storage)
    storage.remove_session()
    storage.engine.dispose()
    return folder


def test_the_knob_that_decides_is_named_and_all_trials_are_there():
    found = tuned_of(made(40, {5: "PRUNED", 6: "FAIL"}))
    assert next(iter(found.importance)) == "history.dropout"
    assert found.importance["history.dropout"] > 0.6
    assert sum(found.importance.values()) == pytest.approx(1)
    assert [trial.state for trial in found.trials].count("complete") == 38
    best = found.ranked[0]
    assert best.settings["history.dropout"] == pytest.approx(0.2, abs=0.06)
    assert found.log_knobs == {"history.learning_rate"}
    section = found.section()
    assert f"Trial {best.number} is the best of 40" in section.lead
    close = [trial for trial in found.complete if trial.value >= 0.99 * best.value]
    assert found.near == len(close) - 1
    assert any(f"{len(close) - 1} others come within 1%" in note for note in section.notes)
    assert section.notes[0] == "38 trials ran to their end, 1 were cut short, 1 failed."
    json.dumps(section.as_json(), allow_nan=False)


def test_the_best_so_far_never_falls_and_pruned_trials_are_drawn_apart():
    found = tuned_of(made(20, {5: "PRUNED"}))
    course = drawing(found).axes[0]
    lines = {line.get_label(): line for line in course.lines}
    highest = np.asarray(lines["best so far"].get_ydata())
    assert (np.diff(highest) >= 0).all()
    assert highest[-1] == found.ranked[0].value
    assert list(lines["cut short"].get_xdata()) == [5]
    picture = style.svg(drawing(found))
    assert all(name in picture for name in ("dropout", "learning_rate", "hidden", "best so far"))


def test_of_few_trials_nothing_is_said_of_knobs():
    found = tuned_of(made(4))
    assert found.importance == {}
    assert "too few to say which knobs matter" in found.section().notes[-1]
    assert "too few trials to say" in style.svg(drawing(found))
    one = tuned_of(made(1))
    assert one.near == 0
    drawing(one)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda folder: folder.mkdir(), "holds no study.db"),
        (lambda folder: put(folder, 2, {0: "FAIL", 1: "FAIL"}), "has run to its end yet"),
        (
            lambda folder: (folder.mkdir(), (folder / "study.db").write_bytes(b"no database " * 99)),
            "can't be opened",
        ),
    ],
)
def test_what_is_no_tuning_is_refused_in_a_line(tmp_path, make, line):
    make(tmp_path / "t")
    with pytest.raises(TrainingError, match=line):
        read_tuned(tmp_path / "t")


def test_the_command_reads_and_draws_and_adds_no_trial(tastemaker, tmp_path):
    folder = put(tmp_path / "t", 3)
    done = tastemaker("tuned", folder, "--plot", tmp_path / "tuned.png", "--json")
    assert done.status == 0, done.stderr
    assert len(json.loads(done.stdout)["trials"]) == 3
    assert (tmp_path / "tuned.png").read_bytes().startswith(b"\x89PNG")
    assert "The best trials" in tastemaker("tuned", folder).stdout
    refused = tastemaker("tuned", folder, "--plot", tmp_path / "tuned.gif")
    assert (refused.status, refused.stderr.count("\n")) == (2, 1)


def test_without_optuna_it_says_what_to_install(tmp_path, monkeypatch):
    put(tmp_path / "tuned", 2)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(TrainingError, match=r"pip install 'tastemaker\[train\]'"):
        read_tuned(tmp_path / "tuned")
