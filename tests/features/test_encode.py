import json
import math
from datetime import date

import numpy as np
import polars as pl
import pytest

from tastemaker.data.catalogue import Catalogue
from tastemaker.features.encode import Encoder
from tastemaker.features.schema import Bag, Encoded
from tastemaker.recipe import Column, FeatureRecipe, Role


def catalogue(**columns: tuple[Role, list]) -> Catalogue:
    types = {Role.CATEGORIES: pl.List(pl.String), Role.DATE: pl.Date}
    types |= {Role.NUMBER: pl.Float64, Role.POPULARITY: pl.Float64}
    frame = pl.DataFrame(
        {
            name: pl.Series(values, dtype=types.get(role, pl.String))
            for name, (role, values) in columns.items()
        }
    )
    return Catalogue(frame, tuple(Column(name=name, role=role) for name, (role, _) in columns.items()))


def fit(things: Catalogue, rows: list[int] | None = None, **knobs) -> Encoder:
    return Encoder.fit(things, FeatureRecipe(**knobs), None if rows is None else np.array(rows, np.int32))


def bag(encoded: Encoded, name: str) -> Bag:
    return encoded.bags[[field.name for field in encoded.fields].index(name)]


def test_a_category_not_met_in_fitting_is_row_0():
    things = catalogue(lang=(Role.CATEGORY, ["ko", "en", None, "fr"]))
    encoder = fit(things, rows=[0, 1, 2])
    assert encoder.fields[0].size == 3
    assert bag(encoder.encode(things), "lang").ids[:, 0].tolist() == [2, 1, 0, 0]
    assert bag(encoder.encode(things), "lang").weights.tolist() == [[1], [1], [1], [1]]


def test_a_rare_category_is_out_of_vocabulary_once_there_are_rows_enough():
    many = catalogue(lang=(Role.CATEGORY, ["en"] * 150 + ["xh"]))
    assert bag(fit(many).encode(many), "lang").ids[-1, 0] == 0
    few = catalogue(lang=(Role.CATEGORY, ["en", "xh"]))
    assert bag(fit(few).encode(few), "lang").ids[-1, 0] == 2


def test_several_values_share_the_weight_of_one():
    things = catalogue(genres=(Role.CATEGORIES, [["a", "b", "c", "d"], ["d"], [], None]))
    found = bag(fit(things).encode(things), "genres")
    assert found.ids.tolist() == [[1, 2, 3, 4], [4, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert found.weights.tolist() == [[0.5] * 4, [1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]]


def test_an_unknown_value_leaves_the_known_ones_alone():
    things = catalogue(genres=(Role.CATEGORIES, [["a", "b"], ["zz", "b"]]))
    found = bag(fit(things, rows=[0]).encode(things), "genres")
    assert (found.ids[1].tolist(), found.weights[1].tolist()) == ([2, 0], [1, 0])


def test_a_number_is_standardised_and_put_in_a_bucket():
    things = catalogue(size=(Role.NUMBER, [1.0, 2.0, 3.0, None, 99.0]))
    encoded = fit(things, rows=[0, 1, 2, 3]).encode(things)
    deviation = math.sqrt(2 / 3)
    # 99 lies outside the fitted range: taken for its end
    assert encoded.dense[:, 0].tolist() == pytest.approx([-1 / deviation, 0, 1 / deviation, 0, 1 / deviation])
    assert bag(encoded, "size").ids[:, 0].tolist() == [1, 2, 3, 0, 3]


def test_buckets_hold_equally_many():
    things = catalogue(size=(Role.NUMBER, [float(n) for n in range(400)]))
    ids = bag(fit(things, buckets=4).encode(things), "size").ids[:, 0]
    assert np.bincount(ids).tolist() == [0, 100, 100, 100, 100]


def test_a_skewed_number_is_read_as_its_logarithm():
    values = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, math.e**4 - 1]
    things = catalogue(views=(Role.POPULARITY, values))
    dense = fit(things).encode(things).dense[:, 0]
    mean = 4 / 7
    deviation = math.sqrt((6 * mean**2 + (4 - mean) ** 2) / 7)
    assert dense[-1] == pytest.approx((4 - mean) / deviation, rel=1e-5)


def test_a_date_is_a_year_and_an_age_at_the_newest_date_of_fitting():
    things = catalogue(
        on=(Role.DATE, [date(2023, 1, 1), date(2022, 12, 31), date(2021, 1, 1), None, date(2030, 1, 1)])
    )
    encoder = fit(things, rows=[0, 1, 2, 3])
    encoded = encoder.encode(things)
    assert bag(encoded, "on/year").ids[:, 0].tolist() == [3, 2, 1, 0, 3]
    assert encoder.dense_names == ("on/age",)
    ages = encoded.dense[:, 0]
    assert ages[0] < ages[1] < ages[2]
    assert ages[3] == 0  # missing
    assert ages[4] == ages[0]  # newer than anything fitted: as new as can be


def test_the_year_of_a_title_is_a_number_and_no_word():
    things = catalogue(title=(Role.TITLE, ["Toy Story (1995)", "Heat (1995)", "Alien (1979)"]))
    encoded = fit(things).encode(things)
    assert bag(encoded, "title/year").ids[:, 0].tolist() == [2, 2, 1]
    words = bag(encoded, "title/words")
    assert (words.weights > 0).sum(1).tolist() == [2, 1, 1]


def test_titles_are_told_apart_by_script_and_ending_only_where_they_differ():
    names = ["Dark: Season 1", "Roma", "Kingdom // 킹덤"]
    both = fit(catalogue(title=(Role.TITLE, names)))
    neither = fit(catalogue(title=(Role.TITLE, ["Dark", "Roma"])))
    assert {"title/script", "title/ending"} < {field.name for field in both.fields}
    assert [field.name for field in neither.fields] == [
        "title/words",
        "title/ngrams",
        "title/name/ngrams",
        "title/sounds/ngrams",
    ]


def test_the_name_before_the_colon_is_a_field_of_its_own():
    things = catalogue(title=(Role.TITLE, ["Dark: Ende", "Ende: Dark", "Dark: Season 2", "Dark Ende"]))
    named = fit(things).encode(things)
    found = bag(named, "title/name/ngrams")
    names = [set(found.ids[row][found.weights[row] > 0].tolist()) for row in range(4)]
    assert names[0] == names[2] != names[1]
    assert names[3] == names[0] | names[1]
    assert "title/name/ngrams" not in {field.name for field in fit(things, names=False).fields}


def test_a_native_name_has_the_sounds_of_the_latin_one():
    things = catalogue(title=(Role.TITLE, ["Boruto", "ボルト", "Dark"]))
    encoded = fit(things).encode(things)
    heard, spelled = (
        [set(b.ids[row][b.weights[row] > 0].tolist()) for row in range(3)]
        for b in (bag(encoded, "title/sounds/ngrams"), bag(encoded, "title/ngrams"))
    )
    assert heard[0] == heard[1]
    assert not heard[0] & heard[2]
    assert spelled[0] < spelled[1]  # its own letters, and the Latin ones
    assert len(fit(things, sounds=False).fields) == len(encoded.fields) - 1


def test_the_rarest_words_come_first_and_a_bag_has_length_1():
    things = catalogue(plot=(Role.TEXT, ["the cave", "the the fall", "the"]))
    found = bag(fit(things).encode(things), "plot/words")
    common = found.ids[2, 0]
    assert found.ids[0, 1] == common
    assert found.ids[1, 1] == common
    assert np.sum(found.weights**2, axis=1).tolist() == pytest.approx([1, 1, 1])
    # idf: log(4 / 2) + 1 for "cave", log(4 / 4) + 1 for "the"
    assert found.weights[0, 0] / found.weights[0, 1] == pytest.approx(math.log(2) + 1, rel=1e-5)


def test_long_texts_keep_what_is_rare():
    common = [f"w{n}" for n in range(20)]
    things = catalogue(plot=(Role.TEXT, [" ".join([*common, "unique"]), " ".join(common)]))
    found = bag(fit(things, max_text=8).encode(things), "plot/words")
    assert found.ids.shape == (2, 8)
    assert found.ids[0, 0] not in found.ids[1]


def test_words_not_met_in_fitting_say_nothing():
    things = catalogue(title=(Role.TITLE, ["dark cave", "xyz", "dark xyz", None]))
    found = bag(fit(things, rows=[0]).encode(things), "title/words")
    assert found.ids[1].tolist() == found.ids[3].tolist() == [0, 0]
    assert found.weights[1].tolist() == [1, 0]
    assert found.weights[2].tolist() == [1, 0]
    assert found.ids[2, 0] > 0


def test_an_empty_column_gives_no_field():
    roles = (Role.TITLE, Role.TEXT, Role.CATEGORY, Role.CATEGORIES, Role.NUMBER, Role.DATE)
    things = catalogue(**{role.value: (role, [None, None]) for role in roles})
    encoded = fit(things).encode(things)
    assert encoded.fields == ()
    assert encoded.dense.shape == (2, 0)
    assert encoded.joined.ids.shape == (2, 0)


def test_ids_are_never_features():
    things = catalogue(item=(Role.ID, ["a", "b"]), lang=(Role.CATEGORY, ["x", "y"]))
    assert [field.name for field in fit(things).fields] == ["lang"]


@pytest.fixture
def everything() -> Catalogue:
    return catalogue(
        title=(Role.TITLE, ["Dark: Season 1 (2017)", "Kingdom // 킹덤 (2019)", None, "Roma (2018)"]),
        lang=(Role.CATEGORY, ["de", "ko", None, "es"]),
        genres=(Role.CATEGORIES, [["a", "b"], None, ["b"], []]),
        hours=(Role.POPULARITY, [1e8, 1e5, 3e5, None]),
        on=(Role.DATE, [date(2017, 12, 1), None, date(2019, 1, 25), date(2018, 3, 9)]),
        plot=(Role.TEXT, ["a cave", "zombies\nat court", None, "a maid"]),
    )


def test_an_encoder_comes_back_from_json_alike(everything):
    encoder = fit(everything)
    again = Encoder.from_json(json.loads(json.dumps(encoder.as_json())))
    one, other = encoder.encode(everything), again.encode(everything)
    assert one.fields == other.fields
    np.testing.assert_array_equal(one.joined.ids, other.joined.ids)
    np.testing.assert_array_equal(one.joined.weights, other.joined.weights)
    np.testing.assert_array_equal(one.dense, other.dense)


def test_a_row_is_encoded_alone_as_among_others(everything):
    encoder = fit(everything)
    together, alone = encoder.encode(everything), encoder.encode(everything.frame[1:2])
    np.testing.assert_array_equal(alone.joined.ids[0], together.joined.ids[1])
    np.testing.assert_array_equal(alone.joined.weights[0], together.joined.weights[1])
    np.testing.assert_array_equal(alone.dense[0], together.dense[1])


def test_a_column_that_a_frame_lacks_is_missing(everything):
    encoder = fit(everything)
    without = encoder.encode(everything.frame.drop("lang", "hours", "plot", "genres", "on"))
    nulled = encoder.encode(
        everything.frame.with_columns(
            pl.lit(None).alias(name) for name in ("lang", "hours", "plot", "genres", "on")
        )
    )
    np.testing.assert_array_equal(without.joined.ids, nulled.joined.ids)
    assert not without.bags[-1].ids.any()


def test_ids_stay_inside_their_tables(everything):
    encoded = fit(everything, hash_rows=256).encode(everything)
    for field, found in zip(encoded.fields, encoded.bags, strict=True):
        assert 0 <= found.ids.min() <= found.ids.max() < field.size <= 257


def test_people_are_encoded_like_items():
    people = catalogue(
        user_id=(Role.USER, ["u", "v"]),
        age=(Role.NUMBER, [20.0, 40.0]),
        country=(Role.CATEGORY, ["at", "jp"]),
    )
    encoded = fit(people).encode(people)
    assert encoded.dense[:, 0].tolist() == pytest.approx([-1, 1])
    assert bag(encoded, "country").ids[:, 0].tolist() == [1, 2]
