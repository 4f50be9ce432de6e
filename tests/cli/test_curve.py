import json
from dataclasses import replace

import pytest


@pytest.fixture(scope="module")
def bundle(by_hand, tmp_path_factory):
    by_hand.save(tmp_path_factory.mktemp("curve") / "bundle")
    return tmp_path_factory.getbasetemp() / "curve0" / "bundle"


@pytest.fixture
def later(written):
    return written("user_id,item_id,timestamp\nann,d,2000000000\nann,f,2000000001\n", "later.csv")


def test_a_curve_begins_where_the_exam_is_and_ends_in_a_picture(tastemaker, bundle, later, tmp_path):
    picture = tmp_path / "curve.png"
    rules = ("--rule", "popularity", "--rule", "mmr", "--exposure", "genre")
    done = tastemaker("rerank-curve", bundle, "--test", later, "-k", 2, *rules, "--json", "--out", picture)
    assert done.status == 0, done.stderr
    told = json.loads(done.stdout)
    assert list(told["curves"]) == ["popularity", "mmr"]
    exam = json.loads(tastemaker("evaluate", bundle, "--test", later, "-k", 2, "--json").stdout)
    (ours,) = (line for line in exam["lines"] if line["name"] == "tastemaker")
    for points in told["curves"].values():
        assert points[0]["ndcg"]["mean"] == pytest.approx(ours["marks"]["ndcg"]["mean"])
        assert points[0]["diversity"] == pytest.approx(ours["overall"]["diversity"])
        assert points[0]["loss"]["mean"] == 0
    # Ann is given d, c, and by popularity d, b: she went on to d and f, and both lists have d first.
    last = told["curves"]["popularity"][-1]
    assert last["loss"]["mean"] == 0
    assert last["popularity"] > points[0]["popularity"]
    assert sum(last["shares"].values()) <= 1 + 1e-9
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_curve_is_a_table_for_people(tastemaker, bundle, later):
    done = tastemaker("rerank-curve", bundle, "--test", later, "--rule", "dpp")
    assert done.status == 0
    assert "dpp" in done.stdout
    assert "NDCG@6" in done.stdout  # there are six items


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "give --test"),
        (("--rule", "mmm"), "No curve is drawn of 'mmm'"),
        (("--rule", "fairness"), "has no reranking.fairness.shares"),
        (("--out", "curve.gif"), "should end in .png or .svg or .pdf"),
    ],
)
def test_what_can_not_be_drawn_is_one_line_and_status_2(tastemaker, bundle, arguments, told):
    done = tastemaker("rerank-curve", bundle, *arguments)
    assert (done.status, done.stderr.count("\n"), done.stdout) == (2, 1, "")
    assert told in done.stderr


def test_fair_shares_are_drawn_off_and_on(tastemaker, by_hand, later, tmp_path):
    values = {**by_hand.manifest.recipe}
    values["reranking"] = {"fairness": {"of": "genre", "shares": {"y": 0.5}, "significance": 0.0}}
    replace(by_hand, manifest=by_hand.manifest.model_copy(update={"recipe": values})).save(tmp_path / "fair")
    done = tastemaker(
        "rerank-curve", tmp_path / "fair", "--test", later, "-k", 2, "--exposure", "genre", "--json"
    )
    curves = json.loads(done.stdout)["curves"]
    off, on = curves["fairness"]
    assert (off["strength"], on["strength"]) == (0, 1)
    assert on["shares"]["y"] == 0.5  # of two places
    table = tastemaker(
        "rerank-curve", tmp_path / "fair", "--test", later, "-k", 2, "--exposure", "genre"
    ).stdout
    assert "50.0%" in table  # of the places, under "most shown"
