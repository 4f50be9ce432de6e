import json

import polars as pl
import pytest
from typer.testing import CliRunner

from tastemaker.cli.data import app
from tastemaker.errors import DataError

run = CliRunner().invoke


def test_check_prints_the_roles_and_the_counts(written, tmp_path):
    items = written("item_id,title,genres\na,A,x|y\nb,B,y|z\n")
    done = run(app, ["check", "--items", str(items), "--rejected", str(tmp_path / "no.csv")])
    assert done.exit_code == 0
    assert "separated by '|'" in done.stdout
    assert "2 items" in done.stdout
    assert not (tmp_path / "no.csv").exists()


def test_check_writes_what_it_refused_and_says_where(written, tmp_path):
    rows = "".join(f"i{n},title {n}\n" for n in range(20))
    items = written(f"item_id,title\n{rows}bad\n")
    done = run(app, ["check", "--items", str(items), "--rejected", str(tmp_path / "r.csv"), "--json"])
    report = json.loads(done.stdout)
    assert (report["items"], report["files"][0]["rows"]["rejected"]) == (20, 1)
    assert pl.read_csv(tmp_path / "r.csv")["line"].to_list() == [22]
    assert "1 refused row" in done.stderr


def test_check_takes_a_recipe_and_settings(written):
    written("item_id,on\na,01/02/2023\nb,03/04/2023\n", "items.csv")
    recipe = written('[data]\nitems = "items.csv"\n', "recipe.toml")
    refusal = run(app, ["check", str(recipe)])
    assert isinstance(refusal.exception, DataError)
    done = run(app, ["check", str(recipe), "--set", 'data.columns."on".date_order=mdy'])
    assert "mdy" in done.stdout


def test_check_reports_impressions_and_where_they_were_refused(written, tmp_path):
    log = written("user_id,item_id,timestamp\n" + "".join(f"u,i{n},{n}\n" for n in range(20)), "log.csv")
    rows = "".join(f"v,i{n},{n},{n % 4 == 0}\n" for n in range(20))
    shown = written(f"user_id,item_id,timestamp,click\n{rows}v,strange,9,false\n", "shown.csv")
    files = ["--interactions", str(log), "--impressions", str(shown), "--rejected", str(tmp_path / "r.csv")]
    done = run(app, ["check", *files])
    assert "'click' says of 5 of 20 that they were chosen" in done.stdout
    assert done.stdout.splitlines()[-1] == "20 items, 1 users, 20 events, 20 impressions"
    assert pl.read_csv(tmp_path / "r.csv").select("file", "line").rows() == [(str(shown), 22)]
    report = json.loads(run(app, ["check", *files, "--json"]).stdout)
    assert (report["impressions"], report["files"][-1]["kind"]) == (20, "impressions")


def test_check_tells_what_came_of_impressions_and_mends_what_is_no_number(written, tmp_path):
    log = written("user_id,item_id,timestamp\nu,a,1\nu,b,2\nv,c,3\n", "log.csv")
    rows = "v,a,5,0,r,1,90,0\nv,b,5,-7,r,0,NaN,hm\nv,c,5,two,r,0,-1,1\n"
    header = "user_id,item_id,timestamp,rank,request_id,click,watch_minutes,dismissed"
    shown = written(f"{header}\n{rows}", "shown.csv")
    done = run(app, ["check", "--interactions", str(log), "--impressions", str(shown), "--json"])
    assert done.exit_code == 0
    file = json.loads(done.stdout)["files"][-1]
    roles = [column["role"] for column in file["columns"]][3:]
    assert roles == ["position", "recommendation", "click", "watch_time", "hidden"]
    assert [(finding["what"], finding["lines"], finding["examples"]) for finding in file["repaired"]] == [
        ("'rank' isn't a number, left empty", [4], ["two"]),
        ("'rank' isn't a place, left empty", [3], ["-7"]),
        ("'watch_minutes' isn't a length of time, left empty", [4], ["-1"]),
        ("'dismissed' says neither yes nor no, left empty", [3], ["hm"]),
    ]
    assert file["notes"][:3] == [
        "'rank' counts from 0: each place is raised by one",
        "1 list by recommendation id; 1 of 3 have a place",
        "chosen at places 1 to 5: 100.0%, –, –, –, –",
    ]
    stated = ["--set", 'data.columns."rank".role=ignored', "--set", 'data.columns."dismissed".role=outcome']
    again = run(app, ["check", "--interactions", str(log), "--impressions", str(shown), "--json", *stated])
    roles = [column["role"] for column in json.loads(again.stdout)["files"][-1]["columns"]][3:]
    assert roles == ["ignored", "recommendation", "click", "watch_time", "outcome"]


def test_convert_writes_tables_and_names_them(tmp_path, example_data):
    done = run(app, ["convert", "movielens", str(example_data), "--out", str(tmp_path)])
    assert done.exit_code == 0
    assert "100,004 rows" in done.stdout
    assert pl.read_parquet(tmp_path / "items.parquet").height == 9125


@pytest.mark.parametrize("command", ["check", "convert"])
def test_help_needs_no_heavy_module(command):
    assert run(app, [command, "--help"]).exit_code == 0


@pytest.fixture
def films(written):
    """Ten people who saw ten films each, over a hundred moments."""
    events = "".join(
        f"u{user},i{(user + n) % 15},{1000 * n + user},{n}\n" for user in range(10) for n in range(10)
    )
    items = "".join(f"i{n},film {n}\n" for n in range(15))
    return [
        *("--items", str(written(f"item_id,title\n{items}", "items.csv"))),
        *("--interactions", str(written(f"user_id,item_id,timestamp,weight\n{events}", "log.csv"))),
    ]


def test_a_split_that_was_just_made_has_no_leaks(films, tmp_path):
    for strategy in ("global_time", "user_holdout"):
        folder = tmp_path / strategy
        made = run(app, ["split", *films, "--strategy", strategy, "--out", str(folder), "--json"])
        (told,) = json.loads(made.stdout)
        assert told["fingerprint"] == json.loads((folder / "manifest.json").read_text())["fingerprint"]
        looked = run(app, ["leaks", str(folder), *films[:2]])
        assert looked.exit_code == 0
        assert "No leak was found" in looked.stdout


def test_a_leak_is_told_and_the_answer_is_no(films, tmp_path):
    run(app, ["split", *films, "--strategy", "global_time", "--out", str(tmp_path / "s")])
    manifest = tmp_path / "s" / "manifest.json"
    later = json.loads(manifest.read_text())
    later["cut"] += 500  # as if some targets had been taken from before the cut
    manifest.write_text(json.dumps(later))
    looked = run(app, ["leaks", str(tmp_path / "s"), "--json"])
    assert looked.exit_code == 1
    assert [leak["kind"] for leak in json.loads(looked.stdout)["leaks"]] == ["the future in the past"]


def test_folds_are_folders_and_what_is_in_the_way_stays(films, tmp_path):
    made = run(app, ["split", *films, "--strategy", "random", "--folds", "3", "--out", str(tmp_path / "f")])
    assert made.exit_code == 0
    assert sorted(path.name for path in (tmp_path / "f").iterdir()) == ["fold-1", "fold-2", "fold-3"]
    asked = [pl.read_parquet(tmp_path / "f" / f"fold-{n}" / "targets.parquet").height for n in (1, 2, 3)]
    assert sum(asked) == 100
    (tmp_path / "g" / "fold-2").mkdir(parents=True)
    (tmp_path / "g" / "fold-2" / "thesis.txt").write_text("dear")
    refused = run(
        app, ["split", *films, "--strategy", "random", "--folds", "3", "--out", str(tmp_path / "g")]
    )
    assert isinstance(refused.exception, DataError)
    assert [path.name for path in (tmp_path / "g").iterdir()] == ["fold-2"]


def test_what_is_no_split_is_refused(tmp_path):
    assert isinstance(run(app, ["leaks", str(tmp_path)]).exception, DataError)


def test_a_split_that_asks_for_nothing_is_not_made(tmp_path):
    log = tmp_path / "log.csv"
    # Everybody touches the same item again and again, and what is known isn't asked for.
    log.write_text("user_id,item_id,timestamp\n" + "".join(f"u{n % 9},i{n % 9},{n}\n" for n in range(90)))
    out = tmp_path / "s"
    refused = run(
        app, ["split", "--interactions", str(log), "--strategy", "leave_one_out", "--out", str(out)]
    )
    assert isinstance(refused.exception, DataError)
    assert "Nothing would be left to be found" in str(refused.exception)
    assert not out.exists()
