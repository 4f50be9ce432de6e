"""Rules as people ask for them: by keywords, recipe, placement, file; and in the exam."""

import json
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

from tastemaker.bundle import Bundle
from tastemaker.data.impressions import Impressions
from tastemaker.errors import RecipeError, TastemakerError
from tastemaker.recipe import Recipe, RerankingRecipe
from tastemaker.recommend import Recommender
from tastemaker.slate import Move, Slate

# The six items are laid out in conftest.py: a and b point right, c and d lean up, e points up, f left.


def ids(slate: Slate) -> str:
    return "".join(item.item_id for item in slate)


def ruled(answers: Recommender, **tables) -> Recommender:
    return answers.with_rules(RerankingRecipe.model_validate(tables))


def test_a_weight_of_a_request_moves_items_and_says_which_rule_did(answers):
    # Untouched d c b f; of popularity b and d have 5, f 3, c 2.
    assert ids(answers.recommend("ann")) == "dcbf"
    slate = answers.recommend("ann", weights={"popularity": 1.0})
    assert ids(slate) == "dbfc"
    assert slate[1].moves == (Move("popularity", 3, 2),)
    assert slate[0].moves == ()
    assert [item.score for item in slate] == sorted((item.score for item in slate), reverse=True)
    assert slate.as_json()["items"][1]["moves"] == [{"rule": "popularity", "before": 3, "after": 2}]
    assert "moves" not in slate.as_json()["items"][0]


def test_one_or_many_or_arrays_the_lists_are_the_same(answers):
    wishes = {"weights": {"diversity": 0.5, "popularity": -0.2}}
    one = [ids(answers.recommend(user, k=3, **wishes)) for user in ("ann", "eve")]
    assert [ids(slate) for slate in answers.recommend_many(["ann", "eve"], 3, **wishes)] == one
    rows = answers.ranked(["ann", "eve"], 3, **wishes).rows
    assert ["".join(answers.catalogue.id_list(own)) for own in rows] == one


def test_without_any_strength_nothing_is_changed(answers):
    plain = answers.recommend("ann")
    assert answers.recommend("ann", weights={"diversity": 0.0, "freshness": 0.0}) == plain
    assert ruled(answers).recommend("ann") == plain
    assert ruled(answers).unruled.usually.chain is None


def test_what_is_like_an_item_goes_through_the_rules_too(answers):
    plain = ids(answers.similar("Roma", all_seasons=True))
    turned = answers.similar("Roma", all_seasons=True, weights={"popularity": 1.0})
    assert set(ids(turned)) == set(plain)
    popular = dict(zip("abcdef", np.asarray(answers.bundle.arrays["popularity"]), strict=True))
    assert [popular[id] for id in ids(turned)] == sorted((popular[id] for id in plain), reverse=True)


def test_a_pin_stands_where_it_was_put_even_if_nothing_found_it(answers):
    pin = {"do": "pin", "item": "f", "place": 1}
    slate = ruled(answers, rules=[pin]).recommend("ann", k=2)
    assert ids(slate) == "fd"
    assert slate[0].reasons[-1] == "pinned"
    only = ruled(answers, rules=[pin]).recommend("ann", k=2, only=["c", "d"])
    assert ids(only) == "dc"
    assert any("pin" in note for note in only.notes)


def test_what_may_not_be_shown_is_not_even_looked_for(answers):
    # Two candidates are looked at; were the block heeded only then, nothing would be left.
    few = answers.with_rules(
        RerankingRecipe.model_validate({"rules": [{"do": "block", "items": ["d", "c"]}]})
    )
    few.recipe = few.recipe.model_copy(
        update={"retrieval": few.recipe.retrieval.model_copy(update={"candidates": 2})}
    )
    assert ids(few.recommend("ann", k=2)) == "bf"


def test_a_country_and_an_age_are_heeded(answers):
    rules = [
        {"do": "unavailable", "items": ["d"], "countries": ["DE"]},
        {"do": "age_rating", "column": "genre", "ages": {"x": 18}, "unrated": 0},
    ]
    there = ruled(answers, rules=rules)
    assert ids(there.recommend("ann", country="fr", age=30)) == "dcbf"
    assert ids(there.recommend("ann", country="de", age=30)) == "cbf"
    genres = dict(zip(answers.catalogue.ids, answers.catalogue.frame["genre"], strict=True))
    assert all(genres[id] != "x" for id in ids(there.recommend("ann", country="fr", age=12)))
    with pytest.raises(TastemakerError, match="age is -1"):
        answers.recommend("ann", age=-1)


def test_what_was_shown_often_enough_is_not_shown_again(answers):
    day = 86_400.0
    rows = answers.catalogue.rows(["d", "d", "c"])
    shown = Impressions.from_events(
        ["ann"], np.zeros(3, np.int32), rows, np.array([1, 2, 3]) * day, positions=np.ones(3, np.int32)
    )
    there = ruled(answers, rules=[{"do": "repeat", "times": 2, "days": 7}])
    asked = {"now": 4 * day, "impressions": shown}
    assert ids(there.recommend("ann", **asked)) == "cbf"
    assert ids(there.recommend("ann", impressions=shown, now=10 * day)) == "dcbf"
    assert ids(there.recommend("eve", **asked)) == ids(answers.recommend("eve"))


def test_a_placement_has_its_own_strengths_and_a_wrong_name_is_told(answers):
    there = ruled(answers, placements={"home": {"popularity": {"strength": 1.0}}})
    assert ids(there.recommend("ann")) == "dcbf"
    assert ids(there.recommend("ann", placement="home")) == "dbfc"
    with pytest.raises(RecipeError, match=r"no placement 'hom'\. Did you mean 'home'\?"):
        there.recommend("ann", placement="hom")
    with pytest.raises(RecipeError, match="'fairness' is no rule with a strength"):
        there.recommend("ann", weights={"fairness": 1.0})
    with pytest.raises(RecipeError, match=r"The weight diversity is 2\.0"):
        there.recommend("ann", weights={"diversity": 2.0})


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ({"diversity": {"strength": 0.2, "of": "genr"}}, "Did you mean 'genre'"),
        (
            {"rules": [{"do": "pin", "item": "a", "place": 1}, {"do": "pin", "item": "b", "place": 1}]},
            "rule 2",
        ),
        ({"placements": {"home": {"diversity": {"strength": 7}}}}, "home"),
    ],
)
def test_a_recipe_that_can_not_be_kept_is_refused_when_it_is_read(answers, tables, told):
    with pytest.raises((RecipeError, ValueError), match=told):
        ruled(answers, **tables)


def test_a_recipe_with_rules_is_the_same_as_toml(tmp_path):
    tables = {
        "reranking": {
            "diversity": {"strength": 0.25},
            "rules": [
                {"do": "cap", "column": "series", "most": 1, "first": 10},
                {"do": "block", "items": ["a"]},
            ],
            "placements": {"home": {"freshness": {"strength": 0.5}}},
        }
    }
    recipe = Recipe.of(tables)
    path = tmp_path / "recipe.toml"
    path.write_text(recipe.as_toml())
    assert Recipe.read(path) == recipe


def test_ages_of_releases_bring_new_items_forward(by_hand):
    dates = [date(2020, 1, n) for n in (1, 2, 3, 4, 5, 30)]
    frame = by_hand.catalogue.frame.with_columns(pl.Series("released", dates))
    from tastemaker.recipe import Column, Role

    catalogue = replace(
        by_hand.catalogue,
        frame=frame,
        columns=(*by_hand.catalogue.columns, Column(name="released", role=Role.DATE)),
    )
    fresh = Recommender(replace(by_hand, catalogue=catalogue))
    slate = fresh.recommend("ann", weights={"freshness": 1.0}, now=1_580_428_800.0)  # 2020-01-31
    assert ids(slate) == "fdcb"
    assert slate[0].reasons[-1].startswith("new this")


# --- the command line -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bundle(by_hand: Bundle, tmp_path_factory):
    path = tmp_path_factory.mktemp("ruled") / "bundle"
    Recommender(by_hand).save(path)
    return path


def test_the_command_line_takes_weights_and_a_file_of_rules(tastemaker, bundle, written):
    def found(*arguments: object) -> str:
        done = tastemaker("recommend", bundle, "--user", "ann", "--json", *arguments)
        assert done.status == 0, done.stderr
        return "".join(item["item_id"] for item in json.loads(done.stdout)["items"])

    assert found("--weight", "popularity=1") == "dbfc"
    rules = written('[[rules]]\ndo = "pin"\nitem = "f"\nplace = 1\n', "rules.toml")
    assert found("--rules", rules) == "fdcb"
    assert found("--rules", rules, "--weight", "popularity=1") == "fdbc"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--weight", "diversity"), "write a rule and a number"),
        (("--weight", "diversity=much"), "write a rule and a number"),
        (("--weight", "diversty=0.1"), "is no rule with a strength"),
        (("--placement", "hom"), "no placement 'hom'"),
        (("--age", "-3"), "age is -3"),
    ],
)
def test_what_can_not_be_wished_for_is_one_line_and_status_2(tastemaker, bundle, arguments, told):
    done = tastemaker("recommend", bundle, "--user", "ann", *arguments)
    assert (done.status, done.stderr.count("\n"), done.stdout) == (2, 1, "")
    assert told in done.stderr


def test_contradicting_rules_in_a_file_are_one_line_with_both(tastemaker, bundle, written):
    text = '[[rules]]\nname = "one"\ndo = "pin"\nitem = "f"\nplace = 1\n' * 2
    text = text.replace('"one"', '"other"', 1).replace('"f"', '"a"', 1)
    done = tastemaker("recommend", bundle, "--user", "ann", "--rules", written(text, "rules.toml"))
    assert (done.status, done.stderr.count("\n")) == (2, 1)
    assert "one" in done.stderr
    assert "other" in done.stderr


def test_shows_and_clicks_follow_their_items_when_others_come_and_go(by_hand):
    shows, clicks = np.arange(6.0) * 10, np.arange(6.0)
    tried = Recommender(
        replace(by_hand, arrays={**by_hand.arrays, "tries/shows": shows, "tries/clicks": clicks})
    )
    assert tried.memory.tries.of(np.array([5], np.int32)) == (50, 5)
    tried.memory.tries.add(np.array([5], np.int32), True)
    fewer = tried.without(["a", "c"])
    row = fewer.catalogue.rows(["f"])
    assert fewer.memory.tries.of(row) == (51, 6)
    # Saved and opened it begins at what the bundle knows.
    assert Recommender(fewer.bundle).memory.tries.of(row) == (50, 5)
