"""Every way we could think of to damage a bundle: each is refused, the old model stays, nothing is executed.

What is damaged with "its sums right" was signed anew afterwards, as somebody would who means ill.
"""

import hashlib
import io
import json
import os
import resource
import shutil
import signal
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from tastemaker.bundle import _UNSIGNED, _signed
from tastemaker.errors import BundleError, RegistryError
from tastemaker.features.pairs import Pairs
from tastemaker.features.tfidf import Tfidf
from tastemaker.recommend import Recommender
from tastemaker.registry import Registry

SECONDS, MEGABYTES = 5, 500
Damage = Callable[[Path], object]


def resigned(folder: Path, *, change: Callable[[dict], None] = lambda values: None) -> None:
    """Right sums for whatever lies there, and a manifest that is signed."""
    values = json.loads((folder / "manifest.json").read_text())
    values["files"] = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }
    change(values)
    sign(folder, json.dumps(values | {"checksum": ""}, indent=1))


def sign(folder: Path, text: str) -> None:
    assert text.count(_UNSIGNED) == 1
    (folder / "manifest.json").write_text(_signed(text))


def manifest(change: Callable[[dict], None]) -> Damage:
    return lambda folder: resigned(folder, change=change)


def called(name: str) -> Damage:
    """A file of that name stands in a signed manifest."""
    return manifest(lambda values: values["files"].update({name: hashlib.sha256(b"").hexdigest()}))


def flipped(name: str) -> Damage:
    def damage(folder: Path) -> None:
        whole = bytearray((folder / name).read_bytes())
        whole[len(whole) // 2] ^= 4
        (folder / name).write_bytes(whole)

    return damage


def having(name: str, content: bytes | Callable[[bytes], bytes], *, signed: bool = True) -> Damage:
    """Another content of one file, its sum right unless it isn't `signed`."""

    def damage(folder: Path) -> None:
        before = (folder / name).read_bytes() if (folder / name).exists() else b""
        (folder / name).write_bytes(content if isinstance(content, bytes) else content(before))
        if signed:
            resigned(folder)

    return damage


def array(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Damage:
    def changed(content: bytes) -> bytes:
        return npy(change(np.load(io.BytesIO(content))))

    return having(name, changed)


def npy(values: np.ndarray, **more: bool) -> bytes:
    file = io.BytesIO()
    np.save(file, values, **more)
    return file.getvalue()


def header(descr: object, shape: object, behind: bytes = b"\0" * 64) -> bytes:
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + behind


def frame(name: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> Damage:
    def changed(content: bytes) -> bytes:
        file = io.BytesIO()
        change(pl.read_parquet(content)).write_parquet(file)
        return file.getvalue()

    return having(name, changed)


def plain_json(name: str, change: Callable[[object], object]) -> Damage:
    return having(name, lambda content: json.dumps(change(json.loads(content))).encode())


class Canary:
    """A pickle that creates a file where it is opened."""

    def __reduce__(self) -> tuple:
        return os.system, ("touch /tmp/tastemaker-canary",)


CANARY = Path("/tmp/tastemaker-canary")


def swapped(folder: Path) -> None:
    one, other = folder / "item_vectors.npy", folder / "popularity.npy"
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second), other.write_bytes(first)


def swapped_and_signed(folder: Path) -> None:
    one, other = folder / "histories" / "times.npy", folder / "histories" / "offsets.npy"
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second), other.write_bytes(first)
    resigned(folder)


def link(name: str, to: str) -> Damage:
    def damage(folder: Path) -> None:
        shutil.rmtree(folder / name) if (folder / name).is_dir() else (folder / name).unlink()
        (folder / name).symlink_to(to)

    return damage


def link_beside(to: str) -> Damage:
    return lambda folder: (folder / "surplus").symlink_to(to)


def node(name: str, kind: str) -> Damage:
    def damage(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        if kind == "fifo":
            os.mkfifo(folder / name)
        else:
            try:
                os.mknod(folder / name, 0o20666, os.makedev(1, 5))  # /dev/zero: it never ends
            except PermissionError:
                (folder / name).symlink_to("/dev/zero")

    return damage


def zipped(folder: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
        archive.writestr("../../../slipped.txt", "out of the folder")
    shutil.rmtree(folder)
    folder.write_bytes(file.getvalue())


@cache
def bomb() -> bytes:
    """A few kilobytes of Parquet: twenty million times the same."""
    file = io.BytesIO()
    row = pl.LazyFrame({"id": ["x"], "title": ["x"], "genre": ["x"]})
    pl.concat([row.collect()]).select(pl.all().repeat_by(20_000_000).explode()).write_parquet(file)
    return file.getvalue()


@cache
def inflated() -> bytes:
    """Six values of 100 MB, that zstd makes a few kilobytes of."""
    file = io.BytesIO()
    one = pl.DataFrame({"id": list("abcdef"), "title": ["x" * 100_000_000] * 6, "genre": ["x"] * 6})
    one.write_parquet(file, compression="zstd", compression_level=1)
    return file.getvalue()


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def as_text(change: Callable[[str], str]) -> Damage:
    """The manifest's own text changed, and signed."""

    def damage(folder: Path) -> None:
        values = json.loads((folder / "manifest.json").read_text())
        sign(folder, change(json.dumps(values | {"checksum": ""}, indent=1)))

    return damage


def other_items(values: dict) -> None:
    values["recipe"]["retrieval"]["candidates"] = -5


DAMAGES: dict[str, Damage] = {
    # bytes that got lost on the way
    "catalogue truncated": having("catalogue.parquet", lambda b: b[: len(b) // 2], signed=False),
    "vectors truncated": having("item_vectors.npy", lambda b: b[:-1], signed=False),
    "manifest truncated": having("manifest.json", lambda b: b[: len(b) // 2], signed=False),
    "longer by a byte": having("item_vectors.npy", lambda b: b + b"\0", signed=False),
    **{
        f"one bit of {name}": flipped(name)
        for name in (
            *("manifest.json", "catalogue.parquet", "users.parquet", "encoders.json", "card.md"),
            *("item_vectors.npy", "popularity.npy", "histories/rows.npy", "histories/users.parquet"),
            *("tfidf/weights.npy", "pairs/weights.npy", "golden.json", "evaluation.json"),
        )
    },
    "emptied": having("item_vectors.npy", b"", signed=False),
    "manifest emptied": having("manifest.json", b"", signed=False),
    "missing": lambda folder: (folder / "encoders.json").unlink(),
    "manifest missing": lambda folder: (folder / "manifest.json").unlink(),
    "all missing": lambda folder: (shutil.rmtree(folder), folder.mkdir()),
    "surplus": having("surplus.npy", b"x", signed=False),
    "two files swapped": swapped,
    # another format
    "format of tomorrow": manifest(lambda values: values.update(format=99)),
    "no format": manifest(lambda values: values.pop("format")),
    "format a text": manifest(lambda values: values.update(format="2\n")),
    "a knob nobody knows": manifest(lambda values: values.update(on_open="import os")),
    # paths
    "path up": called("../outside.npy"),
    "path up and back": called("histories/../../bundle/card.md"),
    "path absolute": called("/etc/hostname"),
    "path with NUL": called("card.md\0.npy"),
    "path with backslash": called("..\\..\\outside.npy"),
    "path with newline": called("card\n.md"),
    "path empty": called(""),
    "path long": called("a" * 5000 + ".npy"),
    "path of a program": called("setup.py"),
    "a file named with a newline": lambda folder: (folder / "two\nlines.npy").write_bytes(b""),
    "a link out": link("card.md", "/etc/hostname"),
    "a link to a folder out": link("histories", "/etc"),
    "a surplus link to everything": link_beside("/"),
    "a link to itself": link("card.md", "card.md"),
    "a loop of folders": link_beside("."),
    "manifest a link": link("manifest.json", "/etc/hostname"),
    "a pipe": node("card.md", "fifo"),
    "manifest a pipe": node("manifest.json", "fifo"),
    "a surplus pipe": node("surplus.npy", "fifo"),
    "a device": node("card.md", "device"),
    "manifest a device": node("manifest.json", "device"),
    "a folder for a file": lambda folder: ((folder / "card.md").unlink(), (folder / "card.md").mkdir()),
    "folders without end": lambda folder: (folder / "/".join(["d"] * 400)).mkdir(parents=True),
    "a zip that slips": zipped,
    # arrays, sums right
    "a pickle": having("item_vectors.npy", npy(np.array([Canary()], object), allow_pickle=True)),
    "a pickle among histories": having(
        "histories/rows.npy", npy(np.array([Canary()], object), allow_pickle=True)
    ),
    "a pickle among n-grams": having("tfidf/idf.npy", npy(np.array([Canary()], object), allow_pickle=True)),
    "a huge shape": having("item_vectors.npy", header("<f4", (2**40, 2))),
    "a huge shape of nothing": having("histories/times.npy", header("<f8", (2**60,), b"")),
    "a huge shape of no bytes each": having("item_vectors.npy", header("|V0", (2**40,), b"")),
    "a shape below nothing": having("item_vectors.npy", header("<f4", (-1, 2))),
    "a huge type": having("item_vectors.npy", header("(1000000,1000000)<f4", (6,))),
    "a huge header": having(
        "item_vectors.npy", b"\x93NUMPY\x02\x00" + (2**32 - 1).to_bytes(4, "little") + b"(" * 10_000_000
    ),
    "a nested header": having(
        "item_vectors.npy", b"\x93NUMPY\x01\x00" + (9000).to_bytes(2, "little") + b"(" * 9000
    ),
    "texts for numbers": having("item_vectors.npy", npy(np.array(["x"] * 6))),
    "vectors in three dimensions": array("item_vectors.npy", lambda a: a[None]),
    "no number among vectors": array("item_vectors.npy", lambda a: a * np.nan),
    "vectors of other items": array("item_vectors.npy", lambda a: a[:5]),
    "neighbours of other items": array("neighbour_vectors.npy", lambda a: np.concatenate([a, a])),
    "popularity of other items": array("popularity.npy", lambda a: a[:2]),
    "offsets below nothing": array("histories/offsets.npy", lambda a: np.array([0, -5, 3])),
    "offsets past the end": array("histories/offsets.npy", lambda a: np.array([0, 2, 10**9])),
    "offsets that don't begin": array("histories/offsets.npy", lambda a: np.array([-(2**62), 2, 3])),
    "one person more": array("histories/offsets.npy", lambda a: np.append(a, a[-1])),
    "events of no item": array("histories/rows.npy", lambda a: a + np.int32(10**6)),
    "events below nothing": array("histories/rows.npy", lambda a: -a - np.int32(1)),
    "more events than times": array("histories/times.npy", lambda a: a[:1]),
    "offsets and times swapped, signed": swapped_and_signed,
    "pairs past the last item": array("pairs/columns.npy", lambda a: a + 10**6),
    "pairs below nothing": array("pairs/columns.npy", lambda a: a - 10**6),
    "pairs that begin past the end": array("pairs/starts.npy", lambda a: a * 10**6),
    "pairs of other items": array("pairs/starts.npy", lambda a: np.append(a, a[-1])),
    "n-grams past the last": array("tfidf/columns.npy", lambda a: a + 10**6),
    # tables, sums right
    "no Parquet": having("catalogue.parquet", b"PAR1" + b"x" * 100 + b"PAR1"),
    "Parquet with a footer without end": having(
        "catalogue.parquet", lambda b: b[:-8] + (2**31).to_bytes(4, "little") + b"PAR1"
    ),
    "Parquet with noise inside": having("catalogue.parquet", lambda b: b[:4] + b"\xff" * 200 + b[204:]),
    "Parquet with a noisy footer": having("catalogue.parquet", lambda b: b[:-60] + b"\xff" * 52 + b[-8:]),
    "a Parquet bomb of rows": having("catalogue.parquet", lambda _: bomb()),
    "a Parquet bomb of bytes": having("users.parquet", lambda _: inflated()),
    "fewer items than vectors": frame("catalogue.parquet", lambda f: f.head(5)),
    "no column of ids": frame("catalogue.parquet", lambda f: f.drop("id", "title")),
    "ids that are numbers": frame("catalogue.parquet", lambda f: f.with_columns(id=pl.lit(1))),
    "one name fewer": frame("histories/users.parquet", lambda f: f.head(1)),
    "no names": frame("histories/users.parquet", lambda f: f.rename({"user_id": "other"})),
    # JSON, sums right
    "deep JSON": having("encoders.json", nested(100_000)),
    "deep manifest": having("manifest.json", nested(100_000), signed=False),
    "no number in JSON": having("golden.json", b'[{"history": [], "scores": [NaN]}]'),
    "a huge number in JSON": having("golden.json", b'[{"history": [], "scores": [1e999]}]'),
    "a long number in JSON": having("encoders.json", b"1" * 100_000),
    "no number in the manifest": as_text(
        lambda text: text.replace('"pair_weight": 0.6', '"pair_weight": NaN')
    ),
    "an endless history": manifest(lambda values: values.update(history_length=10**12)),
    "a length below nothing": manifest(lambda values: values.update(history_length=-1)),
    "a key twice": as_text(lambda text: text.replace('"format": 2', '"format": 2, "format": 2')),
    "a manifest of 17 MB": as_text(lambda text: text + " " * (17 * 2**20)),
    "encoders that are a list": having("encoders.json", b"[1, 2]"),
    "a recipe that can't be": manifest(other_items),
    "columns that aren't there": manifest(lambda values: values["columns"]["items"][0].update(name="other")),
    "a card that is no text": having("card.md", b"\xff\xfe\x00card"),
    "refused rows that are no text": having("rejected.csv", b"\xff\xfe\xfa\n\xff"),
    "golden answers changed": plain_json(
        "golden.json", lambda kept: [each | {"scores": [s + 1 for s in each["scores"]]} for each in kept]
    ),
    "golden answers of another kind": having("golden.json", b'{"history": 1}'),
    "golden questions without end": having("golden.json", b'[{"history": 7, "scores": [1]}]'),
    "a note on a ranker that isn't there": having("ranker.json", b'{"kind": "found", "heads": []}'),
    "a tower that is none": having("item_tower.tflite", b"\x1c\0\0\0TFL3" + b"\x7f" * 500),
}


ONLY_PROVEN = (
    *("no number among vectors", "events of no item", "events below nothing", "a tower that is none"),
    *("a note on a ranker that isn't there",),
)
"""Found before a model comes in or goes live, and not each time that it is opened."""


@pytest.fixture(scope="session")
def whole(by_hand, tmp_path_factory) -> Path:
    """A small bundle with every kind of file that needs no training."""
    following = np.zeros((6, 6), np.float32)
    following[0, 5], following[0, 2], following[4, 1] = 0.75, 0.25, 0.5
    update = {
        "columns": dict.fromkeys(("items", "users"), by_hand.manifest.columns["items"]),
        "pair_weight": 0.6,
    }
    bundle = replace(
        by_hand,
        users=replace(by_hand.catalogue),
        tfidf=Tfidf.fit(by_hand.catalogue.titles),
        pairs=Pairs(sparse.csr_array(following), 0.7),
        evaluation={"k": 10},
        rejected=pl.DataFrame({"line": [3], "reason": ["no id"], "raw": ['"x",\n']}),
        manifest=by_hand.manifest.model_copy(update=update),
    )
    folder = tmp_path_factory.mktemp("whole") / "bundle"
    Recommender(bundle).save(folder)
    return folder


@pytest.fixture
def live(by_hand, tmp_path) -> Registry:
    """A registry with a sound model that is live."""
    Recommender(by_hand).save(tmp_path / "sound")
    registry = Registry.opened(tmp_path / "registry", create=True)
    registry.promote(registry.add(tmp_path / "sound"), "the first")
    return registry


@contextmanager
def bounded() -> Iterator[None]:
    """A refusal that takes longer, or more memory, is a failure; one that hangs too."""

    def late(*_: object) -> None:
        raise TimeoutError(f"it took longer than {SECONDS} s")

    forget_peak()
    before, hearing, started = peak(), signal.signal(signal.SIGALRM, late), time.perf_counter()
    signal.alarm(2 * SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, hearing)
    assert time.perf_counter() - started < SECONDS
    assert peak() - before < MEGABYTES


def forget_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return  # then the peak is of all that this process did, and what rises it may go unseen


def peak() -> float:
    """Megabytes, the most that this process had since the peak was forgotten."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def around(folder: Path, registry: Registry) -> dict[str, object]:
    """All that lies in a folder but for the registry, by name; links aren't followed."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_relative_to(registry.root):
            about = path.lstat()
            found[str(path.relative_to(folder))] = (
                about.st_mode,
                about.st_size,
                about.st_mtime_ns,
                about.st_ino,
            )
    return found


def refuses(ask: Callable[[], object], kinds: tuple[type[Exception], ...]) -> str:
    with bounded(), pytest.raises(kinds) as refused:
        ask()
    line = str(refused.value)
    assert line.isprintable()
    assert "Traceback" not in line
    assert len(line) < 3000
    return line


def check_kept_out(damaged: Path, sound: Path, registry: Registry, tmp_path: Path) -> None:
    """Given as a path, and lying in the registry already: it is refused, and what is live stays."""
    CANARY.unlink(missing_ok=True)
    before, live, listed = (
        around(tmp_path, registry),
        registry.reference(),
        os.listdir(registry.root / "models"),
    )
    refuses(lambda: registry.add(damaged), (RegistryError,))
    assert around(tmp_path, registry) == before
    assert os.listdir(registry.root / "models") == listed
    assert registry.refused()
    # The same damage done to one that was sound when it came in.
    version = Recommender.load(sound).bundle.version
    place = registry.root / "models" / version
    shutil.move(damaged, place)
    refuses(lambda: registry.promote(version, "because"), (RegistryError,))
    assert Registry.opened(registry.root).reference() == live
    Recommender.load(registry.folder(str(live.live)))
    registry.versions()
    assert not CANARY.exists()


def test_the_sound_one_is_taken(whole, live, tmp_path):
    shutil.copytree(whole, tmp_path / "bundle")
    resigned(tmp_path / "bundle")  # signing anew alone is no damage
    version = live.add(tmp_path / "bundle")
    assert live.promote(version, "it is sound").live == version


def test_there_are_thirty_kinds_and_more():
    assert len(DAMAGES) >= 30


BOMBS = ("a Parquet bomb of rows", "a Parquet bomb of bytes")
KINDS = [pytest.param(kind, marks=[pytest.mark.slow] if kind in BOMBS else []) for kind in DAMAGES]


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_kept_out(kind, whole, live, tmp_path):
    damaged = tmp_path / "damaged" / "bundle"
    shutil.copytree(whole, damaged)
    DAMAGES[kind](damaged)
    check_kept_out(damaged, whole, live, tmp_path)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.values[0] not in ONLY_PROVEN])
def test_damage_is_not_opened(kind, whole, tmp_path):
    damaged = tmp_path / "bundle"
    shutil.copytree(whole, damaged)
    DAMAGES[kind](damaged)
    refuses(lambda: Recommender.load(damaged), (BundleError,))
    assert not CANARY.exists()
