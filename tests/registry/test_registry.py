import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

from tastemaker.bundle import Bundle
from tastemaker.errors import RegistryError
from tastemaker.recommend import Recommender
from tastemaker.registry import Registry, Trial


@pytest.fixture
def made(by_hand, tmp_path):
    """`made("b")` is the folder of a sound bundle, another for each name."""

    def make(name: str):
        data = by_hand.manifest.data | {"fingerprint": name}
        manifest = by_hand.manifest.model_copy(update={"data": data, "metrics": {"ndcg@10": len(name) / 10}})
        folder = tmp_path / "outside" / name
        Recommender(replace(by_hand, manifest=manifest)).save(folder)
        return folder

    return make


@pytest.fixture
def registry(tmp_path):
    return Registry.opened(tmp_path / "registry", create=True)


@pytest.fixture
def three(registry, made):
    """Versions of three models that are there; none is live."""
    return [registry.add(made(name)) for name in ("a", "bb", "ccc")]


# --- adding ---------------------------------------------------------------------------------


def test_what_was_added_is_there_byte_for_byte(registry, made):
    folder = made("a")
    version = registry.add(folder)
    assert version == Bundle.open(folder).version
    there = registry.folder(version)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(there) for path in there.rglob("*") if path.is_file())
    assert all((there / file).read_bytes() == (folder / file).read_bytes() for file in files)
    assert os.listdir(registry.root / "models") == [version]


def test_the_same_twice_is_no_error_and_changes_nothing(registry, made):
    folder = made("a")
    assert registry.add(folder) == registry.add(folder)
    assert [line.event for line in registry.history()] == ["added"]


def test_a_link_to_a_bundle_is_added_as_the_bundle_it_leads_to(registry, made, tmp_path):
    (tmp_path / "link").symlink_to(made("a"))
    assert not registry.folder(registry.add(tmp_path / "link")).is_symlink()


def test_what_is_listed_says_what_each_model_is(registry, three):
    registry.promote(three[1], "the better one")
    listed = {version.name: version for version in registry.versions()}
    assert set(listed) == set(three)
    live = listed[three[1]]
    assert (live.items, live.users, live.kind, live.metrics) == (6, 2, "content", {"ndcg@10": 0.2})
    assert live.is_live
    assert live.since
    assert not listed[three[0]].is_live
    assert registry.version(three[1]) == live


def test_a_model_that_broke_later_is_listed_as_broken(registry, three):
    (registry.folder(three[0]) / "manifest.json").write_text("{")
    (broken,) = [version for version in registry.versions() if version.damage]
    assert broken.name == three[0]
    assert "manifest.json" in broken.damage


def test_a_bundle_that_answers_otherwise_than_it_did_is_refused_and_told(registry, made):
    folder = made("a")
    bundle = Bundle.open(folder)
    arrays = {name: np.array(array) for name, array in bundle.arrays.items()}
    arrays["neighbour_vectors"][3] *= -1
    replace(bundle, arrays=arrays).save(folder)
    with pytest.raises(RegistryError, match="golden request"):
        registry.add(folder)
    assert os.listdir(registry.root / "models") == []
    (refused,) = registry.refused()
    assert refused.path == str(folder)
    assert "golden request" in refused.reason


def test_a_bundle_whose_numbers_are_none_is_refused(registry, made):
    folder = made("a")
    bundle = Bundle.open(folder)
    vectors = np.array(bundle.arrays["item_vectors"])
    vectors[4, 1] = np.nan  # nothing that was kept asks for it: neighbours are found by other vectors
    replace(bundle, arrays={**bundle.arrays, "item_vectors": vectors}).save(folder)
    with pytest.raises(RegistryError, match="item_vectors holds what is no number"):
        registry.add(folder)


# --- promoting and going back ---------------------------------------------------------------


def test_nothing_is_live_at_first(registry, three):
    reference = registry.reference()
    assert (reference.number, reference.live, reference.trials) == (0, None, ())


def test_the_reference_counts_up_and_another_process_sees_it(registry, three):
    other = Registry.opened(registry.root)
    assert other.reference().live is None
    for number, version in enumerate(three, 1):
        registry.promote(version, "because")
        assert (other.reference().number, other.reference().live) == (number, version)


def test_the_history_says_who_when_why_instead_of_whom_and_what_spoke_for_it(registry, three):
    registry.promote(three[0], "the first", by="ann")
    registry.promote(three[1], "better\nby far", by="bob", metrics={"difference": 0.25})
    first, second = [line for line in registry.history() if line.event == "promoted"]
    assert (first.version, first.by, first.reason, first.instead_of) == (three[0], "ann", "the first", None)
    assert first.metrics == {"ndcg@10": 0.1}
    assert (second.by, second.reason, second.instead_of) == ("bob", "better by far", three[0])
    assert second.metrics == {"difference": 0.25}
    assert first.at < second.at


def test_promoting_what_is_live_changes_nothing(registry, three):
    before = registry.promote(three[0], "first")
    assert registry.promote(three[0], "again") == before
    assert [line.event for line in registry.history()].count("promoted") == 1


def test_going_back_twice_goes_further_back_and_then_there_is_nothing(registry, three):
    for version in three:
        registry.promote(version, "next")
    assert registry.rollback("it is odd").live == three[1]
    assert registry.rollback("this one too").live == three[0]
    with pytest.raises(RegistryError, match="nothing to go back to"):
        registry.rollback("and this one")
    assert registry.reference().live == three[0]
    assert registry.reference().number == 5
    assert [line.instead_of for line in registry.history() if line.event == "rolled back"] == [
        three[2],
        three[1],
    ]


def test_after_going_back_and_on_going_back_leads_where_it_was(registry, three):
    registry.promote(three[0], "")
    registry.promote(three[1], "")
    registry.rollback("")
    registry.promote(three[2], "")
    assert registry.rollback("").live == three[0]


def test_a_model_damaged_since_is_neither_promoted_nor_gone_back_to(registry, three):
    registry.promote(three[0], "")
    registry.promote(three[1], "")
    for version in (three[0], three[2]):
        (registry.folder(version) / "card.md").write_text("other")
    before = registry.reference()
    for attempt in (lambda: registry.promote(three[2], ""), lambda: registry.rollback("")):
        with pytest.raises(RegistryError, match=r"was refused: .*card\.md differs"):
            attempt()
    assert Registry.opened(registry.root).reference() == before
    assert [refused.version for refused in registry.refused()] == [three[2], three[0]]


def test_a_model_under_the_name_of_another_is_not_promoted(registry, three, made):
    shutil.rmtree(registry.folder(three[0]))
    shutil.copytree(made("another"), registry.root / "models" / three[0])
    with pytest.raises(RegistryError, match="is another model"):
        registry.promote(three[0], "")


# --- trials ---------------------------------------------------------------------------------


def test_trials_stand_beside_the_live_model_one_of_a_kind_at_a_placement(registry, three):
    registry.promote(three[0], "")
    registry.trial("home", "canary", three[1], 0.1)
    registry.trial("home", "shadow", three[1], 1)
    registry.trial("", "canary", three[1], 0.2)
    trials = registry.trial("home", "canary", three[2], 0.5).trials
    assert set(trials) == {
        Trial(placement="home", kind="shadow", version=three[1], share=1),
        Trial(placement="", kind="canary", version=three[1], share=0.2),
        Trial(placement="home", kind="canary", version=three[2], share=0.5),
    }
    left = registry.end_trial("", "canary").trials
    assert {trial.placement for trial in left} == {"home"}
    assert [line.event for line in registry.history()][-5:] == ["trial"] * 4 + ["trial ended"]


def test_a_trial_ends_when_its_model_goes_live(registry, three):
    registry.promote(three[0], "")
    registry.trial("home", "canary", three[1], 0.1)
    registry.trial("home", "shadow", three[2], 0.1)
    assert [trial.version for trial in registry.promote(three[1], "it won").trials] == [three[2]]


@pytest.mark.parametrize("share", [0, -0.5, 1.01, float("nan"), float("inf"), True, "0.5", None])
def test_a_share_that_is_none_is_refused(registry, three, share):
    registry.promote(three[0], "")
    with pytest.raises(RegistryError, match="share is"):
        registry.trial("home", "canary", three[1], share)


def test_a_trial_that_can_not_be_is_refused(registry, three):
    with pytest.raises(RegistryError, match="Nothing is live yet"):
        registry.trial("home", "canary", three[1], 0.5)
    registry.promote(three[0], "")
    with pytest.raises(RegistryError, match="is live"):
        registry.trial("home", "canary", three[0], 0.5)
    with pytest.raises(RegistryError, match="no kind of trial"):
        registry.trial("home", "duel", three[1], 0.5)
    with pytest.raises(RegistryError, match="no placement"):
        registry.trial("ho\nme", "canary", three[1], 0.5)
    with pytest.raises(RegistryError, match="There is no trial of kind canary"):
        registry.end_trial("home", "canary")


# --- several at once, and interruptions -----------------------------------------------------

PROMOTER = """
import sys
from tastemaker.registry import Registry
registry = Registry.opened(sys.argv[1])
for _ in range(5):
    for version in sys.argv[2:]:
        registry.promote(version, "race")
"""


def test_many_may_promote_at_once_and_none_is_lost(registry, three):
    processes = [
        subprocess.Popen([sys.executable, "-c", PROMOTER, registry.root, *order])
        for order in (three, three[::-1])
    ]
    threads = [
        threading.Thread(target=lambda: [registry.promote(version, "thread") for version in three])
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for each in (*threads, *processes):
        each.join() if isinstance(each, threading.Thread) else each.wait(60)
    assert [process.returncode for process in processes] == [0, 0]
    told = [line for line in registry.history() if line.event == "promoted"]
    # Each change has one number and one line, and each replaced what the one before it had put there.
    assert [line.number for line in told] == list(range(1, len(told) + 1))
    assert [line.instead_of for line in told] == [None, *(line.version for line in told[:-1])]
    assert registry.reference().live == told[-1].version


def test_many_may_add_the_same_at_once(registry, made):
    folder, found = made("a"), []
    threads = [threading.Thread(target=lambda: found.append(registry.add(folder))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert os.listdir(registry.root / "models") == [found[0]]


def test_two_changes_in_one_tick_of_the_clock_are_both_seen(registry, three):
    other = Registry.opened(registry.root)
    for number in range(1, 41):
        registry.promote(three[number % 2], "")
        assert other.reference().number == number


def test_a_change_whose_telling_was_cut_off_is_told_with_the_next(registry, three):
    registry.promote(three[0], "first")
    lines = (registry.root / "history.jsonl").read_bytes().splitlines(keepends=True)
    (registry.root / "history.jsonl").write_bytes(b"".join(lines[:-1]) + lines[-1][:20])
    registry.promote(three[1], "second")
    told = [line for line in registry.history() if line.event == "promoted"]
    assert [(line.number, line.reason) for line in told] == [(1, "first"), (2, "second")]


def test_a_failed_write_changes_nothing(registry, three, monkeypatch):
    registry.promote(three[0], "first")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RegistryError, match="No space left on device"):
        registry.promote(three[1], "second")
    monkeypatch.undo()
    assert Registry.opened(registry.root).reference().live == three[0]
    assert not [path for path in registry.root.iterdir() if path.name.endswith(".partial")]


def test_asking_again_costs_one_stat(registry, three, monkeypatch):
    registry.promote(three[0], "")
    first = registry.reference()
    monkeypatch.setattr("tastemaker.registry.reference.content", None)  # reading would fail
    assert registry.reference() is first


# --- what is no registry --------------------------------------------------------------------


TRIAL = {"placement": "", "kind": "canary", "version": "x", "share": 1}


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "{",
            "[]",
            "[" * 99999,
            '{"number": -1}',
            '{"number": NaN}',
            '{"live": "../../x"}',
            '{"live": 7}',
        ),
        json.dumps({"trials": [TRIAL]}),
        json.dumps({"trials": 2 * [TRIAL | {"version": 12 * "a"}]}),
    ],
)
def test_a_damaged_reference_is_one_clear_line(registry, text):
    (registry.root / "live.json").write_text(text)
    with pytest.raises(RegistryError, match=r"live\.json is damaged") as refused:
        registry.reference()
    assert "\n" not in str(refused.value)


def test_what_is_no_registry_is_refused(tmp_path, by_hand):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "nothing", tmp_path, tmp_path / "file", "a\0b"):
        with pytest.raises(RegistryError, match=r"no registry of models|can't be a registry"):
            Registry.opened(path)
    with pytest.raises(RegistryError, match="can't be a registry of models"):
        Registry.opened(tmp_path / "file", create=True)


def test_a_models_folder_that_leads_out_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "registry").mkdir()
    (tmp_path / "registry" / "models").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RegistryError, match="leads out"):
        Registry.opened(tmp_path / "registry")


def test_a_version_that_is_a_link_is_refused(registry, made):
    folder = made("a")
    version = Bundle.open(folder).version
    (registry.root / "models" / version).symlink_to(folder)
    for ask in (registry.folder, registry.version, lambda v: registry.promote(v, "")):
        with pytest.raises(RegistryError, match="leads out of the registry"):
            ask(version)
    assert registry.reference().live is None


def test_lines_of_the_history_that_are_none_are_passed_over(registry, three):
    with (registry.root / "history.jsonl").open("a") as file:
        file.write('{"at": 1}\nnonsense\n' + json.dumps({"at": "x", "event": "exploded"}) + "\n")
    registry.promote(three[0], "")
    assert [line.event for line in registry.history()] == ["added"] * 3 + ["promoted"]
