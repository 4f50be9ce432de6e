"""`evaluate --test FOLDER`: strangers are asked, and what the model has learnt of the targets is said."""

import json

import polars as pl
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def holdout(tastemaker, planted, tmp_path_factory):
    """People taken out of training altogether."""
    folder = tmp_path_factory.mktemp("holdout") / "split"
    files = ("--items", planted.items, "--interactions", planted.interactions)
    done = tastemaker("data", "split", *files, "--strategy", "user_holdout", "--out", folder)
    assert done.status == 0, done.stderr
    return folder


def test_strangers_are_asked_from_the_history_of_the_split(
    tastemaker, planted, settings, holdout, tmp_path_factory
):
    bundle = tmp_path_factory.mktemp("strangers") / "bundle"
    files = ("--items", planted.items, "--interactions", holdout / "train.parquet")
    assert tastemaker("train", *files, *settings, "--out", bundle).status == 0
    done = tastemaker("evaluate", bundle, "--test", holdout, "--json")
    assert done.status == 0, done.stderr
    report = json.loads(done.stdout)
    asked = pl.read_parquet(holdout / "targets.parquet")["user_id"].n_unique()
    assert report["users_asked"] == asked > 0
    assert "learnt" not in report["split"].partition(".")[2]
    refused = tastemaker("evaluate", bundle, "--test", holdout, "--interactions", planted.interactions)
    assert refused.status == 2
    assert "leave --interactions out" in refused.stderr


def test_a_model_that_has_learnt_the_targets_is_told_on(tastemaker, history_bundle, holdout):
    done = tastemaker("evaluate", history_bundle, "--test", holdout, "--json")
    targets = pl.read_parquet(holdout / "targets.parquet").height
    assert f"has learnt {targets} of the {targets} targets" in json.loads(done.stdout)["split"]


@pytest.mark.parametrize("strategy", ["random", "cold_user"])
def test_the_exam_held_in_training_can_ask_strangers(tastemaker, planted, settings, strategy, tmp_path):
    files = ("--items", planted.items, "--interactions", planted.interactions)
    named = ("--set", f"split.strategy={strategy}")
    done = tastemaker("train", *files, *settings, *named, "--out", tmp_path / "bundle")
    assert done.status == 0, done.stderr
    report = json.loads(tastemaker("evaluate", tmp_path / "bundle", "--json").stdout)
    assert report["split"].startswith(f"{strategy}, as the recipe asks")
    assert report["users_asked"] > 0
