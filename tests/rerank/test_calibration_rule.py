import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import draft_of, facts_of

from tastemaker.errors import RecipeError
from tastemaker.recipe.reranking import CalibrationRule
from tastemaker.rerank.calibration import Calibration, mix
from tastemaker.rerank.draft import Request


def asked(facts, rows, history, scores=None, *, k=10, **knobs):
    rule = Calibration(CalibrationRule(**knobs), facts)
    return rule(draft_of(rows, scores), Request(k=k, history=np.array(history, np.int32)))


def shares(genres, rows, weights=None):
    """The mix of some items, as a dict: an item of several genres is of each in equal parts."""
    sums = {}
    for row, weight in zip(rows, weights or [1] * len(rows), strict=True):
        for genre in genres[row]:
            sums[genre] = sums.get(genre, 0) + weight / len(genres[row])
    total = sum(sums.values())
    return {genre: sum_ / total for genre, sum_ in sums.items()}


def kl(p, q):
    return sum(
        share * math.log(share / (0.99 * q.get(genre, 0) + 0.01 * share)) for genre, share in p.items()
    )


def slowly(genres, rows, relevance, p, k, strength):
    """The definition, list by list: every candidate is tried at every step."""
    got, left = [], list(rows)
    while len(got) < min(k, len(rows)):
        worth = [
            (1 - strength) * sum(relevance[row] for row in [*got, row])
            - strength * kl(p, shares(genres, [*got, row]))
            for row in left
        ]
        best = next(place for place, value in enumerate(worth) if value > max(worth) - 1e-9)
        got.append(left.pop(best))
    return got + left


GENRES = [["drama"], ["drama"], ["drama"], ["comedy"], ["comedy"], ["drama", "comedy"], [], ["crime"]]


def test_a_mix_counts_an_item_of_two_genres_half_for_each():
    groups = facts_of(8, genres=GENRES).groups("genres")
    found = dict(zip(groups.names, mix(groups, np.array([0, 5, 6], np.int32)), strict=True))
    assert found == pytest.approx({"drama": 3 / 4, "comedy": 1 / 4, "crime": 0})
    weighed = mix(groups, np.array([0, 5], np.int32), np.array([1.0, 3.0]))
    assert dict(zip(groups.names, weighed, strict=True)) == pytest.approx(
        {"drama": 5 / 8, "comedy": 3 / 8, "crime": 0}
    )
    assert not mix(groups, np.array([6], np.int32)).any()


def test_a_list_of_one_genre_makes_room_for_the_other():
    got = asked(facts_of(8, genres=GENRES), [0, 1, 2, 3, 4], [0, 3], k=4, strength=0.9)
    assert got.rows[:4].tolist() == slowly(
        GENRES, [0, 1, 2, 3, 4], dict(zip(range(5), [1, 0.75, 0.5, 0.25, 0], strict=True)),
        {"drama": 0.5, "comedy": 0.5}, 4, 0.9,
    )[:4]  # fmt: skip
    assert got.rows.tolist() == [0, 3, 1, 4, 2]
    assert got.scores.tolist() == [5, 4, 3, 2, 1]
    assert got.reasons == {3: ("your mix of genres",), 4: ("your mix of genres",)}


def test_a_list_asked_for_an_item_follows_that_items_own_genres():
    got = asked(facts_of(8, genres=GENRES), [0, 1, 2, 7], [7], k=1, strength=0.9)
    assert got.rows.tolist() == [7, 0, 1, 2]


def test_what_came_last_counts_most_where_the_recipe_says_so():
    facts = facts_of(8, genres=GENRES)
    history = [0, 0, 0, 3]
    assert asked(facts, [0, 3], history, [1, 1], k=1, strength=0.9).rows.tolist() == [0, 3]
    # 1/8 + 1/4 + 1/2 against 1.
    got = asked(facts, [0, 3], history, [1, 1], k=1, strength=0.9, half_life_items=1)
    assert got.rows.tolist() == [3, 0]


def test_for_a_stranger_the_order_stays_as_it_does_for_who_touched_nothing_that_has_groups():
    facts = facts_of(8, genres=GENRES)
    assert asked(facts, [2, 3, 0], [], strength=1).rows.tolist() == [2, 3, 0]
    assert asked(facts, [2, 3, 0], [6], strength=1).rows.tolist() == [2, 3, 0]
    assert asked(facts_of(8), [2, 3, 0], [1], strength=1).rows.tolist() == [2, 3, 0]


def test_at_strength_zero_there_is_no_rule():
    draft = draft_of([3, 1, 2])
    rule = Calibration(CalibrationRule(), facts_of(8, genres=GENRES))
    assert rule(draft, Request(k=3, history=np.array([3], np.int32))) is draft


def test_a_column_that_isnt_there_is_told():
    with pytest.raises(RecipeError, match="Did you mean 'genres'"):
        Calibration(CalibrationRule(strength=0.5, of="genre s"), facts_of(8, genres=GENRES))


@settings(max_examples=40, deadline=None)
@given(
    genres=st.lists(st.lists(st.sampled_from("abcdef"), unique=True, max_size=4), min_size=10, max_size=10),
    rows=st.permutations(range(10)),
    scores=st.lists(st.integers(0, 3), min_size=10, max_size=10),
    history=st.lists(st.integers(0, 9), min_size=1, max_size=6),
    k=st.integers(1, 12),
    strength=st.sampled_from([0.1, 0.5, 0.9, 0.99, 1.0]),
)
def test_it_picks_what_the_definition_picks(genres, rows, scores, history, k, strength):
    falling = sorted(scores, reverse=True)
    p = shares(genres, history) if any(genres[row] for row in history) else None
    got = asked(facts_of(10, genres=genres), rows, history, falling, k=k, strength=strength)
    if p is None:
        assert got.rows.tolist() == rows
        return
    spread = max(falling) - min(falling)
    relevance = {
        row: (score - min(falling)) / spread if spread else 1.0
        for row, score in zip(rows, falling, strict=True)
    }
    assert got.rows.tolist() == slowly(genres, rows, relevance, p, k, strength)


def test_what_is_in_no_group_changes_no_mix_however_many_there_are():
    rng = np.random.default_rng(5)
    for _ in range(60):
        genres = [list(rng.choice(list("abc"), rng.integers(1, 3), False)) for _ in range(7)] + [[]] * 5
        rows, history = rng.permutation(12).tolist(), rng.integers(0, 7, 3).tolist()
        scores = np.linspace(1, 0, 12)
        got = asked(facts_of(12, genres=genres), rows, history, scores, k=8, strength=0.6)
        relevance = dict(zip(rows, scores.astype(np.float32).tolist(), strict=True))
        assert got.rows.tolist() == slowly(genres, rows, relevance, shares(genres, history), 8, 0.6)
