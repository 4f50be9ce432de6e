"""What a study came to, of raters whose taste is known."""

import itertools
import json

import numpy as np
import pytest
from simulated import side_of

from tastemaker.errors import DataError
from tastemaker.evaluation.raters.answers import read_answers
from tastemaker.evaluation.raters.reading import read, sign_flips
from tastemaker.evaluation.raters.study import Key


def test_the_model_that_raters_like_is_found_whichever_it_is(study, sent):
    for whose, seed in (("a", 1), ("b", 2)):
        key, rng = study(seed=seed), np.random.default_rng(seed)

        def choose(asked, whose=whose, rng=rng):
            liked = side_of(asked, whose if asked.kind != "check" else "a")
            other = "right" if liked == "left" else "left"
            return str(rng.choice([liked, "both", other], p=[0.7, 0.2, 0.1]))

        files = [sent(key, name, choose) for name in ("Ann", "Bob", "Cleo", "Dan")]
        found = read(key, read_answers(files, key))
        assert found.finding == whose
        # 0.7 + 0.1 expected for whom they like; 120 answers, deviation 0.03.
        assert found.share.mean == pytest.approx(0.8 if whose == "a" else 0.2, abs=0.12)
        assert (found.questions, found.answers) == (30, 120)


def test_no_preference_is_no_finding_in_95_of_100_studies(study, sent):
    called = 0
    for seed in range(40):
        key, rng = study(seed=seed, questions=20), np.random.default_rng(seed)
        choose = lambda asked, rng=rng: str(rng.choice(["left", "right", "both", "neither"]))  # noqa: E731
        files = [sent(key, name, choose) for name in ("Ann", "Bob", "Cleo")]
        called += read(key, read_answers(files, key)).finding in ("a", "b")
    assert called <= 6  # 2 expected, and three deviations


def test_five_questions_are_too_few_however_clear(study, sent):
    key = study(questions=5, repeats=0, checks=0)
    files = [sent(key, name, lambda asked: side_of(asked, "a")) for name in ("Ann", "Bob")]
    found = read(key, read_answers(files, key))
    assert found.finding == "too few answers to say"
    assert found.share.mean == 1
    assert "Too few answers to say" in found.section().lead
    assert found.section().verdict == "unclear"


def test_dont_know_counts_for_nothing_and_all_of_them_leave_nothing_to_say(study, sent):
    key = study()
    found = read(key, read_answers([sent(key, "Ann", lambda asked: "unknown")], key))
    assert found.finding == "too few answers to say"
    assert (found.share.mean, found.answers, found.wins["unknown"]) == (None, 0, 30)
    json.dumps(found.section().as_json(), allow_nan=False)


def test_flips_of_all_signs_are_counted_one_by_one():
    sums = np.array([2.0, 1.5, -0.5, 1.0, 3.0])
    flipped = [abs(np.dot(signs, sums)) for signs in itertools.product((-1, 1), repeat=5)]
    expected = np.mean([value >= 7 for value in flipped])  # 2 + 1.5 − 0.5 + 1 + 3
    assert sign_flips(sums[:, None], np.random.default_rng(1)) == pytest.approx(expected)
    assert sign_flips(np.zeros((4, 2)), np.random.default_rng(1)) is None
    many = np.tile(sums, 6)[:, None]
    assert sign_flips(many, np.random.default_rng(1)) < 0.001


def test_who_always_chooses_left_is_named_and_who_does_not_look(study, sent):
    key = study()
    good = sent(key, "Ann", lambda asked: side_of(asked, "a"))
    left = sent(key, "Bob", lambda asked: "left")
    hasty = sent(
        key,
        "Cleo",
        lambda asked: (
            {"choice": side_of(asked, "chance" if asked.kind == "check" else "a")} | {"seconds": 0.5}
        ),
    )
    ann, bob, cleo = read(key, read_answers([good, left, hasty], key)).raters
    assert ann.doubts == ()
    assert (ann.kept, ann.repeats, ann.passed, ann.checks) == (3, 3, 2, 2)
    assert ann.left.mean == pytest.approx(0.5, abs=0.06)
    assert bob.left.mean == 1
    assert any("left side" in doubt for doubt in bob.doubts)
    assert "preferred the other model in 3 of 3 repeated questions" in bob.doubts
    assert (bob.kept, bob.of_a) == (0, 0.5)
    assert cleo.doubts == ("called a list drawn by chance better (2 of 2)", "took 0.5 s a question")


def test_marks_are_counted_for_the_model_not_the_side(study, sent):
    key = study()

    def choose(asked):  # one of three titles of `b`, always
        return {"choice": "both", side_of(asked, "b") if asked.kind != "check" else "left": [1]}

    found = read(key, read_answers([sent(key, "Ann", choose), sent(key, "Bob", choose)], key))
    assert found.irrelevant["a"].mean == 0
    assert found.irrelevant["b"].mean == pytest.approx(1 / 3)
    assert found.irrelevant_more.high < 0
    assert "ours has fewer titles that don't belong, by 33 of a hundred." in found.section().notes


def test_a_study_says_how_many_more_questions_it_would_take(study, sent):
    key = study(repeats=0, checks=0)

    def choose(asked):  # three of five for a
        return side_of(asked, "a" if int(asked.query[1:]) % 5 < 3 else "b")

    found = read(key, read_answers([sent(key, "Ann", choose)], key))
    assert found.finding == "no difference can be shown"
    assert found.share.mean == pytest.approx(0.6)
    # The textbook's (1.96 + 0.84)² s² / 0.1², s² = 0.24 · 30 / 29, for one sample.
    assert found.questions_needed == pytest.approx(195, abs=3)
    assert found.could_show == pytest.approx((2.045 + 0.8416) * (0.24 / 29) ** 0.5, rel=1e-3)
    more = f"about {found.questions_needed - 30} more questions"
    assert any(more in note for note in found.section().notes)


# --- files that aren't answers --------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"study": "another"}, r"answers another study \(another\)"),
        ({"rater": "\x1b\u200b"}, "doesn't say who answered"),
        ({"format": "x"}, "holds no answers to a study"),
        ({"rater": " "}, "doesn't say who answered"),
        ({"answers": [{"number": 99, "choice": "left"}]}, "a question 99, which the study doesn't have"),
        ({"answers": [{"number": True, "choice": "left"}]}, "which the study doesn't have"),
        ({"answers": [{"number": 1, "choice": "lfet"}]}, "Did you mean 'left'"),
        ({"answers": [{"number": 1, "choice": ["left"]}]}, "answers question 1 with"),
        ({"answers": [{"number": 1, "choice": "left"}] * 2}, "answers question 1 twice"),
        (
            {"answers": [{"number": 1, "choice": "left", "left": [3]}]},
            "titles that its left list doesn't have",
        ),
        ({"answers": [{"number": 1, "choice": "left", "left": [0, 0]}]}, "its left list doesn't have"),
        ({"answers": [{"number": 1, "choice": "left", "seconds": -1}]}, "took -1 seconds"),
        ({"answers": [{"number": 1, "choice": "left", "seconds": 10**400}]}, "took 1000"),
        ({"answers": ["left"]}, "an answer that is none"),
    ],
)
def test_what_is_no_answer_is_refused_in_a_line(study, sent, change, line):
    key = study()
    path = sent(key, "Ann", lambda asked: "left", change)
    with pytest.raises(DataError, match=line) as refused:
        read_answers([path], key)
    assert "\n" not in str(refused.value)


def test_a_name_is_what_can_be_shown_of_it(study, sent):
    key = study()
    (sheet,) = read_answers([sent(key, "Ann", lambda asked: "left", {"rater": "\x1b[31mEve \x07O\n"})], key)
    assert sheet.rater == "[31mEve O"


def test_a_rater_who_comes_twice_and_files_that_are_none(study, sent, tmp_path):
    key = study()
    one = sent(key, "Ann", lambda asked: "left")
    other = sent(key, "ann ", lambda asked: "left")
    with pytest.raises(DataError, match="are both of ann"):
        read_answers([one, other], key)
    (tmp_path / "x.json").write_bytes(b"\xff\x00")
    with pytest.raises(DataError, match="is no JSON"):
        read_answers([tmp_path / "x.json"], key)
    with pytest.raises(DataError, match="Can't read"):
        read_answers([tmp_path / "none.json"], key)
    with pytest.raises(DataError, match="Give the folder of a study"):
        Key.read(tmp_path)
    nameless = json.dumps(key.as_json() | {"a": None})
    for text in ('{"format": "tastemaker raters 1", "questions": [{}]}', nameless, "[" * 100_000):
        (tmp_path / "key.json").write_text(text)
        with pytest.raises(DataError, match="is no key of a study"):
            Key.read(tmp_path)
