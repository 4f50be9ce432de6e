import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

PEOPLE = [f"u{n}" for n in range(30)]


@pytest.fixture(scope="module")
def bundles(by_hand, tmp_path_factory):
    """Two models of six items: one has b next to a, the other f."""
    from tastemaker.data.interactions import Interactions

    folder = tmp_path_factory.mktemp("compare")
    users = np.arange(30, dtype=np.int32)
    known = Interactions.from_events(PEOPLE, users, np.zeros(30, np.int32), users.astype(float))
    askew = np.array([[1, 0], [-1, 0], [0, -1], [-0.6, -0.8], [0, 1], [0.9, 0.1]], np.float32)
    vectors = {"item_vectors": askew, "neighbour_vectors": askew}
    for name, arrays in (("straight", {}), ("askew", vectors)):
        replace(by_hand, histories=known, arrays={**by_hand.arrays, **arrays}).save(folder / name)
    return folder


@pytest.fixture
def later(written):
    rows = "".join(f"{user},b,2000000000\n" for user in PEOPLE)
    return written("user_id,item_id,timestamp\n" + rows, "later.csv")


def test_who_wins_is_told_to_people_and_to_programs(tastemaker, bundles, later, tmp_path):
    asked = ("compare", bundles / "straight", bundles / "askew", "--test", later, "-k", 1)
    picture = tmp_path / "differences.pdf"
    done = tastemaker(*asked, "--out", picture)
    assert done.status == 0, done.stderr
    assert "straight has most of NDCG@1, 1.0000. It is better than askew" in " ".join(done.stdout.split())
    assert "Differences of recall@1" in done.stdout
    assert picture.read_bytes().startswith(b"%PDF")
    values = json.loads(tastemaker(*asked, "--metric", "hit_rate", "--json").stdout)
    (first,) = (c for c in values["contests"] if {c["ours"], c["theirs"]} == {"straight", "askew"})
    assert (first["metric"], first["verdict"], first["difference"]["mean"]) == ("hit_rate", "better", 1)
    assert values["users_asked"] == 30
    # As `evaluate` has it.
    exam = json.loads(tastemaker("evaluate", bundles / "straight", "--test", later, "-k", 1, "--json").stdout)
    ease = [next(line for line in each["lines"] if line["name"] == "ease") for each in (values, exam)]
    assert ease[0]["marks"]["ndcg"]["mean"] == ease[1]["marks"]["ndcg"]["mean"]


def test_a_bundle_called_like_a_baseline_is_not_taken_for_it(tastemaker, bundles, later, tmp_path):
    shutil.copytree(bundles / "askew", tmp_path / "mine" / "ease")
    done = tastemaker(
        "compare", bundles / "straight", tmp_path / "mine" / "ease", "--test", later, "-k", 1, "--json"
    )
    assert done.status == 0, done.stderr
    is_baseline = {line["name"]: line["is_baseline"] for line in json.loads(done.stdout)["lines"]}
    assert (is_baseline["mine/ease"], is_baseline["ease"]) == (False, True)


def test_a_folder_made_by_data_split_is_a_test(tastemaker, bundles, tmp_path, later):
    import polars as pl

    pl.read_csv(later).write_parquet(tmp_path / "targets.parquet")
    done = tastemaker("compare", bundles / "straight", bundles / "askew", "--test", tmp_path, "--json")
    assert done.status == 0, done.stderr
    assert json.loads(done.stdout)["users_asked"] == 30


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("straight",), "Give two bundles or more"),
        (("straight", "straight"), "straight was given twice"),
        (("straight", "askew"), "give --test"),
        (("straight", "askew", "-k", 3), "want --test"),
        (("straight", "askew", "--test", "LATER", "--metric", "ndgc"), "Did you mean 'ndcg'"),
        (("straight", "askew", "--test", "LATER", "--by", "shoe"), "Nothing called 'shoe'"),
        (("straight", "askew", "--test", "LATER", "--out", "x.gif"), "should end in .png or .svg or .pdf"),
        (("straight", "nowhere", "--test", "LATER"), "is not a bundle"),
    ],
)
def test_what_can_not_be_compared_is_one_line_and_status_2(tastemaker, bundles, later, arguments, told):
    words = [
        bundles / word if word in ("straight", "askew", "nowhere") else later if word == "LATER" else word
        for word in arguments
    ]
    done = tastemaker("compare", *words)
    assert (done.status, done.stdout) == (2, "")
    assert told in done.stderr.splitlines()[-1]


def test_bundles_of_one_name_are_told_apart_by_their_folders(tmp_path):
    from tastemaker.cli.compare import _names

    paths = [tmp_path / "monday" / "films", tmp_path / "tuesday" / "films"]
    assert _names(paths) == ["monday/films", "tuesday/films"]
    assert _names([tmp_path / "monday" / "films", tmp_path / "tuesday" / "books"]) == ["films", "books"]
