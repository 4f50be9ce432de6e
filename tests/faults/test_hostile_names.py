"""Names of versions, placements and bundles that lead elsewhere: nothing outside the registry is touched."""

import os
import shutil
from pathlib import Path

import pytest
from hostile_names import NAMES, VERSION

from tastemaker.errors import RegistryError, TastemakerError
from tastemaker.recommend import Recommender
from tastemaker.registry import Registry


@pytest.fixture(scope="module")
def tree(by_hand, tmp_path_factory) -> Path:
    """A folder with a registry two deep, and round about it what must stay as it is."""
    root = tmp_path_factory.mktemp("tree")
    (root / "outside").mkdir()
    (root / "outside" / "canary.txt").write_text("as it was")
    Recommender(by_hand).save(root / "outside" / VERSION)
    registry = Registry.opened(root / "a" / "registry", create=True)
    registry.promote(registry.add(root / "outside" / VERSION), "first")
    return root


@pytest.fixture
def registry(tree, monkeypatch) -> Registry:
    monkeypatch.chdir(tree)  # relative names lead here
    return Registry.opened(tree / "a" / "registry")


def snapshot(root: Path, less: tuple[str, ...] = ()) -> dict[str, tuple[int, ...]]:
    """Kind, size, inode and times of change of all below a folder; when it was read last is left out."""
    found = {}
    for path in sorted([root, *root.rglob("*")]):
        about = path.lstat()
        name = str(path.relative_to(root))
        if name not in less:
            found[name] = (
                about.st_mode, about.st_size, about.st_ino, about.st_nlink,
                about.st_mtime_ns, about.st_ctime_ns,
            )  # fmt: skip
    return found


OWN = tuple(f"a/registry{name}" for name in ("", "/history.jsonl", "/.lock", "/models", "/live.json"))
"""What a refusal may write to: the registry's own history, under its lock."""


def test_there_are_two_hundred_and_more():
    assert len(NAMES) >= 200
    assert VERSION not in NAMES


def test_none_of_them_is_a_version(tree, registry):
    before = snapshot(tree)
    reference = registry.reference()
    for name in NAMES:
        for ask in (
            registry.folder,
            registry.version,
            lambda version: registry.promote(version, "because"),
            lambda version: registry.trial("home", "canary", version, 0.5),
            lambda version: registry.keep_out(version, "because"),
        ):
            with pytest.raises(RegistryError, match="is no version") as refused:
                ask(name)
            assert str(refused.value).isprintable(), name
            assert len(str(refused.value)) < 600
    assert snapshot(tree) == before
    assert registry.reference() == reference


@pytest.mark.parametrize("name", [None, 7, b"0123456789ab", ["0123456789ab"], Path("0123456789ab"), 0.5])
def test_nothing_but_text_is_a_version(registry, name):
    with pytest.raises(RegistryError, match="is no version"):
        registry.folder(name)


def test_none_of_them_as_a_path_brings_anything_in_that_was_not_named(tree, registry):
    before, own = snapshot(tree, OWN), os.listdir(registry.root / "models")
    for name in NAMES:
        with pytest.raises(RegistryError) as refused:
            registry.add(name)
        assert str(refused.value).isprintable(), name
    assert snapshot(tree, OWN) == before
    assert os.listdir(registry.root / "models") == own
    for line in registry.history():
        assert line.path.isprintable()
        assert line.event in ("added", "promoted", "refused")


def test_as_placements_they_are_names_and_nothing_more(tree, registry, by_hand, tmp_path):
    other = by_hand.manifest.model_copy(update={"created": "2024-02-02T00:00:00+00:00"})
    folder = tmp_path / "other"
    Recommender(type(by_hand)(**vars(by_hand) | {"manifest": other})).save(folder)
    version, before = registry.add(folder), snapshot(tree, OWN)
    for name in NAMES[::12]:
        try:
            registry.trial(name, "shadow", version, 1)
            assert Registry.opened(registry.root).reference().trials[-1].placement == name
            registry.end_trial(name, "shadow")
        except RegistryError as refused:
            assert "is no placement" in str(refused)  # noqa: PT017
            assert str(refused).isprintable()  # noqa: PT017
    after = snapshot(tree, OWN)
    assert {name: about for name, about in after.items() if name in before} == before
    assert set(after) == set(before)


@pytest.mark.parametrize("field", ["reason", "by"])
def test_words_of_the_history_stay_on_their_line(registry, field):
    lines = len(registry.history())
    version = registry.reference().live
    written = 0
    for name in NAMES[::3]:
        try:
            registry.keep_out(str(version), **{"reason": "because", field: name})
            written += 1
        except RegistryError as refused:
            assert "are the most" in str(refused)  # noqa: PT017
    told = registry.history()[lines:]
    assert len(told) == written
    assert {line.event for line in told} == {"kept out"}
    assert (registry.root / "history.jsonl").read_bytes().isascii()


@pytest.mark.slow
def test_the_command_line_refuses_them_in_one_line(tree, registry, tastemaker):
    before = snapshot(tree, OWN)
    reference = registry.reference()
    for name in NAMES[::2]:
        for arguments in (
            ("show", "--", name),
            ("trial", "--share", "1", "--", name),
            ("promote", "--", name),
        ):
            command, *rest = arguments
            done = tastemaker("models", command, "--registry", registry.root, *rest)
            # An empty one is none: what is live is shown, or a name is asked for.
            assert done.status == 2 or (command, name) == ("show", ""), (command, name)
            if done.status == 2:
                assert len(done.stderr.splitlines()) == 1, done.stderr
                assert "Traceback" not in done.stderr
    assert snapshot(tree, OWN) == before
    assert registry.reference() == reference


def test_a_link_that_leads_out_is_not_followed(tree, registry):
    for to in (tree / "outside" / VERSION, "..", "/", VERSION):
        place = registry.root / "models" / VERSION
        place.symlink_to(to)
        try:
            for ask in (registry.folder, lambda version: registry.promote(version, "")):
                with pytest.raises(TastemakerError, match="leads out of the registry"):
                    ask(VERSION)
            (found,) = [version for version in registry.versions() if version.name == VERSION]
            assert found.damage
        finally:
            place.unlink()


@pytest.mark.parametrize("name", ["history.jsonl", ".lock", "live.json"])
def test_a_file_of_the_registry_that_is_a_link_is_not_written_through(tree, registry, tmp_path, name):
    opened = Registry.opened(shutil.copytree(registry.root, tmp_path / "registry"))
    (opened.root / name).unlink()
    (opened.root / name).symlink_to(tree / "outside" / "canary.txt")
    version = str(registry.reference().live)
    with pytest.raises(RegistryError, match=r"Can't write|Can't lock|live\.json is not a plain file"):
        opened.keep_out(version, "because") if name != "live.json" else opened.promote(version, "because")
    assert (tree / "outside" / "canary.txt").read_text() == "as it was"
