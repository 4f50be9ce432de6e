"""What people get wrong on the command line: one clear line, exit status 2, and nothing changed."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

GOOD_ITEMS = "item_id,title\na,Roma\nb,Oslo\nc,Paris\n"
GOOD_LOG = "user_id,item_id,timestamp\nu,a,1\nu,b,2\nv,b,3\nv,c,4\n"

Refused = Callable[..., str]


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def bundle(by_hand, tmp_path) -> Path:
    by_hand.save(tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture
def refused(tastemaker, tmp_path, bundle) -> Refused:
    """The one line with which a command refuses; it has changed nothing, the old bundle least of all."""

    def run(*arguments: object) -> str:
        before, folders = content_of(tmp_path), sorted(tmp_path.rglob("*"))
        done = tastemaker(*arguments)
        assert done.status == 2, done
        assert content_of(tmp_path) == before
        assert sorted(tmp_path.rglob("*")) == folders
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        assert line.startswith("tastemaker: ")
        assert len(line) < 400
        return line.removeprefix("tastemaker: ")

    return run


# --- files ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        (" \n\n", "is empty"),
        ("item_id,title\n", "a header line and no rows"),
        ("item_id,title\na,Roma\n", "at least two"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8, "binary"),
        (b"PK\x03\x04" + bytes(100), "zip archive"),
        (b"\x1f\x8bnot gzip at all", "gzip"),
        (b"PAR1 but no Parquet", "Parquet"),
        ("item_id,title\n,\n,\n,\n", "no column that looks like an id or a title"),
        ("item_id,title\na,Roma\n,\n,\n", "can't be used"),
        ('{"item_id": 1', "JSON"),
    ],
)
def test_a_catalogue_that_is_none(refused, written, bundle, content, said):
    assert said in refused("train", "--items", written(content, "items.csv"), "--out", bundle)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("user_id,item_id\n", ""),
        ("item_id,timestamp\na,1\nb,2\n", "user"),
        ("user_id,timestamp\nu,1\nv,2\n", "item"),
        ("user_id,item_id\n,a\n,b\n", "user"),
        ("user_id,item_id\nu,\nv,\n", "item"),
        ("user_id,item_id\nu,x\nv,y\n", "isn't in the catalogue"),
        (b"\x00\x01\x02\x03" * 100, "binary"),
    ],
)
def test_a_log_that_is_none(refused, written, bundle, content, said):
    items, log = written(GOOD_ITEMS, "items.csv"), written(content, "log.csv")
    told = refused("train", "--items", items, "--interactions", log, "--out", bundle)
    assert said in told
    assert "log.csv" in told


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("user_id,item_id,timestamp\n", "a header line and no rows"),
        ("item_id,timestamp\na,1\n", "looks like the user"),
        ("user_id,timestamp\nu,1\n", "looks like the item"),
        ("user_id,item_id\nu,a\n", "looks like the time"),
        ("user_id,item_id,timestamp\nu,x,1\n", "isn't in the catalogue"),
        ("user_id,item_id,timestamp\nu,a,1\n,b,2\n", "'user_id' is empty"),
        ('{"user_id": "u", "item_id": ["a", "b"], "timestamp": 1}\n', "holds lists"),
        ("user_id,item_id,timestamp,position\nu,,1,1\nu,b,2,2\n", "'item_id' is empty"),
        (b"\x00\x01\x02\x03" * 100, "binary"),
    ],
)
def test_impressions_that_are_none(refused, written, bundle, content, said):
    log, shown = written(GOOD_LOG, "log.csv"), written(content, "shown.csv")
    told = refused("train", "--interactions", log, "--impressions", shown, "--out", bundle)
    assert said in told
    assert "shown.csv" in told
    assert "nothing to read" in refused("train", "--impressions", shown, "--out", bundle)


def test_a_log_of_one_item_alone(refused, written, bundle):
    log = written("user_id,item_id\nu,a\nv,a\n", "log.csv")
    assert "at least two" in refused("train", "--interactions", log, "--out", bundle)


@pytest.mark.parametrize("option", ["--items", "--interactions", "--users", "--impressions"])
def test_a_path_that_leads_nowhere_or_to_a_folder(refused, written, tmp_path, bundle, option):
    good = ["--items", written(GOOD_ITEMS, "items.csv")] if option != "--items" else []
    (tmp_path / "folder").mkdir()
    assert "There is no file" in refused("train", *good, option, tmp_path / "none.csv", "--out", bundle)
    assert "is a folder" in refused("train", *good, option, tmp_path / "folder", "--out", bundle)


def test_nothing_to_read(refused, bundle):
    assert "nothing to read" in refused("train", "--out", bundle)


def test_a_line_of_data_for_a_header_trains_or_is_refused_but_never_crashes(tastemaker, written, tmp_path):
    log = written("u,a,1\nu,b,2\nv,b,3\n", "log.csv")
    done = tastemaker("train", "--interactions", log, "--out", tmp_path / "new")
    assert done.status == 2
    assert "tastemaker: " in done.stderr


# --- where to -------------------------------------------------------------------------------


def test_a_bundle_is_never_written_over_something_else(refused, written, tmp_path):
    items = written(GOOD_ITEMS, "items.csv")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years")
    assert "isn't a bundle" in refused("train", "--items", items, "--out", tmp_path / "thesis")
    assert "is a file" in refused("train", "--items", items, "--out", items)
    assert "not a folder" in refused("train", "--items", items, "--out", items / "below")


def test_a_place_that_can_not_be_written_to(refused, written, tmp_path, monkeypatch):
    items = written(GOOD_ITEMS, "items.csv")
    # Root, as whom tests may run, may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    assert "written to" in refused("train", "--items", items, "--out", tmp_path / "new")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("x.txt", ".csv or .parquet"),
        ("x", ".csv or .parquet"),
        ("none/x.csv", "there is no folder"),
        ("folder.csv", "is a folder"),
    ],
)
def test_an_answer_file_of_the_wrong_name(refused, tmp_path, bundle, name, said):
    (tmp_path / "folder.csv").mkdir()
    assert said in refused("recommend", bundle, "--user", "ann", "--out", tmp_path / name)
    assert said in refused("similar", bundle, "Roma", "--out", tmp_path / name)


@pytest.mark.parametrize("name", ["old.csv", "old.parquet"])
def test_an_answer_that_can_not_be_written_leaves_the_old_one(refused, tmp_path, bundle, monkeypatch, name):
    (tmp_path / name).write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert "No space left" in refused("recommend", bundle, "--user", "ann", "--out", tmp_path / name)


# --- recipes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("history.epoch=3", "Did you mean 'epochs'?"),
        ("nonsense=3", "has no key 'nonsense'"),
        ("history.epochs", "--set takes key=value"),
        ("history.epochs=many", "history.epochs is 'many'"),
        ("history.epochs=-1", "history.epochs is -1"),
        ("preset=best", "preset is 'best'"),
        ('data.columns."Titel".role=title', "Titel"),
    ],
)
def test_a_setting_that_makes_no_sense(refused, written, bundle, setting, said):
    items = written(GOOD_ITEMS, "items.csv")
    assert said in refused("train", "--items", items, "--out", bundle, "--set", setting)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed = ", "not valid TOML"),
        ("colour = 1", "has no key 'colour'"),
        ('base = "none.toml"', "none.toml"),
        ('[data]\nitems = "none.csv"', "There is no file"),
    ],
)
def test_a_recipe_that_makes_no_sense(refused, written, bundle, text, said):
    assert said in refused("train", written(text, "recipe.toml"), "--out", bundle)
    assert said in refused("data", "check", written(text, "recipe.toml"))


def test_a_recipe_that_is_not_there(refused, tmp_path, bundle):
    assert "none.toml" in refused("train", tmp_path / "none.toml", "--out", bundle)


# --- questions ------------------------------------------------------------------------------


def test_who_is_asked_about_must_be_said_once(refused, bundle, written):
    assert "got none of them" in refused("recommend", bundle)
    both = refused("recommend", bundle, "--user", "ann", "--history", "a")
    assert "got --user and --history" in both
    users = written("ann\n", "users.txt")
    assert "got --user and --users-file" in refused(
        "recommend", bundle, "--user", "ann", "--users-file", users
    )
    assert "got none of them" in refused("similar", bundle)
    assert "got a title and --item" in refused("similar", bundle, "Roma", "--item", "a")


@pytest.mark.parametrize("command", [("recommend", "--users-file"), ("similar", "--items-file")])
@pytest.mark.parametrize(
    ("content", "said"), [("", "is empty"), ("\n \r\n", "is empty"), (b"\xff\xfe\x00", "not UTF-8")]
)
def test_a_file_of_ids_that_is_none(refused, bundle, written, command, content, said):
    verb, option = command
    assert said in refused(verb, bundle, option, written(content, "ids.txt"))


@pytest.mark.parametrize("command", [("recommend", "--users-file"), ("similar", "--items-file")])
def test_a_file_of_ids_that_is_not_there_or_a_folder(refused, bundle, tmp_path, command):
    verb, option = command
    assert "No such file" in refused(verb, bundle, option, tmp_path / "none.txt")
    assert "directory" in refused(verb, bundle, option, tmp_path)


def test_an_item_that_nobody_knows(refused, bundle, written, tmp_path):
    assert "'zz'" in refused("similar", bundle, "--item", "zz")
    assert "No title is like" in refused("similar", bundle, "qqqqq zzzzz")
    ids = written("a\nzz\n", "ids.txt")
    assert "'zz'" in refused("similar", bundle, "--items-file", ids, "--out", tmp_path / "x.csv")


def test_a_bundle_that_is_none(refused, tmp_path, written):
    for verb in (("recommend", "--user", "ann"), ("similar", "Roma"), ("evaluate",)):
        command, *rest = verb
        assert "it is not there" in refused(command, tmp_path / "none", *rest)
        assert "is a file" in refused(command, written("x", "file"), *rest)


def test_a_damaged_bundle_is_named_by_its_file(refused, bundle):
    (bundle / "popularity.npy").write_bytes((bundle / "popularity.npy").read_bytes()[:-1] + b"?")
    assert "popularity.npy differs" in refused("recommend", bundle, "--user", "ann")


def test_newer_interactions_that_say_nothing(refused, bundle, written):
    strange = written("user_id,item_id\nann,zz\n", "log.csv")
    assert "log.csv" in refused("recommend", bundle, "--user", "ann", "--interactions", strange)
    assert "is empty" in refused(
        "recommend", bundle, "--user", "ann", "--interactions", written("", "log.csv")
    )


def test_a_bundle_without_an_exam_says_what_to_do(refused, bundle):
    assert "tastemaker evaluate BUNDLE --test FILE" in refused("evaluate", bundle)


def test_a_title_of_two_films_is_asked_back_with_both(tastemaker, bundle):
    done = tastemaker("similar", bundle, "dune")
    assert done.status == 2
    first, *candidates = done.stderr.splitlines()
    assert first.startswith("tastemaker: 'dune' could be any of 2 titles")
    assert [line.strip() for line in candidates] == ["Dune (1984)", "Dune (2021)"]
    assert done.stdout == ""


def test_an_unknown_user_is_no_mistake(tastemaker, bundle):
    done = tastemaker("recommend", bundle, "--user", "nobody", "-k", "1")
    assert done.status == 0
    assert "popularity" in done.stdout


@pytest.mark.parametrize("wrong", [["-k", "0"], ["-k", "many"], ["--colour", "red"]])
def test_a_wrong_option_is_a_usage_error(tastemaker, bundle, wrong):
    done = tastemaker("recommend", bundle, "--user", "ann", *wrong)
    assert done.status == 2
    assert "Traceback" not in done.stderr
    assert wrong[0] in done.stderr


# --- through a real shell -------------------------------------------------------------------


def from_shell(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tastemaker", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_the_real_command_says_it_in_one_line_too(written, tmp_path):
    done = from_shell("train", "--items", written("", "items.csv"), "--out", tmp_path / "new")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("tastemaker: ")
    assert not (tmp_path / "new").exists()


def test_the_real_command_asks_back(bundle):
    done = from_shell("similar", bundle, "dune")
    assert done.returncode == 2
    assert done.stderr.splitlines()[1:] == ["  Dune (1984)", "  Dune (2021)"]


# --- what looks wrong and is not ------------------------------------------------------------


@pytest.mark.slow
def test_one_user_is_enough_to_train(tastemaker, tmp_path, written):
    pytest.importorskip("tensorflow")
    log = written("user_id,item_id,timestamp\n" + "".join(f"me,i{n},{n}\n" for n in range(6)), "log.csv")
    knobs = ["--set", "history.epochs=1", "--set", "history.dim=4", "--set", "history.length=3"]
    done = tastemaker("train", "--interactions", log, "--out", tmp_path / "one", *knobs)
    assert done.status == 0, done.stderr
    assert tastemaker("recommend", tmp_path / "one", "--history", "i0,i1").status == 0


@pytest.mark.slow
def test_a_preset_that_needs_a_log_says_so(tastemaker, tmp_path, written):
    pytest.importorskip("tensorflow")
    items = written(GOOD_ITEMS, "items.csv")
    done = tastemaker("train", "--items", items, "--out", tmp_path / "new", "--set", "preset=seed-softmax")
    assert done.status == 2
    assert "give a file of interactions" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (None, "none are known: give a file of them (--impressions)"),
        ("u,a,1\nv,c,1\n", "2 impressions all were"),
    ],
)
def test_negatives_that_nobody_passed_over_are_not_drawn_in_silence(
    tastemaker, tmp_path, written, shown, said
):
    pytest.importorskip("tensorflow")
    files = ["--interactions", written(GOOD_LOG, "log.csv")]
    if shown is not None:
        files += ["--impressions", written(f"user_id,item_id,timestamp\n{shown}", "shown.csv")]
    done = tastemaker("train", *files, "--out", tmp_path / "new", "--set", "negatives.seen_not_chosen=0.5")
    assert done.status == 2
    (line,) = done.stderr.splitlines()
    assert said in line
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_a_log_in_which_nobody_did_two_things_is_refused_in_words(tastemaker, tmp_path, written):
    pytest.importorskip("tensorflow")
    log = written("user_id,item_id\n" + "".join(f"u{n},i{n % 3}\n" for n in range(9)), "log.csv")
    done = tastemaker("train", "--interactions", log, "--out", tmp_path / "new")
    assert done.status == 2, done
    assert done.stderr.splitlines()[-1].startswith("tastemaker: ")
    assert not list(tmp_path.glob("*new*"))


@pytest.mark.slow
def test_a_loss_that_is_no_number_ends_in_advice(tastemaker, tmp_path, planted):
    pytest.importorskip("tensorflow")
    knobs = ["--set", "history.learning_rate=1e30", "--set", "history.epochs=5", "--set", "history.dim=4"]
    files = ["--items", planted.items, "--interactions", planted.interactions]
    done = tastemaker("train", *files, "--out", tmp_path / "new", *knobs)
    assert done.status == 2, done.stdout
    assert "Lower the learning rate" in done.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="training needs TensorFlow")
def test_vectors_whose_package_is_not_installed_name_the_extra(refused, written, monkeypatch, tmp_path):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *of: find(name, *of) if name != "wordllama" else None
    )
    items = written(GOOD_ITEMS, "items.csv")
    said = refused(
        "train", "--items", items, "--set", "features.vectors=wordllama", "--out", tmp_path / "new"
    )
    assert "pip install 'tastemaker[text]'" in said
