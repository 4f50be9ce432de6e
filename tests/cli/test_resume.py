"""A training that is killed goes on where it stood when it is asked for again, and ends as if never cut."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("keras")
pytestmark = pytest.mark.slow

KNOBS = ("history.epochs=6", "history.dim=16", "history.patience=6", "history.checkpoint_every=0")


@pytest.fixture
def log(written):
    rng = np.random.default_rng(1)
    lines = [
        f"u{user},i{(start + step) % 30},{step}"
        for user, start in enumerate(rng.integers(0, 30, 400))
        for step in range(9)
    ]
    return written("user_id,item_id,timestamp\n" + "\n".join(lines) + "\n", "log.csv")


def command(log, out, *more):
    knobs = [word for knob in KNOBS for word in ("--set", knob)]
    return [sys.executable, "-m", "tastemaker", "train", "--interactions", log, "--out", out, *knobs, *more]


def test_killed_in_the_middle_of_an_epoch_and_asked_again_it_ends_the_same(log, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    subprocess.run(command(log, whole), check=True, capture_output=True)
    state = tmp_path / ".cut.training" / "training.npz"
    running = subprocess.Popen(command(log, cut), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    steps = 0
    while time.monotonic() < deadline and steps < 5:  # well into the first epochs
        if state.exists():
            with np.load(state) as arrays:
                epoch, step = arrays["place"][:2]
            steps = epoch * 8 + step
        time.sleep(0.02)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert steps >= 5
    assert not cut.exists()
    again = subprocess.run(command(log, cut), check=True, capture_output=True, text=True)
    assert again.stderr is not None
    for name in ("item_vectors.npy", "query_tower.tflite"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes(), name
    assert not state.parent.exists(), "nothing is left behind"


def test_another_training_does_not_go_on_from_it_and_fresh_begins_anew(log, tmp_path):
    out = tmp_path / "m"
    state = tmp_path / ".m.training" / "training.npz"
    state.parent.mkdir()
    state.write_bytes(b"not a checkpoint")
    subprocess.run(command(log, out), check=True, capture_output=True)
    assert out.exists()
    state.parent.mkdir()
    state.write_bytes(b"not a checkpoint")
    subprocess.run(command(log, out, "--fresh"), check=True, capture_output=True)
    assert not state.parent.exists()
