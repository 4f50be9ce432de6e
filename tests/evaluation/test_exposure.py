import json
import math
from dataclasses import replace

import numpy as np
import pytest

from tastemaker.data.catalogue import PAD
from tastemaker.data.interactions import Interactions
from tastemaker.evaluation.exposure import ExposureReport, exposed, exposure
from tastemaker.recommend import Recommender
from tastemaker.rerank.facts import Groups

LANGUAGES = [["Korean"], ["Korean"], ["English"], ["English", "Korean"], [], ["Thai"]]


def test_shares_by_hand():
    rows = np.array([[0, 2, 4], [3, 2, PAD]], np.int32)
    lines, own = exposed(rows, Groups.of(LANGUAGES), np.array([6, 0, 3, 1, 0, 0]))
    found = {line.name: line for line in lines}
    second, third = 1 / math.log2(3), 1 / math.log2(4)
    every = 1 + second + third + 1 + second
    korean, english, thai = found["Korean"], found["English"], found["Thai"]
    # Items 0 and 3 are Korean, 2 and 3 English; of five places they hold two and three.
    assert (korean.catalogue, korean.events, korean.places) == pytest.approx((3 / 6, 7 / 10, 2 / 5))
    assert (english.catalogue, english.events, english.places) == pytest.approx((2 / 6, 4 / 10, 3 / 5))
    assert korean.attention == pytest.approx(2 / every)
    assert english.attention == pytest.approx((1 + 2 * second) / every)
    assert (thai.places, thai.attention, thai.events) == (0, 0, 0)
    assert own is None
    assert korean.own is None


def test_of_lists_asked_for_by_an_item_its_own_groups_share():
    # A Korean item asks, then a Thai one, then one that speaks both English and Korean.
    languages = [*LANGUAGES, ["English", "Korean"], ["Thai"]]
    rows = np.array([[1, 2, 3], [0, 7, PAD], [0, 4, 6]], np.int32)
    asked = np.array([0, 5, 3], np.int32)
    lines, own = exposed(rows, Groups.of(languages), np.zeros(8, np.int64), asked)
    found = {line.name: line for line in lines}
    # Own are 1 and 3 of the first list, 7 of the second, 0 and 6 of the third.
    assert own == pytest.approx(5 / 8)
    assert found["Korean"].own == pytest.approx(4 / 6)
    assert found["English"].own == pytest.approx(1 / 3)
    assert found["Thai"].own == pytest.approx(1 / 2)
    assert found["Korean"].events is None  # nobody did anything


def test_where_nobody_is_known_each_item_asks_for_what_is_like_it(by_hand):
    nobody = Interactions.from_events([], np.zeros(0, np.int32), np.zeros(0, np.int32))
    answers = Recommender(replace(by_hand, histories=nobody))
    report = exposure(answers, "genre", k=2)
    genre = dict(zip("abcdef", ["x", "x", "y", "x", None, "y"], strict=True))
    lists = {id: [item.item_id for item in answers.similar(item_id=id, k=2)] for id in "abcdef"}
    same = sum(genre[id] is not None and genre[id] == genre[each] for id in lists for each in lists[id])
    places = sum(map(len, lists.values()))
    assert (report.lists, report.k) == (6, 2)
    assert report.own == pytest.approx(same / places)
    x = next(line for line in report.lines if line.name == "x")
    assert x.places == pytest.approx(
        sum(genre[each] == "x" for own in lists.values() for each in own) / places
    )
    assert 0 < report.own < 1
    assert x.events is None


@pytest.fixture
def bundle(by_hand, tmp_path):
    by_hand.save(tmp_path / "bundle")
    return tmp_path / "bundle"


def test_everybody_known_is_shown_in_the_command(tastemaker, bundle):
    done = tastemaker("evaluate", bundle, "--exposure", "genre", "-k", 2, "--json")
    assert done.status == 0, done.stderr
    values = json.loads(done.stdout)["exposure"]
    assert (values["of"], values["k"], values["lists"]) == ("genre", 2, 2)
    x, y = values["lines"]
    # Of six items x has a, b, d and y c, f; of three events x has ann's a, y bob's f.
    assert (x["name"], x["catalogue"], x["events"]) == ("x", 0.5, pytest.approx(1 / 3))
    assert (y["name"], y["catalogue"], y["events"]) == ("y", pytest.approx(1 / 3), pytest.approx(1 / 3))
    done = tastemaker("evaluate", bundle, "--exposure", "genre", "-k", 2)
    assert "What the first 2 show, by genre" in done.stdout
    assert "of the catalogue" in done.stdout


def test_with_later_events_the_table_people_and_exposure_stand_together(tastemaker, bundle, tmp_path):
    later = tmp_path / "later.csv"
    later.write_text("user_id,item_id,timestamp\nann,b,10\nbob,c,11\n")
    asked = ("evaluate", bundle, "--test", later, "--by", "activity", "--exposure", "popularity_tier")
    done = tastemaker(*asked)
    assert done.status == 0, done.stderr
    for said in (
        "What was found among the first",
        "How people are served, by activity",
        "by popularity_tier",
    ):
        assert said in done.stdout
    values = json.loads(tastemaker(*asked, "--json").stdout)
    assert {"lines", "by", "exposure"} <= set(values)
    assert values["by"]["by"] == "activity"
    assert sum(line["users"] for line in values["by"]["lines"]) == values["users_asked"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--by", "activity"], "give --test"),
        (["-k", "3"], "--exposure or --folding too"),
        (["--exposure", "gener"], "Did you mean 'genre'"),
        (["--impressions", "x.csv", "--exposure", "genre"], "don't go with --impressions"),
    ],
)
def test_what_cant_be_asked_is_refused_in_a_line(tastemaker, bundle, options, said):
    done = tastemaker("evaluate", bundle, *options)
    assert (done.status, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert said in line


def test_as_a_part_of_a_report_it_says_where_most_attention_goes():
    rows = np.array([[0, 2, 4], [3, 2, PAD]], np.int32)
    lines, _ = exposed(rows, Groups.of(LANGUAGES), np.array([6, 0, 3, 1, 0, 0]))
    section = ExposureReport("language", 3, 2, None, tuple(lines)).section()
    # Of 3.76 in all English has 1 + 2 / log2(3), Korean 2.
    assert section.lead.startswith(
        "Of all attention 60.1% goes to English, which is 33.3% of the catalogue, 40.0%"
    )
    assert section.tables[0].head == ["", "of the catalogue", "of events", "of places", "of attention"]
    assert section.key == "exposure-language"
