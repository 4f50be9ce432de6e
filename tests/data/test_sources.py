from pathlib import Path

import polars as pl
import pytest

from tastemaker.data import read
from tastemaker.data.sources import FORMATS, convert, tables_of, write
from tastemaker.errors import DataError

SAMPLES = Path(__file__).parent / "samples"


def read_again(frames, folder):
    return read(**{path.stem: path for path in write(frames, folder)})


def test_recbole_headers_say_the_types():
    frames = convert("recbole", SAMPLES / "recbole")
    assert frames["interactions"].rows() == [
        ("u1", "007", 4.0, 100.0),
        ("u1", "a,b", 3.5, 200.0),
        ("u2", "007", None, 300.0),
    ]
    assert frames["items"].rows() == [
        ("007", ["Dr", "No"], ["Action", "Spy"], 1.5),
        ("a,b", None, ["Drama"], None),
    ]
    assert frames["users"].rows() == [("u1", 31.0), ("u2", 44.0)]


def test_sequences_count_each_users_events_from_0():
    frames = convert("s3rec", SAMPLES / "s3rec.txt")
    assert frames["interactions"].rows() == [("1", "5", 0), ("1", "6", 1), ("1", "7", 2), ("2", "6", 0)]
    assert frames["items"].rows() == [("5", ["1", "2"]), ("6", ["2"]), ("7", [])]


def test_sets_that_come_parted_keep_their_parts_and_share_their_items(tmp_path):
    frames = convert("lightgcn", SAMPLES / "lightgcn")
    assert frames["interactions"].rows() == [("0", "3"), ("0", "1"), ("1", "3")]
    assert frames["valid"].rows() == [("0", "2")]
    assert frames["test"].rows() == [("1", "0"), ("1", "4")]
    assert frames["items"]["item_id"].sort().to_list() == ["0", "1", "2", "3", "4"]
    data = read_again({name: frames[name] for name in ("items", "interactions")}, tmp_path)
    assert data.items.size == 5
    assert data.interactions is not None
    assert not data.interactions.is_ordered
    alone = convert("lightgcn", SAMPLES / "lightgcn" / "test.txt")
    assert alone["interactions"].rows() == frames["test"].rows()


def test_plain_tables_come_back_from_parquet_as_they_were(tmp_path):
    frames = convert("csv", SAMPLES.parents[2] / "examples" / "data" / "movies.csv")
    assert frames["items"].shape == (9125, 3)
    ratings = SAMPLES.parents[2] / "examples" / "data" / "ratings.csv"
    assert list(convert("csv", ratings)) == ["items", "interactions"]


def test_a_written_data_set_reads_as_the_same_data(tmp_path, example_data):
    data = read(example_data / "movies.csv", example_data / "ratings.csv")
    again = read_again(tables_of(data), tmp_path)
    assert again.fingerprint == data.fingerprint


def test_a_folder_of_plain_tables_is_taken_whole(tmp_path):
    (tmp_path / "items.csv").write_text("item_id,title\na,A\nb,B\n")
    (tmp_path / "interactions.csv").write_text("user_id,item_id,timestamp\nx,a,5\nx,b,6\n")
    frames = convert("csv", tmp_path)
    assert frames["interactions"].rows() == [("x", "a", 5.0, 1.0), ("x", "b", 6.0, 1.0)]


@pytest.mark.parametrize(
    ("format", "path", "says"),
    [
        ("movielense", SAMPLES, "Did you mean 'movielens'"),
        ("xml", SAMPLES, ", ".join(FORMATS)),
        ("movielens", SAMPLES / "nowhere", "no file or folder"),
        ("movielens", SAMPLES, "holds no MovieLens data"),
        ("recbole", SAMPLES, "holds no RecBole data"),
        ("s3rec", SAMPLES / "recbole", "holds no S3-Rec data"),
        ("lightgcn", SAMPLES, "no train.txt is there"),
        ("csv", SAMPLES, "neither an items nor an interactions file"),
    ],
)
def test_what_is_not_there_is_said(format, path, says):
    with pytest.raises(DataError, match=says):
        convert(format, path)


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(DataError, match="Can't write to"):
        write({"items": pl.DataFrame({"item_id": ["a"]})}, tmp_path / "taken")
    assert list(tmp_path.iterdir()) == [tmp_path / "taken"]


def test_movielens_100k(shared_data, tmp_path):
    frames = convert("movielens", shared_data("ml-100k"))
    data = read_again(frames, tmp_path)
    assert data.items.size == 1682
    assert (data.interactions.user_count, data.interactions.size) == (943, 100_000)
    assert data.users.size == 943
    assert data.interactions.is_clock
    first = data.items.frame.row(0, named=True)
    assert (first["title"], str(first["release_date"])) == ("Toy Story (1995)", "1995-01-01")
    assert first["genres"] == ["Animation", "Children's", "Comedy"]
    assert "unknown" in data.items.titles


def test_movielens_1m_without_its_ratings(shared_data, tmp_path):
    data = read_again(convert("movielens", shared_data("ml-1m")), tmp_path)
    assert data.items.size == 3883
    assert (data.interactions.user_count, data.interactions.size) == (6040, 1_000_209)
    assert (data.interactions.counts(data.items.size) > 0).sum() == 3706
    assert data.items.id_list(data.interactions.of(0)[:3]) == ["3186", "1721", "1022"]
    assert data.interactions.is_ordered
    assert not data.interactions.is_clock


def test_movielens_latest_small(shared_data, tmp_path, example_data):
    data = read_again(convert("movielens", shared_data("ml-latest-small")), tmp_path)
    assert (data.items.size, data.interactions.user_count, data.interactions.size) == (9125, 671, 100_004)
    shipped = read(example_data / "movies.csv", example_data / "ratings.csv")
    assert shipped.interactions.fingerprint == data.interactions.fingerprint


@pytest.mark.parametrize(
    ("name", "users", "items", "events"),
    [("s3rec-beauty", 22_363, 12_101, 198_502), ("s3rec-lastfm", 1090, 3646, 52_551)],
)
def test_s3rec(shared_data, tmp_path, name, users, items, events):
    data = read_again(convert("s3rec", shared_data(name)), tmp_path)
    assert (data.interactions.user_count, data.items.size, data.interactions.size) == (users, items, events)
    assert data.items.frame["attributes"].null_count() == 0
