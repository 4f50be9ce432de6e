import json
import time  # of the processor, all cores together: what else runs on the machine doesn't count

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tastemaker.data import read
from tastemaker.recipe import DataRecipe, Role

COPIES = [
    "netflix_content_2023.csv",
    "variants/netflix_content_2023.dd-mm-yyyy.csv",
    "variants/netflix_content_2023.m-d-yyyy.csv",
]
DAMAGED = {"22-Jul", "15-Aug", "1-Oct", "Oct-01", "22 July", "15 August", "October 1"}


@pytest.mark.parametrize("name", COPIES)
def test_the_netflix_report_reads_to_its_titles_and_hours(shared_data, name):
    started = time.process_time()
    data = read(shared_data("netflix_content_2023") / name)
    assert time.process_time() - started < 2
    file = data.report.files[0]
    assert (file.read, file.kept, file.merged, file.rejected.height) == (24_812, 19_158, 5_654, 0)
    assert data.items.frame["Hours Viewed"].sum() == 158_401_900_000
    assert data.items.by_role(Role.TITLE, Role.DATE, Role.POPULARITY) == [
        "Title",
        "Release Date",
        "Hours Viewed",
    ]


def test_all_copies_of_the_netflix_report_agree_but_for_the_damaged_titles(shared_data):
    folder = shared_data("netflix_content_2023")
    clean, *variants = (read(folder / name) for name in COPIES)
    assert clean.report.files[0].suspicious == ()
    for variant in variants:
        assert variant.items.frame.drop("Title").equals(clean.items.frame.drop("Title"))
        differs = variant.items.frame["Title"] != clean.items.frame["Title"]
        assert differs.sum() == 3
        (finding,) = variant.report.files[0].suspicious
        assert set(finding.examples) == set(variant.items.frame["Title"].filter(differs)) <= DAMAGED
        assert finding.lines == (2791, 14416, 16631)


def test_last_fm_keeps_its_play_counts_and_its_quotation_marks(shared_data):
    folder = shared_data("hetrec2011-lastfm-2k")
    data = read(folder / "artists.dat", folder / "user_artists.dat")
    assert (data.items.size, data.interactions.user_count, data.interactions.size) == (17_632, 1892, 92_834)
    assert (data.interactions.weights.min(), data.interactions.weights.max()) == (1, 352_698)
    assert '"Weird Al" Yankovic' in data.items.titles
    assert not data.interactions.is_ordered


def test_tmdb_quoted_line_breaks_and_json_are_read(shared_data):
    data = read(shared_data("tmdb_5000") / "tmdb_5000_movies.csv")
    assert data.items.size == 4803
    assert data.items.frame["genres"][0].to_list() == ["Action", "Adventure", "Fantasy", "Science Fiction"]
    assert data.items.frame["overview"].null_count() == 4  # three empty, and one blank


def test_the_example_data_read_at_once(example_data):
    started = time.process_time()
    data = read(example_data / "movies.csv", example_data / "ratings.csv")
    assert time.process_time() - started < 2
    assert (data.items.size, data.interactions.user_count, data.interactions.size) == (9125, 671, 100_004)
    assert data.report.rejected.is_empty()
    # "(no genres listed)" is no genre.
    assert data.items.frame["genres"].null_count() == 18


@pytest.mark.slow
def test_a_million_events_read_in_seconds(tmp_path):
    rng = np.random.default_rng(7)
    events = 1_000_000
    log = pl.DataFrame(
        {
            "user_id": rng.integers(0, 50_000, events),
            "item_id": rng.integers(0, 20_000, events),
            "timestamp": rng.integers(10**9, 15 * 10**8, events),
            "rating": rng.integers(1, 6, events),
        }
    )
    log.write_csv(tmp_path / "log.csv")
    started = time.process_time()
    data = read(interactions=tmp_path / "log.csv")
    assert time.process_time() - started < 6
    assert data.interactions.size == log.unique(["user_id", "item_id", "timestamp"]).height


def test_paths_of_the_recipe_are_used_where_none_is_given(written):
    listed = written("item_id,title\na,A\nb,B\n", "items.csv")
    other = written("item_id,title\na,A\nb,B\nc,C\n", "other.csv")
    recipe = DataRecipe.model_validate({"items": listed})
    assert read(recipe=recipe).items.size == 2
    assert read(other, recipe=recipe).items.size == 3


def test_the_fingerprint_is_of_the_content_and_not_of_the_file(written):
    text = "item_id,views\na,1000\nb,2000\n"
    prints = {
        read(written(text)).fingerprint,
        read(written(text.replace(",", ";").replace("1000", "1,000").replace("2000", "2,000"))).fingerprint,
        read(pd.DataFrame({"item_id": ["a", "b"], "views": [1000, 2000]})).fingerprint,
    }
    assert len(prints) == 1
    assert read(written(text.replace("1000", "1001"))).fingerprint not in prints


def test_the_fingerprint_knows_the_weights_of_a_log(written):
    text = "user_id,item_id,rating\na,x,1\na,y,2\n"
    other = read(interactions=written(text.replace("y,2", "y,3")))
    assert other.fingerprint != read(interactions=written(text)).fingerprint


def test_the_report_is_plain_json_and_the_refused_rows_a_plain_table(written, tmp_path):
    rows = "".join(f"u{n},i{n % 5},{n}\n" for n in range(30))
    data = read(interactions=written(f"user_id,item_id,timestamp\n{rows}u9,i1\n", "log.csv"))
    (file,) = json.loads(json.dumps(data.report.as_json()))["files"]
    assert file["rows"] == {"read": 31, "kept": 30, "merged": 0, "duplicates": 0, "rejected": 1}
    assert file["rejected"][0]["lines"] == [32]
    data.report.write_rejected(tmp_path / "rejected.csv")
    refused = pl.read_csv(tmp_path / "rejected.csv")
    assert refused.columns == ["file", "line", "reason", "raw"]
    assert refused["raw"].to_list() == ["u9,i1"]


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_impressions_come_from_every_format_and_out_of_a_recipe(written, tmp_path, suffix):
    frame = pl.DataFrame(
        {"user_id": ["u", "u"], "item_id": ["a", "b"], "timestamp": [5, 6], "click": [True, False]}
    )
    path = tmp_path / f"shown.{suffix}"
    {"csv": frame.write_csv, "parquet": frame.write_parquet, "jsonl": frame.write_ndjson}[suffix](path)
    log = written("user_id,item_id,timestamp\nu,a,1\nu,b,2\n", "log.csv")
    recipe = DataRecipe.model_validate({"interactions": log, "impressions": path})
    for data in (read(recipe=recipe), read(interactions=log, impressions=frame)):
        assert data.impressions.shown.rows.tolist() == [0, 1]
        assert data.impressions.shown.weights.tolist() == [1, 0]
    assert read(interactions=log).impressions is None


def test_the_fingerprint_knows_what_was_shown_and_what_of_it_was_chosen(written):
    log = written("user_id,item_id,timestamp\nu,a,1\nu,b,2\n", "log.csv")
    shown = "user_id,item_id,timestamp,click\nu,a,5,0\n"
    prints = [
        read(interactions=log).fingerprint,
        read(interactions=log, impressions=written(shown)).fingerprint,
        read(interactions=log, impressions=written(shown.replace("a,5", "b,5"))).fingerprint,
        read(interactions=log, impressions=written(shown.replace("5,0", "5,1"))).fingerprint,
    ]
    assert len(set(prints)) == 4


def test_what_was_inferred_of_impressions_reads_them_the_same_way(written):
    log = written("user_id,item_id,when,rating\nu,a,1,3\nu,b,2,4\n", "log.csv")
    shown = written("user_id,item_id,time,rating,click\nu,a,5,,0\nu,b,5,2,0\n", "shown.csv")
    first = read(interactions=log, impressions=shown)
    assert first.impressions.shown.weights.tolist() == [0, 1]
    again = read(
        interactions=log, impressions=shown, recipe=DataRecipe.model_validate({"columns": first.columns})
    )
    assert again.fingerprint == first.fingerprint
    assert again.report.as_json() == first.report.as_json()
