import json
import threading
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy import sparse

import tastemaker as tm
from tastemaker.bundle import Bundle
from tastemaker.data.catalogue import Catalogue
from tastemaker.data.interactions import Interactions
from tastemaker.errors import BundleError, DataError, TastemakerError, UnknownItemError
from tastemaker.features.encode import Encoder
from tastemaker.features.kin import Kin
from tastemaker.features.newcomers import Newcomers
from tastemaker.features.pairs import Pairs
from tastemaker.manifest import Manifest
from tastemaker.recipe import Column, Recipe, Role
from tastemaker.recommend import Recommender
from tastemaker.retrieve.half import Half
from tastemaker.retrieve.ivf import CENTRES, LISTS, Ivf

GENRES, EACH = 3, 8
SIZE = GENRES * EACH
NEW = [7, 15, 23]
"""Rows of the world that nobody has touched: the last of each genre."""
SPREAD = 1.7


def of_world() -> tuple[pl.DataFrame, tuple[Column, ...]]:
    frame = pl.DataFrame(
        {
            "item_id": [f"i{n}" for n in range(SIZE)],
            "title": [chr(97 + n) * 6 for n in range(SIZE)],
            "genre": [f"genre {n // EACH}" for n in range(SIZE)],
            "tags": [[f"tag {n % 3}", f"mark {n // EACH}"] for n in range(SIZE)],
            "year": [1990.0 + n for n in range(SIZE)],
        }
    )
    roles = (Role.ID, Role.TITLE, Role.CATEGORY, Role.CATEGORIES, Role.NUMBER)
    columns = zip(frame.columns, roles, ("", "", "", "|", ""), strict=True)
    return frame, tuple(Column(name=name, role=role, separator=by or None) for name, role, by in columns)


def bundle_of(rows: list[int]) -> Bundle:
    """A history bundle of those `rows` of the world, made without any training: vectors that lie by genre,
    pairs drawn at random. What is said of rows without events is zeros.
    """
    frame, columns = of_world()
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(SIZE, 6)).astype(np.float32) * 0.3
    vectors += np.repeat(rng.normal(size=(GENRES, 6)), EACH, axis=0).astype(np.float32)
    said = np.where(rng.random((SIZE, SIZE)) < 0.5, rng.normal(size=(SIZE, SIZE)), 0).astype(np.float32)
    vectors[NEW], said[NEW], said[:, NEW] = 0, 0, 0
    events = [(user, row) for user in range(9) for row in rng.choice(SIZE, 6, False) if row not in NEW]
    events += [(user, row) for user, row in enumerate(np.setdiff1d(range(SIZE), NEW))]  # everything else
    place = {row: number for number, row in enumerate(rows)}
    log = Interactions.from_events(
        [f"u{n}" for n in range(SIZE)],
        np.array([user for user, _ in events], np.int32),
        np.array([place[row] for _, row in events], np.int32),
    )
    recipe = Recipe()
    catalogue = Catalogue(frame[rows], columns)
    features = recipe.features.model_copy(update={"names": False, "sounds": False})
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    manifest = Manifest(
        kind="history",
        recipe=recipe.model_dump(mode="json"),
        columns={"items": list(columns)},
        history_length=5,
        pair_weight=0.5,
        spread=SPREAD,
        is_ordered=False,
        data={"fingerprint": "planted", "items": len(rows), "users": SIZE, "interactions": log.size},
        created="2024-01-01T00:00:00+00:00",
        versions={"tastemaker": "0.1.0"},
    )
    return Bundle(
        manifest=manifest,
        catalogue=catalogue,
        users=None,
        histories=log,
        arrays={
            "item_vectors": vectors[rows],
            "item_inputs": vectors[rows, :-1],
            "neighbour_vectors": unit[rows],
            "popularity": log.counts(len(rows)).astype(np.float64),
        },
        encoders={
            "items": Encoder.fit(catalogue, features, rows=np.unique(log.rows)).as_json(),
        },
        pairs=Pairs(sparse.csr_array(said[np.ix_(rows, rows)]), 0.9),
        card="# By hand\n",
    )


def in_training() -> Bundle:
    """The whole world, with the new foretold as training does it."""
    bundle = bundle_of(list(range(SIZE)))
    encoded = Encoder.from_json(bundle.encoders["items"]).encode(bundle.catalogue).without("/ngrams")
    kin = Kin(encoded, bundle.histories.counts(SIZE))
    assert kin.new.tolist() == NEW
    tables = {name: array for name, array in bundle.arrays.items() if name != "popularity"}
    foretold = Newcomers(SPREAD).arrays(kin, tables)
    return replace(
        bundle, arrays={**bundle.arrays, **foretold}, pairs=Newcomers(SPREAD).pairs(kin, bundle.pairs)
    )


KNOWN = [row for row in range(SIZE) if row not in NEW]


@pytest.fixture(scope="module")
def world() -> Recommender:
    """Those of the world that somebody touched."""
    return Recommender(bundle_of(KNOWN))


def items(*rows: int) -> list[dict]:
    return of_world()[0][list(rows)].to_dicts()


def ids(slate: tm.Slate) -> list[str]:
    return [item.item_id for item in slate]


def agree(one: Bundle, other: Bundle, tolerance: float = 0.0) -> None:
    """Both say the same of the same items, in whatever order these stand."""
    order = one.catalogue.rows(other.catalogue.ids)
    assert sorted(order) == list(range(one.catalogue.size))
    assert one.catalogue.frame[order].equals(other.catalogue.frame)
    for name, array in other.arrays.items():
        assert np.allclose(one.arrays[name][order], array, atol=tolerance, rtol=0), name
    ours, theirs = one.pairs.weights.toarray()[np.ix_(order, order)], other.pairs.weights.toarray()
    assert np.allclose(ours, theirs, atol=tolerance, rtol=0)


def test_the_lists_of_an_index_follow_their_items():
    bundle = bundle_of(KNOWN)
    vectors = bundle.arrays["item_vectors"]
    centres = vectors[[0, 8, 16]] * np.float32(Half.of(vectors).scale)
    lists = np.arange(len(KNOWN), dtype=np.int32) % 3  # wherever they lie, they stay there
    bundle = replace(bundle, arrays={**bundle.arrays, CENTRES: centres, LISTS: lists})
    after = Recommender(bundle).with_items(items(*NEW)).without(["i1"]).bundle
    found = dict(zip(after.catalogue.ids, after.arrays[LISTS].tolist(), strict=True))
    assert found == {f"i{row}": int(lists[n]) for n, row in enumerate(KNOWN) if row != 1} | {
        f"i{row}": nearest(after, row, centres) for row in NEW
    }
    Ivf.opened(after.arrays["item_vectors"], after.arrays, width=2)  # and fit


def nearest(bundle: Bundle, row: int, centres: np.ndarray) -> int:
    """The centre that an item of the world is nearest to."""
    vectors = bundle.arrays["item_vectors"]
    vector = vectors[bundle.catalogue.rows([f"i{row}"])[0]] * Half.of(vectors).scale
    return int(np.argmin([np.linalg.norm(vector - centre) for centre in centres]))


def test_an_item_put_in_is_what_training_would_have_foretold(world):
    after = world.with_items(items(*NEW))
    assert after.change.counts == {"new": 3, "changed": 0, "unchanged": 0, "removed": 0}
    assert after.change.new == ("i7", "i15", "i23")
    agree(after.bundle, in_training(), tolerance=1e-5)
    new = after.catalogue.rows(["i7", "i15", "i23"])
    assert np.linalg.norm(after.bundle.arrays["item_vectors"][new], axis=1).min() > 0.1
    assert (np.abs(after.bundle.pairs.weights[:, new]).sum(0) > 0).all()
    assert abs(after.bundle.pairs.weights[new]).sum() == 0  # which nobody's history holds yet


def test_one_by_one_or_all_at_once_is_the_same(world):
    one = world
    for row in NEW:
        one = one.with_items(items(row)[0])
    agree(one.bundle, world.with_items(items(*NEW)).bundle, tolerance=1e-6)
    assert one.bundle.manifest.since["new"] == 3


def test_what_came_and_went_has_left_no_trace(world):
    back = world.with_items(items(*NEW)).without(["i15", "i7", "i23"])
    assert back.change.removed == ("i15", "i7", "i23")
    agree(back.bundle, world.bundle)
    assert np.array_equal(back.bundle.histories.rows, world.bundle.histories.rows)
    again = back.with_items(items(*NEW))
    agree(again.bundle, in_training(), tolerance=1e-5)


def test_the_recommender_before_stays_as_it_was(world):
    slates = [ids(world.recommend(f"u{n}")) for n in range(3)] + [ids(world.similar(item_id="i3"))]
    arrays = {name: np.array(array) for name, array in world.bundle.arrays.items()}
    world.with_items([{"item_id": "i3", "title": "Other"}, *items(7)]).without(["i4"])
    assert all(np.array_equal(world.bundle.arrays[name], array) for name, array in arrays.items())
    assert world.catalogue.size == len(KNOWN)
    assert "i7" not in world.catalogue
    assert slates == [ids(world.recommend(f"u{n}")) for n in range(3)] + [ids(world.similar(item_id="i3"))]


def test_a_new_item_is_found_by_the_next_request(world):
    world.similar("dddddd")  # so that indices are made before
    after = world.with_items(items(7))
    assert ids(after.similar("hhhhhh", k=3)) == ids(after.similar(item_id="i7", k=3))
    assert "i7" in ids(after.similar(item_id="i1", k=7))  # all of its genre
    assert "i7" in ids(after.recommend(history=["i0", "i1", "i2"], k=5))
    assert ids(after.recommend(history=["i7"], k=3))[0] in {f"i{n}" for n in range(EACH)}
    assert ids(after.recommend("nobody", k=100))[-1] == "i7"


def test_what_is_known_of_an_item_outlives_its_label(world):
    world.similar("dddddd")
    after = world.with_items({"item_id": "i3", "title": "Zanzibar", "genre": "genre 2"})
    assert after.change.changed == ("i3",)
    row = after.row("i3")
    for name, array in world.bundle.arrays.items():
        assert np.array_equal(after.bundle.arrays[name], array)
    assert after.similar("zanzibar").query == "Zanzibar"
    with pytest.raises(UnknownItemError):
        after.find("dddddd")
    assert after.catalogue.frame.row(row) == ("i3", "Zanzibar", "genre 2", None, None)


def test_an_item_that_nobody_touched_is_its_newest_metadata(world):
    first = world.with_items(items(7))
    moved = first.with_items({**items(15)[0], "item_id": "i7"})
    assert moved.change.changed == ("i7",)
    other = world.with_items(items(15)).bundle
    here, there = moved.row("i7"), other.catalogue.rows(["i15"])[0]
    for name in ("item_vectors", "item_inputs", "neighbour_vectors"):
        assert moved.bundle.arrays[name][here] == pytest.approx(other.arrays[name][there], abs=1e-6)
        assert np.abs(moved.bundle.arrays[name][here] - first.bundle.arrays[name][here]).max() > 0.1
    said = [each.pairs.weights.toarray()[:, -1] for each in (moved.bundle, other)]
    assert said[0] == pytest.approx(said[1], abs=1e-6)


def test_a_removed_item_is_gone_everywhere(world):
    world.similar("dddddd")
    after = world.without(["i3", "i12"])
    everything = [f"i{n}" for n in KNOWN if n not in (3, 12)]
    assert after.catalogue.ids == everything
    for slate in (
        after.recommend("u0", k=100),
        after.recommend("nobody", k=100),
        after.similar(item_id="i1", k=100, all_seasons=True),
        after.recommend(history=["i1", "i3"], k=100),
    ):
        assert set(ids(slate)) <= set(everything)
    assert after.recommend(history=["i1", "i3"]).notes == ("not in the catalogue, left out: 'i3'",)
    for ask in (lambda: after.row("i3"), lambda: after.find("dddddd")):
        with pytest.raises(UnknownItemError):
            ask()
    before, now = world.bundle.histories, after.bundle.histories
    for user in range(before.user_count):
        kept = [id for id in world.catalogue.id_list(before.of(user)) if id not in ("i3", "i12")]
        assert after.catalogue.id_list(now.of(user)) == kept
    only_i3 = next(n for n in range(before.user_count) if world.catalogue.id_list(before.of(n)) == ["i12"])
    assert after.recommend(f"u{only_i3}")[0].source.startswith("popularity")


def test_the_same_again_changes_nothing(world):
    after = world.with_items(items(0, 5))
    assert after.change.counts == {"new": 0, "changed": 0, "unchanged": 2, "removed": 0}
    assert after.bundle is world.bundle
    assert after.nearest is world.nearest
    twice = world.with_items(items(7)).with_items(items(7, 0))
    assert twice.change.same == ("i7", "i0")


def test_a_file_a_frame_and_dicts_say_the_same(world, written):
    csv = written("item_id,title,genre,tags,year\ni7,hhhhhh,genre 0,tag 1|mark 0,1997\n")
    frame = pl.DataFrame(items(7))
    dicts = [
        {"item_id": "i7", "title": "hhhhhh", "genre": "genre 0", "tags": ("tag 1", "mark 0"), "year": 1997}
    ]
    expected = world.with_items(items(7)).bundle
    for source in (csv, str(csv), frame, frame.to_pandas(), dicts):
        agree(world.with_items(source).bundle, expected)


def test_a_missing_column_is_a_missing_value(world):
    after = world.with_items({"item_id": 99})
    assert after.catalogue.frame.row(-1) == ("99", None, None, None, None)
    assert after.catalogue.titles[-1] == "99"
    assert np.isfinite(after.bundle.arrays["item_vectors"]).all()
    assert len(after.similar(item_id="99", k=3)) == 3


def test_an_unreadable_value_is_left_empty_and_told(world):
    after = world.with_items([{"item_id": "x", "year": "long ago"}])
    assert after.catalogue.frame["year"][-1] is None
    (found,) = after.change.report.repaired
    assert str(found) == "1 × 'year' isn't a number, left empty (line 1: long ago)"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"item_id": "x", "gener": "a"}, r"column 'gener' in the items list.* Did you mean 'genre'\?"),
        ({"item_id": "x", "colour": "a"}, "'colour' .* It knows item_id, title, genre, tags, year"),
        ({"title": "x"}, "no column 'item_id'"),
        ({"item_id": " ", "title": "x"}, "no id: 'item_id' is empty"),
        ([], "list of items is empty"),
        ([3], "holds a int in place 1"),
        (7, "came as int"),
        ({}, "without a single key"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_line(world, given, message):
    with pytest.raises(DataError, match=message):
        world.with_items(given)


def test_what_is_not_there_cannot_be_removed(world):
    with pytest.raises(UnknownItemError, match=r"the id 'x' \(and 1 more of the 3\); nothing"):
        world.without(["i1", "x", "y"])
    with pytest.raises(TastemakerError, match="none would be left"):
        world.without(world.catalogue.ids)
    with pytest.raises(TastemakerError, match="a list of ids"):
        world.without("i1")
    assert world.without([]).bundle is world.bundle
    assert world.without(["i1", "i1"]).catalogue.size == len(KNOWN) - 1


def test_a_bundle_that_can_say_nothing_of_new_items_says_so(world, answers):
    blind = replace(world.bundle, encoders={})
    recipe = {**world.bundle.manifest.recipe, "preset": "seed-softmax"}
    seed = replace(world.bundle, manifest=world.bundle.manifest.model_copy(update={"recipe": recipe}))
    for bundle, why in ((blind, "without metadata"), (seed, "preset seed-softmax"), (answers.bundle, "")):
        with pytest.raises(BundleError, match=f"can take no items: .*{why}"):
            Recommender(bundle).with_items({bundle.catalogue.id_column: "x"})
    assert answers.without(["a"]).catalogue.ids == list("bcdef")


def test_saved_and_opened_the_answers_are_the_same(world, tmp_path):
    after = world.with_items(items(*NEW)).without(["i2"]).with_items({**items(7)[0], "title": "Neo"})
    after.save(tmp_path / "bundle")
    opened = tm.load(tmp_path / "bundle")
    agree(opened.bundle, after.bundle)
    for ask in (
        lambda one: one.recommend("u0", k=9),
        lambda one: one.recommend(history=["i7", "i1"]),
        lambda one: one.similar("Neo"),
        lambda one: one.recommend("nobody", k=99),
    ):
        assert list(ask(opened)) == list(ask(after))
    since = opened.bundle.manifest.since
    assert (since["new"], since["changed"], since["removed"]) == (3, 1, 1)
    assert opened.with_items(items(2)).change.new == ("i2",)


def test_every_change_is_a_version_of_its_own(world):
    versions = {
        world.bundle.version,
        world.with_items(items(7)).bundle.version,
        world.with_items(items(15)).bundle.version,
        world.with_items({**items(7)[0], "year": 1}).bundle.version,
        world.without(["i1"]).bundle.version,
        world.without(["i2"]).bundle.version,
    }
    assert len(versions) == 6
    assert world.with_items(items(7)).bundle.version == world.with_items(items(7)).bundle.version


def test_many_ask_while_one_puts(world):
    served = [world]
    trouble: list[str] = []
    done = threading.Event()

    def ask(seed: int) -> None:
        rng = np.random.default_rng(seed)
        while not done.is_set():
            one = served[0]
            known = one.catalogue.ids
            user = f"u{rng.integers(9)}"
            for slate in (one.recommend(user, k=99), one.similar(item_id=known[-1], k=99)):
                if not set(ids(slate)) <= set(known) or len(set(ids(slate))) != len(slate):
                    trouble.append(str(slate))
            full = len(one.catalogue.ids) - len(set(one.bundle.histories.of(one.bundle.histories.user(user))))
            if len(one.recommend(user, k=99)) != full:
                trouble.append(user)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    for turn in range(9):
        served[0] = served[0].with_items([{**items(7)[0], "item_id": f"new {turn}"}])
        if turn % 3 == 2:
            served[0] = served[0].without([f"new {turn - 1}"])
    done.set()
    for thread in threads:
        thread.join()
    assert not trouble
    assert served[0].catalogue.size == len(KNOWN) + 6


def test_the_command_says_what_came_and_went(world, tastemaker, tmp_path, written):
    bundle, new = tmp_path / "bundle", tmp_path / "new"
    world.save(bundle)
    file = written("item_id,title,year\ni7,hhhhhh,1997\ni3,Other,soon\n", "new.csv")
    done = tastemaker("items", "put", bundle, "--items", file, "--out", new)
    assert done.status == 0, done.stderr
    assert done.stdout == f"1 new, 1 changed; {new} has 22 items\n"
    assert "'year' isn't a number, left empty (line 3: soon)" in done.stderr
    assert tm.load(bundle).catalogue.size == 21
    done = tastemaker("items", "put", new, "--items", file, "--json")
    told = {"new": 0, "changed": 0, "unchanged": 2, "removed": 0, "items": 22, "bundle": str(new)}
    assert json.loads(done.stdout) == told
    done = tastemaker("items", "remove", new, "--item", "i7", "--item", "i1")
    assert done.stdout == f"2 removed; {new} has 20 items\n"
    assert tm.load(new).catalogue.ids == [f"i{n}" for n in KNOWN if n != 1]
    gone = written("i0\ni2\n", "gone.txt")
    done = tastemaker("items", "remove", new, "--items-file", gone, "--json")
    assert json.loads(done.stdout)["removed"] == 2


def test_a_mistake_is_one_line_and_nothing_is_written(world, tastemaker, tmp_path, written):
    bundle = tmp_path / "bundle"
    world.save(bundle)
    before = (bundle / "manifest.json").read_bytes()
    wrong = written("item_id,gener\nx,y\n", "wrong.csv")
    for arguments in (
        ("put", bundle, "--items", wrong),
        ("put", bundle, "--items", tmp_path / "none.csv"),
        ("put", tmp_path / "none", "--items", wrong),
        ("put", bundle, "--items", wrong, "--out", tmp_path),
        ("remove", bundle, "--item", "i7"),
        ("remove", bundle),
        ("remove", bundle, "--item", "i1", "--items-file", wrong),
    ):
        done = tastemaker("items", *arguments)
        assert done.status == 2, arguments
        assert done.stderr.startswith("tastemaker: ")
        assert done.stderr.count("\n") == 1
        assert not done.stdout
    assert (bundle / "manifest.json").read_bytes() == before
