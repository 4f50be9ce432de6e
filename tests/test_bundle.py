import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import sparse

import tastemaker.bundle
from tastemaker.bundle import Bundle
from tastemaker.errors import BundleError
from tastemaker.features.batches import Scale
from tastemaker.features.pairs import Pairs
from tastemaker.features.tfidf import Tfidf
from tastemaker.recommend import Recommender

WITHOUT_TENSORFLOW = """
import json, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "keras", "tf_keras"):
            raise ImportError(f"{name} is not to be had")
sys.meta_path.insert(0, Refuse())
import tastemaker
recommender = tastemaker.load(sys.argv[1])
asked = json.loads(sys.argv[2])
answers = [recommender.recommend(user, k=6).as_json() for user in asked["users"]]
answers += [recommender.recommend(history=asked["history"], k=6).as_json()]
answers += [recommender.similar(item_id=item, k=6).as_json() for item in asked["items"]]
answers += [slate.as_json() for slate in recommender.recommend_many(asked["users"], 6)]
print(json.dumps(answers))
"""


def answered(recommender: Recommender, asked: dict[str, list[str]]) -> list[dict]:
    slates = [recommender.recommend(user, k=6) for user in asked["users"]]
    slates += [recommender.recommend(history=asked["history"], k=6)]
    slates += [recommender.similar(item_id=item, k=6) for item in asked["items"]]
    slates += recommender.recommend_many(asked["users"], 6)
    return json.loads(json.dumps([slate.as_json() for slate in slates]))


def answered_elsewhere(bundle: Path, asked: dict[str, list[str]]) -> list[dict]:
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW, bundle, json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


FOLLOWING = np.zeros((6, 6), np.float32)
FOLLOWING[0, 5], FOLLOWING[0, 2], FOLLOWING[4, 1] = 0.75, 0.25, 0.5


@pytest.fixture(scope="session")
def full(by_hand: Bundle) -> Bundle:
    """The bundle by hand, with every kind of file in it."""
    return replace(
        by_hand,
        users=replace(by_hand.catalogue),
        towers={"query_tower": b"a tower", "item_tower": b"another"},
        originals={"query_tower": b"an original"},
        encoders={"items": {"names": ["Ж", "a"]}, "users": {}},
        tfidf=Tfidf.fit(by_hand.catalogue.titles),
        pairs=Pairs(sparse.csr_array(FOLLOWING), 0.7),
        evaluation={"k": 10},
        rejected=pl.DataFrame({"line": [3], "reason": ["no id"], "raw": ['"x",\n']}),
        manifest=by_hand.manifest.model_copy(
            update={
                "columns": {
                    "items": by_hand.manifest.columns["items"],
                    "users": by_hand.manifest.columns["items"],
                },
                "pair_weight": 0.6,
            }
        ),
    )


@pytest.fixture
def saved(full, tmp_path) -> Path:
    full.save(tmp_path / "bundle")
    return tmp_path / "bundle"


# --- there and back -------------------------------------------------------------------------


def test_what_was_saved_is_what_is_opened(full, saved):
    opened = Bundle.open(saved)
    assert opened.manifest.model_copy(update={"files": {}, "checksum": ""}) == full.manifest
    assert opened.catalogue.frame.equals(full.catalogue.frame)
    assert opened.catalogue.columns == full.catalogue.columns
    assert opened.users is not None
    assert opened.users.ids == list("abcdef")
    assert opened.histories.fingerprint == full.histories.fingerprint
    assert opened.histories.is_clock == full.histories.is_clock
    np.testing.assert_array_equal(opened.histories.weights, full.histories.weights)
    assert opened.arrays.keys() == full.arrays.keys()
    for name, array in full.arrays.items():
        np.testing.assert_array_equal(opened.arrays[name], array)
    assert dict(opened.towers) == full.towers
    assert dict(opened.originals) == full.originals
    assert len(opened.originals) == 1
    assert opened.encoders == full.encoders
    assert opened.tfidf is not None
    assert (opened.tfidf.matrix != full.tfidf.matrix).nnz == 0
    assert opened.pairs is not None
    assert opened.pairs.decay == 0.7
    np.testing.assert_array_equal(opened.pairs.weights.toarray(), FOLLOWING)
    assert opened.evaluation == {"k": 10}
    assert opened.rejected is not None
    assert opened.rejected.rows() == [("3", "no id", '"x",\n')]
    assert opened.card == "# By hand\n"
    assert opened.scale == Scale(1.0, 1.0)


def test_ids_of_people_are_those_that_were_saved(saved, full):
    ids = Bundle.open(saved).histories.user_ids
    assert len(ids) == len(full.histories.user_ids)
    assert (ids[0], ids[-1]) == (full.histories.user_ids[0], full.histories.user_ids[-1])
    assert list(ids) == list(full.histories.user_ids)
    assert full.histories.user_ids[1] in ids


def test_opened_and_saved_again_nothing_changes(saved, tmp_path):
    Bundle.open(saved).save(tmp_path / "again")
    again = content_of(tmp_path / "again")
    assert again.pop("rejected.csv")  # the line numbers are text by now
    assert {name: content for name, content in content_of(saved).items() if name in again} == again


def test_the_bundle_by_hand_answers_the_same_without_tensorflow(by_hand, tmp_path):
    by_hand.save(tmp_path / "plain")
    asked = {"users": ["ann", "bob", "eve"], "history": ["a", "c"], "items": ["a", "f"]}
    assert answered_elsewhere(tmp_path / "plain", asked) == answered(Recommender(by_hand), asked)


def test_a_bundle_with_pairs_gives_the_same_lists_when_opened_anew(by_hand, full, tmp_path, monkeypatch):
    # A tower that likes what lies near the newest event stands in for a network.
    monkeypatch.setattr("tastemaker.retrieve.nearest.Tower", lambda model: lambda history, **_: history[:, 0])
    alone = replace(
        by_hand,
        arrays=by_hand.arrays | {"item_inputs": by_hand.arrays["item_vectors"]},
        towers={"query_tower": b"a tower"},
    )
    manifest = alone.manifest.model_copy(update={"pair_weight": 0.6})
    paired = replace(alone, manifest=manifest, pairs=full.pairs)
    paired.save(tmp_path / "paired")
    asked = {"users": ["ann", "bob", "eve"], "history": ["a", "c"], "items": ["a", "f"]}
    lists = answered(Recommender(paired), asked)
    assert answered(Recommender(Bundle.open(tmp_path / "paired")), asked) == lists
    assert answered(Recommender(alone), asked) != lists


def test_a_bundle_without_pairs_has_none_when_opened(by_hand, saved):
    by_hand.save(saved)  # where one with pairs stood
    opened = Bundle.open(saved)
    assert opened.pairs is None
    assert opened.manifest.pair_weight == 0
    assert not (saved / "pairs").exists()


def test_a_bundle_from_before_there_were_pairs_opens(by_hand, tmp_path):
    by_hand.save(tmp_path / "old")
    path = tmp_path / "old" / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["pair_weight"]
    unsigned = json.dumps(manifest | {"checksum": ""})
    checksum = hashlib.sha256(unsigned.encode()).hexdigest()
    path.write_text(unsigned.replace('"checksum": ""', f'"checksum": "{checksum}"'))
    opened = Bundle.open(tmp_path / "old")
    assert opened.pairs is None
    asked = {"users": ["ann", "bob", "eve"], "history": ["a", "c"], "items": ["a", "f"]}
    assert answered(Recommender(opened), asked) == answered(Recommender(by_hand), asked)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["history", "content"])
def test_a_trained_bundle_answers_the_same_in_a_process_without_tensorflow(kind, request, planted):
    path = request.getfixturevalue(f"{kind}_bundle")
    recommender = Recommender.load(path)
    assert recommender.bundle.manifest.kind == kind
    if kind == "history":  # not a knob at its default
        assert recommender.recipe.history.hidden == (12, 9)
        assert recommender.bundle.arrays["item_vectors"].shape == (60, 11)
    users = [planted.user_ids[n] for n in (0, 1, 2, 30, 79)] + ["a stranger"]
    asked = {"users": users, "history": planted.item_ids[10:14], "items": planted.item_ids[:3]}
    assert answered_elsewhere(path, asked) == answered(recommender, asked)


@pytest.mark.slow
def test_saved_from_memory_the_lists_are_those_from_training(tmp_path, planted):
    import tastemaker as tm

    recipe = tm.Recipe.of({"history": {"dim": 6, "epochs": 1, "length": 5, "hidden": [7]}, "seed": 5})
    recommender = tm.train(tm.read(items=planted.items, interactions=planted.interactions), recipe)
    recommender.save(tmp_path / "bundle")
    asked = {"users": planted.user_ids[:20], "history": planted.item_ids[:9], "items": planted.item_ids[7:9]}
    assert answered_elsewhere(tmp_path / "bundle", asked) == answered(recommender, asked)


# --- what is refused ------------------------------------------------------------------------


def test_a_changed_byte_is_refused_by_name(saved):
    names = list(content_of(saved))
    assert {"manifest.json", "catalogue.parquet", "card.md", "rejected.csv", "query_tower.keras"} < set(names)
    assert {"tfidf/idf.npy", "item_vectors.npy", "users.parquet", "evaluation.json"} < set(names)
    assert {f"pairs/{name}.npy" for name in ("weights", "columns", "starts", "decay")} < set(names)
    for name in names:
        whole = (saved / name).read_bytes()
        for at in {0, len(whole) // 2, len(whole) - 1}:
            (saved / name).write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            with pytest.raises(BundleError, match=name.replace(".", r"\.")):
                Bundle.open(saved)
        (saved / name).write_bytes(whole)
    Bundle.open(saved)


def test_a_number_changed_in_the_manifest_is_refused(saved):
    text = (saved / "manifest.json").read_text()
    assert '"history_length": 5' in text
    (saved / "manifest.json").write_text(text.replace('"history_length": 5', '"history_length": 6'))
    with pytest.raises(BundleError, match=r"manifest\.json differs"):
        Bundle.open(saved)


@pytest.mark.parametrize("name", ["catalogue.parquet", "tfidf/idf.npy", "pairs/decay.npy", "card.md"])
def test_a_missing_file_is_refused_by_name(saved, name):
    (saved / name).unlink()
    with pytest.raises(BundleError, match=f"{name} is missing"):
        Bundle.open(saved)


def test_pairs_without_one_of_their_arrays_are_refused_by_name(full, tmp_path, monkeypatch):
    arrays = Pairs.arrays
    monkeypatch.setattr(Pairs, "arrays", lambda self: {"weights": arrays(self)["weights"]})
    full.save(tmp_path / "bundle")
    with pytest.raises(BundleError, match=r"damaged: pairs can't be read \('starts'\)"):
        Bundle.open(tmp_path / "bundle")


@pytest.mark.parametrize("name", ["extra.txt", "tfidf/extra.npy", "new/extra.npy"])
def test_a_surplus_file_is_refused_by_name(saved, name):
    (saved / name).parent.mkdir(exist_ok=True)
    (saved / name).write_text("x")
    with pytest.raises(BundleError, match=f"{name} is not in its manifest"):
        Bundle.open(saved)


def test_a_link_in_place_of_a_file_is_refused(saved, tmp_path):
    (saved / "card.md").rename(tmp_path / "elsewhere.md")
    (saved / "card.md").symlink_to(tmp_path / "elsewhere.md")
    with pytest.raises(BundleError, match=r"card\.md is not a plain file"):
        Bundle.open(saved)


def test_a_link_in_place_of_a_folder_is_refused(saved, tmp_path):
    (saved / "tfidf").rename(tmp_path / "elsewhere")
    (saved / "tfidf").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match="tfidf"):
        Bundle.open(saved)


def test_another_format_is_refused_by_number(saved):
    text = (saved / "manifest.json").read_text()
    (saved / "manifest.json").write_text(text.replace('"format": 2', '"format": 99'))
    with pytest.raises(BundleError, match="format 99; this version reads format 2"):
        Bundle.open(saved)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", '{"format": 2}', '{"format": 2, "checksum": 3}', "\ud800"]
)
def test_a_damaged_manifest_is_one_clear_line(saved, text):
    (saved / "manifest.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(BundleError, match=r"manifest\.json|not a bundle") as refused:
        Bundle.open(saved)
    assert "\n" not in str(refused.value)


def test_what_is_no_bundle_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(BundleError, match="it is not there"):
        Bundle.open(tmp_path / "nothing")
    with pytest.raises(BundleError, match=r"it has no manifest\.json"):
        Bundle.open(tmp_path)
    with pytest.raises(BundleError, match="it is a file"):
        Bundle.open(tmp_path / "file")


# --- saving ---------------------------------------------------------------------------------


def test_saving_over_an_old_bundle_replaces_it(full, by_hand, saved):
    by_hand.save(saved)
    assert not (saved / "evaluation.json").exists()
    assert Bundle.open(saved).users is None
    assert [path.name for path in saved.parent.iterdir()] == ["bundle"]


def test_folders_above_are_made_and_odd_names_are_fine(by_hand, tmp_path):
    for name in ("a/b/c", "films [2] *?", "été 🎬", ".hidden", "x=1"):
        by_hand.save(tmp_path / name)
        assert Bundle.open(tmp_path / name).catalogue.size == 6


def test_a_link_to_a_bundle_stays_and_leads_to_the_new_one(full, by_hand, saved, tmp_path):
    (tmp_path / "current").symlink_to(saved)
    by_hand.save(tmp_path / "current")
    assert (tmp_path / "current").is_symlink()
    assert Bundle.open(tmp_path / "current").users is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "current"]


def test_a_foreign_folder_or_file_is_left_alone(by_hand, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.txt").write_text("years of work")
    (tmp_path / "file").write_text("more of it")
    before = content_of(tmp_path)
    with pytest.raises(BundleError, match="a folder that isn't a bundle"):
        by_hand.save(tmp_path / "folder")
    with pytest.raises(BundleError, match="is a file"):
        by_hand.save(tmp_path / "file")
    with pytest.raises(BundleError, match="not a folder that can be written to"):
        by_hand.save(tmp_path / "file" / "bundle")
    assert content_of(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


LARGE = 1 << 18
"""Bytes that don't fit where the tests write."""


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A disk of 128 kB at `folder`; False where mounting isn't allowed."""
    command = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", folder]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", folder], check=False)


def test_with_the_disk_full_the_old_bundle_stays_and_nothing_else(by_hand, tmp_path):
    with small_disk(tmp_path) as mounted:
        if not mounted:
            pytest.skip("mounting a small disk is not allowed here; the limit on a file's size is tested")
        by_hand.save(tmp_path / "bundle")
        before = content_of(tmp_path)
        large = replace(by_hand, towers={"item_tower": b"x" * LARGE})
        with pytest.raises(BundleError, match=r"No space left on device. Nothing was changed there\."):
            large.save(tmp_path / "bundle")
        with pytest.raises(BundleError, match="No space left"):
            large.save(tmp_path / "new")
        assert content_of(tmp_path) == before
        assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


LIMITED = f"""
import resource, sys
from dataclasses import replace
from tastemaker.bundle import Bundle
from tastemaker.errors import BundleError
bundle = Bundle.open(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, ({LARGE // 2}, {LARGE // 2}))
try:
    replace(bundle, towers={{"item_tower": b"x" * {LARGE}}}).save(sys.argv[1])
except BundleError as error:
    print(error)
"""


def test_where_files_may_not_grow_the_old_bundle_stays_and_nothing_else(saved):
    before = content_of(saved.parent)
    done = subprocess.run([sys.executable, "-c", LIMITED, saved], capture_output=True, text=True, check=False)
    assert "File too large. Nothing was changed there." in done.stdout, done.stderr
    assert content_of(saved.parent) == before


@pytest.mark.parametrize("broken_at", ["_write", "_replace"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(5, "Input/output error")])
def test_whatever_stops_a_save_leaves_the_old_bundle(by_hand, saved, monkeypatch, broken_at, error):
    before, real, calls = content_of(saved.parent), getattr(tastemaker.bundle, broken_at), []

    def breaks(path: Path, *rest: object) -> object:
        calls.append(path)
        if len(calls) == 3 or broken_at == "_replace":
            raise error
        return real(path, *rest)

    monkeypatch.setattr(tastemaker.bundle, broken_at, breaks)
    with pytest.raises((KeyboardInterrupt, BundleError)):
        by_hand.save(saved)
    assert content_of(saved.parent) == before
    assert [path.name for path in saved.parent.iterdir()] == ["bundle"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(39, "Directory not empty")])
@pytest.mark.parametrize("which", [1, 2])
def test_stopped_between_the_two_renames_the_old_bundle_is_put_back(
    by_hand, saved, monkeypatch, which, error
):
    before, real, calls = content_of(saved.parent), Path.rename, []

    def rename(path: Path, target: Path) -> Path:
        calls.append(path)
        if len(calls) == which:
            raise error
        return real(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises((KeyboardInterrupt, BundleError)):
        by_hand.save(saved)
    monkeypatch.undo()
    assert content_of(saved.parent) == before
    assert [path.name for path in saved.parent.iterdir()] == ["bundle"]


def test_a_folder_that_can_not_be_written_to_is_refused(by_hand, tmp_path, monkeypatch):
    monkeypatch.setattr(
        os, "access", lambda path, mode: False
    )  # root, as whom tests may run, may write everywhere
    with pytest.raises(BundleError, match="not a folder that can be written to"):
        by_hand.save(tmp_path / "bundle")


# --- Ctrl-C ---------------------------------------------------------------------------------

SLOW_DISK = """
import sys, time
import tastemaker.bundle
from tastemaker.cli import main
real = tastemaker.bundle._write
def slow(path, content):
    print("SAVING", file=sys.stderr, flush=True)
    time.sleep(0.5)
    return real(path, content)
tastemaker.bundle._write = slow
main()
"""


def hearing() -> None:
    """Who is started in the background of a shell inherits that Ctrl-C is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupted(command: list[object], sign: str) -> tuple[int, str]:
    """Run, press Ctrl-C once `sign` stands on stderr; exit status and the rest of stderr."""
    with subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hearing,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if sign in line:
                break
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        return process.wait(timeout=60), rest


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["training", "saving"])
def test_ctrl_c_leaves_the_old_bundle_and_nothing_half_written(content_bundle, planted, tmp_path, moment):
    shutil.copytree(content_bundle, tmp_path / "bundle")
    before = content_of(tmp_path)
    start, sign, epochs = ["-m", "tastemaker"], "training the item tower", 100_000
    if moment == "saving":
        start, sign, epochs = ["-c", SLOW_DISK], "SAVING", 1
    knobs = ["--set", f"content.epochs={epochs}", "--set", "content.dim=8"]
    status, told = interrupted(
        [sys.executable, *start, "train", "--items", planted.items, "--out", tmp_path / "bundle", *knobs],
        sign,
    )
    assert status == 130
    assert told.splitlines()[-1] == "tastemaker: interrupted; nothing was written."
    assert "Traceback" not in told
    assert content_of(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_who_has_no_part_for_scipy_doesnt_load_it(by_hand, tmp_path):
    # What takes memory and time in every process that serves, and is of no use to it.
    by_hand.save(tmp_path / "plain")
    code = (
        "import sys, tastemaker; recommender = tastemaker.load(sys.argv[1]);"
        "recommender.recommend('ann', k=6); recommender.similar(item_id='a', k=6);"
        "print({'scipy', 'pandas', 'pyarrow', 'rapidfuzz'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "plain"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
