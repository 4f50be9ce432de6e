"""Retrieval and the second network end to end, in planted worlds: what is new is chosen, or anything."""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import tastemaker as tm
from tastemaker.data.interactions import Interactions
from tastemaker.errors import BundleError, ObjectiveError
from tastemaker.recommend import Recommender
from tastemaker.trace import Trace

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[1]
ITEMS, PEOPLE, WEEKS, HOT = 120, 280, 12, 8
DAY_S = 86_400.0
START = 1_600_000_000.0
KNOBS = [
    *("history.dim=8", "history.length=8", "history.epochs=1", "history.batch_size=64"),
    *("history.encoder=mean", "history.pairs=none", "split.strategy=leave_one_out"),
    *("evaluation.bootstrap=100", "retrieval.candidates=100", "seed=3"),
    *("ranking.epochs=4", "ranking.hidden=[16]", "ranking.crosses=1", "ranking.vectors=4"),
]


def moment(week: float) -> float:
    return START + 7 * DAY_S * week


def events(hot: float) -> Iterator[tuple[str, str, float]]:
    """With a chance of `hot` people take one of the eight items that are new that week, else any."""
    rng = np.random.default_rng(1)
    for user in range(PEOPLE):
        seen: set[int] = set()
        for week in np.sort(rng.uniform(0, WEEKS, rng.integers(6, 12))):
            item = int(rng.integers(ITEMS))
            if rng.random() < hot:
                item = int(week) * HOT + int(rng.integers(HOT))
            if item not in seen:
                seen.add(item)
                yield f"u{user}", f"i{item}", moment(week)


def world(hot: float, folder: Path) -> dict[str, Path]:
    items = pl.DataFrame(
        {"item_id": [f"i{n}" for n in range(ITEMS)], "genre": [f"g{n % 5}" for n in range(ITEMS)]}
    )
    log = pl.DataFrame(list(events(hot)), schema=["user_id", "item_id", "timestamp"], orient="row")
    files = {"items": folder / "items.csv", "interactions": folder / "log.csv"}
    items.write_csv(files["items"])
    log.write_csv(files["interactions"])
    return files


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    return world(0.9, tmp_path_factory.mktemp("fresh"))


@pytest.fixture(scope="module")
def made(files) -> Recommender:
    return tm.train(tm.read(**files), tm.Recipe.read(None, KNOBS))


@pytest.fixture(scope="module")
def saved(made, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "bundle"
    made.save(path)
    return path


@pytest.fixture(scope="module")
def opened(saved) -> Recommender:
    return tm.load(saved)


def ndcg(report: dict[str, Any]) -> dict[str, dict[str, float]]:
    return {line["name"]: line["marks"]["ndcg"] for line in report["lines"]}


def ids(slate: Iterable[Any]) -> list[str]:
    return [item.item_id for item in slate]


def weeks(slate: Iterable[Any]) -> list[int]:
    """In which each item was new."""
    return [int(item.item_id[1:]) // HOT for item in slate]


# --- whether it is used ----------------------------------------------------------------------


def test_where_retrieval_can_not_know_what_is_new_the_ranker_does(made):
    training, marks = made.bundle.manifest.training, ndcg(made.bundle.evaluation)
    assert training["order"].startswith("a ranker's, learnt from lists that retrieval found: NDCG@10 +")
    assert marks["tastemaker"]["low"] > marks["retrieval alone"]["high"]
    assert "retrieval alone" in made.bundle.card
    assert "has never seen a real impression" in made.bundle.card


def test_what_is_served_was_trained_once_more_and_still_knows_what_is_new(opened):
    people = [f"u{n}" for n in range(0, PEOPLE, 4)]
    asked = {"k": HOT, "now": moment(WEEKS)}
    ranked = [week for slate in opened.recommend_many(people, **asked) for week in weeks(slate)]
    alone = [week for slate in opened.retrieval.recommend_many(people, HOT) for week in weeks(slate)]
    late = WEEKS - 2
    assert np.mean(np.array(ranked) >= late) > 0.9
    assert np.mean(np.array(alone) >= late) < 0.5


def test_where_there_is_nothing_to_add_retrieval_orders_and_the_report_says_so(tmp_path):
    data = tm.read(**world(0.0, tmp_path))
    found = tm.train(data, tm.Recipe.read(None, [*KNOBS, "ranking.epochs=1"]))
    said = found.bundle.manifest.training["order"]
    assert said.startswith(
        "retrieval's: a ranker, learnt from lists that retrieval found, isn't shown to be better"
    )
    assert said in found.bundle.card
    assert "retrieval alone" not in ndcg(found.bundle.evaluation)
    assert "real impression" not in found.bundle.card
    assert found.ranker is None
    assert found.retrieval is found
    assert found.bundle.ranker is None
    assert "ranker" not in found.bundle.towers


def test_of_few_people_no_order_is_learnt_and_an_objective_is_refused(history_bundle, planted, tastemaker):
    bundle = tm.load(history_bundle).bundle
    assert (
        bundle.manifest.training["order"] == "retrieval's: fewer than 200 lists hold anything that was chosen"
    )
    done = tastemaker("recommend", history_bundle, "--user", planted.user_ids[-1], "--objective", "click")
    assert done.status == 2
    assert done.stderr.count("\n") == 1
    assert "no ranker" in done.stderr


# --- saved and opened -------------------------------------------------------------------------

WITHOUT_TENSORFLOW = """
import json, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "keras", "tf_keras"):
            raise ImportError(f"{name} is not to be had")
sys.meta_path.insert(0, Refuse())
import tastemaker
recommender = tastemaker.load(sys.argv[1])
asked = json.loads(sys.argv[2])
answers = [recommender.recommend(**each).as_json() for each in asked]
print(json.dumps(answers))
"""


def test_opened_elsewhere_without_tensorflow_it_gives_the_same_lists(made, saved):
    asked: list[dict[str, Any]] = [
        *({"user_id": f"u{n}", "k": 20} for n in range(5)),
        {"history": ["i3", "i90"], "k": 7},
        {"user_id": "u7", "now": moment(3), "device": "tv"},
        {"user_id": "u7", "objective": "1 - click"},
        {"user_id": "nobody", "k": 5},
    ]
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW, str(saved), json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    there = json.loads(done.stdout)
    here = [made.recommend(**each).as_json() for each in asked]
    for ours, theirs in zip(here, there, strict=True):
        assert [item["item_id"] for item in ours["items"]] == [item["item_id"] for item in theirs["items"]]
        assert [item["score"] for item in ours["items"]] == pytest.approx(
            [item["score"] for item in theirs["items"]], rel=1e-5
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "guessed"},
        {"heads": ["click", "taste"]},
        {"scaling": {"mean": [0.0]}},
        {"scaling": {"mean": ["x"], "scale": ["y"]}},
        {"calibrations": {"click": {"kind": "isotonic"}}},
        {"calibrations": {"click": None}},
        {"objective": "click *"},
        {"objective": "like"},
        {"features": ["luck"]},
        {"more": 1},
    ],
    ids=str,
)
def test_a_damaged_note_is_told_in_one_line(opened, changes):
    bundle = replace(opened.bundle, ranker={**opened.bundle.ranker, **changes})
    with pytest.raises(BundleError) as told:
        Recommender(bundle).recommend("u1")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("note", [[], "", 3])
def test_a_note_that_is_something_else_is_told_in_one_line(opened, note):
    with pytest.raises(BundleError) as told:
        Recommender(replace(opened.bundle, ranker=note)).recommend("u1")
    assert "\n" not in str(told.value)


def test_a_note_without_its_network_is_told_in_one_line(opened):
    towers = {"query_tower": opened.bundle.towers["query_tower"]}
    with pytest.raises(BundleError, match="'ranker'"):
        Recommender(replace(opened.bundle, towers=towers)).recommend("u1")


@pytest.mark.parametrize("name", ["ranker.json", "ranker.tflite", "ranker/rotation.npy"])
def test_a_changed_file_is_never_answered_from(saved, tmp_path, tastemaker, name):
    opened = tm.load(saved)
    opened.bundle.save(tmp_path / "b")
    file = tmp_path / "b" / name
    file.write_bytes(file.read_bytes()[:-1] + b" ")
    done = tastemaker("recommend", tmp_path / "b", "--user", "u1")
    assert done.status == 2
    assert done.stderr.count("\n") == 1
    assert name in done.stderr


# --- one answer, however it is asked for -----------------------------------------------------


@pytest.mark.parametrize(
    "wishes",
    [{}, {"filter": 'genre == "g2"'}, {"now": moment(5), "device": "tv"}, {"objective": "1 - click"}],
    ids=str,
)
def test_one_or_many_the_lists_are_the_same(opened, wishes):
    people = ["u3", "nobody", "u5", "u4"]
    many = list(opened.recommend_many(people, 12, **wishes))
    arrays = opened.ranked(people, 12, **wishes)
    for place, person in enumerate(people):
        one = opened.recommend(person, k=12, **wishes)
        assert ids(one) == ids(many[place])
        rows = arrays.rows[place][arrays.rows[place] >= 0]
        assert ids(one) == opened.catalogue.id_list(rows)
        for scores in ([item.score for item in many[place]], arrays.scores[place][: len(rows)]):
            assert [item.score for item in one] == pytest.approx(list(scores), rel=1e-5)
    if not wishes:
        log = opened.bundle.histories
        users = np.array([log.user(person) for person in ("u3", "u5", "u4")], np.int32)
        assert opened.top(log, users, 12).tolist() == arrays.rows[[0, 2, 3]].tolist()


def test_a_list_may_be_longer_than_the_candidates_and_ends_where_the_catalogue_does(opened):
    seen = set(opened.catalogue.id_list(opened.bundle.histories.of(opened.bundle.histories.user("u3"))))
    for k in (105, 10_000):
        slate = opened.recommend("u3", k=k)
        assert len(slate) == len(set(ids(slate))) == min(k, ITEMS - len(seen))
        assert not seen & set(ids(slate))
        scores = [item.score for item in slate]
        assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("left", [[], ["i110"], ["i110", "i111"]])
def test_however_few_are_left_they_are_listed(opened, left):
    assert sorted(ids(opened.recommend("u3", only=left))) == left
    assert [sorted(ids(slate)) for slate in opened.recommend_many(["u3"], only=left)] == [left]
    assert int((opened.ranked(["u3"], only=left).rows >= 0).sum()) == len(left)


@pytest.mark.parametrize("who", [{"user_id": "nobody"}, {"history": []}, {"history": ["unknown"]}], ids=str)
def test_of_who_has_no_history_the_ranker_knows_nothing(opened, who):
    ranked, alone = opened.recommend(**who), opened.retrieval.recommend(**who)
    assert ranked.as_json() == alone.as_json()
    assert len(ranked) == 10


def test_with_its_own_objective_a_request_has_its_own_order(opened):
    usual = opened.recommend("u3", k=80)
    turned = opened.recommend("u3", k=80, objective="0 - click")
    assert len(set(ids(usual))) == 80
    # The same 100 candidates, least likely first; chances that tie stay as retrieval had them.
    chance = {item.item_id: item.score for item in opened.recommend("u3", k=100)}
    told = [chance[item] for item in ids(turned)]
    assert told == sorted(told)
    assert [item.score for item in turned] == pytest.approx([-each for each in told])
    with pytest.raises(ObjectiveError, match="'clik'"):
        opened.recommend("u3", objective="clik")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--objective", "clik"], "there is no head 'clik'. Did you mean 'click'?"),
        (["--objective", "click *"], "at character 8"),
        (["--objective", "like"], "'like'"),
        (["--objective", ""], "objective"),
        (["--now", "soon"], "--now soon: that is no time."),
        (["--now", "nan"], "--now nan: that is no time."),
    ],
)
def test_what_can_not_be_wished_for_is_one_line_and_status_2(saved, tastemaker, options, told):
    done = tastemaker("recommend", saved, "--user", "u1", *options)
    assert done.status == 2
    assert done.stderr.count("\n") == 1
    assert told in done.stderr


def test_asked_for_another_time_what_was_old_by_then_stands_last(saved, opened, tastemaker):
    people = [f"u{n}" for n in range(0, PEOPLE, 4)]
    for week in (4, 7, 10):
        slates = opened.recommend_many(people, HOT, now=moment(week + 0.9))
        assert np.mean([each >= week for slate in slates for each in weeks(slate)]) > 0.9
    lists = []
    for now in (moment(4.9), moment(10.9)):
        done = tastemaker("recommend", saved, "--user", "u8", "--now", now, "--json", "--device", "tv")
        assert done.status == 0, done.stderr
        lists.append([item["item_id"] for item in json.loads(done.stdout)["items"]])
        assert lists[-1] == ids(opened.recommend("u8", now=now, device="tv"))
    assert lists[0] != lists[1]


# --- what it sees ------------------------------------------------------------------------------


def numbers(opened, user_id=None, **wishes) -> np.ndarray:
    """What the network saw of the candidates of one request."""
    trace = Trace()
    opened.recommend(user_id, trace=trace, **wishes)
    return trace.seen[1].numbers


def test_left_out_now_is_the_moment_after_the_newest_event(opened):
    log = opened.bundle.histories
    newest = log.times[log.offsets[log.user("u3") + 1] - 1]
    first, same = numbers(opened, "u3"), numbers(opened, "u3", now=float(np.nextafter(newest, np.inf)))
    later = numbers(opened, "u3", now=newest + 30 * DAY_S)
    assert np.array_equal(first, same, equal_nan=True)
    assert not np.array_equal(first, later, equal_nan=True)


def test_a_typed_history_has_an_order_and_no_times(opened):
    items, nobody = ["i3", "i40", "i41"], np.zeros(3, np.int32)
    rows = opened.catalogue.rows(items)
    first = numbers(opened, history=items)
    for times in ([0.0, 1.0, 2.0], [1e9, 1e9 + 1, 1e9 + 7]):
        log = Interactions.from_events(["x"], nobody, rows, np.array(times), is_ordered=True, is_clock=False)
        assert np.array_equal(first, numbers(opened, "x", interactions=log), equal_nan=True)


# --- items that come and go --------------------------------------------------------------------


def test_items_put_and_removed_are_ranked_as_by_a_bundle_opened_anew(opened):
    opened.recommend("u3")  # all is made that could go stale
    grown = opened.with_items([{"item_id": f"new{n}", "genre": "g1"} for n in range(3)])
    gone = set(ids(opened.recommend("u3", k=2)))
    shrunk = grown.without([*gone, "new1"])
    for changed, size in ((grown, ITEMS + 3), (shrunk, ITEMS)):
        whole = changed.recommend("u3", k=ITEMS)
        assert {"new0", "new2"} < set(ids(whole))
        assert changed.ranker.view.vectors.shape[0] == changed.catalogue.size == size
        anew = Recommender(changed.bundle)
        assert ids(anew.recommend("u3", k=ITEMS)) == ids(whole)
        assert ids(changed.recommend("u3")) != ids(changed.retrieval.recommend("u3"))
    assert not (gone | {"new1"}) & set(ids(shrunk.recommend("u3", k=ITEMS)))
    found = grown.candidates("u3", n=ITEMS)
    sheet = grown.ranker.view.sheet(grown.bundle.histories, grown.bundle.histories.user("u3"), found)
    at = [found.ids.index(f"new{n}") for n in range(3)]
    assert np.abs(np.linalg.norm(sheet.items[at], axis=1) - 1).max() < 1e-5  # they have vectors
    lists = opened.recommend("u3", k=ITEMS)
    assert not {"new0", "new1", "new2"} & set(ids(lists))


def test_an_empty_catalogue_of_events_is_still_asked_by_typed_histories(opened):
    touched = opened.catalogue.id_list(np.unique(opened.bundle.histories.rows))
    grown = opened.with_items([{"item_id": f"new{n}", "genre": "g1"} for n in range(5)])
    bare = grown.without(touched)
    assert not bare.bundle.histories.size
    assert len(bare.recommend(history=["new1"])) == bare.catalogue.size - 1


# --- learning and serving see the same ------------------------------------------------------------


def test_what_is_logged_when_asked_is_what_lessons_are_made_of_bit_for_bit(saved, files):
    """By a process without TensorFlow one at a time, and of the files of all people at once."""
    words = ["--bundle", saved, "--items", files["items"], "--interactions", files["interactions"]]
    command = [sys.executable, "-m", "benchmarks.skew", *map(str, words), "--requests", "200", "--dry"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert row["requests"] == 200
    assert row["candidates"] > 200 * 80
    told = {name: row[name] for name in row if "differ" in name}
    assert told == {
        "requests_whose_numbers_differ": 0,
        "requests_whose_query_differs": 0,
        "requests_whose_items_differ": 0,
        "features_that_differ": [],
    }


# --- learnt from what was shown -------------------------------------------------------------------


@pytest.fixture(scope="module")
def shown_bundle(tastemaker, tmp_path_factory) -> Path:
    """Four items at a time, looked at ever less from the top, clicked where even; the first two are long."""
    folder = tmp_path_factory.mktemp("shown")
    rng = np.random.default_rng(5)
    shown, log = [], []
    for user in range(260):
        order = rng.permutation(ITEMS)
        for number in range(9):
            now = START + 1e5 * number + 60 * user
            for place, item in enumerate(order[4 * number : 4 * number + 4], start=1):
                clicked = item % 2 == 0 and rng.random() < 1 / place**0.5
                seconds = 60 * (10 if item % 4 == 0 else 1) * clicked
                device = ["tv", "phone"][user % 2]
                shown.append(
                    (f"u{user}", f"i{item}", now, place, f"{user}-{number}", device, int(clicked), seconds)
                )
                if clicked:
                    log.append((f"u{user}", f"i{item}", now + 5))
    columns = ["user_id", "item_id", "timestamp"]
    more = ["position", "recommendation_id", "device", "clicked", "watch_time"]
    pl.DataFrame(log, schema=columns, orient="row").write_csv(folder / "log.csv")
    pl.DataFrame(shown, schema=[*columns, *more], orient="row").write_csv(folder / "shown.csv")
    kinds = [("even" if n % 2 == 0 else "odd") + ("" if n % 4 else " and long") for n in range(ITEMS)]
    items = pl.DataFrame({"item_id": [f"i{n}" for n in range(ITEMS)], "kind": kinds})
    items.write_csv(folder / "items.csv")
    files = ("--items", folder / "items.csv", "--interactions", folder / "log.csv")
    sets = [part for knob in (*KNOBS, "ranking.use=always") for part in ("--set", knob)]
    done = tastemaker("train", *files, "--impressions", folder / "shown.csv", "--out", folder / "b", *sets)
    assert done.status == 0, done.stderr
    return folder / "b"


def test_from_impressions_a_ranker_has_their_heads_and_has_seen_real_ones(shown_bundle):
    opened = tm.load(shown_bundle)
    assert "learnt from lists that people were shown" in opened.bundle.manifest.training["order"]
    assert opened.ranker.note.kind == "shown"
    assert set(opened.ranker.note.heads) == {"click", "watch_time", "dwell"}
    assert set(opened.ranker.view.devices) == {"tv", "phone"}
    assert "real impression" not in opened.bundle.card


def test_its_heads_can_be_wished_for(shown_bundle, tastemaker):
    def scores(objective: str) -> dict[str, float]:
        words = ("--user", "u3", "--json", "-k", "80", "--device", "tv", "--objective", objective)
        done = tastemaker("recommend", shown_bundle, *words)
        assert done.status == 0, done.stderr
        items = {item["item_id"]: item["score"] for item in json.loads(done.stdout)["items"]}
        assert list(items.values()) == sorted(items.values(), reverse=True)
        return items

    click, watch_time, both = map(scores, ("click", "watch_time", "click^0.5 * watch_time"))
    known = set(click) & set(watch_time) & set(both)
    assert len(known) > 20
    for item in known:
        assert both[item] == pytest.approx(click[item] ** 0.5 * watch_time[item], rel=1e-5)
    assert list(click) != list(watch_time)
    people = [f"u{n}" for n in range(0, 260, 5)]
    slates = tm.load(shown_bundle).recommend_many(people, 10)
    assert np.mean([int(item[1:]) % 2 == 0 for slate in slates for item in ids(slate)]) > 0.9  # none is odd
    done = tastemaker("recommend", shown_bundle, "--user", "u3", "--objective", "like")
    assert (done.status, done.stderr.count("\n")) == (2, 1)


# --- why -------------------------------------------------------------------------------------


def test_without_the_item_that_is_named_the_ranker_gives_a_lower_score(opened):
    log, titles = opened.bundle.histories, opened.catalogue.titles
    now, checked = moment(WEEKS), 0
    for user in range(0, PEOPLE, 8):
        name, own = log.user_ids[user], slice(log.offsets[user], log.offsets[user + 1])
        for item in opened.recommend(name, k=6, now=now):
            for reason in item.reasons:
                named = titles.index(reason.removeprefix("because of "))
                kept = log.where(~((np.arange(log.size) >= own.start) & (np.arange(log.size) < own.stop)
                                   & (log.rows == named)))  # fmt: skip
                others = opened.recommend(name, k=100, now=now, interactions=kept)  # of as many candidates
                scores = {each.item_id: each.score for each in others}
                assert scores.get(item.item_id, -np.inf) < item.score
                checked += 1
    assert checked >= 20
