"""Steer: knobs that are tried on one list at a time, what they did to each title, and what that costs."""

import json
from dataclasses import replace

import pytest

from tastemaker.recipe import Recipe, RerankingRecipe
from tastemaker.recommend import Recommender
from tests.serve.web.peopled import RULED, peopled, saved
from tests.served import served

PEOPLE = [f"p{number}" for number in range(6)]
LOSSES = [(0.0, 0.200, 0.50), (0.5, 0.190, 0.60), (1.0, 0.150, 0.80)]
"""Strength, NDCG and diversity: half as strong loses 5 %, full strength 25 %."""


def mark(mean, spread=0.0):
    return {"mean": mean, "low": mean - spread, "high": mean + spread}


def point(strength, ndcg, diversity):
    lost = mark(0.2 - ndcg, 0.004 if strength else 0.0)
    told = {"strength": strength, "ndcg": mark(ndcg), "loss": lost, "diversity": diversity, "coverage": 0.1}
    return told | {"gini": 0.5, "novelty": 9.0, "age_days": 100.0, "popularity": 0.5, "shares": {}}


CURVES = {"k": 10, "people": 300, "split": "…", "curves": {"mmr": [point(*each) for each in LOSSES]}}


@pytest.fixture(scope="module")
def folder(town_bundle, tmp_path_factory):
    bundle = replace(peopled(town_bundle, RULED), evaluation={"curves": CURVES})
    return saved(bundle, tmp_path_factory.mktemp("steer") / "town")


@pytest.fixture(scope="module")
def service(folder):
    with served(folder, "--no-auth", "--store", folder.parent / "store.sqlite") as service:
        yield service


@pytest.fixture
def page(service, look):
    seen = look(service)
    seen.at("#/person?user=p3")
    seen.page.wait_for_selector(".places li")
    seen.page.wait_for_selector("#knob-diversity")
    return seen.page


def looked(service, **asked):
    return service.post("/page/api/recommend", asked)


def ids(answer):
    return [item["item_id"] for item in answer["items"]]


def shown(page):
    return page.eval_on_selector_all(".places li", "all => all.map((one) => one.dataset.id)")


def test_diversity_is_moved_and_each_title_says_where_it_came_from(page, service):
    before = shown(page)
    page.locator("#knob-diversity").fill("0.9")
    page.wait_for_selector(".changed:has-text('Diversity')")
    settings = {"reranking": {"diversity": {"strength": 0.9}}}
    answer = looked(service, user_id="p3", settings=settings)
    page.wait_for_selector(f".places li:nth-child(1)[data-id={answer['items'][0]['item_id']}]")
    assert shown(page) == ids(answer) != before
    moved = [(item, move) for item in answer["items"] for move in item.get("moves", [])]
    assert any(move["rule"] == "diversity" for _, move in moved)
    for item, move in moved:
        told = page.inner_text(f".places li[data-id={item['item_id']}] .why")
        assert f"{move['before'] or '–'} → {move['after']}" in told
    assert "recipe 0.20" in page.inner_text("#hint-diversity")
    page.click("text=As it is")
    page.wait_for_selector("#knob-diversity ~ small:has-text('recipe')")
    page.wait_for_selector(f".places li:nth-child(1)[data-id={before[0]}]")
    assert page.input_value("#knob-diversity") == "0.2"
    assert shown(page) == before


def test_the_newest_of_many_settings_is_what_stands_there_in_the_end(page, service):
    for step in range(40):
        page.locator("#knob-popularity").fill(str(round(step / 40 - 0.5, 2)))
    settings = {"reranking": {"popularity": {"strength": 0.47}}}
    wanted = ids(looked(service, user_id="p3", settings=settings))
    page.locator("#knob-popularity").fill("0.47")
    page.wait_for_timeout(400)
    assert shown(page) == wanted


def test_the_curve_says_what_todays_setting_costs(page):
    assert "Move a slider" in page.inner_text("p.tradeoff")
    page.locator("#knob-diversity").fill("0.75")
    # Half way from (5 %, 0.60) to (25 %, 0.80).
    page.wait_for_selector("p.now:has-text('At 0.75: 15.0 % of NDCG lost, diversity of a list 0.700')")
    assert "15.0 %" in page.get_attribute(".tradeoff svg", "aria-label")
    page.click("text=As a table")
    rows = page.locator(".tradeoff tbody tr").all_inner_texts()
    assert [row.split() for row in rows][1:] == [
        ["0.5", "5.0", "3.0", "–", "7.0", "0.600"],
        ["1.0", "25.0", "23.0", "–", "27.0", "0.800"],
    ]
    page.locator("#knob-freshness").fill("0.3")
    page.wait_for_selector("p.tradeoff:has-text('nothing was measured')")


def test_a_rule_is_switched_off_and_on_again(page, service):
    assert not any(n >= 150 for n in (int(each[1:]) for each in shown(page)))  # Delta is blocked
    assert "n3" not in shown(page)[2:]
    page.uncheck('.knobs label:has-text("the manager\'s") input')
    page.wait_for_selector(".changed:has-text('Rules')")
    rules = [{"do": "block", "name": "no Delta", "where": 'town == "Delta"'}]
    assert shown(page) == ids(looked(service, user_id="p3", settings={"reranking": {"rules": rules}}))


def test_fair_shares_a_filter_and_chance_can_be_set(page):
    page.click("summary:has-text('Fair shares')")
    page.select_option("details.knobs:has-text('Fair shares') select", "town")
    page.locator("[aria-label='Share of Beta']").fill("0.5")
    page.wait_for_selector(".move:has-text('fairness')")
    page.click("summary:has-text('Filter')")
    page.fill("input[name=filter]", 'town == "Gamma"')
    page.keyboard.press("Enter")
    page.wait_for_selector(".changed:has-text('Filter')")
    page.wait_for_selector(".places li:first-child:has-text('Gamma')")
    page.fill("input[name=filter]", "town = oops")
    page.keyboard.press("Enter")
    page.wait_for_selector(".steer [role=alert]")
    assert page.locator(".places li").count() > 0
    page.click("text=As it is")
    page.wait_for_selector(".steer:not(:has([role=alert]))")
    page.click("summary:has-text('Exploration')")
    page.select_option("details.knobs:has-text('Exploration') select", "epsilon")
    page.wait_for_selector(".move:has-text('chance')")


def test_another_placement_brings_its_own_settings(page, service):
    page.select_option(".steer select", "late")
    page.wait_for_selector(".places li:nth-child(6)")
    page.wait_for_selector(".places:not(:has(li:nth-child(7)))")
    assert page.input_value("#knob-popularity") == "-0.4"
    assert shown(page) == ids(looked(service, user_id="p3", placement="late"))


SETTINGS = [
    {},
    {"reranking": {"diversity": {"strength": 0.7, "method": "dpp"}}},
    {"reranking": {"popularity": {"strength": -0.5}, "calibration": {"strength": 0.4, "of": "town"}}},
    {"reranking": {"fairness": {"of": "town", "shares": {"Beta": 0.4}, "significance": 0.0}}},
    {"reranking": {"rules": []}},
    {"filter": 'town == "Gamma"'},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_list_under_settings_is_that_of_a_recipe_that_says_them(service, folder, settings):
    base = {"diversity": {"strength": 0.2}, "rules": RULED["reranking"]["rules"]}
    given = settings.get("reranking", {})
    own = {
        name: {**base.get(name, {}), **table} if isinstance(table, dict) else table
        for name, table in given.items()
    }
    recommender = Recommender.load(folder).with_placements(Recipe.of({"reranking": base | own}))
    for user_id in PEOPLE:
        slate = recommender.recommend(
            user_id, k=10, explain=False, placement="home", filter=settings.get("filter")
        )
        answer = looked(service, user_id=user_id, settings=settings)
        assert ids(answer) == [item.item_id for item in slate]
        assert [item.get("moves", []) for item in answer["items"]] == [
            [move._asdict() for move in item.moves] for item in slate
        ]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"reranking": {"diversity": {"strength": 2}}}, "reranking.diversity.strength is 2"),
        ({"reranking": {"diversity": {"of": "colour"}}}, "colour"),
        ({"reranking": {"diversty": {"strength": 0.2}}}, "diversty"),
        ({"reranking": {"placements": {}}}, "placements"),
        ({"reranking": {"diversity": 3}}, "diversity"),
        ({"reranking": {"fairness": {"of": "town", "shares": {"Beta": 0.8, "Alpha": 0.8}}}}, "sum"),
        ({"reranking": {"rules": [{"do": "explode"}]}}, "rules"),
        ({"filter": "town ="}, "filter"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_settings_that_cant_be_are_told_in_a_line(service, settings, told):
    said = service.ask("POST", "/page/api/recommend", {"user_id": "p1", "settings": settings})
    assert said.status == 422, said
    assert told in said.body["error"]["message"]
    assert "\n" not in said.body["error"]["message"]


def test_lists_that_are_looked_at_owe_no_group_anything(town_bundle, tmp_path):
    """Fair shares over time: what is tried isn't made up for in what is served."""
    fair = {"of": "town", "shares": {"Beta": 0.3}, "significance": 0.0, "over_time": True}
    folder = saved(peopled(town_bundle, {"reranking": {"fairness": fair}}), tmp_path / "town")
    asked = {"history": ["n7"], "k": 1}
    with served(folder, "--no-auth", "--store", tmp_path / "one.sqlite") as service:
        alone = [service.ids(**asked) for _ in range(6)]
    with served(folder, "--no-auth", "--store", tmp_path / "two.sqlite") as service:
        for _ in range(7):
            looked(service, history=["n7"], k=1)
        assert [service.ids(**asked) for _ in range(6)] == alone


def test_the_controls_say_what_there_is_to_set(service):
    told = service.get("/page/api/controls")
    assert told["reranking"]["diversity"]["strength"] == 0.2
    assert [each["name"] for each in told["rules"]] == ["no Delta", "the manager's"]
    groups = {each["column"]: each for each in told["groups"]}
    assert set(groups) == {"town", "tags", "popularity_tier"}
    assert {each["name"] for each in groups["town"]["values"]} == {"Alpha", "Beta", "Gamma", "Delta"}
    assert [each["name"] for each in told["placements"]][-1] == "late"
    assert len({item["item_id"] for taste in told["tastes"] for item in taste}) == 9
    late = service.get("/page/api/controls?placement=late")
    assert late["k"] == 6
    assert [each["name"] for each in late["rules"]] == ["no Delta"]
    assert service.ask("GET", "/page/api/controls?placement=nowhere").status == 422


def test_shares_of_another_column_take_the_place_of_those_of_the_first():
    recipe = RerankingRecipe.model_validate(
        {
            "fairness": {"of": "town", "shares": {"Beta": 0.5}},
            "placements": {
                "here": {"fairness": {"of": "tags", "shares": {"t1": 0.9}}},
                "there": {"fairness": {"shares": {"Alpha": 0.2}}},
            },
        }
    )
    assert recipe.at("here").fairness.shares == {"t1": 0.9}
    assert recipe.at("there").fairness.shares == {"Beta": 0.5, "Alpha": 0.2}
    assert json.loads(recipe.model_dump_json())["fairness"]["shares"] == {"Beta": 0.5}
