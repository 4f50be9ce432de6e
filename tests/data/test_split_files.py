"""Splits as files: what is written comes back, anyone can recompute the fingerprint, a change is noticed."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tastemaker.data.catalogue import Catalogue
from tastemaker.data.interactions import Interactions
from tastemaker.data.protocols import Split, choose
from tastemaker.data.split import hold_out_last, leave_one_out
from tastemaker.data.split_files import opened, save
from tastemaker.errors import DataError
from tastemaker.recipe import Column, Role, SplitRecipe

RECIPE = SplitRecipe()
DOCS = Path(__file__).parents[2] / "docs" / "splits.md"


def log_of(events, **kinds):
    columns = np.array(events, float).reshape(len(events), 3)
    users = columns[:, 0].astype(np.int32)
    names = [f"u{user}" for user in range(1 + users.max())]
    return Interactions.from_events(names, users, columns[:, 1].astype(np.int32), columns[:, 2], **kinds)


def items_of(ids):
    return Catalogue(pl.DataFrame({"item_id": ids}), (Column(name="item_id", role=Role.ID),))


def world():
    rng = np.random.default_rng(4)
    events = [(user, row, 1e9 + rng.integers(10**6)) for user in range(30) for row in rng.permutation(20)[:8]]
    return log_of(events, is_clock=True), [f"film {row} — №" for row in range(20)]


STRATEGIES = ["global_time", "leave_one_out", "random", "cold_item", "user_holdout", "cold_user"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_split_comes_back_as_it_was(tmp_path, strategy):
    log, ids = world()
    recipe = SplitRecipe(strategy=strategy, test_share=0.2, gap_days=1)
    split = choose(log, recipe, 7)
    whole = save(split, log, ids, tmp_path / "s", recipe, 7)
    saved = opened(tmp_path / "s", items_of(ids))
    assert saved.split[1:] == split[1:]
    assert saved.unknown == {"train": 0, "history": 0, "targets": 0}
    for ours, theirs in zip(split.fold, saved.split.fold, strict=True):
        for user_id in log.user_ids:
            mine, other = ours.user(user_id), theirs.user(user_id)
            back = [] if other is None else theirs.of(other).tolist()
            assert ours.of(mine).tolist() == back
        assert (theirs.is_ordered, theirs.is_clock) == (log.is_ordered, log.is_clock)
    assert saved.manifest["fingerprint"] == whole
    assert save(choose(log, recipe, 7), log, ids, tmp_path / "again", recipe, 7) == whole
    other = save(choose(log, recipe, 8), log, ids, tmp_path / "other", recipe, 8)
    assert (other == whole) == (strategy in ("global_time", "leave_one_out"))  # which draw nothing


def test_the_fingerprint_is_what_the_docs_say_it_is(tmp_path):
    log, ids = world()
    save(choose(log, RECIPE, 1), log, ids, tmp_path / "s", RECIPE, 1)
    (snippet,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    names = {"folder": tmp_path / "s"}
    exec(snippet, names)
    manifest = json.loads((tmp_path / "s" / "manifest.json").read_text(encoding="utf-8"))
    assert names["found"] == {name: part["fingerprint"] for name, part in manifest["parts"].items()}
    assert names["whole"] == manifest["fingerprint"]


def test_the_fingerprint_by_hand(tmp_path):
    log = log_of([(0, 0, 1), (0, 1, 2.5)])
    save(Split(hold_out_last(log), "so", "leave_one_out"), log, ["a", "ü"], tmp_path / "s", RECIPE, 1)
    manifest = json.loads((tmp_path / "s" / "manifest.json").read_text(encoding="utf-8"))
    line = '["u0", "ü", 2.5, 1.0]\n'.encode()
    assert manifest["parts"]["targets"] == {"events": 1, "fingerprint": hashlib.sha256(line).hexdigest()}


@pytest.mark.parametrize("part", ["train", "history", "targets"])
def test_a_changed_part_is_refused(tmp_path, part):
    log, ids = world()
    save(choose(log, RECIPE, 1), log, ids, tmp_path / "s", RECIPE, 1)
    file = tmp_path / "s" / f"{part}.parquet"
    frame = pl.read_parquet(file)
    frame.with_columns(pl.col("item_id").shuffle(1)).write_parquet(file)
    with pytest.raises(DataError, match=f"{part} has been changed"):
        opened(tmp_path / "s", items_of(ids))
    frame.sample(fraction=1, shuffle=True, seed=2).write_parquet(file)  # the same events in another order
    opened(tmp_path / "s", items_of(ids))
    file.write_bytes(b"half")
    with pytest.raises(DataError, match=f"{part}.parquet"):
        opened(tmp_path / "s", items_of(ids))
    file.unlink()
    with pytest.raises(DataError, match=f"{part}.parquet"):
        opened(tmp_path / "s", items_of(ids))


@pytest.mark.parametrize(
    ("manifest", "complaint"),
    [
        ("not json", "is not a split"),
        ('{"kind": "bundle"}', "is not a split"),
        ('{"kind": "split", "format": 1}', "has format 1"),
        ('{"kind": "split", "format": 2}', "is damaged"),
    ],
)
def test_another_manifest_is_refused(tmp_path, manifest, complaint):
    log, ids = world()
    save(choose(log, RECIPE, 1), log, ids, tmp_path / "s", RECIPE, 1)
    (tmp_path / "s" / "manifest.json").write_text(manifest)
    with pytest.raises(DataError, match=complaint):
        opened(tmp_path / "s", items_of(ids))


@pytest.mark.parametrize(
    "change", [{"cut": "yesterday"}, {"settings": None}, {"settings": {"gap_days": "x"}}]
)
def test_a_manifest_that_was_written_over_is_refused(tmp_path, change):
    log, ids = world()
    save(choose(log, RECIPE, 1), log, ids, tmp_path / "s", RECIPE, 1)
    file = tmp_path / "s" / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(DataError, match="is damaged"):
        opened(tmp_path / "s", items_of(ids))


def test_a_part_that_lost_a_time_is_refused_and_one_without_targets_says_so(tmp_path):
    log, ids = world()
    save(choose(log, RECIPE, 1), log, ids, tmp_path / "s", RECIPE, 1)
    file = tmp_path / "s" / "train.parquet"
    frame = pl.read_parquet(file)
    frame.with_columns(timestamp=pl.lit(None, pl.Float64)).write_parquet(file)
    with pytest.raises(DataError, match="train has been changed"):
        opened(tmp_path / "s", items_of(ids))
    made = choose(log, RECIPE, 1)
    nothing = made.fold.targets.where(np.zeros(made.fold.targets.size, bool))
    save(made._replace(fold=made.fold._replace(targets=nothing)), log, ids, tmp_path / "s", RECIPE, 1)
    with pytest.raises(DataError, match="it has no targets"):
        opened(tmp_path / "s", items_of(ids))


def test_items_that_a_catalogue_lacks_are_counted_and_left_out(tmp_path):
    log, ids = world()
    save(choose(log, RECIPE, 1), log, ids, tmp_path / "s", RECIPE, 1)
    saved = opened(tmp_path / "s", items_of(ids[1:]))
    lost = [int((part.rows == 0).sum()) for part in choose(log, RECIPE, 1).fold]
    assert list(saved.unknown.values()) == lost
    with pytest.raises(DataError, match="no item that this catalogue knows"):
        opened(tmp_path / "s", items_of(["another"]))


def test_a_saved_split_has_the_ids_as_they_came(tmp_path):
    ids = ["a,b", '"', "\n", "007", "../x", "日本"]
    log = log_of([(0, 3, 1), (0, 4, 2), (0, 5, 3), (0, 2, 4)])
    fold = leave_one_out(log, "test")
    folder = tmp_path / "deep" / "split"
    save(Split(fold, "so", "leave_one_out"), log, ids, folder, RECIPE, 1)
    assert sorted(path.name for path in folder.iterdir()) == [
        "history.parquet",
        "manifest.json",
        "targets.parquet",
        "train.parquet",
    ]
    history = pl.read_parquet(folder / "history.parquet")
    assert history.columns == ["user_id", "item_id", "timestamp", "weight"]
    assert history.rows() == [("u0", "007", 1, 1.0), ("u0", "../x", 2, 1.0), ("u0", "日本", 3, 1.0)]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["strategy"] == "leave_one_out"
    assert manifest["users_asked"] == 1
    assert manifest["parts"]["targets"]["events"] == 1


def test_a_split_replaces_a_split_but_nothing_else(tmp_path):
    log = log_of([(0, 0, 1), (0, 1, 2)])
    fold = hold_out_last(log)
    for strategy in ("one", "two"):
        save(Split(fold, "so", strategy), log, ["a", "b"], tmp_path / "s", RECIPE, 1)
    assert json.loads((tmp_path / "s" / "manifest.json").read_text())["strategy"] == "two"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("dear")
    with pytest.raises(DataError, match="is not a split"):
        save(Split(fold, "so", "one"), log, ["a", "b"], tmp_path / "mine", RECIPE, 1)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_split_that_fails_halfway_leaves_nothing(tmp_path, monkeypatch):
    def full(self, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    log = log_of([(0, 0, 1), (0, 1, 2)])
    with pytest.raises(DataError, match="No space left on device"):
        save(Split(hold_out_last(log), "so", "x"), log, ["a", "b"], tmp_path / "s", RECIPE, 1)
    assert list(tmp_path.iterdir()) == []


def test_a_split_can_not_be_written_under_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    log = log_of([(0, 0, 1), (0, 1, 2)])
    with pytest.raises(DataError, match="Can't write"):
        save(Split(hold_out_last(log), "so", "x"), log, ["a", "b"], tmp_path / "file" / "s", RECIPE, 1)
