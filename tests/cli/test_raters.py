"""`tastemaker raters` as people call it: a study of two models, blind, and what came back."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tastemaker.pages import style


@pytest.fixture(scope="module")
def bundles(by_hand, tmp_path_factory):
    """Two models of one catalogue, the second with others' vectors and in another order."""
    folder = tmp_path_factory.mktemp("raters")
    order = np.array([3, 0, 5, 1, 4, 2])
    log = by_hand.histories
    place = np.argsort(order).astype(np.int32)
    turned = replace(
        by_hand,
        catalogue=replace(by_hand.catalogue, frame=by_hand.catalogue.frame[order]),
        histories=replace(log, rows=place[log.rows]),
        arrays={
            "item_vectors": by_hand.arrays["item_vectors"][::-1][order],
            "neighbour_vectors": by_hand.arrays["neighbour_vectors"][::-1][order],
            "popularity": by_hand.arrays["popularity"][order],
        },
    )
    by_hand.save(folder / "secret-alpha")
    turned.save(folder / "secret-beta")
    return folder / "secret-alpha", folder / "secret-beta"


@pytest.fixture
def study(tastemaker, bundles, tmp_path):
    done = tastemaker(
        *("raters", "page", *bundles, "--out", tmp_path / "study", "--ask", "titles", "-k", 2),
        *("--count", 4, "--repeats", 1, "--checks", 1, "--seed", 5, "--json"),
    )
    assert done.status == 0, done.stderr
    return tmp_path / "study", json.loads(done.stdout)


def key_of(folder):
    return json.loads((folder / "key.json").read_text(encoding="utf-8"))


def test_lists_are_what_each_model_answers(study, tastemaker, bundles):
    folder, told = study
    key = key_of(folder)
    assert told["questions"] == sum(asked["kind"] == "question" for asked in key["questions"]) > 0
    for asked in key["questions"]:
        for side in ("left", "right"):
            if asked[side] in ("a", "b"):
                bundle = bundles[asked[side] == "b"]
                given = tastemaker("similar", bundle, "--item", asked["query"], "-k", 2, "--json")
                items = json.loads(given.stdout)["items"]
                assert asked[f"{side}_ids"] == [item["item_id"] for item in items]


def test_lists_for_people_are_what_each_model_answers(tastemaker, bundles, tmp_path, written):
    people = written("bob\nann\n", "people.txt")
    done = tastemaker(
        *("raters", "page", *bundles, "--out", tmp_path / "study", "-k", 3, "--checks", 0),
        *("--queries", people, "--repeats", 0),
    )
    assert done.status == 0, done.stderr
    asked_of = key_of(tmp_path / "study")["questions"]
    assert asked_of
    for asked in asked_of:
        for side in ("left", "right"):
            bundle = bundles[asked[side] == "b"]
            given = tastemaker("recommend", bundle, "--user", asked["query"], "-k", 3, "--json")
            items = json.loads(given.stdout)["items"]
            assert asked[f"{side}_ids"] == [item["item_id"] for item in items]


def test_the_page_says_nothing_of_whose_list_is_whose(study, bundles):
    folder, _ = study
    html = (folder / "rate.html").read_text(encoding="utf-8")
    for hidden in ("secret-alpha", "secret-beta", "secret", "score", "manifest", "chance", str(folder)):
        assert hidden not in html
    data = json.loads(html.split('id="data">')[1].split("</script>")[0])
    assert set(data) == {"format", "study", "ask", "questions"}
    for asked in data["questions"]:
        assert set(asked) == {"number", "about", "left", "right"}
        for card in (*asked["about"], *asked["left"], *asked["right"]):
            assert set(card) == {"title", "facts"}
    # The other way round, with the same draw, the page would be the same but for the sides.
    assert key_of(folder)["study"] == data["study"]


def test_a_study_without_a_seed_is_another_each_time(tastemaker, bundles, tmp_path):
    asked = ("raters", "page", *bundles, "--ask", "titles", "-k", 2, "--count", 4)
    keys = []
    for name in ("one", "two"):
        assert tastemaker(*asked, "--out", tmp_path / name).status == 0
        keys.append(key_of(tmp_path / name))
    assert keys[0]["seed"] != keys[1]["seed"]
    assert keys[0]["study"] != keys[1]["study"]


def test_answers_are_read_and_drawn(study, tastemaker, tmp_path):
    folder, _ = study
    key = key_of(folder)
    files = []
    for rater in ("Ann", "Bob"):
        answers = [
            {"number": asked["number"], "choice": "left" if asked["left"] == "a" else "right", "seconds": 8}
            for asked in key["questions"]
        ]
        values = {"format": key["format"], "study": key["study"], "rater": rater, "answers": answers}
        files.append(tmp_path / f"answers-{rater}.json")
        files[-1].write_text(json.dumps(values))
    done = tastemaker("raters", "read", folder, *files, "--json", "--plot", tmp_path / "study.svg")
    assert done.status == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["a"], told["b"]) == ("secret-alpha", "secret-beta")
    assert told["finding"] == "too few answers to say"
    assert told["share"]["mean"] == 1
    assert "secret-alpha" in (tmp_path / "study.svg").read_text()
    done = tastemaker("raters", "read", folder, *files)
    assert done.status == 0
    assert "Krippendorff's alpha" in done.stdout
    broken = tmp_path / "broken.json"
    broken.write_text(files[0].read_text().replace(key["study"], "x"))
    done = tastemaker("raters", "read", folder, broken)
    assert (done.status, done.stdout, done.stderr.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("name", ["popularity", "random", "item_knn", "ease", "markov"])
def test_a_baseline_may_be_the_other_side(tastemaker, bundles, tmp_path, name, written):
    people = written("ann\n", "people.txt")
    done = tastemaker(
        *("raters", "page", bundles[0], name, "--out", tmp_path / "study", "-k", 3),
        *("--queries", people, "--checks", 0),
    )
    if done.status == 2:  # of six items there may be no other list
        assert "give the same list" in done.stderr
        return
    (asked, *_) = key_of(tmp_path / "study")["questions"]
    assert asked["query"] == "ann"
    # Ann touched a and e: neither comes back.
    assert not {"a", "e"} & {*asked["left_ids"], *asked["right_ids"]}


def test_popularity_is_by_the_log_and_one_of_each_series(tastemaker, bundles, tmp_path, written):
    titles = written("Roma\n", "titles.txt")
    done = tastemaker(
        *("raters", "page", bundles[0], "popularity", "--out", tmp_path / "study", "-k", 3),
        *("--queries", titles, "--checks", 0, "--ask", "titles"),
    )
    assert done.status == 0, done.stderr
    asked = key_of(tmp_path / "study")["questions"][0]
    theirs = asked["left_ids"] if asked["left"] == "b" else asked["right_ids"]
    # One event each of a, e and f, the smaller row first; b is another season of a.
    assert theirs == ["a", "e", "f"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("{a}", "{a}"), "are the same bundle"),
        (("{a}", "popularty"), "Did you mean 'popularity'"),
        (("{a}", "{b}", "--queries", "{nobody}"), "Nobody in the bundle has the id 'zoe'"),
        (("{a}", "{b}", "--queries", "{nobody}", "--ask", "titles"), "zoe"),
        (("{other}", "popularity"), "other"),
    ],
)
def test_what_can_not_be_studied_is_one_line_and_status_2(
    tastemaker, bundles, tmp_path, written, arguments, line
):
    names = {
        "a": bundles[0],
        "b": bundles[1],
        "nobody": written("zoe\n", "q.txt"),
        "other": tmp_path / "other",
    }
    asked = [argument.format(**names) for argument in arguments]
    done = tastemaker("raters", "page", *asked, "--out", tmp_path / "study")
    assert (done.status, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert line in done.stderr
    assert not (tmp_path / "study").exists()


def test_a_study_is_not_written_over(study, tastemaker, bundles):
    folder, _ = study
    before = (folder / "key.json").read_bytes()
    done = tastemaker("raters", "page", *bundles, "--out", folder)
    assert done.status == 2
    assert "holds a study already" in done.stderr
    assert (folder / "key.json").read_bytes() == before


def test_a_plot_of_another_kind_is_refused_before_any_work(study, tastemaker):
    done = tastemaker("raters", "read", study[0], "none.json", "--plot", "x.gif")
    assert done.status == 2
    assert all(suffix in done.stderr for suffix in style.SUFFIXES)
