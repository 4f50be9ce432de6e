"""train → recommend, similar, evaluate: for one id, for a file of them, into files, as JSON."""

import csv
import io
import json
import resource
import statistics
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tastemaker.cli.options import ids_of


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def as_csv_lines(ids: list[str]) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows([id] for id in ids)
    return buffer.getvalue()


@pytest.fixture
def bundle(by_hand, tmp_path) -> Path:
    by_hand.save(tmp_path / "bundle")
    return tmp_path / "bundle"


# --- a bundle made by hand: see conftest.py -------------------------------------------------


def test_recommend_prints_a_table_with_ids_and_reasons(tastemaker, bundle):
    done = tastemaker("recommend", bundle, "--user", "ann", "-k", "2")
    assert (done.status, done.stderr) == (0, "")
    assert "for user ann" in done.stdout
    first, second = (line for line in done.stdout.splitlines() if "because of" in line)
    assert first.split()[:3] == ["1", "Dune", "(1984)"]
    assert "because of Dune (2021)" in first
    assert second.split()[:2] == ["2", "Roma"]


def test_recommend_tells_what_is_unknown_of_a_history(tastemaker, bundle):
    done = tastemaker("recommend", bundle, "--history", "a,zz", "-k", "1")
    assert "'zz'" in done.stderr
    assert done.status == 0


@pytest.mark.parametrize(("history", "ids"), [("a,e", ["d", "c"]), ('"a","e"', ["d", "c"]), ("", ["b", "d"])])
def test_a_history_is_written_as_csv_writes_it(tastemaker, bundle, history, ids):
    done = tastemaker("recommend", bundle, "--history", history, "-k", "2", "--json")
    assert [item["item_id"] for item in json.loads(done.stdout)["items"]] == ids


def test_json_of_one_is_an_object_and_of_many_a_list(tastemaker, bundle, written):
    one = json.loads(tastemaker("recommend", bundle, "--user", "ann", "-k", "2", "--json").stdout)
    assert one["user_id"] == "ann"
    assert one["query"] == "user ann"
    assert [item["item_id"] for item in one["items"]] == ["d", "c"]
    assert one["items"][0].keys() == {"item_id", "title", "score", "rank", "source", "reasons"}
    users = written("ann\neve\n", "users.txt")
    many = json.loads(tastemaker("recommend", bundle, "--users-file", users, "-k", "2", "--json").stdout)
    assert [answer["user_id"] for answer in many] == ["ann", "eve"]
    assert [item["rank"] for item in many[1]["items"]] == [1, 2]
    like = json.loads(tastemaker("similar", bundle, "roma", "-k", "1", "--json").stdout)
    assert (like["query_item_id"], like["items"][0]["item_id"]) == ("c", "d")


def test_a_file_of_one_is_still_a_list(tastemaker, bundle, written):
    done = tastemaker("recommend", bundle, "--users-file", written("ann", "users.txt"), "--json")
    assert isinstance(json.loads(done.stdout), list)


def test_lists_go_into_csv(tastemaker, bundle, tmp_path, written):
    users, out = written("ann\nnobody\n", "users.txt"), tmp_path / "lists.csv"
    done = tastemaker("recommend", bundle, "--users-file", users, "-k", "2", "--out", out)
    assert (done.status, done.stdout) == (0, "")
    assert done.stderr == f"4 rows in {out}\n"
    header, *lines = out.read_text().splitlines()
    assert header == "user_id,item_id,score,rank"
    assert [line.split(",")[0::3] for line in lines] == [
        ["ann", "1"],
        ["ann", "2"],
        ["nobody", "1"],
        ["nobody", "2"],
    ]
    assert [line.split(",")[1] for line in lines] == ["d", "c", "b", "d"]
    assert float(lines[0].split(",")[2]) == pytest.approx(1.34 / 1.9)


def test_lists_go_into_parquet(tastemaker, bundle, tmp_path, written):
    items, out = written("c\nf\n", "items.txt"), tmp_path / "lists.parquet"
    done = tastemaker("similar", bundle, "--items-file", items, "-k", "2", "--out", out)
    assert done.status == 0
    frame = pl.read_parquet(out)
    assert frame.columns == ["query_item_id", "item_id", "score", "rank"]
    assert frame.drop("score").rows() == [("c", "d", 1), ("c", "a", 2), ("f", "e", 1), ("f", "d", 2)]
    assert frame["score"].to_list() == pytest.approx([0.96, 0.8, 0, -0.6])


def test_one_answer_goes_into_a_file_too_and_replaces_the_last(tastemaker, bundle, tmp_path):
    for title, first in (("Roma", "d"), ("Oslo", "e")):
        assert tastemaker("similar", bundle, title, "-k", "3", "--out", tmp_path / "x.csv").status == 0
        rows = rows_of(tmp_path / "x.csv")
        assert [row["rank"] for row in rows] == ["1", "2", "3"]
        assert rows[0]["item_id"] == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "x.csv"]


def test_who_has_seen_everything_has_no_rows(tastemaker, bundle, tmp_path):
    done = tastemaker("recommend", bundle, "--history", "a,b,c,d,e,f", "--out", tmp_path / "x.csv")
    assert done.status == 0
    assert (tmp_path / "x.csv").read_text() == "user_id,item_id,score,rank\n"


def test_all_seasons_lists_every_season(tastemaker, bundle):
    asked = ["similar", bundle, "--item", "c", "--json"]
    titles = [item["title"] for item in json.loads(tastemaker(*asked).stdout)["items"]]
    assert titles == ["Dune (1984)", "Comet: Season 1", "Dune (2021)", "Oslo"]
    every = [item["title"] for item in json.loads(tastemaker(*asked, "--all-seasons").stdout)["items"]]
    assert every == ["Dune (1984)", "Comet: Season 1", "Comet: Season 2", "Dune (2021)", "Oslo"]


def test_answers_are_held_to_a_filter_and_to_lists_in_files(tastemaker, bundle, written):
    def found(*arguments: object) -> list[str]:
        done = tastemaker(*arguments, "--json")
        assert done.status == 0, done.stderr
        answer = json.loads(done.stdout)
        return [
            "".join(i["item_id"] for i in a["items"]) for a in (answer if type(answer) is list else [answer])
        ]

    only, exclude = written("a\nd\nf\nzz\n", "only.txt"), written("d", "exclude.txt")
    assert found("recommend", bundle, "--user", "ann", "--filter", "genre == 'x'") == ["db"]
    assert found("recommend", bundle, "--history", "a", "--only-file", only) == ["df"]
    held = ("--only-file", only, "--exclude-file", exclude, "--filter", "genre == 'y' or genre == 'x'")
    users = written("ann\neve\n", "users.txt")
    assert found("recommend", bundle, "--users-file", users, *held) == ["f", "fa"]
    assert found("similar", bundle, "roma", *held) == ["af"]
    assert found("similar", bundle, "--items-file", written("c\nb\n", "items.txt"), *held) == ["af", "f"]
    assert found("recommend", bundle, "--user", "ann", "--exclude-file", written("", "none.txt")) == ["dcbf"]
    assert found("recommend", bundle, "--user", "ann", "--only-file", written("", "none.txt")) == [""]


def test_what_a_limit_leaves_out_is_told_once(tastemaker, bundle, written, tmp_path):
    users, only = written("ann\neve\n", "users.txt"), written("zz\n", "only.txt")
    asked = ("recommend", bundle, "--users-file", users, "--only-file", only)
    notes = ["not in the catalogue, left out of `only`: 'zz'", "nothing passes the filter and the lists"]
    done = tastemaker(*asked)
    assert (done.status, done.stderr.splitlines()) == (0, notes)
    done = tastemaker(*asked, "--out", tmp_path / "x.csv")
    assert (done.status, done.stderr.splitlines()) == (0, [*notes, f"0 rows in {tmp_path / 'x.csv'}"])
    (answer, _) = json.loads(tastemaker(*asked, "--json").stdout)
    assert (answer["items"], answer["notes"]) == ([], notes)


@pytest.mark.parametrize("command", [("recommend", "--user", "ann"), ("similar", "roma")])
def test_a_filter_that_can_not_be_read_is_one_line_and_status_2(tastemaker, bundle, command):
    done = tastemaker(command[0], bundle, *command[1:], "--filter", "genre = 'x'")
    assert (done.status, done.stdout) == (2, "")
    assert (
        done.stderr
        == "tastemaker: In the filter, at character 7: '=' means nothing here. Did you mean '=='?\n"
    )


def test_newer_interactions_replace_what_is_known_and_seen(tastemaker, bundle, written, tmp_path):
    # ann is now somebody who touched f alone: what she had seen comes back, f goes. bob is a stranger.
    log = written("user_id,item_id,timestamp\nann,f,9\nann,strange,10\n", "log.csv")
    users, out = written("ann\nbob\n", "users.txt"), tmp_path / "lists.csv"
    asked = ["recommend", bundle, "--interactions", log, "-k", "6"]
    one = json.loads(tastemaker(*asked, "--user", "ann", "--json").stdout)
    assert [item["item_id"] for item in one["items"]] == ["e", "d", "c", "a", "b"]
    assert tastemaker(*asked, "--users-file", users, "--out", out).status == 0
    rows = rows_of(out)
    assert [row["item_id"] for row in rows if row["user_id"] == "ann"] == ["e", "d", "c", "a", "b"]
    assert [row["item_id"] for row in rows if row["user_id"] == "bob"] == ["b", "d", "f", "c", "a", "e"]


def test_evaluate_foretells_a_log(tastemaker, bundle, written):
    later = written("user_id,item_id,timestamp\nann,d,9\nbob,e,9\n", "later.csv")
    done = tastemaker("evaluate", bundle, "--test", later, "-k", "1", "--json")
    assert done.status == 0, done.stderr
    report = json.loads(done.stdout)
    ours = next(line for line in report["lines"] if line["name"] == "tastemaker")
    # ann's first is d, bob's first is e
    assert ours["marks"]["hit_rate"]["mean"] == 1
    assert report["users_asked"] == 2
    shown = tastemaker("evaluate", bundle, "--test", later)
    assert "popularity" in shown.stdout
    assert "markov" in shown.stdout


# --- files of ids ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        ("a\nb", ["a", "b"]),
        ("a\r\nb\r\n\r\n", ["a", "b"]),
        ("\ufeffa\n", ["a"]),
        ("007\n../x\n 🎬 \n", ["007", "../x", " 🎬 "]),
        ('a,b\nsay "hi"\n', ["a,b", 'say "hi"']),
        ('"a,b"\nc,d\n', ["a,b", "c,d"]),
        ('"two\nlines"\n"q""q"\n', ["two\nlines", 'q"q']),
        ('"two\r\nlines"\r\nb\r\n', ["two\r\nlines", "b"]),
        ('"Heroes" live\n"\n"open\n', ['"Heroes" live', '"', '"open']),
        ("line\u2028separator\x0bfeed\n", ["line\u2028separator\x0bfeed"]),
    ],
)
def test_a_line_is_an_id_and_a_quoted_line_is_read_as_csv(written, content, ids):
    assert ids_of(written(content, "ids.txt"), lambda id: False) == ids


def test_an_id_that_is_known_with_its_quotes_keeps_them(written):
    path = written('"Heroes"\n"Roma"\n', "ids.txt")
    assert ids_of(path, {'"Heroes"'}.__contains__) == ['"Heroes"', "Roma"]


# --- from training to the answer ------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("written_as", ["lines", "csv"])
def test_ids_come_out_exactly_as_they_went_in(tastemaker, history_bundle, planted, tmp_path, written_as):
    users = planted.user_ids
    if written_as == "lines":
        users = [id for id in users if "\n" not in id]
        text = "\n".join(users)
    else:
        text = as_csv_lines(users)
    (tmp_path / "users.txt").write_bytes(text.encode())
    out = tmp_path / "lists.csv"
    done = tastemaker(
        "recommend", history_bundle, "--users-file", tmp_path / "users.txt", "-k", "60", "--out", out
    )
    assert done.status == 0, done.stderr
    rows = rows_of(out)
    assert list(dict.fromkeys(row["user_id"] for row in rows)) == users
    assert {row["item_id"] for row in rows} == set(planted.item_ids)
    with planted.interactions.open(newline="", encoding="utf-8") as file:
        seen = {(row["user_id"], row["item_id"]) for row in csv.DictReader(file)}
    assert not seen & {(row["user_id"], row["item_id"]) for row in rows}
    assert len(rows) == len(users) * (60 - 12)


@pytest.mark.slow
def test_odd_ids_are_answered_one_by_one_as_in_a_file(tastemaker, history_bundle, planted, tmp_path):
    for verb, one, file, ids, key in (
        ("recommend", "--user", "--users-file", planted.user_ids[:14], "user_id"),
        ("similar", "--item", "--items-file", planted.item_ids[:14], "query_item_id"),
    ):
        (tmp_path / "ids.txt").write_bytes(as_csv_lines(ids).encode())
        out = tmp_path / f"{verb}.parquet"
        assert (
            tastemaker(verb, history_bundle, file, tmp_path / "ids.txt", "-k", "5", "--out", out).status == 0
        )
        together = pl.read_parquet(out)
        assert together[key].unique(maintain_order=True).to_list() == ids
        for id in ids:
            alone = json.loads(tastemaker(verb, history_bundle, f"{one}={id}", "-k", "5", "--json").stdout)
            assert alone[key] == id
            mine = together.filter(pl.col(key) == id)
            assert [item["item_id"] for item in alone["items"]] == mine["item_id"].to_list()
            assert [item["score"] for item in alone["items"]] == pytest.approx(
                mine["score"].to_list(), abs=1e-5
            )
            assert mine["rank"].to_list() == list(range(1, 6))


@pytest.mark.slow
def test_the_exam_is_remembered_and_held_anew(tastemaker, history_bundle, planted):
    shown = tastemaker("evaluate", history_bundle)
    assert shown.status == 0, shown.stderr
    for name in ("tastemaker", "random", "popularity", "item_knn", "ease", "markov"):
        assert name in shown.stdout
    told = json.loads(tastemaker("evaluate", history_bundle, "--json").stdout)
    assert told["k"] == 4
    assert told["users_asked"] == 80


@pytest.mark.slow
def test_what_was_learnt_from_is_nothing_to_foretell(tastemaker, history_bundle, planted):
    done = tastemaker("evaluate", history_bundle, "--test", planted.interactions)
    assert done.status == 2
    assert done.stderr.startswith("tastemaker: ")


@pytest.mark.slow
def test_train_tells_as_json_what_it_made(tastemaker, planted, settings, tmp_path):
    pytest.importorskip("tensorflow")
    done = tastemaker("train", "--items", planted.items, "--out", tmp_path / "b", "--json", *settings)
    told = json.loads(done.stdout)
    assert told["kind"] == "content"
    assert told["data"]["items"] == 60
    assert told["bundle"] == str(tmp_path / "b")
    manifest = json.loads((tmp_path / "b" / "manifest.json").read_text())
    assert manifest["recipe"]["content"]["dim"] == 12
    assert manifest["recipe"]["data"]["columns"]["genre"]["role"] == "category"


@pytest.mark.slow
def test_a_log_whose_columns_were_named_by_hand_is_read_again_without_naming(tastemaker, tmp_path, written):
    pytest.importorskip("tensorflow")
    rows = "".join(f"p{n % 9},t{(n * 7) % 13},{n}\n" for n in range(90))
    log = written(f"qui,quoi,quand\n{rows}", "log.csv")
    roles = {"qui": "user", "quoi": "item", "quand": "time"}
    named = [part for name, role in roles.items() for part in ("--set", f"data.columns.{name}.role={role}")]
    knobs = ["--set", "history.epochs=1", "--set", "history.dim=4", "--set", "history.length=3"]
    done = tastemaker("train", "--interactions", log, "--out", tmp_path / "b", *named, *knobs)
    assert done.status == 0, done.stderr
    newer = written("qui,quoi,quand\np1,t3,100\n", "newer.csv")
    done = tastemaker("recommend", tmp_path / "b", "--user", "p1", "--interactions", newer)
    assert done.status == 0, done.stderr


# --- at once --------------------------------------------------------------------------------


def test_neither_help_nor_the_package_loads_what_is_heavy():
    for start in (
        "import tastemaker",
        "import sys, contextlib; sys.argv = ['tastemaker', '--help']\n"
        "from tastemaker.cli import main\nwith contextlib.suppress(SystemExit): main()",
    ):
        code = f"{start}\nimport sys; print('LOADED', *sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        loaded = set(done.stdout.split("LOADED")[1].split())
        assert not loaded & {"tensorflow", "keras", "polars", "numpy", "scipy", "pydantic", "rapidfuzz"}


@pytest.mark.slow
@pytest.mark.parametrize("command", [[], ["train"], ["recommend"], ["data", "check"]])
def test_help_answers_at_once(command):
    seconds = []
    for _ in range(5):
        # CPU time, because the machine may have other things to do; an idle one takes as long by the clock.
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, "-m", "tastemaker", *command, "--help"], capture_output=True, check=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    assert statistics.median(seconds) <= 0.5
