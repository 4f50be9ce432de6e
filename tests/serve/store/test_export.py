"""What a store kept, as files, and as training reads it."""

import json
import struct

import polars as pl
import pytest
from store_contract import used
from typer.testing import CliRunner

from tastemaker.cli import app
from tastemaker.data import read
from tastemaker.errors import StoreError
from tastemaker.serve.store import Answer, Event, Given
from tastemaker.serve.store.export import gathered, harmless


@pytest.fixture
def kept(tmp_path):
    """ann was shown a, b and c; she clicked b, watched it for 90 s, hid c; later she liked d on her own."""
    address = str(tmp_path / "events.db")
    items = tuple(Given(name, 1.0, "liked", 0.5) for name in "abc")
    seen = struct.pack("<6f", 1, 2, 3, 4, 5, 6)
    shown = Answer("r1", "ann", 1e9, "home", "v1", "tv", False, items, seen)

    async def work(store):
        store.note(shown)
        store.note(shown._replace(recommendation_id="r2", is_shadow=True))
        store.note(shown._replace(recommendation_id="r3", user_id=""))
        await store.add(
            [
                Event("1", "ann", "b", 1e9 + 1, "click", recommendation_id="r1", position=2),
                Event(
                    "2", "ann", "b", 1e9 + 99, "watch", watch_time=90.0, recommendation_id="r1", position=2
                ),
                Event("3", "ann", "c", 1e9 + 3, "hide", recommendation_id="r1"),
                Event("4", "ann", "a", 1e9 + 4, "impression", recommendation_id="r1"),
                Event("5", "ann", "d", 1e9 + 200, "like", weight=2.0),
            ]
        )

    used(address, work)
    return address


def test_what_was_shown_says_what_came_of_it(kept):
    shown = gathered(kept).impressions
    assert shown.select("item_id", "position", "click", "watch_time", "like", "hidden").rows() == [
        ("a", 1, 0, None, 0, 0),
        ("b", 2, 1, 90.0, 0, 0),
        ("c", 3, 0, None, 0, 1),
    ]
    assert shown.select("recommendation_id", "source", "device", "propensity").unique().rows() == [
        ("r1", "liked", "tv", 0.5)
    ]


def test_choices_are_the_touches_alone(kept):
    found = gathered(kept).interactions
    assert found.select("item_id", "event", "weight", "watch_time").rows() == [
        ("b", "click", 1.0, None),
        ("b", "watch", 1.0, 90.0),
        ("d", "like", 2.0, None),
    ]


def test_features_lie_beside_their_items(kept):
    found = gathered(kept).answers.filter(pl.col("recommendation_id") == "r1")
    assert found["features"].to_list() == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]


def test_the_files_are_read_with_the_roles_they_are_meant_to_have(kept, tmp_path):
    done = CliRunner().invoke(app, ["store", "export", kept, "--out", str(tmp_path / "out"), "--json"])
    assert json.loads(done.stdout)["rows"] == {
        "interactions.parquet": 3,
        "impressions.parquet": 3,
        "answers.parquet": 9,
    }
    data = read(
        interactions=tmp_path / "out" / "interactions.parquet",
        impressions=tmp_path / "out" / "impressions.parquet",
        items=pl.DataFrame({"item_id": list("abcd"), "title": ["A", "B", "C", "D"]}),
    )
    assert data.interactions.weights.max() == 2.0
    assert set(data.impressions.outcomes) == {"click", "watch_time", "like", "hidden"}
    assert data.impressions.shown.size == 3
    assert data.impressions.list_ids == ("r1",)


def test_a_cell_that_a_spreadsheet_would_run_gets_a_quote_and_no_other_does():
    cells = ["=1+1", "+a", "-a", "@a", "\ta", "\ra", "a=b", "", None, "7"]
    frame = harmless(pl.DataFrame({"x": cells, "n": range(-5, 5)}))
    assert frame["x"].to_list() == ["'=1+1", "'+a", "'-a", "'@a", "'\ta", "'\ra", "a=b", "", None, "7"]
    assert frame["n"].to_list() == list(range(-5, 5))


def test_what_is_older_than_so_many_days_goes(kept):
    done = CliRunner().invoke(app, ["store", "forget", kept, "--older-than", "30", "--json"])
    assert json.loads(done.stdout) == {"deleted": 8}  # five events and three answers of the year 2001


def test_a_store_that_is_well_says_yes_and_a_missing_one_is_not_made(kept, tmp_path):
    assert CliRunner().invoke(app, ["store", "check", kept]).exit_code == 0
    missing = tmp_path / "missing.db"
    done = CliRunner().invoke(app, ["store", "check", str(missing), "--json"])
    assert (done.exit_code, json.loads(done.stdout)["is_well"]) == (1, False)
    assert not missing.exists()
    with pytest.raises(StoreError, match="no store"):
        gathered(str(missing))
