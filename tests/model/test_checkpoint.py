import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import floats

from tastemaker.errors import TrainingError
from tastemaker.model.checkpoint import Checkpoint

STATE = {
    "tower/0": np.array([[1.5, -2.0], [math.nan, math.inf]], np.float32),
    "mixture/2/rows": np.array([3, 1, 2], np.int32),
    "steps": np.array(2**40),
    "empty": np.zeros((0, 4)),
}
IDENTITY = {"seed": 3, "recipe": {"dim": 8}, "log": "ab12"}


@pytest.fixture
def checkpoint(tmp_path):
    return Checkpoint(tmp_path / "runs" / "newest.npz", IDENTITY)


def test_what_was_saved_comes_back(checkpoint):
    checkpoint.save(STATE)
    found = Checkpoint(checkpoint.path, IDENTITY).load()
    assert set(found) == set(STATE)
    for name, array in STATE.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found[name], array)


def test_the_newest_is_what_comes_back(checkpoint):
    checkpoint.save(STATE)
    checkpoint.save({"steps": np.array(7)})
    assert {name: int(array) for name, array in checkpoint.load().items()} == {"steps": 7}
    assert [path.name for path in checkpoint.path.parent.iterdir()] == ["newest.npz"]


def test_where_nothing_was_saved_there_is_nothing(checkpoint):
    assert checkpoint.load() is None


@pytest.mark.parametrize(
    "other",
    [
        {**IDENTITY, "seed": 4},
        {**IDENTITY, "recipe": {"dim": 9}},
        {"seed": 3},
        {**IDENTITY, "more": None},
        {},
    ],
)
def test_another_training_is_not_gone_on_from(checkpoint, other):
    checkpoint.save(STATE)
    assert Checkpoint(checkpoint.path, other).load() is None


def test_an_identity_is_the_same_in_any_order(checkpoint):
    checkpoint.save(STATE)
    assert Checkpoint(checkpoint.path, dict(reversed(IDENTITY.items()))).load() is not None


@given(floats(0, 1, exclude_max=True))
@settings(max_examples=20, deadline=None)
def test_a_file_that_was_cut_off_counts_as_none(tmp_path_factory, share):
    checkpoint = Checkpoint(tmp_path_factory.mktemp("cut") / "newest.npz", IDENTITY)
    checkpoint.save(STATE)
    whole = checkpoint.path.read_bytes()
    checkpoint.path.write_bytes(whole[: int(share * len(whole))])
    assert checkpoint.load() is None


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
def test_a_file_of_something_else_counts_as_none(checkpoint, content):
    checkpoint.path.parent.mkdir()
    checkpoint.path.write_bytes(content)
    assert checkpoint.load() is None


def test_a_folder_that_is_a_file_is_told_in_one_line(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(TrainingError, match=r"^Can't write the checkpoint .*newest\.npz: .+\.$") as told:
        Checkpoint(tmp_path / "runs" / "newest.npz", IDENTITY).save(STATE)
    assert "\n" not in str(told.value)


def test_a_folder_in_the_place_of_the_file_is_told_in_one_line(checkpoint):
    checkpoint.path.mkdir(parents=True)
    with pytest.raises(TrainingError, match=r"^Can't write the checkpoint .*newest\.npz: Is a dir") as told:
        checkpoint.save(STATE)
    assert "\n" not in str(told.value)
    assert [path.name for path in checkpoint.path.parent.iterdir()] == ["newest.npz"]


def half_written(error: BaseException):
    """In the place of `np.savez`: the disk is full, or the power goes, half-way."""
    whole = np.savez

    def savez(file, **arrays):
        buffer = io.BytesIO()
        whole(buffer, **arrays)
        file.write(buffer.getvalue()[: len(buffer.getvalue()) // 2])
        raise error

    return savez


@pytest.mark.parametrize(
    ("error", "raised"), [(OSError(28, "No space left on device"), TrainingError), (SystemExit(), SystemExit)]
)
def test_what_breaks_while_writing_leaves_the_older_file(checkpoint, error, raised):
    checkpoint.save({"steps": np.array(1)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "savez", half_written(error))
        with pytest.raises(raised) as told:
            checkpoint.save({"steps": np.array(2)})
    if raised is TrainingError:
        assert str(told.value).endswith("newest.npz: No space left on device.")
        assert [path.name for path in checkpoint.path.parent.iterdir()] == ["newest.npz"]
    assert int(checkpoint.load()["steps"]) == 1
    checkpoint.save({"steps": np.array(3)})  # what is left of the attempt is in nobody's way
    assert int(checkpoint.load()["steps"]) == 3


def test_a_save_is_due_when_the_seconds_are_over(tmp_path, monkeypatch):
    assert Checkpoint(tmp_path / "newest.npz", IDENTITY, every=0).is_due
    checkpoint = Checkpoint(tmp_path / "newest.npz", IDENTITY, every=30)
    assert not checkpoint.is_due
    now = [100.0]
    monkeypatch.setattr("tastemaker.model.checkpoint.time.monotonic", lambda: now[0])
    checkpoint.save(STATE)
    due = []
    for now[0] in (100.0, 129.9, 130.0):
        due.append(checkpoint.is_due)
    assert due == [False, False, True]
    checkpoint.save(STATE)
    assert not checkpoint.is_due
