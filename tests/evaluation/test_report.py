import json
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from tastemaker.evaluation.report import Contest, Line, Mark, Report

NAMES = ["ndcg", "hit_rate", "recall", "precision", "map", "mrr"]


def line(name, mean, is_baseline=True, names=NAMES):
    marks = {key: Mark(mean + place / 1000, mean - 0.01, mean + 0.02) for place, key in enumerate(names)}
    overall = {"coverage": 0.25, "novelty": None, "gini": 0.5, "popularity_lift": -0.25, "diversity": 0.75}
    return Line(name, is_baseline, marks, overall, 1.25)


REPORT = Report(
    k=10,
    split="leave_one_out: each user's last event is to be found.",
    users_asked=1943,
    users_left_out=7,
    lines=(line("history", 0.2, is_baseline=False), line("popularity", 0.05), line("markov", 0.25)),
    contests=(Contest("history", "markov", "ndcg", Mark(-0.05, -0.07, -0.03), "worse"),),
    skipped=(("ease", "30,000 items are more than 20,000."),),
)


def printed(report, width=100):
    console = Console(width=width, file=StringIO(), force_terminal=False)
    console.print(report)
    return console.file.getvalue()


def test_a_report_survives_json():
    assert Report.from_json(json.loads(json.dumps(REPORT.as_json(), allow_nan=False))) == REPORT


def test_json_has_plain_names():
    values = REPORT.as_json()
    assert values["lines"][2]["marks"]["hit_rate"] == pytest.approx(
        {"mean": 0.251, "low": 0.24, "high": 0.27}
    )
    assert values["contests"][0]["verdict"] == "worse"
    assert values["skipped"] == [{"name": "ease", "reason": "30,000 items are more than 20,000."}]
    assert (values["users_asked"], values["users_left_out"]) == (1943, 7)


def test_the_console_shows_all_of_it_in_a_hundred_columns():
    text = printed(REPORT)
    assert max(map(len, text.splitlines())) <= 100
    for cell in (
        "NDCG@10",
        "hit rate@10",
        "MRR@10",
        "0.2500",
        "0.240–0.270",
        "popularity lift",
        "-0.250",
        "1.25",
    ):
        assert cell in text
    assert "…" not in text  # nothing is cut short
    flat = " ".join(text.split())
    assert (
        "1,943 users asked, 7 left out. Split by leave_one_out: each user's last event is to be found."
        in flat
    )
    assert "history is worse than markov, the best baseline: NDCG@10 -0.0500" in flat
    assert "ease was left out: 30,000 items are more than 20,000." in flat


def test_the_best_stands_first():
    text = printed(REPORT)
    assert text.index("markov") < text.index("history") < text.index("popularity")


def test_a_metric_that_repeats_another_is_named_once():
    one_target = tuple(
        replace(each, marks=each.marks | {"recall": each.marks["hit_rate"], "mrr": each.marks["map"]})
        for each in REPORT.lines
    )
    text = printed(replace(REPORT, lines=one_target))
    assert "recall@10" not in text
    assert "MRR@10" not in text
    assert "recall equals hit rate, MRR equals MAP here." in text


def test_markdown_has_a_row_for_each_model_with_its_interval():
    rows = REPORT.markdown().splitlines()
    assert rows[0].split("|")[2].strip() == "NDCG@10"
    assert rows[3].startswith("| **history** | 0.2000 (0.190–0.220) |")
    assert len({row.count("|") for row in rows[:5]}) == 1


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        ("better", "a is better than b, the best baseline"),
        ("worse", "a is worse than b, the best baseline"),
        ("no difference can be shown", "it can't be shown that a differs from b, the best baseline"),
    ],
)
def test_a_contest_is_a_sentence(verdict, told):
    contest = Contest("a", "b", "ndcg", Mark(0.01, -0.02, 0.03), verdict)
    end = ": NDCG@5 +0.0100, 95 % interval -0.0200 to +0.0300"
    assert contest.sentence(5, ", the best baseline") == told + end


def test_a_contest_tells_its_chances_and_what_would_have_shown():
    contest = Contest(
        "a", "b", "ndcg", Mark(0.01, -0.02, 0.03), "no difference can be shown", 0.04, 0.12, 0.0312, 3
    )
    assert contest.sentence(5).endswith(
        "+0.0300, p = 0.040 (p = 0.12 after Holm, 3 contests); a true difference of 0.0312 or more would "
        "have shown, four times in five"
    )
    alone = Contest("a", "b", "ndcg", Mark(0.01, 0.005, 0.03), "better", 0.0001, 0.0001, 0.0312)
    assert alone.sentence(5).endswith("+0.0300, p < 0.001")


def test_a_report_of_an_older_bundle_is_still_read():
    values = json.loads(json.dumps(REPORT.as_json()))
    for contest in values["contests"]:  # all that it had before contests were tested by permutation
        for key in ("chance", "corrected", "detectable", "among"):
            del contest[key]
    assert set(values["contests"][0]) == {"ours", "theirs", "metric", "difference", "verdict"}
    found = Report.from_json(values)
    assert found == REPORT
    assert "95 % interval -0.0700 to -0.0300." in " ".join(found.notes())


def test_a_report_of_nobody_still_prints():
    nobody = Line("x", False, {key: Mark(None, None, None) for key in NAMES}, {"coverage": 0.0}, 0.0)
    report = replace(REPORT, lines=(nobody,), contests=(), skipped=(), users_asked=0)
    assert "–" in printed(report)
    assert "| **x** | – |" in report.markdown()
    assert Report.from_json(json.loads(json.dumps(report.as_json(), allow_nan=False))) == report
