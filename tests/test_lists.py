"""Many lists in one file: the same in blocks, whole or not at all, and gone on with after a cut."""

import threading
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tastemaker.data.catalogue import PAD
from tastemaker.errors import TastemakerError
from tastemaker.hits import Hits
from tastemaker.lists import frame_of, write_lists
from tastemaker.progress import Progress, silent

IDS = [f"user {n}" for n in range(11)]


def answer(block: list[str]) -> pl.DataFrame:
    """As many rows as the number in the id, so some have none."""
    rows = [(id, f"item {n}", n / 4, n + 1) for id in block for n in range(int(id.split()[1]) % 4)]
    schema = {"user_id": pl.String, "item_id": pl.String, "score": pl.Float64, "rank": pl.Int32}
    return pl.DataFrame(rows, schema=schema, orient="row")


class Cut:
    """Answers until it has been asked for `blocks` blocks, and remembers whom it was asked about."""

    def __init__(self, blocks: int) -> None:
        self.blocks, self.asked = blocks, []

    def __call__(self, block: list[str]) -> pl.DataFrame:
        if not self.blocks:
            raise KeyboardInterrupt
        self.blocks -= 1
        self.asked += block
        return answer(block)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr("tastemaker.lists.BLOCK", 3)
    monkeypatch.setattr("tastemaker.lists.cores", lambda: 1)  # so that blocks are asked for in order


def read(path: Path) -> pl.DataFrame:
    return (
        pl.read_csv(path, schema_overrides={"rank": pl.Int32})
        if path.suffix == ".csv"
        else pl.read_parquet(path)
    )


@pytest.mark.parametrize("name", ["lists.csv", "lists.parquet"])
@pytest.mark.usefixtures("small_blocks")
def test_in_blocks_the_file_is_the_same_and_nothing_else_is_left(tmp_path, name):
    told: list[Progress] = []
    assert write_lists(tmp_path / name, IDS, answer, [], told.append) == answer(IDS).height == 15
    assert read(tmp_path / name).equals(answer(IDS))
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert [(each.step, each.steps) for each in told] == [(3, 11), (6, 11), (9, 11), (11, 11)]


@pytest.mark.usefixtures("small_blocks")
def test_with_several_threads_the_blocks_stand_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr("tastemaker.lists.cores", lambda: 3)
    meeting = threading.Barrier(3)

    def late(block: list[str]) -> pl.DataFrame:
        if block != IDS[9:]:
            meeting.wait(timeout=30)  # three are at it at once
            time.sleep(0.02 * (10 - int(block[0].split()[1])))  # and the first is the last to be done
        return answer(block)

    write_lists(tmp_path / "lists.csv", IDS, late, [], silent)
    assert read(tmp_path / "lists.csv").equals(answer(IDS))


@pytest.mark.usefixtures("small_blocks")
def test_what_was_cut_off_is_gone_on_with(tmp_path):
    out, cut, rest = tmp_path / "lists.parquet", Cut(2), Cut(9)
    with pytest.raises(KeyboardInterrupt):
        write_lists(out, IDS, cut, ["k 10"], silent)
    assert not out.exists()
    assert write_lists(out, IDS, rest, ["k 10"], silent) == 15
    assert (cut.asked, rest.asked) == (IDS[:6], IDS[6:])
    assert read(out).equals(answer(IDS))
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


@pytest.mark.parametrize(
    ("ids", "asked"), [(IDS, "another model"), (IDS[::-1], "a model"), (IDS[:-1], "a model")]
)
@pytest.mark.usefixtures("small_blocks")
def test_other_work_begins_anew(tmp_path, ids, asked):
    out, again = tmp_path / "lists.parquet", Cut(9)
    with pytest.raises(KeyboardInterrupt):
        write_lists(out, IDS, Cut(2), ["a model"], silent)
    write_lists(out, ids, again, [asked], silent)
    assert again.asked == ids
    assert read(out).equals(answer(ids))


@pytest.mark.usefixtures("small_blocks")
def test_a_block_that_was_cut_while_it_was_written_is_asked_for_again(tmp_path):
    out, again = tmp_path / "lists.parquet", Cut(9)
    with pytest.raises(KeyboardInterrupt):
        write_lists(out, IDS, Cut(1), [], silent)
    (tmp_path / ".lists.parquet.parts" / "000001.partial").write_bytes(b"PAR1 and then no more")
    write_lists(out, IDS, again, [], silent)
    assert again.asked == IDS[3:]
    assert read(out).equals(answer(IDS))


@pytest.mark.parametrize("count", [2, 11])
@pytest.mark.usefixtures("small_blocks")
def test_where_nothing_can_be_written_one_line_says_so_and_the_old_file_stays(tmp_path, monkeypatch, count):
    out = tmp_path / "lists.csv"
    out.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(TastemakerError, match="No space left on device") as error:
        write_lists(out, IDS[:count], answer, [], silent)
    assert "\n" not in str(error.value)
    assert out.read_text() == "old"


def test_a_frame_has_a_row_for_each_place_that_is_filled():
    hits = Hits(
        np.array([[2, 0], [PAD, PAD], [1, PAD]], np.int32),
        np.array([[3.5, 1.5], [-np.inf, -np.inf], [2.25, -np.inf]], np.float32),
    )
    frame = frame_of("who", ["x", "y", "z"], hits, pl.Series(["a", "b", "c"]))
    assert frame.columns == ["who", "item_id", "score", "rank"]
    assert frame.rows() == [("x", "c", 3.5, 1), ("x", "a", 1.5, 2), ("z", "b", 2.25, 1)]
