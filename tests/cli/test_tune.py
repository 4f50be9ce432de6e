"""`tastemaker tune` as people call it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tastemaker.cli.tune import interrupts
from tastemaker.recipe import Recipe

pytest.importorskip("optuna")
pytest.importorskip("tensorflow")

QUICK = [
    word
    for knob in ("epochs=2", "dim=8", "hidden=[8]", "length=6", "batch_size=64")
    for word in ("--set", f"history.{knob}")
]


@pytest.fixture
def log(planted):
    return ["--interactions", planted.interactions]


def test_a_catalogue_alone_is_refused_in_a_line(tastemaker, planted, tmp_path):
    done = tastemaker("tune", "--items", planted.items, "--trials", "2", "--out", tmp_path / "t")
    assert done.status == 2
    assert done.stderr == (
        "tastemaker: Tuning needs to know what people did: a catalogue alone has no validation to tune by. "
        "Give a file of interactions.\n"
    )
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (["--trials", "0"], "trials is 0: give 1 or more."),
        (["--trials", "1", "--timeout", "-1"], "timeout is -1 seconds: give more than 0."),
        (
            ["--trials", "1", "--space", "nowhere.toml"],
            "Can't read the space nowhere.toml: No such file or directory.",
        ),
        (
            ["--trials", "1", "--set", "preset=seed-softmax"],
            "preset seed-softmax is a tutorial as it stands: there is nothing to tune.",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(tastemaker, log, tmp_path, wrong, line):
    done = tastemaker("tune", *log, "--out", tmp_path / "t", *wrong)
    assert done == (2, "", f"tastemaker: {line}\n")
    assert not (tmp_path / "t").exists()


def test_an_unknown_knob_gives_the_same_line_in_a_space_as_in_set(tastemaker, log, tmp_path, written):
    space = written('"history.dropuot" = [0.1, 0.2]\n', "space.toml")
    asked = ["tune", *log, "--trials", "1", "--out", tmp_path / "t"]
    in_space = tastemaker(*asked, "--space", space)
    in_set = tastemaker(*asked, "--set", "history.dropuot=0.1")
    assert in_space.status == in_set.status == 2
    assert in_space.stderr == in_set.stderr
    assert "Did you mean 'dropout'?" in in_set.stderr


@pytest.mark.slow
def test_it_tells_each_trial_writes_a_recipe_and_goes_on(tastemaker, log, tmp_path):
    out = tmp_path / "tuned"
    first = tastemaker("tune", *log, *QUICK, "--trials", "2", "--out", out)
    assert first.status == 0, first.stderr
    told = [line for line in first.stderr.splitlines() if line.startswith("trial ")]
    assert [line.partition(":")[0] for line in told] == ["trial 0", "trial 1"]
    assert all(f"best {number}" in line for line, number in zip(told, best_of(told), strict=True))
    assert sorted(path.name for path in out.iterdir()) == ["recipe.toml", "study.db"]
    assert "tastemaker train" in first.stdout

    second = tastemaker("tune", *log, *QUICK, "--trials", "1", "--out", out, "--json")
    assert second.status == 0, second.stderr
    found = json.loads(second.stdout)
    assert [trial["number"] for trial in found["trials"]] == [0, 1, 2]
    values = [trial["value"] for trial in found["trials"] if trial["state"] == "complete"]
    assert found["value"] == max(values) == found["trials"][found["trial"]]["value"]
    assert found["base_value"] == values[0]
    written = Recipe.read(out / "recipe.toml").history
    assert written == Recipe.of(found["recipe"]).history
    assert written.hidden == tuple(found["trials"][found["trial"]]["history.hidden"])
    assert "trials: 3\n" in (out / "recipe.toml").read_text()

    other = tastemaker("tune", *log, *QUICK, "--set", "history.length=5", "--trials", "1", "--out", out)
    assert other.status == 2
    assert "holds a study of another base recipe" in other.stderr
    assert other.stderr.count("\n") == 1


def best_of(lines):
    values = [line.split()[3].rstrip(",") for line in lines]
    return [max(values[: end + 1]) for end in range(len(values))]


def test_a_ctrl_c_that_was_swallowed_is_heard_at_the_next_look():
    before = signal.getsignal(signal.SIGINT)
    with interrupts() as look:
        look()
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        with pytest.raises(KeyboardInterrupt):
            look()
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.slow
def test_after_a_ctrl_c_what_has_ended_is_kept(log, tmp_path):
    out = tmp_path / "tuned"
    long = ["--set", "history.epochs=60", "--set", "history.patience=60"]  # so that it meets a trial
    command = [
        sys.executable,
        "-m",
        "tastemaker",
        "tune",
        *log,
        *QUICK,
        *long,
        "--trials",
        "50",
        "--out",
        out,
    ]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and not (out / "recipe.toml").exists():
        time.sleep(0.1)
    time.sleep(1)  # into the next trial
    os.kill(running.pid, signal.SIGINT)
    _, told = running.communicate(timeout=60)
    assert running.returncode == 130
    last = told.splitlines()[-1]
    assert last.startswith("tastemaker: interrupted; ")
    assert last.endswith(f"more trials are kept in {out}; the same command goes on from there.")
    command[command.index("50")] = "1"
    again = subprocess.run([*command, "--json"], check=True, capture_output=True, text=True)
    states = [trial["state"] for trial in json.loads(again.stdout)["trials"]]
    assert states[0] == "complete"
    assert states[-2:] == ["failed", "complete"]
