import math

import numpy as np
import polars as pl
import pytest

from tastemaker.data.catalogue import Catalogue
from tastemaker.errors import TrainingError
from tastemaker.features.encode import Encoder
from tastemaker.recipe import Column, ContentRecipe, FeatureRecipe, Role
from tastemaker.retrieve.tower import Tower

keras = pytest.importorskip("keras")

from tastemaker.model.content import (  # noqa: E402
    TEXT_SHARE,
    ContentModel,
    _vectors_share,
    content_tower,
    embed,
    info_nce,
    train,
    triplet,
)
from tastemaker.model.export import to_litert  # noqa: E402
from tastemaker.model.views import Families, Views  # noqa: E402

SYLLABLES = [
    "ka",
    "lo",
    "mir",
    "ten",
    "su",
    "vor",
    "ba",
    "nel",
    "pi",
    "dra",
    "gus",
    "hem",
    "jot",
    "wex",
    "zul",
]
SMALL = ContentRecipe(dim=32, epochs=6, batch_size=64)


def word(rng: np.random.Generator) -> str:
    return "".join(rng.choice(SYLLABLES, 3))


def planted(families: int = 40, shuffled: bool = False) -> tuple[Catalogue, np.ndarray]:
    """Families of five titles: a name in common, and a word that goes with it in half of the titles.

    In the shuffled control every title has one of the same words, but from no family of its own.
    Returns the catalogue and (N,) the family of each row.
    """
    rng = np.random.default_rng(3)
    family = np.repeat(np.arange(families), 5)
    names = [word(rng) for _ in range(families)]
    of = rng.permutation(family) if shuffled else family
    titles = [f"{names[of[row]].title()}: {word(rng)} {word(rng)} {row}" for row in range(len(family))]
    kinds = [f"kind {n % 4}" for n in of]
    frame = pl.DataFrame({"title": titles, "kind": kinds, "hours": rng.lognormal(10, 2, len(family))})
    roles = (Role.TITLE, Role.CATEGORY, Role.POPULARITY)
    return Catalogue(
        frame, tuple(Column(name=n, role=r) for n, r in zip(frame.columns, roles, strict=True))
    ), family


def trained(
    catalogue: Catalogue, recipe: ContentRecipe = SMALL, seed: int = 1, report=lambda _: None
) -> ContentModel:
    return train(catalogue, Encoder.fit(catalogue, FeatureRecipe()), recipe, seed, report)


def recall_of_family(vectors: np.ndarray, family: np.ndarray, k: int = 4) -> float:
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    nearest = np.argsort(-scores, axis=1)[:, :k]
    return float(np.mean(family[nearest] == family[:, None]))


def test_the_own_second_view_is_found_among_rivals():
    first = np.array([[1, 0], [0, 1]], "float32")
    loss = info_nce(first, first, np.array([0, 1]), temperature=1.0)
    # Both ways, both things: e against e + 1.
    assert float(loss) == pytest.approx(math.log(1 + math.exp(-1)))


def test_things_of_one_group_are_no_rivals():
    first = np.array([[1, 0], [0, 1]], "float32")
    assert float(info_nce(first, first, np.array([7, 7]), temperature=1.0)) == pytest.approx(0, abs=1e-6)


def test_a_triplet_falls_short_of_its_margin_by_the_hardest_rival():
    first = np.array([[1, 0], [0, 1]], "float32")
    second = np.array([[1, 0], [0.6, 0.8]], "float32")
    # Cosines [[1, .6], [0, .8]], margin .5. From the first views: .5 + .6 - 1 = .1 and .5 + 0 - .8 < 0;
    # from the second: .5 + 0 - 1 < 0 and .5 + .6 - .8 = .3.
    assert float(triplet(first, second, np.array([0, 1]), margin=0.5)) == pytest.approx(0.4 / 4)


def test_a_triplet_without_rivals_wants_nothing():
    first = np.array([[1, 0], [0, 1]], "float32")
    assert float(triplet(first, -first, np.array([7, 7]), margin=0.5)) == 0


@pytest.fixture(scope="module")
def views() -> Views:
    frame = pl.DataFrame(
        {
            "title": ["Dark: Season 1", "Dark: Season 2", "Dark: The Film", "Kingdom // 킹덤", "Roma"],
            "lang": ["de", "de", "en", "ko", None],
        }
    )
    columns = (Column(name="title", role=Role.TITLE), Column(name="lang", role=Role.CATEGORY))
    catalogue = Catalogue(frame, columns)
    nothing = ContentRecipe(drop_words=0, drop_ngrams=0, drop_fields=0)
    # By sound, 킹덤 and "Kingdom" would have n-grams in common.
    return Views(catalogue, Encoder.fit(catalogue, FeatureRecipe(sounds=False)), nothing)


def seen(pair: dict, place: int) -> set[int]:
    return set(pair["ids"][pair["place"] == place].tolist())


def bag_of(views: Views, row: int) -> set[int]:
    joined = views.encoded.joined
    return set(joined.ids[row][joined.weights[row] > 0].tolist())


def test_with_nothing_dropped_the_first_view_is_the_row_itself(views):
    pair = views.pairs(np.array([4, 0]), np.random.default_rng(0))
    assert seen(pair, 0) == bag_of(views, 4)
    assert seen(pair, 1) == bag_of(views, 0)
    assert (pair["guess"] == -1).all()


def test_the_second_view_is_of_the_row_its_series_or_its_franchise(views):
    rng = np.random.default_rng(0)
    found = {frozenset(seen(views.pairs(np.array([0]), rng), 1)) for _ in range(100)}
    assert found == {frozenset(bag_of(views, row)) for row in (0, 1, 2)}


def test_a_bilingual_row_is_seen_half_by_half(views):
    rng = np.random.default_rng(0)
    pairs = [views.pairs(np.array([3]), rng) for _ in range(50)]
    split = [pair for pair in pairs if seen(pair, 0) != seen(pair, 1)]
    assert 10 < len(split) < 40
    text_rows = sum(views.encoded.fields[place].size for place in (0, 1))
    for pair in split:  # fields are in both, words and n-grams in one
        one, other = ({i for i in seen(pair, place) if i < text_rows} for place in (0, 1))
        whole = {i for i in bag_of(views, 3) if i < text_rows}
        assert not one & other
        assert one | other <= whole | {0}


def test_series_and_franchise_share_a_group(views):
    group = views.pairs(np.arange(5), np.random.default_rng(0))["group"]
    assert group[0] == group[1] == group[2]
    assert len({group[0], group[3], group[4]}) == 3


def test_kin_that_is_not_told_is_neither_shown_nor_spared():
    titles = ["Dark: Season 1", "Dark: Season 2", "Roma"]
    catalogue = Catalogue(pl.DataFrame({"title": titles}), (Column(name="title", role=Role.TITLE),))
    nothing = ContentRecipe(drop_words=0, drop_ngrams=0, drop_fields=0)
    alone = Views(
        catalogue, Encoder.fit(catalogue, FeatureRecipe()), nothing, Families(list("abc"), list("abc"))
    )
    rng = np.random.default_rng(0)
    pairs = [alone.pairs(np.arange(2), rng) for _ in range(50)]
    assert {frozenset(seen(pair, 2)) for pair in pairs} == {frozenset(bag_of(alone, 0))}
    assert all(pair["group"][0] != pair["group"][1] for pair in pairs)


def test_a_half_has_the_script_of_its_own():
    titles = ["Kingdom // 킹덤", "Roma"]
    catalogue = Catalogue(pl.DataFrame({"title": titles}), (Column(name="title", role=Role.TITLE),))
    nothing = ContentRecipe(drop_words=0, drop_ngrams=0, drop_fields=0, halves=1)
    views = Views(catalogue, Encoder.fit(catalogue, FeatureRecipe()), nothing)
    place = [field.name for field in views.encoded.fields].index("title/script")
    start = sum(field.size for field in views.encoded.fields[:place])
    scripts = views.encoded.bags[place].ids[:, 0]  # of the native half, and of Roma
    pair = views.pairs(np.array([0]), np.random.default_rng(0))
    shown = [seen(pair, view) & {int(start + script) for script in scripts} for view in (0, 1)]
    assert sorted(map(sorted, shown)) == sorted([[int(start + scripts[0])], [int(start + scripts[1])]])


WITH_VECTORS = FeatureRecipe(vectors="wordllama", min_count=1, sounds=False)


def read_with_vectors(**knobs) -> tuple[Views, Encoder]:
    pytest.importorskip("wordllama", reason="the extra `text` isn't installed")
    frame = pl.DataFrame({"title": ["Kingdom // 킹덤", "Roma", "The Physician"], "hours": [1.0, 2.0, 4.0]})
    columns = (Column(name="title", role=Role.TITLE), Column(name="hours", role=Role.NUMBER))
    catalogue = Catalogue(frame, columns)
    encoder = Encoder.fit(catalogue, WITH_VECTORS)
    return Views(catalogue, encoder, ContentRecipe(**knobs)), encoder


def test_a_half_has_a_vector_of_its_own_and_the_numbers_of_the_whole():
    views, encoder = read_with_vectors(drop_words=0, drop_ngrams=0, drop_fields=0, halves=1)
    halves = pl.DataFrame({"title": ["Kingdom", "킹덤"], "hours": [1.0, 1.0]})
    expected = encoder.encode(halves).dense
    assert not np.allclose(expected[0], expected[1])
    rng = np.random.default_rng(0)
    swapped = set()
    for _ in range(20):
        shown = views.pairs(np.array([0]), rng)["dense"]
        swap = int(np.array_equal(shown[0], expected[1]))
        swapped.add(swap)
        np.testing.assert_array_equal(shown, expected[[swap, 1 - swap]])
    assert swapped == {0, 1}


def test_a_vector_is_dropped_as_a_whole_and_not_with_the_numbers():
    views, _ = read_with_vectors(drop_fields=0.5)
    shown = views.pairs(np.tile([1, 2], 200), np.random.default_rng(0))["dense"]
    has_number, has_vector = shown[:, :1].any(1), shown[:, 1:].any(1)
    assert (shown[has_vector, 1:] != 0).mean() > 0.99
    for kind in (has_number, has_vector, has_number == has_vector):
        assert 0.4 < kind.mean() < 0.6


def test_what_is_served_has_so_much_of_the_pre_trained_likeness():
    views, _ = read_with_vectors()
    given = views.encoded.dense[:, -256:]
    towers = []
    for share in (0.0, 0.25, 1.0):
        keras.utils.set_random_seed(1)
        towers.append(embed(content_tower(views.encoded, 16, share), views.encoded))
    learnt, mixed, whole = (tower @ tower.T for tower in towers)
    assert towers[0].shape == (3, 16)
    np.testing.assert_allclose(np.diag(learnt), 1, atol=1e-5)
    np.testing.assert_allclose(whole, given @ given.T, atol=1e-5)
    np.testing.assert_allclose(mixed, 0.75 * learnt + 0.25 * (given @ given.T), atol=1e-5)


def test_titles_alone_are_not_served_by_what_they_mean_unless_asked():
    _, of_titles = read_with_vectors()
    given = of_titles.vectors
    assert given is not None
    of_texts = Encoder(of_titles.parts, given.model_copy(update={"texts": ("plot",)}))
    auto, asked = ContentRecipe(), ContentRecipe(vectors_share=0.2)
    assert [_vectors_share(encoder, auto) for encoder in (of_titles, of_texts)] == [0, TEXT_SHARE]
    assert [_vectors_share(encoder, asked) for encoder in (of_titles, of_texts)] == [0.2, 0.2]


@pytest.mark.slow
def test_an_exported_tower_gives_the_vectors_beside_the_learnt_ones():
    views, encoder = read_with_vectors()
    recipe = SMALL.model_copy(update={"epochs": 2, "vectors_share": 0.5})
    frame = pl.DataFrame({"title": ["Kingdom // 킹덤", "Roma", "The Physician"], "hours": [1.0, 2.0, 4.0]})
    columns = (Column(name="title", role=Role.TITLE), Column(name="hours", role=Role.NUMBER))
    model = train(Catalogue(frame, columns), encoder, recipe, 1)
    again = train(Catalogue(frame, columns), encoder, recipe, 1)
    np.testing.assert_array_equal(model.vectors, again.vectors)
    encoded = views.encoded
    bag = encoded.joined
    served = Tower(to_litert(model.tower))(ids=bag.ids, weights=bag.weights, dense=encoded.dense)
    assert served.shape == (3, 32 + 256)
    np.testing.assert_allclose(served, model.vectors, atol=1e-5)


def test_a_column_that_was_never_missing_says_nothing_when_it_is():
    catalogue, _ = planted(4)
    encoder = Encoder.fit(catalogue, FeatureRecipe())
    tower = content_tower(encoder.encode(catalogue), 16)
    starts = np.cumsum([0, *(field.size for field in encoder.fields)])[:-1]
    table = np.asarray(tower.get_layer("bag").table)
    assert not table[starts].any()
    assert np.delete(table, starts, 0).any(1).all()


@pytest.mark.slow
def test_a_triplet_loss_finds_the_planted_family_too():
    catalogue, family = planted()
    recipe = SMALL.model_copy(update={"loss": "triplet"})
    assert recall_of_family(trained(catalogue, recipe).vectors, family) > 0.9
    assert not np.array_equal(trained(catalogue, recipe).vectors, trained(catalogue).vectors)


def test_a_guessed_field_is_never_shown():
    catalogue, _ = planted(10)
    recipe = ContentRecipe(drop_words=0, drop_ngrams=0, drop_fields=0.5)
    views = Views(catalogue, Encoder.fit(catalogue, FeatureRecipe(min_count=1)), recipe)
    starts = np.cumsum([0, *(field.size for field in views.encoded.fields)])
    pair = views.pairs(np.arange(50), np.random.default_rng(0))
    guessed = 0
    for place in range(100):
        for guess, field in zip(pair["guess"][place], views.guessed, strict=True):
            shown = {i for i in seen(pair, place) if starts[field] <= i < starts[field + 1]}
            assert bool(shown) == (guess < 0)
            guessed += guess >= 0
    assert guessed > 50


@pytest.mark.slow
def test_the_trained_tower_finds_the_planted_family_and_the_control_does_not():
    catalogue, family = planted()
    control, _ = planted(shuffled=True)
    assert recall_of_family(trained(catalogue).vectors, family) > 0.9
    assert recall_of_family(trained(control).vectors, family) < 0.1  # chance is 4 / 199


@pytest.mark.slow
def test_training_tells_how_it_goes_and_a_seed_repeats_it():
    catalogue, _ = planted(20)
    told = []
    one, again = trained(catalogue, report=told.append), trained(catalogue)
    np.testing.assert_array_equal(one.vectors, again.vectors)
    assert not np.array_equal(one.vectors, trained(catalogue, seed=2).vectors)
    assert told[-1].step == told[-1].steps == 6 * 2
    assert told[-1].loss is not None
    assert told[-1].loss < 5
    np.testing.assert_allclose(np.linalg.norm(one.vectors, axis=1), 1, rtol=1e-5)


@pytest.mark.slow
def test_the_exported_tower_gives_the_same_vectors_in_any_batch():
    catalogue, _ = planted(10)
    encoder = Encoder.fit(catalogue, FeatureRecipe())
    model = trained(catalogue)
    tower = Tower(to_litert(model.tower))
    encoded = encoder.encode(catalogue)
    for rows in (slice(0, 1), slice(0, 7), slice(7, 30)):
        bag = encoded.joined
        vectors = tower(ids=bag.ids[rows], weights=bag.weights[rows], dense=encoded.dense[rows])
        np.testing.assert_allclose(vectors, model.vectors[rows], atol=1e-5)


@pytest.mark.slow
def test_a_catalogue_without_numbers_or_with_one_row_trains():
    frame = pl.DataFrame({"title": ["Dark"]})
    model = trained(Catalogue(frame, (Column(name="title", role=Role.TITLE),)))
    assert model.vectors.shape == (1, 32)
    assert np.isfinite(model.vectors).all()
    assert set(Tower(to_litert(model.tower)).inputs) == {"ids", "weights"}


def test_the_untrained_tower_embeds_like_its_own_network():
    catalogue, _ = planted(4)
    encoded = Encoder.fit(catalogue, FeatureRecipe()).encode(catalogue)
    tower = content_tower(encoded, 16)
    bag = encoded.joined
    straight = tower.predict({"ids": bag.ids, "weights": bag.weights, "dense": encoded.dense}, verbose=0)
    np.testing.assert_allclose(embed(tower, encoded), straight, atol=1e-5)


def test_a_catalogue_of_nothing_but_ids_is_refused():
    catalogue = Catalogue(pl.DataFrame({"id": ["a", "b"]}), (Column(name="id", role=Role.ID),))
    with pytest.raises(TrainingError, match="no column to learn from"):
        trained(catalogue)
