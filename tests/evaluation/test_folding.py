"""The doctor tells a folded model from a sound one, and says so when it can't tell."""

import json
from collections import Counter
from dataclasses import asdict, replace
from itertools import combinations

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from tastemaker.bundle import Bundle
from tastemaker.data.catalogue import PAD, Catalogue
from tastemaker.data.interactions import Interactions
from tastemaker.data.split import Fold, hold_out_last
from tastemaker.data.worlds import islands
from tastemaker.errors import DataError, RecipeError
from tastemaker.evaluation.doctor.folding import examine_folding
from tastemaker.evaluation.doctor.groups import crossing
from tastemaker.evaluation.doctor.islands import communities, louvain, near
from tastemaker.evaluation.doctor.shares import Places, folded, foreign, membership, shares
from tastemaker.evaluation.exam import Result
from tastemaker.evaluation.judge import Marked, marked
from tastemaker.evaluation.report import Report
from tastemaker.manifest import Manifest
from tastemaker.recipe import Column, Recipe, Role
from tastemaker.recommend import Recommender
from tastemaker.rerank.facts import Groups


def modularity(graph, labels):
    """How much more weight lies within communities than if edges fell by lot (Newman and Girvan, 2004)."""
    dense, total = graph.toarray(), graph.sum()
    degrees = dense.sum(1)
    same = labels[:, None] == labels[None, :]
    return float(((dense / total - np.outer(degrees, degrees) / total**2) * same).sum())


def recommender_of(log: Interactions, groups: list[str | None], vectors: np.ndarray, **more) -> Recommender:
    """Of items without features; asked for people, it finds what lies near what they touched."""
    frame = pl.DataFrame({"id": [f"item {n}" for n in range(len(groups))], "group": groups})
    columns = (Column(name="id", role=Role.ID), Column(name="group", role=Role.CATEGORY))
    manifest = Manifest(
        kind="history",
        recipe=more.get("recipe", Recipe()).model_dump(mode="json"),
        columns={"items": list(columns)},
        history_length=50,
        value_scale=more.get("scale", {"mean": 1.0, "deviation": 1.0, "is_log": False}),
        data={"fingerprint": "planted"},
        created="2024-01-01T00:00:00+00:00",
        versions={},
    )
    arrays = {"item_vectors": vectors, "neighbour_vectors": vectors} | more.get("arrays", {})
    arrays["popularity"] = log.counts(len(groups)).astype(np.float32)
    towers, encoders = more.get("towers", {}), {"items": {}}
    return Recommender(
        Bundle(
            manifest=manifest,
            catalogue=Catalogue(frame, columns),
            users=None,
            histories=log,
            arrays=arrays,
            encoders=encoders,
            towers=towers,
            card="",
        )
    )


def world(near_own: bool, people: int = 40) -> tuple[Recommender, Interactions]:
    """Three groups of 20 items, 5 events a person; vectors by group, or without any sense."""
    made = islands(groups=3, items=20, people=people, events=5, ring=False)
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(60, 32)) * 0.4
    if near_own:
        vectors[:, :3] += 6 * np.eye(3)[made.group]
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return recommender_of(made.log, [f"g{n}" for n in made.group.tolist()], unit), made.log


class TestAgainstASlowLoop:
    def test_shares_of_people_with_several_groups_some_without_and_pads(self):
        rng = np.random.default_rng(3)
        own = [[f"g{n}" for n in range(5) if rng.random() < 0.3] for _ in range(30)]
        member = membership(Groups.of(own))
        names = Groups.of(own).names
        histories = [rng.choice(30, size, replace=False) for size in (1, 2, 3, 6, 2)]
        lists = np.array(
            [[3, 4, PAD, PAD], [5, 6, 7, 8], [9, 1, 0, 2], [PAD] * 4, [20, 21, 22, 23]], np.int32
        )
        log = Interactions.from_events(
            list("abcde"),
            np.repeat(np.arange(5, dtype=np.int32), [len(rows) for rows in histories]),
            np.concatenate(histories).astype(np.int32),
        )
        history = Places.of_log(log, np.arange(5, dtype=np.int32))
        found = shares(Places.of_lists(lists), history, None, member, 5)
        assert set(names) == {name for groups in own for name in groups}
        for person, rows in enumerate(histories):
            touched = {name for row in rows for name in own[row]}

            def strange(candidates, known):
                told = [not known & set(own[row]) for row in candidates if own[row]]
                return np.mean(told) if told else np.nan

            shown = strange([row for row in lists[person] if row != PAD], touched)
            unseen = strange([row for row in range(30) if row not in rows], touched)
            times = Counter(name for row in rows for name in own[row])
            alone = [all(times[name] == 1 for name in own[row]) for row in rows if own[row]]
            expected = (shown, np.mean(alone) if alone else np.nan, unseen)
            actual = tuple(column[person] for column in found)
            assert actual == pytest.approx(expected, nan_ok=True)

    def test_answers_are_held_against_the_history_and_not_against_each_other(self):
        member = membership(Groups.of([["x"], ["x"], ["y"], ["y"]]))
        history = Places(np.array([0]), np.array([0], np.int32))
        answers = Places(np.array([0, 0, 0]), np.array([1, 2, 3], np.int32))
        lists = Places(np.array([0, 0]), np.array([1, 2], np.int32))
        found = shares(lists, history, answers, member, 1)
        # Of 1, 2, 3 two are of y, which nobody touched; of the list one in two.
        assert [float(column[0]) for column in found] == pytest.approx([1 / 2, 2 / 3, 2 / 3])

    def test_an_item_without_a_group_is_neither_foreign_nor_not(self):
        member = membership(Groups.of([["x"], []]))
        touched = sparse.csr_array(np.zeros((1, 1)))
        places = Places(np.array([0, 0]), np.array([0, 1], np.int32))
        assert foreign(places, member, touched) == pytest.approx([1, np.nan], nan_ok=True)

    def test_the_figure_is_the_way_from_honest_to_chance(self):
        made = shares(
            Places(np.zeros(4, int), np.array([1, 2, 3, 4], np.int32)),
            Places(np.array([0]), np.array([0], np.int32)),
            Places(np.array([0]), np.array([1], np.int32)),
            membership(Groups.of([["x"], ["x"], ["y"], ["y"], ["x"], ["y"]])),
            1,
        )
        # Shown 1/2, honest 0, by lot 3 of the 5 left.
        found = folded(made, np.random.default_rng(1), 0.1)
        assert found.figure == pytest.approx((5 / 6, 5 / 6, 5 / 6))
        assert folded(made, np.random.default_rng(1), 0.7).figure is None


class TestCommunities:
    def test_islands_are_found_whole(self):
        made = islands(groups=4, items=20, people=30, events=6)
        labels, strict = communities(made.log, 80)
        assert strict
        for group in range(4):
            assert len(set(labels[made.group == group].tolist())) == 1
        assert len(set(labels.tolist())) == 4

    def test_groups_with_bridges_are_found_all_the_same(self):
        made = islands(groups=4, items=20, people=60, events=8, ring=False)
        rng = np.random.default_rng(2)
        rows = made.log.rows.copy()
        crossing = rng.random(len(rows)) < 0.1
        rows[crossing] = rng.integers(0, 80, crossing.sum())
        log = Interactions.from_events(made.log.user_ids, made.log.users, rows, made.log.times)
        labels, strict = communities(log, 82)
        assert not strict
        pairs = set(zip(made.group.tolist(), labels[:80].tolist(), strict=True))
        assert len(pairs) == len(set(labels[:80].tolist())) == 4
        assert labels[80:].tolist() == [PAD, PAD]  # nobody touched them
        again, _ = communities(log, 82)
        assert np.array_equal(labels, again)

    def test_nearness_counts_a_person_of_many_items_for_less(self):
        users, rows = [0, 0, 1, 1, 1], [0, 1, 0, 1, 2]
        log = Interactions.from_events(["a", "b"], np.array(users, np.int32), np.array(rows, np.int32))
        found = near(log, 3).toarray()
        weights = np.array([[1, 1, 0], [0.5, 0.5, 0.5]])  # 1 / (n - 1), by person
        for one, other in combinations(range(3), 2):
            both = sum(weights[p, one] for p in range(2) if weights[p, one] and weights[p, other])
            norm = np.sqrt(weights[:, one].sum() * weights[:, other].sum())
            assert found[one, other] == found[other, one] == pytest.approx(both / norm)
        assert not found.diagonal().any()

    def test_modularity_and_the_two_triangles(self):
        edges = [(0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5), (2, 3)]
        dense = np.zeros((6, 6))
        for one, other in edges:
            dense[one, other] = dense[other, one] = 1
        graph = sparse.csr_array(dense)
        labels = louvain(graph)
        assert labels.tolist() == [0, 0, 0, 1, 1, 1]
        # Six of seven edges within; either side has half of all ends.
        assert modularity(graph, labels) == pytest.approx(6 / 7 - 1 / 2)


def test_groups_in_one_place_are_as_near_as_their_own():
    rng = np.random.default_rng(1)
    base = np.repeat(np.eye(2), 50, 0)
    member = sparse.csr_array(np.repeat(np.eye(3), [50, 25, 25], 0))
    vectors = np.hstack([base, rng.normal(size=(100, 2)) * 0.1]).astype(np.float32)
    touched = sparse.csr_array(np.array([[1, 0, 0], [0, 2, 1], [0, 1, 0], [0, 0, 1]]))
    found = crossing(vectors, member, touched)
    # Groups 1 and 2 lie on the second axis, group 0 on the first.
    assert found.cosine[1, 2] > 0.99
    assert found.nearness[1, 2] == pytest.approx(1, abs=0.02)
    assert abs(found.cosine[0, 1]) < 0.1
    assert abs(found.nearness[0, 1]) < 0.1
    assert found.people is not None
    assert found.people[1, 2] == 1 / 2
    assert found.people[0, 1] == 0


class TestTheVerdict:
    @pytest.mark.parametrize("by", ["group", "community"])
    def test_vectors_without_sense_are_folded_and_those_by_group_are_sound(self, by):
        folding, log = world(near_own=False)
        sound, _ = world(near_own=True)
        bad, good = examine_folding(folding, None, by), examine_folding(sound, None, by)
        assert (bad.verdict, good.verdict) == ("alarm", "good")
        assert bad.lists.people == good.lists.people == 120
        assert good.lists.shown.mean == 0
        users = np.arange(120, dtype=np.int32)
        rows, own = folding.top(log, users, 5), np.repeat(np.arange(3), 20)
        by_hand = (own[rows] != (users % 3)[:, None]).mean()
        assert bad.lists.shown.mean == pytest.approx(by_hand)
        assert bad.lists.chance == pytest.approx(40 / 55)  # 40 items of others, 15 left of one's own
        assert bad.worst
        assert all(pair.people == 0 for pair in bad.worst)
        assert bad.worst[0].items

    def test_its_section_is_json_and_names_the_groups(self):
        folding, _ = world(near_own=False)
        section = examine_folding(folding, None, "group").section()
        assert section.verdict == "alarm"
        assert "g0" in json.dumps(section.as_json(), allow_nan=False)
        if section.pictures:
            assert "g0" in section.pictures[0].svg

    def test_an_alarm_is_no_failure_of_the_command(self, tastemaker, tmp_path):
        folding, _ = world(near_own=False)
        folding.save(tmp_path / "folded")
        done = tastemaker("evaluate", tmp_path / "folded", "--folding", "group")
        assert done.status == 0, done.stderr
        assert "Folding by group · alarm" in done.stdout
        assert "The whole interval lies above the bound" in done.stdout

    def test_too_few_people_and_one_group_are_unclear(self):
        few, _ = world(near_own=False, people=9)
        assert examine_folding(few, None, "group").verdict == "unclear"
        assert "27 lists" in examine_folding(few, None, "group").reasons[0]
        made = islands(groups=1, items=20, people=40, events=5)
        one = recommender_of(made.log, ["all"] * 20, np.eye(20, dtype=np.float32))
        found = examine_folding(one, None, "group")
        assert found.verdict == "unclear"
        assert "one group only" in found.reasons[0]

    def test_groups_that_everybody_touches_are_unclear(self):
        made = islands(groups=2, items=20, people=40, events=5, ring=False)
        groups = [f"g{n % 2}" for n in range(40)]  # even and odd, which everybody has both of, nearly
        rng = np.random.default_rng(1)
        found = examine_folding(
            recommender_of(made.log, groups, rng.normal(size=(40, 8)).astype(np.float32)), None, "group"
        )
        assert found.lists.figure is None
        assert found.verdict == "unclear"
        assert "overlap" in found.reasons[0]

    def test_groups_that_share_people_are_never_named_as_folded(self):
        # Two groups whose people are the same, and a third of others; all lists show the third.
        rng = np.random.default_rng(2)
        both = np.concatenate([np.repeat([0, 1], 10), np.repeat(2, 20)])
        rows = [np.concatenate([rng.permutation(10)[:3], 10 + rng.permutation(10)[:3]]) for _ in range(40)]
        rows += [20 + rng.permutation(20)[:6] for _ in range(40)]
        users = np.repeat(np.arange(80, dtype=np.int32), 6)
        log = Interactions.from_events(
            [f"u{n}" for n in range(80)], users, np.concatenate(rows).astype(np.int32)
        )
        groups = [f"g{each}" for each in both]
        made = recommender_of(log, groups, rng.normal(size=(40, 8)).astype(np.float32))
        fold = Fold(log, log, log.where(np.arange(log.size) % 6 == 0))
        shown = np.where(
            np.arange(80)[:, None] < 20, 20 + np.arange(5), 10 * (np.arange(80)[:, None] % 2) + np.arange(5)
        )
        ours = Result("x", 5, np.arange(80, dtype=np.int32), 0, {}, {}, 0.0, shown.astype(np.int32))
        found = examine_folding(made, Marked(Report(5, "", 80, 0, ()), ours, fold), "group")
        assert found.worst
        pairs = {(pair.one, pair.other) for pair in found.worst}
        assert not pairs & {("g0", "g1"), ("g1", "g0")}  # most is shown of those beyond what they do, too
        assert pairs <= {("g0", "g2"), ("g2", "g0"), ("g1", "g2"), ("g2", "g1")}

    def test_of_an_exam_it_looks_at_the_exams_own_lists(self):
        sound, log = world(near_own=True)
        fold = hold_out_last(log)
        users = np.arange(120, dtype=np.int32)
        foreign_rows = ((users % 3 + 1) % 3 * 20)[:, None] + np.arange(10)  # all of the next group
        ours = Result("x", 10, users, 0, {}, {}, 0.0, foreign_rows.astype(np.int32))
        exam = Marked(Report(10, "", 120, 0, ()), ours, Fold(*fold))
        found = examine_folding(sound, exam, "group")
        assert found.verdict == "alarm"
        assert found.lists.shown.mean == 1
        assert found.lists.honest == 0
        assert found.worst[0].shown == 1

    def test_of_a_catalogue_alone_what_is_like_an_item_is_held_against_texts(self, answers):
        # No log of its own, no texts: shares are told, a verdict isn't.
        empty = answers.bundle.histories.where(np.zeros(answers.bundle.histories.size, bool))
        found = examine_folding(Recommender(replace(answers.bundle, histories=empty)), None, None, 2)
        assert (found.by, found.of, found.verdict) == ("genre", "items", "unclear")
        assert "Only 5 lists" in found.reasons[0]
        with pytest.raises(DataError, match="Communities are found in a log"):
            examine_folding(Recommender(replace(answers.bundle, histories=empty)), None, "community")
        with pytest.raises(RecipeError, match="Did you mean 'genre'"):
            examine_folding(answers, None, "genres")


@pytest.mark.slow
def test_the_real_network_folds_without_negatives_and_not_with_them():
    pytest.importorskip("keras")
    from tastemaker.model.learn import learn
    from tastemaker.model.problem import Problem
    from tastemaker.progress import silent

    made = islands(groups=5, items=40, people=100, ring=False)
    fold = hold_out_last(made.log)
    figures = {}
    for way, knobs in {
        "folded": ["loss.kind=gbce", "negatives.count=0", "negatives.in_batch=false"],
        "sound": ["negatives.count=all"],
    }.items():
        recipe = Recipe.read(None, ["history.dim=16", "history.hidden=[16]", "history.dropout=0.2", *knobs])
        nobody = np.full(made.log.user_count, -1, np.int32)
        learnt = learn(
            Problem(200, None, None, nobody, True, recipe), fold.train, 12, stage="x", report=silent
        )
        recommender = recommender_of(
            fold.train,
            [f"g{n}" for n in made.group.tolist()],
            learnt.arrays["neighbour_vectors"],
            recipe=recipe,
            arrays=learnt.arrays,
            towers=learnt.towers,
            scale=asdict(learnt.scale),
        )
        exam = marked(recommender, fold, "last", k=10, baselines=[])
        for by in ("group", "community"):
            found = examine_folding(recommender, exam, by)
            assert found.verdict == {"folded": "alarm", "sound": "good"}[way]
            assert found.lists.figure is not None
            figures[way, by] = found.lists.figure
    for by in ("group", "community"):
        assert figures["folded", by].low > 5 * max(figures["sound", by].high, 1e-3)
