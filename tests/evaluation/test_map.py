"""A map says where the model sees items: projected, turned onto an older one, with true neighbours."""

import base64
import json

import numpy as np
import polars as pl
import pytest

from tastemaker.errors import DataError, TastemakerError
from tastemaker.evaluation.map import projection, sheet
from tastemaker.evaluation.map.alignment import Older, aligned, begun, onto
from tastemaker.evaluation.map.chart import chart, drawn, positions
from tastemaker.evaluation.map.colours import MISSING, OTHER, chosen, colours_of
from tastemaker.evaluation.map.likeness import likeness
from tastemaker.recommend import Recommender


@pytest.fixture(scope="module")
def towns(town_bundle) -> Recommender:
    return Recommender(town_bundle())


# --- places ---------------------------------------------------------------------------------


def test_pca_is_that_of_scikit_learn():
    decomposition = pytest.importorskip("sklearn.decomposition")
    vectors = np.random.default_rng(3).normal(size=(70, 9)) * np.arange(1, 10)
    places, explained = projection.pca(vectors)
    theirs = decomposition.PCA(2, svd_solver="full").fit(vectors)
    np.testing.assert_allclose(np.abs(places), np.abs(theirs.transform(vectors)), atol=1e-9)
    assert explained == pytest.approx(theirs.explained_variance_ratio_.sum(), abs=1e-12)


@pytest.mark.parametrize("vectors", [np.ones((4, 3)), np.arange(5.0)[:, None], np.zeros((1, 2))])
def test_vectors_that_span_no_plane_have_places_all_the_same(vectors):
    places, explained = projection.pca(vectors)
    assert places.shape == (len(vectors), 2)
    assert np.isfinite(places).all()
    assert 0 <= explained <= 1


def test_what_is_kept_is_counted_as_by_hand():
    # On a line at 0, 1, 2, 10: the two nearest of each are 12, 02, 10, 21.
    places = np.array([[0, 0], [1, 0], [2, 0], [10, 0]], float)
    neighbours = np.array([[1, 3], [0, 2], [3, -1], [2, 0]], np.int32)
    # Kept are 1 of 2, 2 of 2, 0 of 1 and 1 of 2: 4 of 7.
    assert projection.kept(places, neighbours, near=2) == pytest.approx(4 / 7)


def test_umap_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setattr(projection.importlib.util, "find_spec", lambda name: None)
    assert projection.settled("auto") == "pca"
    with pytest.raises(TastemakerError, match=r"tastemaker\[map\]"):
        projection.settled("umap")


# --- an older map ---------------------------------------------------------------------------


@pytest.mark.parametrize("mirror", [1, -1])
def test_a_planted_turn_is_found(mirror):
    rng = np.random.default_rng(5)
    fixed, angle = rng.normal(size=(30, 2)), 2.1
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.diag([1, mirror])
    moving = (fixed - [3, -4]) @ turn.T / 2.5
    found = onto(moving, fixed)
    np.testing.assert_allclose(found.of(moving), fixed, atol=1e-9)
    np.testing.assert_allclose(found.turn, turn, atol=1e-9)
    np.testing.assert_allclose(found.shift, [3, -4], atol=1e-9)
    assert found.scale == pytest.approx(2.5, abs=1e-9)
    assert found.is_mirrored == (mirror < 0)


def test_an_alignment_goes_by_shared_items_alone():
    rng = np.random.default_rng(6)
    places = rng.normal(size=(20, 2))
    older = Older(
        "old",
        [f"i{n}" for n in range(5, 30)],
        np.vstack([places[5:] @ [[0, 1], [-1, 0]], np.full((10, 2), 99.0)]),
    )
    turned, how = aligned(places, [f"i{n}" for n in range(20)], older)
    np.testing.assert_allclose(turned[5:], older.places[:15], atol=1e-9)
    assert how.shared == 15
    assert how.after < 1e-9 < how.before


def test_too_few_shared_items_turn_nothing():
    places = np.random.default_rng(7).normal(size=(9, 2))
    turned, how = aligned(places, list("abcdefghi"), Older("old", ["a", "b", "zz"], np.eye(3)[:, :2]))
    np.testing.assert_array_equal(turned, places)
    assert how.shared == 2


def test_a_layout_begins_where_the_older_map_has_its_items_and_newcomers_among_their_neighbours():
    older = Older("old", ["a", "b", "c"], np.array([[0, 0], [4, 0], [0, 4]], float))
    start = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], float)
    neighbours = np.array([[1], [0], [0], [1]], np.int32)
    begin = begun(np.vstack([start, [[2, 2]]]), list("abcde"), older, np.vstack([neighbours, [[-1]]]))
    # d stands where its only neighbour b stood; e, which has none, where a turn four times as large leads.
    np.testing.assert_allclose(begin, [[0, 0], [4, 0], [0, 4], [4, 0], [8, 8]], atol=1e-9)


def test_a_model_that_changed_a_little_moves_less_when_aligned(towns, town_bundle):
    rng = np.random.default_rng(8)
    turn = np.linalg.qr(rng.normal(size=(8, 8)))[0]

    def changed(vectors: np.ndarray) -> np.ndarray:
        return (vectors + 0.03 * rng.normal(size=vectors.shape)) @ turn

    before = chart(towns, kind="pca")
    after = Recommender(town_bundle(changed))
    free = chart(after, kind="pca")
    held = chart(after, kind="pca", older=Older("before", before.ids, before.places))
    assert held.alignment is not None
    moved = [np.median(np.linalg.norm(each.places - before.places, axis=1)) for each in (free, held)]
    assert moved[1] < 0.25 * np.linalg.norm(before.places, axis=1).mean()
    assert moved[1] <= moved[0]
    assert held.alignment.after <= held.alignment.before


# --- neighbours -----------------------------------------------------------------------------


def test_neighbours_are_what_similar_answers(towns):
    found = chart(towns, kind="pca")
    for place in (0, 7, 100, 199):
        slate = towns.similar(item_id=found.ids[place], k=10)
        listed = found.likeness.rows[place]
        assert [towns.catalogue.ids[row] for row in listed] == [item.item_id for item in slate]
        np.testing.assert_allclose(found.likeness.scores[place], [item.score for item in slate], rtol=1e-6)


def test_a_graph_has_few_of_the_own_series_and_the_nearest_else(answers):
    rows = np.array([1, 2, 3, 0, 4, 5], np.int32)
    found = likeness(answers, rows, k=3, graph=3)
    # Of `a` (place 3), by dot product: b 1, c 0.8, d 0.6; b is of its own series, and not listed.
    assert found.graph[3].tolist() == [0, 1, 2]
    assert found.rows[3].tolist() == [2, 3, 4]
    assert found.scores[3].tolist() == pytest.approx([0.8, 0.6, 0.0])


def test_a_catalogue_of_one_and_of_two_has_a_map(by_hand):
    for size in (1, 2):
        few = Recommender(by_hand)
        few = few.without(few.catalogue.ids[size:])
        found = chart(few, kind="pca")
        assert found.places.shape == (size, 2)
        assert sheet.contents(found)["count"] == size


# --- too many -------------------------------------------------------------------------------


def test_too_many_are_thinned_to_the_popular_half_and_a_lot():
    counts = np.arange(100.0)
    rows = drawn(counts, 20, seed=1)
    assert rows[:10].tolist() == list(range(99, 89, -1))
    assert len(set(rows.tolist())) == 20
    assert (np.diff(counts[rows]) < 0).all()
    assert not np.array_equal(rows, drawn(counts, 20, seed=2))
    assert drawn(counts, 100, seed=1).tolist() == list(range(99, -1, -1))


def test_a_thinned_map_says_so_and_its_neighbours_stay_true(towns):
    whole, thin = chart(towns, kind="pca"), chart(towns, kind="pca", limit=60)
    assert len(thin.rows) == 60
    assert any("60 of 200 items" in note for note in thin.section().notes)
    at = [whole.ids.index(id) for id in thin.ids]
    np.testing.assert_array_equal(thin.likeness.rows, whole.likeness.rows[at])
    told = sheet.contents(thin)
    assert told["count"] == 60
    place = whole.recommender.catalogue.titles.index(told["titles"][60])  # a neighbour that isn't drawn
    assert place not in thin.rows
    neighbours = np.frombuffer(base64.b64decode(told["neighbours"]), "<i4").reshape(60, -1)
    titles = whole.recommender.catalogue.titles
    assert [told["titles"][n] for n in neighbours[5]] == [titles[row] for row in thin.likeness.rows[5]]


# --- colours and regions ---------------------------------------------------------------------


def test_colours_are_groups_by_size_and_steps_in_order(towns):
    colours = {colour.name: colour for colour in colours_of(towns, np.arange(200, dtype=np.int32))}
    assert set(colours) == {"town", "tags", "year", "hours"}
    assert colours["town"].labels == ("Alpha", "Gamma", "Beta", "Delta", MISSING)  # 51, 50, 49, 49
    assert not colours["town"].is_ordered
    assert colours["town"].codes[199] == 4
    # tags: eight are shown; of two shown the rarer, of none shown OTHER.
    assert colours["tags"].labels[-1] == OTHER
    years = colours["year"]
    assert years.is_ordered
    assert years.labels[years.codes[7]] == MISSING  # its English half has no year
    spans = [tuple(int(part) for part in label.split("–")) for label in years.labels[:-1]]
    assert spans == sorted(spans)
    for row in set(range(200)) - {7}:
        first, last = spans[years.codes[row]]
        assert first <= 1950 + row % 60 <= last


def test_an_item_of_several_groups_has_the_colour_of_the_rarest_shown(towns):
    (tags,) = [c for c in colours_of(towns, np.arange(200, dtype=np.int32)) if c.name == "tags"]
    lists = towns.catalogue.frame["tags"].to_list()
    counts = pl.Series([tag for tags in lists for tag in tags]).value_counts(name="n").rows()
    size = dict(counts)
    for row in (0, 3, 50, 120):
        shown = [tag for tag in lists[row] if tag in tags.labels]
        wanted = min(shown, key=lambda tag: (size[tag], -tags.labels.index(tag))) if shown else OTHER
        assert tags.labels[tags.codes[row]] == wanted


def test_regions_are_the_planted_towns(towns):
    found = chart(towns, kind="pca")
    for name in ("Alpha", "Beta", "Gamma", "Delta"):
        town = np.array([value == name for value in towns.catalogue.frame["town"][found.rows]])
        assert len(set(found.region.codes[town].tolist())) == 1
    assert sorted(region.name.split(" · ")[0] for region in found.regions)[:2] == ["Alpha", "Beta"]
    assert len({region.name for region in found.regions}) == len(found.regions)
    assert sum(region.size for region in found.regions) == 200


def test_a_colour_that_is_not_there_is_refused_with_a_hint(towns):
    colours = colours_of(towns, np.arange(200, dtype=np.int32))
    assert colours[chosen(colours, "YEAR")].name == "year"
    with pytest.raises(TastemakerError, match="Did you mean 'year'"):
        chosen(colours, "yaer")


# --- files ----------------------------------------------------------------------------------


def test_the_same_twice_and_places_come_back_from_the_page(towns, tmp_path):
    one, two = (chart(towns, kind="pca", seed=4) for _ in range(2))
    assert sheet.html(one) == sheet.html(two)
    (tmp_path / "map.html").write_text(sheet.html(one), encoding="utf-8")
    (tmp_path / "places.csv").write_text(one.frame().write_csv(), encoding="utf-8")
    for name, fine in (("map.html", 1e-4), ("places.csv", 1e-9)):
        back = sheet.older(tmp_path / name, lambda path: one)
        assert list(back.ids) == one.ids
        np.testing.assert_allclose(back.places, one.places, atol=fine)


@pytest.mark.parametrize("name", ["other.html", "other.csv", "other.parquet"])
def test_what_is_no_map_is_refused(written, name):
    with pytest.raises(DataError, match="other"):
        sheet.older(written("a,b\n1,2\n", name), lambda path: pytest.fail("not a bundle"))


def test_positions_are_a_frame(towns):
    frame = positions(towns, kind="pca")
    assert frame.columns == ["item_id", "x", "y", "region"]
    assert frame.height == 200
    assert sorted(frame["item_id"]) == sorted(towns.catalogue.ids)


def test_explore_writes_a_page_a_picture_and_json(tastemaker, town_bundle, tmp_path):
    town_bundle().save(tmp_path / "bundle")
    page, picture = tmp_path / "map.html", tmp_path / "map.png"
    done = tastemaker(
        "explore", tmp_path / "bundle", "--projection", "pca", "--out", page, "--png", picture, "--json"
    )
    assert done.status == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["items"], told["drawn"], told["projection"]) == (200, 200, "pca")
    assert picture.stat().st_size > 10_000
    again = tastemaker(
        "explore", tmp_path / "bundle", "--projection", "pca", "--align-to", page, "--out", tmp_path / "x.csv"
    )
    assert again.status == 0, again.stderr
    assert "Aligned to map.html by 200 shared items" in again.stdout
    assert pl.read_csv(tmp_path / "x.csv").columns == ["item_id", "x", "y", "region"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "--out map.html"),
        (("--out", "map.txt"), "should end in"),
        (("--json", "--align-to", "nowhere"), "nothing of that name"),
        (("--json", "--projection", "pca", "--colour", "twon"), "Did you mean 'town'"),
    ],
)
def test_explore_refuses_in_one_line(tastemaker, town_bundle, tmp_path, words, told):
    town_bundle().save(tmp_path / "bundle")
    done = tastemaker("explore", tmp_path / "bundle", *words)
    assert done.status == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_umap_is_the_same_twice_keeps_towns_apart_and_stays_where_the_older_map_was(towns, town_bundle):
    pytest.importorskip("umap")
    one, two = (chart(towns, kind="umap", seed=2) for _ in range(2))
    np.testing.assert_array_equal(one.places, two.places)
    assert one.projection == "umap"
    assert one.kept > 0.6
    rng = np.random.default_rng(9)
    after = Recommender(town_bundle(lambda vectors: vectors + 0.05 * rng.normal(size=vectors.shape)))
    held = chart(after, kind="umap", seed=2, older=Older("one", one.ids, one.places))
    assert held.alignment is not None
    assert held.alignment.after < 0.1


def test_its_data_alone_are_those_of_the_page(town_bundle, tastemaker, tmp_path):
    Recommender(town_bundle()).save(tmp_path / "bundle")
    words = ("explore", tmp_path / "bundle", "--projection", "pca", "--out")
    for name in ("map.json", "map.html"):
        assert tastemaker(*words, tmp_path / name).status == 0
    html = (tmp_path / "map.html").read_text(encoding="utf-8")
    start = html.index('id="data">') + 10
    inside = json.loads(html[start : html.index("</script>", start)])
    assert json.loads((tmp_path / "map.json").read_text(encoding="utf-8")) == inside
    assert "200 items" in inside["lead"]
