"""`evaluate --folding` and `--negatives`: answers, alarms that are no failure, and what can't be asked."""

import json

import pytest


@pytest.fixture
def bundle(by_hand, tmp_path):
    by_hand.save(tmp_path / "bundle")
    return tmp_path / "bundle"


def test_folding_stands_beside_the_other_parts_in_json(tastemaker, bundle):
    done = tastemaker("evaluate", bundle, "--folding", "genre", "--exposure", "genre", "--json")
    assert done.status == 0, done.stderr
    values = json.loads(done.stdout)
    assert values["folding"]["by"] == "genre"
    assert values["folding"]["verdict"] == "unclear"  # two people can't tell
    assert values["exposure"]["of"] == "genre"


def test_folding_is_read_in_a_terminal(tastemaker, bundle):
    done = tastemaker("evaluate", bundle, "--folding", "community")
    assert done.status == 0, done.stderr
    assert "Folding by community · unclear" in done.stdout


def test_a_catalogue_alone_has_no_negatives_and_no_communities(tastemaker, town_bundle, tmp_path):
    town_bundle().save(tmp_path / "towns")
    for option, said in ((("--negatives",), "catalogue alone"), (("--folding", "community"), "has none")):
        done = tastemaker("evaluate", tmp_path / "towns", *option)
        assert (done.status, done.stdout) == (2, "")
        (line,) = done.stderr.splitlines()
        assert said in line
    done = tastemaker("evaluate", tmp_path / "towns", "--folding", "town", "--json")
    assert done.status == 0, done.stderr
    assert json.loads(done.stdout)["folding"]["of"] == "items"


def test_a_column_that_is_not_there_is_refused_in_a_line(tastemaker, bundle):
    done = tastemaker("evaluate", bundle, "--folding", "gener")
    assert (done.status, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "Did you mean 'genre'" in line
