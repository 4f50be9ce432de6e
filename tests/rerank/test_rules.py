"""Rules of the business over twelve items, held against a slow reading of the same rules."""

import datetime
import math
from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tastemaker.data.catalogue import Catalogue
from tastemaker.errors import RecipeError
from tastemaker.recipe import Column, Recipe, Role
from tastemaker.rerank.draft import Draft, Request
from tastemaker.rerank.facts import Facts
from tastemaker.rerank.rules import BusinessRules

IDS = list("abcdefghijkl")
LANGUAGES = ["ko", "ko", "ko", "en", "en", "en", "en", "en", "fr", "fr", None, "en"]
GENRES = [
    ["drama"],
    ["drama", "crime"],
    ["comedy"],
    ["drama"],
    ["crime"],
    ["comedy", "crime"],
    ["drama"],
    [],
    ["comedy"],
    ["drama", "comedy"],
    ["crime"],
    ["drama"],
]
RATINGS = ["G", "MA", "G", "PG", None, "G", "MA", "G", "XX", "G", "PG", "G"]
TITLES = ["Comet: Season 1", "Comet: Season 2", "Comet: Season 3", *(f"Film {id}" for id in IDS[3:])]
DAY = 86_400.0
NOON = datetime.datetime(2024, 6, 15, 12, tzinfo=datetime.UTC).timestamp()


@pytest.fixture(scope="session")
def facts(by_hand) -> Facts:
    frame = pl.DataFrame(
        {"id": IDS, "title": TITLES, "language": LANGUAGES, "genres": GENRES, "rating": RATINGS},
        schema_overrides={"genres": pl.List(pl.String)},
    )
    roles = (Role.ID, Role.TITLE, Role.CATEGORY, Role.CATEGORIES, Role.CATEGORY)
    columns = tuple(Column(name=n, role=r) for n, r in zip(frame.columns, roles, strict=True))
    arrays = {**by_hand.arrays, "popularity": np.arange(12, dtype=np.float32)}
    vectors = np.eye(12, dtype=np.float32)
    return Facts(replace(by_hand, catalogue=Catalogue(frame, columns), arrays=arrays), vectors)


def read(facts: Facts, *rules: dict, placement: str = "") -> BusinessRules:
    return BusinessRules(Recipe.of({"reranking": {"rules": rules}}).reranking.rules, facts, placement)


def draft(ids: str, scores: list[float] | None = None) -> Draft:
    rows = np.array([IDS.index(id) for id in ids], np.int32)
    given = np.arange(len(ids), 0, -1) if scores is None else np.array(scores)
    return Draft(rows, given.astype(np.float32))


def ids(draft: Draft) -> str:
    return "".join(IDS[row] for row in draft.rows)


def shown(rules: BusinessRules, before: str, k: int = 10, **request) -> Draft:
    asked = Request(k, **request)
    return rules.hold(rules.admit(draft(before), asked), asked)


def rows(ids: str) -> np.ndarray:
    return np.array([IDS.index(id) for id in ids], np.int32)


KOREAN = {"where": 'language == "ko"'}


# --- what may not be shown --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "request_", "left"),
    [
        ({"do": "filter", **KOREAN}, {}, "abc"),
        ({"do": "filter", "where": "language is missing"}, {}, "k"),
        ({"do": "block", "items": ["b", "k"]}, {}, "acdefghijl"),
        ({"do": "block", **KOREAN, "items": ["k"]}, {}, "defghijl"),
        ({"do": "unavailable", "items": ["a"], "countries": ["DE", "at"]}, {}, IDS),
        ({"do": "unavailable", "items": ["a"], "countries": ["DE", "at"]}, {"country": "AT"}, IDS[1:]),
        ({"do": "unavailable", "items": ["a"], "countries": ["DE", "at"]}, {"country": "fr"}, IDS),
        # MA from 17, PG from 10; what has no rating, or XX, as the most of them.
        ({"do": "age_rating"}, {"age": 17}, IDS),
        ({"do": "age_rating"}, {"age": 16.9}, "acdfhjkl"),
        ({"do": "age_rating"}, {"age": 9}, "acfhjl"),
        ({"do": "age_rating"}, {}, "acfhjl"),
        ({"do": "age_rating", "viewer": 18}, {}, IDS),
        ({"do": "age_rating", "viewer": 18}, {"age": 9}, "acfhjl"),
        ({"do": "age_rating", "unrated": 0}, {}, "acefhijl"),
        ({"do": "watched"}, {"history": "bd"}, "acefghijkl"),
        ({"do": "watched", **KOREAN}, {"history": "bd"}, "acdefghijkl"),
        ({"do": "watched", "days": 5}, {"history": "bd", "history_at": [6, 4]}, "abcefghijkl"),
        ({"do": "watched", "days": 5}, {"history": "bd", "history_at": [np.nan, 6]}, "acdefghijkl"),
        ({"do": "watched", "days": 5}, {"history": "bd"}, "acefghijkl"),
        # a: twice of late; b: once of late; c: once of late, once after now; d: twice, when is not known.
        ({"do": "repeat", "times": 2, "days": 7}, {"shown": "aabbccdd"}, "bcefghijkl"),
        ({"do": "repeat", "times": 1, "days": 7}, {"shown": "aabbccdd"}, "efghijkl"),
        ({"do": "repeat", "times": 3, "days": 7}, {"shown": "aabbccdd"}, IDS),
        ({"do": "repeat", "times": 1, "days": 7, "items": ["b"]}, {"shown": "aabbccdd"}, "acdefghijkl"),
    ],
)
def test_what_may_not_be_shown_is_not(rule, request_, left, facts):
    if rule["do"] == "age_rating":
        rule = {**rule, "column": "rating", "ages": {"MA": 17, "PG": 10, "G": 0}}
    asked = dict(request_)
    for name in ("history", "shown"):
        if name in asked:
            asked[name] = rows(asked[name])
    if "history_at" in asked:
        asked["history_at"] = NOON - DAY * np.array(asked["history_at"])
    if "shown" in asked:
        asked["shown_at"] = NOON - DAY * np.array([1, 6.9, 6.9, 7.1, 3, -1, np.nan, np.nan])
    rules, asked = read(facts, rule), Request(10, now=NOON, **asked)
    assert ids(rules.admit(draft("abcdefghijkl"), asked)) == "".join(left)
    # Whatever came in since: it holds at the end.
    assert ids(rules.hold(draft("abcdefghijkl"), asked)) == "".join(left)


def test_dates_hold_from_their_first_moment_to_their_last(facts):
    dated = {"since": "2024-06-10", "until": "2024-06-15"}
    rules = read(
        facts, {"do": "block", "items": ["a"], **dated}, {"do": "pin", "item": "c", "place": 1, **dated}
    )

    def at(*moment: int) -> str:
        now = datetime.datetime(*moment, tzinfo=datetime.UTC).timestamp()
        return ids(shown(rules, "abcd", now=now))

    assert at(2024, 6, 9, 23, 59, 59) == at(2024, 6, 16) == "abcd"
    assert at(2024, 6, 10) == at(2024, 6, 15, 23, 59, 59) == "cbd"
    # In doubt nothing is shown that may not be, and nothing is put forward.
    assert ids(shown(rules, "abcd")) == "bcd"


def test_a_placement_has_its_own_rules_and_those_of_everywhere(facts):
    rules = [{"do": "block", "items": ["a"], "placements": ["home"]}, {"do": "block", "items": ["b"]}]
    assert ids(shown(read(facts, *rules, placement="home"), "abcd")) == "cd"
    assert ids(shown(read(facts, *rules, placement="search"), "abcd")) == "acd"
    assert ids(shown(read(facts, *rules), "abcd")) == "acd"


# --- boost and bury ---------------------------------------------------------------------------


def test_a_boost_is_counted_in_spans_of_the_list(facts):
    rules = read(facts, {"do": "boost", "items": ["d"], "strength": 0.5})
    lifted = rules.admit(draft("abcd", [10, 9, 4, 2]), Request(10))
    # d: 2 + half of 8; which ties with nothing and stands before c.
    assert ids(lifted) == "abdc"
    assert lifted.scores.tolist() == [10, 9, 6, 4]
    assert lifted.reasons == {3: ("boosted: d",)}
    buried = read(facts, {"do": "bury", **KOREAN, "strength": 0.5, "name": "tired"})
    lifted = buried.admit(draft("abcd", [10, 9, 4, 2]), Request(10))
    assert ids(lifted) == "abdc"
    assert lifted.scores.tolist() == [6, 5, 2, 0]
    assert lifted.reasons == {}


def test_boosts_add_up_and_all_alike_is_a_span_of_one(facts):
    both = {"do": "boost", "items": ["c"], "strength": 0.5}
    rules = read(facts, both, both, {"do": "bury", "items": ["c"], "strength": 0.25})
    lifted = rules.admit(draft("abcd", [7, 7, 7, 7]), Request(10))
    assert ids(lifted) == "cabd"
    assert lifted.scores.tolist() == [7.75, 7, 7, 7]


def test_strength_0_changes_nothing(facts):
    rules = read(facts, *({"do": do, "items": ["c"], "strength": 0} for do in ("boost", "bury")))
    before = draft("abcd")
    assert rules.admit(before, Request(10)) is before
    assert rules.hold(before, Request(10)) is before


# --- pins -------------------------------------------------------------------------------------


def test_a_pin_nobody_found_comes_in_and_says_so(facts):
    rules = read(facts, {"do": "pin", "item": "k", "place": 2})
    asked = Request(3)
    admitted = rules.admit(draft("abcd", [9, 8, 7, 5]), asked)
    assert ids(admitted) == "abcdk"
    assert admitted.scores.tolist() == [9, 8, 7, 5, 5]
    held = rules.hold(admitted, asked)
    assert ids(held) == "akbcd"
    assert held.scores.tolist() == [9, 8, 7, 5, 5]
    assert (held.reasons, held.notes) == ({10: ("pinned",)}, ())
    # Beyond the list there is no such place.
    assert ids(shown(rules, "abcd", k=1)) == "abcd"
    assert ids(shown(rules, "", k=3)) == "k"


def test_a_pin_that_could_not_hold_says_why(facts):
    pin = {"do": "pin", "item": "b", "place": 2}

    def told(*more: dict, before: str = "acd", pin: dict = pin, **request) -> tuple[str, tuple[str, ...]]:
        held = shown(read(facts, pin, *more), before, now=NOON, **request)
        return ids(held), held.notes

    rated = {"do": "age_rating", "column": "rating", "ages": {"MA": 17}}
    said = "rule 1 (pin b at 2) could not hold: "
    assert told(rated, age=16)[1] == (said + "rule 2 (ages by rating) keeps it from being shown",)
    assert told(rated, age=17, before="ac") == ("abc", ())
    assert told(history=rows("b")) == ("acd", (said + "it is in the history",))
    assert told(history=rows("b"), before="acdb") == ("abcd", ())
    allowed = np.ones(12, bool)
    allowed[1] = False
    assert told(allowed=allowed) == ("acd", (said + "the request leaves it out",))
    nobody = {"do": "pin", "item": "zz", "place": 1}
    assert told(pin=nobody)[1] == ("rule 1 (pin zz at 1) could not hold: no item has the id 'zz'",)
    late = {"do": "pin", "item": "b", "place": 9}
    assert told(pin=late) == ("acdb", ("rule 1 (pin b at 9) could not hold: there are only 4 items",))
    assert read(facts, nobody).remarks == ("rule 1 (pin zz at 1): no item has the id 'zz'",)


# --- caps and shares --------------------------------------------------------------------------


def test_caps_count_series_lists_of_values_and_nothing_for_nothing(facts):
    series = {"do": "cap", "column": "series", "most": 1, "first": 3}
    assert ids(shown(read(facts, series), "abcdef")) == "adebcf"
    genres = {"do": "cap", "column": "genres", "most": 1, "first": 4}
    # a drama; b drama and crime; e crime; h nothing; f comedy and crime; c comedy.
    assert ids(shown(read(facts, genres), "abehfc", k=4)) == "aehcbf"
    assert ids(shown(read(facts, genres), "hhh"[:1])) == "h"


def test_a_share_brings_forward_whom_it_is_for_and_says_so(facts):
    half = {"do": "promote", **KOREAN, "share": 0.5, "first": 4, "name": "Korean films"}
    held = shown(read(facts, half), "defghabc", k=4)
    assert ids(held) == "deabfghc"
    assert held.reasons == {0: ("promoted: Korean films",), 1: ("promoted: Korean films",)}
    # A third of four places is two of them; of a list of two, one.
    third = {**half, "share": 1 / 3}
    assert ids(shown(read(facts, third), "defghabc", k=4))[:4] == "deab"
    assert ids(shown(read(facts, third), "defghabc", k=2))[:2] == "da"
    # Enough are there: nobody moves, and nobody is said to have been moved.
    before = draft("daebfgh")
    assert read(facts, half).hold(before, Request(4)) is before


def test_what_can_not_hold_gives_way_in_its_order_and_is_told(facts):
    cap = {"do": "cap", "column": "language", "most": 2, "first": 4}
    half = {"do": "promote", **KOREAN, "share": 0.5, "first": 4}
    held = shown(read(facts, cap, half), "defg")
    assert ids(held) == "defg"
    assert held.notes == (
        "rule 1 (at most 2 per language in the first 4) could not hold: "
        "4 stand there, since 4 items fill it no other way",
        'rule 2 (50% of the first 4 to language == "ko") could not hold: '
        "0 of 2 places, since only 0 were found",
    )
    # Caps go before shares: of the two Korean films that would do, one only is neither drama nor crime.
    genres = {"do": "cap", "column": "genres", "most": 1, "first": 2}
    korean = {"do": "promote", **KOREAN, "share": 1, "first": 2}
    held = shown(read(facts, genres, korean), "dab", k=2)
    assert ids(held)[:1] in "ab"
    # The two that it wants are both of drama.
    assert held.notes == (
        "rule 1 (at most 1 per genres in the first 2) could not hold: "
        "2 stand there, since 3 items fill it no other way",
    )


# --- contradictions ---------------------------------------------------------------------------

PIN_A, PIN_B = {"do": "pin", "item": "a", "place": 1}, {"do": "pin", "item": "b", "place": 1}
SERIES = {"do": "cap", "column": "series", "most": 1, "first": 5}


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([PIN_A, PIN_B], "rule 1 (pin a at 1) and rule 2 (pin b at 1) * two items can't stand at place 1"),
        (
            [PIN_A, {**PIN_A, "place": 3, "name": "again"}],
            "rule 1 (pin a at 1) and rule 2 (again) * one item can't stand at places 1 and 3",
        ),
        (
            [PIN_A, {"do": "block", **KOREAN}],
            'rule 1 (pin a at 1) and rule 2 (block language == "ko") * the second keeps a from being shown',
        ),
        (
            [{"do": "filter", "where": "language == 'en'"}, PIN_A],
            "rule 2 (pin a at 1) and rule 1 (filter language == 'en') * the second keeps a from being shown",
        ),
        (
            [PIN_A, SERIES, {**PIN_B, "place": 5}],
            "rule 2 (at most 1 per series in the first 5), rule 1 (pin a at 1) and rule 3 (pin b at 5) * "
            "2 pinned in the first 5 have the series 'comet', where 1 may",
        ),
        (
            [PIN_A, {**SERIES, "most": 0, "column": "genres"}],
            "rule 2 (at most 0 per genres in the first 5) and rule 1 (pin a at 1) * "
            "1 pinned in the first 5 have the genres 'drama', where 0 may",
        ),
        (
            [
                {"do": "promote", **KOREAN, "share": 0.6},
                {"do": "promote", "where": "language == 'fr'", "share": 0.5},
            ],
            'rule 1 (60% of the first 10 to language == "ko") and '
            "rule 2 (50% of the first 10 to language == 'fr') * "
            "no item is promoted by two of them, and together they want 11 of the first 10 places",
        ),
        (
            [{"do": "promote", "items": [id], "share": 0.4, "first": 2} for id in "abc"],
            "rule 1 (40% of the first 2 to a), rule 2 (40% of the first 2 to b) and "
            "rule 3 (40% of the first 2 to c) * "
            "no item is promoted by two of them, and together they want 2.4 of the first 2 places",
        ),
        (
            [{"do": "promote", **KOREAN, "share": 0.2}, {"do": "filter", "where": "language == 'fr'"}],
            "rule 1 (20% of the first 10 to language == \"ko\") and rule 2 (filter language == 'fr') * "
            "the second keeps from being shown all that the first promotes",
        ),
        (
            [
                {"do": "promote", **KOREAN, "share": 0.2},
                {"do": "block", "items": ["a"]},
                {"do": "block", "items": ["b", "c"]},
            ],
            'rule 1 (20% of the first 10 to language == "ko"), rule 2 (block a) and rule 3 (block b, c) * '
            "the others keep from being shown all that the first promotes",
        ),
        (
            [{"do": "promote", **KOREAN, "share": 0.3}, {**SERIES, "first": 10}],
            "rule 2 (at most 1 per series in the first 10) and "
            'rule 1 (30% of the first 10 to language == "ko") * '
            "the second wants 3 of the first 10 places, and the first leaves room for 1",
        ),
        (
            [{"do": "filter", **KOREAN}, {"do": "filter", "where": "language == 'en'"}],
            "rule 1 (filter language == \"ko\") and rule 2 (filter language == 'en') * "
            "together they let nothing pass",
        ),
        (
            [
                {"do": "filter", "where": "language in ['ko', 'fr']"},
                {"do": "filter", "where": "language in ['ko', 'en']"},
                {"do": "filter", "where": "language in ['en', 'fr']"},
            ],
            "rule 1 (filter language in ['ko', 'fr']), rule 2 (filter language in ['ko', 'en']) and "
            "rule 3 (filter language in ['en', 'fr']) * together they let nothing pass",
        ),
    ],
)
def test_contradictions_name_their_rules(rules, message, facts):
    with pytest.raises(RecipeError) as error:
        read(facts, *rules)
    rest = ". Change one of them, or give them placements or dates that don't meet."
    assert str(error.value) == message.replace(" * ", " contradict each other: ") + rest


def test_a_filter_that_nothing_passes_says_why(facts):
    with pytest.raises(RecipeError) as error:
        read(facts, {"do": "filter", "where": "rating == 'NC'"})
    assert str(error.value) == (
        "rule 1 (filter rating == 'NC') lets nothing pass. no item has 'NC' in 'rating'. "
        "Nothing would ever be shown."
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"placements": ["home"]}, {"placements": ["search", "page"]}),
        ({"until": "2024-01-31"}, {"since": "2024-02-01"}),
        ({"placements": ["home"], "until": "2024-01-31"}, {"placements": ["home"], "since": "2024-02-01"}),
    ],
)
def test_what_never_meets_is_no_contradiction(one, other, facts):
    assert read(facts, {**PIN_A, **one}, {**PIN_B, **other}).remarks == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"placements": ["home"]}, {}),
        ({"placements": ["home", "page"]}, {"placements": ["search", "page"]}),
        ({"until": "2024-02-01"}, {"since": "2024-02-01"}),
        ({"since": "2024-01-01", "until": "2024-03-01"}, {"since": "2024-02-01", "until": "2024-02-02"}),
    ],
)
def test_what_meets_once_is_one(one, other, facts):
    with pytest.raises(RecipeError, match="two items can't stand at place 1"):
        read(facts, {**PIN_A, **one}, {**PIN_B, **other})


def test_what_may_both_hold_is_no_contradiction(facts):
    half = {"do": "promote", "share": 0.5, "first": 3}
    for rules in [
        (PIN_A, PIN_A),
        (PIN_A, SERIES, {**PIN_B, "place": 6}),
        ({**half, **KOREAN}, {**half, "where": "language == 'en'"}),
        ({**half, **KOREAN, "share": 1}, {**half, "items": ["a", "b", "c"], "share": 1}),
        ({**half, **KOREAN, "share": 1}, {"do": "promote", "items": ["d"], "share": 0.2, "first": 15}),
    ]:
        assert read(facts, *rules).remarks == ()
    nothing = {"do": "promote", "where": "rating == 'NC'", "share": 0.5}
    (remark,) = read(facts, nothing, {"do": "block", "items": ["a"]}).remarks
    assert "no item has 'NC'" in remark


def test_a_rule_that_can_not_be_read_is_named(facts):
    for rule, told in [
        ({"do": "block", "where": "language = 'ko'"}, "rule 2 (block language = 'ko'): In the filter, at "),
        ({"do": "cap", "column": "genrs", "most": 1}, "rule 2 (at most 1 per genrs in the first 10): No col"),
        ({"do": "age_rating", "column": "title", "ages": {"G": 0}}, "rule 2 (ages by title): No column of"),
    ]:
        with pytest.raises(RecipeError) as error:
            read(facts, {"do": "watched"}, rule)
        assert str(error.value).startswith(told)


def test_what_a_catalogue_lacks_is_remarked_on(facts):
    rules = [
        {"do": "block", "items": ["a", "y", "z"]},
        {"do": "boost", "where": "language == 'kp'", "strength": 1},
        {"do": "age_rating", "column": "rating", "ages": {"NC": 18, "G": 0}},
    ]
    assert read(facts, *rules).remarks == (
        "rule 1 (block a, y, z): not in the catalogue: 'y', 'z'",
        "rule 2 (boost language == 'kp'): no item has 'kp' in 'language'",
        "rule 3 (ages by rating): no item has 'NC' in 'rating'",
    )


# --- any rules, any slate ---------------------------------------------------------------------

OF = {
    'language == "ko"': {n for n, language in enumerate(LANGUAGES) if language == "ko"},
    "genres == 'drama'": {n for n, genres in enumerate(GENRES) if "drama" in genres},
    "language != 'en'": {n for n, language in enumerate(LANGUAGES) if language not in ("en", None)},
}
VALUES = {
    "language": [[] if language is None else [language] for language in LANGUAGES],
    "genres": GENRES,
    "series": [["comet"]] * 3 + [[id] for id in IDS[3:]],
}

which = st.one_of(
    st.fixed_dictionaries({"where": st.sampled_from(list(OF))}),
    st.fixed_dictionaries({"items": st.lists(st.sampled_from(IDS), min_size=1, max_size=3)}),
)
firsts = st.integers(1, 8)


def a_rule(do: str, more: st.SearchStrategy | None = None, **own: st.SearchStrategy) -> st.SearchStrategy:
    named = st.tuples(st.just({}) if more is None else more, st.fixed_dictionaries(own))
    return named.map(lambda parts: {"do": do, **parts[0], **parts[1]})


any_rule = st.one_of(
    a_rule("filter", where=st.sampled_from(list(OF))),
    a_rule("block", which),
    a_rule("pin", item=st.sampled_from(IDS), place=st.integers(1, 6)),
    a_rule("pin", item=st.sampled_from(IDS), place=st.integers(1, 6)),
    a_rule("boost", which, strength=st.sampled_from([0, 0.5, 1])),
    a_rule("bury", which, strength=st.sampled_from([0, 0.5, 1])),
    a_rule("cap", column=st.sampled_from(list(VALUES)), most=st.integers(0, 3), first=firsts),
    a_rule("promote", which, share=st.sampled_from([0.2, 0.5, 1]), first=firsts),
    a_rule("unavailable", which, countries=st.just(["de"])),
    a_rule("watched", days=st.sampled_from([None, 10])),
    a_rule("repeat", which, times=st.integers(1, 2), days=st.just(10)),
)


def named(rule: dict) -> set[int]:
    if "where" in rule:
        return OF[rule["where"]]
    return {IDS.index(id) for id in rule["items"]} if "items" in rule else set(range(12))


def may(row: int, rule: dict, asked: Request) -> bool:
    """Whether a rule lets an item be shown, told slowly."""
    match rule["do"]:
        case "filter":
            return row in named(rule)
        case "block":
            return row not in named(rule)
        case "unavailable":
            return row not in named(rule) or asked.country != "DE"
        case "watched":
            days = rule["days"] or math.inf
            return not any(
                other == row and asked.now - at <= days * DAY
                for other, at in zip(asked.history, asked.history_at, strict=True)
            )
        case "repeat":
            times = sum(
                other == row and 0 <= asked.now - at <= 10 * DAY
                for other, at in zip(asked.shown, asked.shown_at, strict=True)
            )
            return row not in named(rule) or times < rule["times"]
    return True


@st.composite
def requests(draw) -> Request:
    history, past = (draw(st.lists(st.integers(0, 11), max_size=4)) for _ in range(2))
    history_at, shown_at = (
        NOON
        - DAY * np.array(draw(st.lists(st.sampled_from([1.0, 20.0]), min_size=len(of), max_size=len(of))))
        for of in (history, past)
    )
    return Request(
        draw(st.integers(1, 8)),
        history=np.array(history, np.int32),
        history_at=history_at.astype(float),
        now=NOON,
        country=draw(st.sampled_from(["", "DE", "FR"])),
        shown=np.array(past, np.int32),
        shown_at=shown_at.astype(float),
    )


@cache
def _mix(size: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(size)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(
    st.lists(any_rule, max_size=5),
    st.lists(st.integers(0, 11), unique=True, max_size=12),
    requests(),
    st.integers(0, 5),
)
def test_any_rules_hold_over_any_slate(facts, knobs, found, asked, seed):
    numbered = list(enumerate(knobs, 1))
    try:
        rules = read(facts, *knobs)
    except RecipeError:
        return  # they contradict each other
    before = Draft(np.array(found, np.int32), np.linspace(1, 0, len(found), dtype=np.float32))
    admitted = rules.admit(before, asked)
    allowed = {row for row in range(12) if all(may(row, rule, asked) for rule in knobs)}
    pinned = {
        IDS.index(rule["item"])
        for rule in knobs
        if rule["do"] == "pin" and rule["place"] <= asked.k and IDS.index(rule["item"]) not in asked.history
    }
    # Nothing is lost but what may not be shown, and nothing comes but what is pinned.
    assert sorted(admitted.rows) == sorted(allowed & (set(found) | pinned))
    assert (np.diff(admitted.scores) <= 0).all()
    lifts = {
        row: sum(
            (row in named(rule)) * rule["strength"] * (1 if rule["do"] == "boost" else -1)
            for rule in knobs
            if rule["do"] in ("boost", "bury")
        )
        for row in range(12)
    }
    if not any(lifts.values()):
        stay = [row for row in found if row in allowed]
        assert admitted.rows[: len(stay)].tolist() == stay

    mixed = admitted.ordered(_mix(len(admitted), seed))  # soft rules do as they like
    held = rules.hold(mixed, asked)
    again = rules.hold(mixed, asked)
    assert (held.rows.tolist(), held.reasons, held.notes) == (again.rows.tolist(), again.reasons, again.notes)
    assert sorted(held.rows) == sorted(mixed.rows)
    assert held.scores.tolist() == mixed.scores.tolist()
    there, places = held.rows.tolist(), min(asked.k, len(held))
    broken = {number for number, _ in numbered if any(f"rule {number} (" in note for note in held.notes)}
    moving = False
    for number, rule in numbered:
        if rule["do"] == "pin" and rule["place"] <= asked.k:
            row = IDS.index(rule["item"])
            holds = rule["place"] <= len(there) and there[rule["place"] - 1] == row
            assert holds == (row in there and rule["place"] <= len(there))
            twins = {other for other, its in numbered if its == rule}  # told of once
            assert holds != bool(twins & broken)
            moving = True
        elif rule["do"] == "cap":
            counts = Counter(
                value for row in there[: min(rule["first"], places)] for value in VALUES[rule["column"]][row]
            )
            assert (max(counts.values(), default=0) <= rule["most"]) != (number in broken)
            moving = True
        elif rule["do"] == "promote":
            first = min(rule["first"], places)
            need = math.ceil(rule["share"] * first - 1e-9)
            assert (len(named(rule) & set(there[:first])) >= need) != (number in broken)
            moving = True
    if not moving:
        assert held is mixed
    # What is behind the list stands as it stood.
    rest = [row for row in mixed.rows.tolist() if row not in there[:places]]
    assert there[places:] == rest
