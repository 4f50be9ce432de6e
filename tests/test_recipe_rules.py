import datetime
import json

import pytest

from tastemaker.errors import RecipeError
from tastemaker.recipe import Recipe, read_rules

EVERY = """
[[rules]]
do = "filter"
where = 'genre == "x"'
name = "only x"
placements = ["home", "search"]
since = 2024-01-01
until = 2024-01-31

[[rules]]
do = "block"
items = ["a", "b", "c", "d"]

[[rules]]
do = "pin"
item = "a"
place = 3

[[rules]]
do = "boost"
where = "year >= 2020"
items = ["b"]
strength = 0.25

[[rules]]
do = "bury"
items = ["e"]
strength = 1

[[rules]]
do = "cap"
column = "series"
most = 1

[[rules]]
do = "promote"
where = 'language == "Korean"'
share = 0.3
first = 20

[[rules]]
do = "unavailable"
countries = ["DE", "at"]
items = ["a"]

[[rules]]
do = "age_rating"
column = "rating"
ages = { "TV-MA" = 17, G = 0 }
unrated = 12
viewer = 18

[[rules]]
do = "repeat"
times = 3
days = 7

[[rules]]
do = "watched"
days = 90.5
"""

SAID = [
    'filter genre == "x"',
    "block a, b, c and 1 more",
    "pin a at 3",
    "boost year >= 2020 or b",
    "bury e",
    "at most 1 per series in the first 10",
    '30% of the first 20 to language == "Korean"',
    "a not in DE, at",
    "ages by rating",
    "not again after 3 times in 7 days",
    "not what was watched in 90.5 days",
]


def refused(path) -> str:
    with pytest.raises(RecipeError) as error:
        read_rules(path)
    assert "\n" not in str(error.value)
    return str(error.value).replace(str(path), "FILE")


def test_a_file_of_every_kind_is_read_and_each_says_what_it_does(written):
    rules = read_rules(written(EVERY, "rules.toml"))
    assert [rule.does for rule in rules] == SAID
    assert [rule.called for rule in rules[:2]] == ["only x", SAID[1]]
    assert rules[0].since == datetime.date(2024, 1, 1)
    assert (rules[3].strength, rules[8].ages) == (0.25, {"TV-MA": 17, "G": 0})


def test_json_and_a_recipe_say_the_same(written):
    rules = read_rules(written(EVERY, "rules.toml"))
    plain = [rule.model_dump(mode="json", exclude_unset=True) for rule in rules]
    assert read_rules(written(json.dumps({"rules": plain}), "rules.JSON")) == rules
    assert Recipe.of({"reranking": {"rules": plain}}).reranking.rules == rules
    in_recipe = EVERY.replace("[[rules]]", "[[reranking.rules]]")
    recipe = Recipe.read(written(in_recipe, "recipe.toml"))
    assert recipe.reranking.rules == rules
    # Which is what a bundle keeps.
    assert Recipe.of(json.loads(recipe.model_dump_json())) == recipe


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules = 3", "FILE: rules is 3: input should be a valid tuple."),
        ("", "FILE: A file of rules lacks the key 'rules'."),
        ("rule = []", "FILE: A file of rules lacks the key 'rules'."),
        ("rules = []\nrulez = 1", "FILE: A file of rules has no key 'rulez'. Did you mean 'rules'?"),
        ("[[rules]]\nname = 'x'", "FILE: rules, rule 1 lacks the key 'do', which says what it is."),
        ("[[rules]]\ndo = 'pinn'", "FILE: rules, rule 1: do is 'pinn'. Did you mean 'pin'?"),
        (
            "[[rules]]\ndo = 'watched'\n[[rules]]\ndo = 'pin'\nitem = 'a'\nplaec = 1",
            "FILE: rules, rule 2 (pin) lacks the key 'place'.",
        ),
        (
            "[[rules]]\ndo = 'pin'\nitem = 'a'\nplace = 1\nplaec = 1",
            "FILE: rules, rule 1 (pin) has no key 'plaec'. Did you mean 'place'?",
        ),
        (
            "[[rules]]\ndo = 'pin'\nitem = 'a'\nplace = 0",
            "FILE: rules, rule 1 (pin): place is 0: input should be greater than or equal to 1.",
        ),
        (
            "[[rules]]\ndo = 'block'\nitems = [1]",
            "FILE: rules, rule 1 (block): items.0 is 1: input should be a valid string.",
        ),
        (
            "[[rules]]\ndo = 'block'",
            "FILE: rules, rule 1 (block) is {'do': 'block'}: input should have `where`, or `items`, or both.",
        ),
        (
            "[[rules]]\ndo = 'watched'\nsince = 2024-02-01\nuntil = 2024-01-01",
            "FILE: rules, rule 1 (watched): until is datetime.date(2024, 1, 1): "
            "input should not be before `since`, 2024-02-01.",
        ),
        (
            "[[rules]]\ndo = 'boost'\nitems = ['a']\nstrength = nan",
            "FILE: rules, rule 1 (boost): strength is nan: input should be a finite number.",
        ),
        ("[[rules]", "FILE is not valid TOML: "),
    ],
)
def test_a_mistake_is_named_by_its_rule_and_key(text, message, written):
    told = refused(written(text, "rules.toml"))
    assert told.startswith(message) if message.endswith(": ") else told == message


def test_a_file_that_can_not_be_read_is_told_in_one_line(tmp_path, written):
    assert refused(tmp_path / "none.toml") == "Can't read the rules FILE: No such file or directory."
    assert "Is a directory" in refused(tmp_path)
    assert refused(written(b"\xff", "rules.toml")) == "Can't read the rules FILE: it is not UTF-8 text."
    assert refused(written("{", "rules.json")).startswith("FILE is not valid JSON: ")
    assert refused(written("[]", "rules.json")).startswith("FILE holds no table: ")
    deep = "Can't read the rules FILE: tables lie within one another too deep."
    assert refused(written("[" * 100_000, "deep.json")) == deep


def test_a_recipe_names_the_rule_as_well():
    with pytest.raises(RecipeError) as error:
        Recipe.read(None, ['reranking.rules=[{do="watched"}, {do="cap", column="a", most=1, frist=3}]'])
    assert str(error.value) == "reranking.rules, rule 2 (cap) has no key 'frist'. Did you mean 'first'?"


def test_an_editor_gets_a_schema_of_every_kind():
    schema = Recipe.model_json_schema()
    kinds = schema["$defs"]["RerankingRecipe"]["properties"]["rules"]["items"]["discriminator"]["mapping"]
    assert {"filter", "block", "pin", "boost", "bury", "cap", "promote", "unavailable"} < set(kinds)
    assert {"age_rating", "repeat", "watched"} < set(kinds)
    assert schema["$defs"]["PinRule"]["properties"]["place"]["description"] == "from 1"
