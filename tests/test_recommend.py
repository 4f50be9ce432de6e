import threading
from collections.abc import Callable
from dataclasses import replace

import hypothesis
import numpy as np
import pytest
from hypothesis.strategies import booleans, integers, lists, sets
from scipy import sparse

from tastemaker.data.catalogue import PAD
from tastemaker.data.interactions import Interactions
from tastemaker.errors import AmbiguousTitleError, FilterError, TastemakerError, UnknownItemError
from tastemaker.features.pairs import Pairs
from tastemaker.recommend import Recommender
from tastemaker.slate import Slate


def ids(slate: Slate) -> str:
    return "".join(item.item_id for item in slate)


# The six items are laid out in conftest.py: a and b point right, c and d lean up, e points up, f left.


def test_a_known_user_gets_what_lies_near_their_history_and_nothing_seen(answers):
    # ann touched a, then e; e is newer, so the mix is (0.9 a + 1 e) / 1.9.
    # c: (0.9 · 0.8 + 0.6) / 1.9, d: (0.9 · 0.6 + 0.8) / 1.9, b: 0.9 / 1.9, f: -0.9 / 1.9
    slate = answers.recommend("ann")
    assert ids(slate) == "dcbf"
    assert [item.score for item in slate] == pytest.approx([1.34 / 1.9, 1.32 / 1.9, 0.9 / 1.9, -0.9 / 1.9])
    assert [item.rank for item in slate] == [1, 2, 3, 4]
    assert {item.source for item in slate} == {"content"}


def test_the_newest_of_a_history_counts_most(answers):
    assert ids(answers.recommend(history=["a", "e"], k=2)) == "dc"
    assert ids(answers.recommend(history=["e", "a"], k=2)) == "cd"


def test_a_list_is_as_long_as_asked_or_as_there_is(answers):
    assert len(answers.recommend("ann", k=1)) == 1
    assert len(answers.recommend("ann", k=10**12)) == 4
    assert len(answers.similar("Roma", k=10**12, all_seasons=True)) == 5


def test_an_unknown_user_gets_what_is_popular_and_is_told_so(answers):
    slate = answers.recommend("eve", k=4)
    assert ids(slate) == "bdfc"  # 5, 5, 3, 2
    assert all(item.source == "popularity: user eve has no known history" for item in slate)
    assert ids(answers.recommend("eve")) == "bdfcae"


def test_a_history_of_unknown_ids_is_noted_and_popularity_answers(answers):
    slate = answers.recommend(history=["zz", "a,b"], k=2)
    assert ids(slate) == "bd"
    assert slate[0].source == "popularity: nothing of the history is known"
    assert slate.notes == ("not in the catalogue, left out: 'zz', 'a,b'",)


def test_of_a_history_half_unknown_the_known_half_counts(answers):
    slate = answers.recommend(history=["a", "zz"])
    assert ids(slate) == ids(answers.recommend(history=["a"]))
    assert slate[0].source == "content"
    assert "'zz'" in slate.notes[0]


def test_an_empty_history_gets_what_is_popular(answers):
    slate = answers.recommend(history=[], k=1)
    assert ids(slate) == "b"
    assert slate[0].source == "popularity: there is no history"


def test_who_has_seen_everything_gets_an_empty_list(answers):
    assert len(answers.recommend(history=list("abcdef"))) == 0


@pytest.mark.parametrize("k", [0, -1])
def test_a_list_of_nothing_is_refused(answers, k):
    for ask in (
        lambda: answers.recommend("ann", k=k),
        lambda: answers.similar("Roma", k=k),
        lambda: list(answers.recommend_many(["ann"], k)),
        lambda: list(answers.similar_many(["a"], k)),
    ):
        with pytest.raises(TastemakerError, match=f"k is {k}"):
            ask()


@pytest.mark.parametrize("given", [{}, {"user_id": "ann", "history": ["a"]}])
def test_one_of_user_and_history_is_needed(answers, given):
    with pytest.raises(TastemakerError, match="one of the two"):
        answers.recommend(**given)


def test_newer_interactions_replace_histories_and_what_is_seen(answers):
    newer = Interactions.from_events(["ann", "eve"], np.array([0, 1], np.int32), np.array([5, 0], np.int32))
    assert (
        ids(answers.recommend("ann", interactions=newer)) == "edcab"
    )  # f points left; a and e are news again
    assert ids(answers.recommend("eve", k=2, interactions=newer)) == "bc"
    assert answers.recommend("bob", interactions=newer)[0].source.startswith("popularity")
    many = list(answers.recommend_many(["bob", "eve", "ann"], 2, interactions=newer))
    assert [ids(slate) for slate in many] == ["bd", "bc", "ed"]


def test_many_at_once_get_what_each_gets_alone(answers, monkeypatch):
    monkeypatch.setattr("tastemaker.retrieve.nearest.BLOCK", 2)
    asked = ["eve", "ann", "bob", "ann", "nobody"]
    for user, slate in zip(asked, answers.recommend_many(asked, 3), strict=True):
        alone = answers.recommend(user, k=3)
        assert [item._replace(reasons=()) for item in alone] == list(slate)
    assert list(answers.recommend_many([], 3)) == []


def test_top_gives_the_same_lists_as_rows(answers):
    log = answers.bundle.histories
    rows = answers.top(log, np.array([1, 0], np.int32), 5)
    assert rows.tolist() == [[4, 3, 2, 0, 1], [3, 2, 1, 5, PAD]]
    nobody = Interactions.from_events(["x", "y"], np.array([1], np.int32), np.array([4], np.int32))
    assert answers.top(nobody, np.array([0, 1], np.int32), 2).tolist() == [[1, 3], [3, 2]]


# --- held to some items ---------------------------------------------------------------------
# Genres: x x y x - y. bob touched f.


def test_a_filter_holds_for_everyone_and_everything(answers):
    assert ids(answers.recommend("ann", filter="genre == 'x'")) == "db"
    assert ids(answers.recommend(history=["a"], filter="genre == 'x'")) == "bd"
    assert ids(answers.recommend("eve", filter="genre != 'y'")) == "bda"  # by popularity
    assert ids(answers.similar("Roma", filter="genre is missing or genre == 'y'")) == "ef"
    assert ids(answers.similar("Roma", filter="genre == 'x'")) == "da"
    assert ids(answers.similar("Roma", filter="genre == 'x'", all_seasons=True)) == "dab"
    many = answers.recommend_many(["ann", "eve"], filter="genre == 'x'")
    assert [ids(slate) for slate in many] == ["db", "bda"]
    like = answers.similar_many(["c", "a"], filter="genre == 'x'")
    assert [(id, ids(slate)) for id, slate in like] == [("c", "da"), ("a", "d")]
    assert answers.candidates("ann", filter="genre == 'x'").ids == ("d", "b")


def test_lists_say_what_may_come_back_and_what_may_not(answers):
    slate = answers.recommend("ann", only=["f", "c", "a", "zz"], exclude=["c", "yy"])
    assert ids(slate) == "f"
    assert slate.notes == (
        "not in the catalogue, left out of `only`: 'zz'",
        "not in the catalogue, left out of `exclude`: 'yy'",
    )
    assert ids(answers.similar("Roma", only=["b", "c", "e"], exclude=["e"])) == "b"
    assert ids(answers.recommend("eve", k=2, exclude=["b"])) == "df"
    assert answers.candidates("ann", exclude=["d"]).ids == ("c", "b", "f")


@hypothesis.given(mask=lists(booleans(), min_size=6, max_size=6), seen=sets(integers(0, 5)), k=integers(1, 7))
@hypothesis.settings(deadline=None)
def test_whatever_a_limit_leaves_all_of_it_comes_back(answers, mask, seen, k):
    allowed = [id for id, is_in in zip("abcdef", mask, strict=True) if is_in]
    history = ["abcdef"[row] for row in seen]
    left = set(allowed) - set(history)
    for held in (
        {"only": allowed},
        {"filter": f"id in {allowed}"},
        {"exclude": set("abcdef") - set(allowed)},
    ):
        slate = answers.recommend(history=history, k=k, **held)
        free = answers.recommend(history=history)
        assert ids(slate) == "".join(id for id in ids(free) if id in left)[:k]


def test_an_empty_answer_says_why(answers):
    nothing = answers.recommend("ann", filter="genre == 'z'")
    assert len(nothing) == 0
    assert nothing.notes == ("nothing passes the filter. no item has 'z' in 'genre'",)
    assert nothing.as_json()["items"] == []
    seen = answers.recommend("ann", only=["a", "e"])
    assert seen.notes == ("2 pass the filter, and nothing new is among them",)
    assert answers.similar("Roma", only=["c"]).notes == ("1 pass the filter, and nothing new is among them",)
    assert answers.recommend(history=list("abcdef")).notes == ()


def test_a_wish_that_nobody_knows_is_refused_by_its_name(answers):
    for ask in (
        lambda: answers.recommend("ann", flter="genre == 'x'"),
        lambda: next(answers.recommend_many(["ann"], flter="genre == 'x'")),
        lambda: answers.ranked(["ann"], flter="genre == 'x'"),
        lambda: answers.candidates("ann", flter="genre == 'x'"),
        lambda: answers.similar("Roma", flter="genre == 'x'"),
        lambda: next(answers.similar_many(["a"], flter="genre == 'x'")),
    ):
        with pytest.raises(TypeError, match="flter"):
            ask()


def test_a_filter_that_can_not_be_read_is_refused_before_any_answer(answers):
    for ask in (
        lambda: answers.recommend("ann", filter="gener == 'x'"),
        lambda: next(answers.recommend_many([], filter="gener == 'x'")),
        lambda: answers.similar("Roma", filter="gener == 'x'"),
        lambda: answers.candidates("ann", filter="gener == 'x'"),
    ):
        with pytest.raises(FilterError, match=r"no column 'gener'\. Did you mean 'genre'"):
            ask()


# --- with counted pairs ---------------------------------------------------------------------


class Newest:
    """A tower made of one number, the events it sees, that likes what lies near the newest of them."""

    def __init__(self, model: bytes) -> None:
        self.length = int(model)

    def __call__(self, history: np.ndarray, **_: np.ndarray) -> np.ndarray:
        assert history.shape[1] == self.length
        return history[:, 0]


@pytest.fixture
def answering(by_hand, monkeypatch) -> Callable[..., Recommender]:
    """`answering((0, 5), length=3)`: a network that sees three events and, with weight 1.9, the pair of
    f after a. `answering()`: the network alone."""
    monkeypatch.setattr("tastemaker.retrieve.nearest.Tower", Newest)

    def build(*pairs: tuple[int, int], length: int = 5) -> Recommender:
        weights = np.zeros((6, 6), np.float32)
        for before, after in pairs:
            weights[before, after] = 1
        update = {"history_length": length, "pair_weight": 1.9 if pairs else 0.0}
        bundle = replace(
            by_hand,
            manifest=by_hand.manifest.model_copy(update=update),
            arrays=by_hand.arrays | {"item_inputs": by_hand.arrays["item_vectors"]},
            towers={"query_tower": str(length).encode()},
            pairs=Pairs(sparse.csr_array(weights), 0.5) if pairs else None,
        )
        return Recommender(bundle)

    return build


A_THEN_F = (0, 5)


def test_what_is_paired_with_the_history_rises(answering):
    assert ids(answering().recommend(history=["a"])) == "bcdef"
    slate = answering(A_THEN_F).recommend(history=["a"])
    assert ids(slate) == "bfcde"
    # The products with a are 1 for b, -1 for f, then 0.8, 0.6 and 0. The pairs speak of f alone, and say 1.
    expected = [1, -1 + 1.9, 0.8, 0.6, 0]
    assert [item.score for item in slate] == pytest.approx(expected)


def test_where_no_pair_speaks_the_order_is_that_of_the_network(answering):
    for history in (["e"], ["f", "d"]):
        alone = answering().recommend(history=history)
        assert ids(answering(A_THEN_F).recommend(history=history)) == ids(alone)


def test_pairs_hear_of_events_that_the_tower_does_not_see(answering):
    # Near e lie d 0.8 and c 0.6, then b and f with 0 each; it was a, a step back, that f follows.
    assert ids(answering(length=1).recommend("ann")) == "dcbf"
    assert ids(answering(A_THEN_F, length=1).recommend("ann")) == "fdcb"


@pytest.mark.parametrize(
    ("pairs", "length", "reach", "expected"),
    [([], 5, 0, 5), ([], 5, 7, 7), ([A_THEN_F], 5, 0, 20), ([A_THEN_F], 5, 30, 30), ([A_THEN_F], 25, 0, 25)],
)
def test_a_window_is_as_long_as_whoever_looks_furthest_needs(answering, pairs, length, reach, expected):
    # Pairs that lose half a step reach back 20 events: 0.5²⁰ is less than a millionth.
    recommender = answering(*pairs, length=length)
    window = recommender.nearest.window(recommender.bundle.histories, np.array([1, 0], np.int32), reach)
    assert window.rows.shape == window.values.shape == (2, expected)
    assert window.rows[:, :3].tolist() == [[5, PAD, PAD], [4, 0, PAD]]


def test_with_pairs_too_many_at_once_get_what_each_gets_alone(answering, monkeypatch):
    monkeypatch.setattr("tastemaker.retrieve.nearest.BLOCK", 2)
    blended = answering(A_THEN_F, (2, 0), (5, 1), length=2)
    histories = ["a", "f", "", "cfe", "ec", "ace", "d"]
    log = Interactions.from_events(
        [f"u{n}" for n in range(7)],
        np.repeat(np.arange(7, dtype=np.int32), [len(history) for history in histories]),
        np.array(["abcdef".index(item) for item in "".join(histories)], np.int32),
    )
    many = list(blended.recommend_many(log.user_ids, 4, interactions=log))
    top = blended.top(log, np.arange(7, dtype=np.int32), 4)
    for history, user_id, slate, rows in zip(histories, log.user_ids, many, top, strict=True):
        alone = blended.recommend(history=list(history), k=4)
        assert ids(slate) == ids(alone) == ids(blended.recommend(user_id, k=4, interactions=log))
        assert [item.score for item in slate] == [item.score for item in alone]
        assert "".join("abcdef"[row] for row in rows if row != PAD) == ids(alone)


def test_with_pairs_too_the_reason_is_the_item_without_which_the_score_is_lowest(answering):
    # Without a nothing is paired, and f falls; without e the network is silent, and c and d fall. Of b
    # neither says anything.
    a, e = ("because of Comet: Season 1",), ("because of Dune (2021)",)
    blended = answering(A_THEN_F).recommend(history=["a", "e"])
    assert [(item.item_id, item.reasons) for item in blended] == [("f", a), ("d", e), ("c", e), ("b", ())]
    alone = answering().recommend(history=["a", "e"])
    assert [(item.item_id, item.reasons) for item in alone] == [("d", e), ("c", e), ("b", ()), ("f", ())]


def test_only_what_the_tower_sees_is_asked_for_as_a_reason(answering):
    # f follows a, which the tower doesn't see any more, and loses nothing without e. b follows e.
    e = ("because of Dune (2021)",)
    slate = answering(A_THEN_F, (4, 1), length=1).recommend(history=["a", "e"])
    assert [(item.item_id, item.reasons) for item in slate] == [("b", e), ("f", ()), ("d", e), ("c", e)]


# --- similar --------------------------------------------------------------------------------


def test_similar_leaves_the_own_series_out(answers):
    assert ids(answers.similar("Comet: Season 1")) == "cdef"
    assert ids(answers.similar(item_id="a", all_seasons=True)) == "bcdef"


def test_a_series_stands_once_by_default_and_whole_with_all_seasons(answers):
    assert ids(answers.similar("Roma")) == "daef"  # 0.96, 0.8 (b as well), 0.6, -0.8
    assert ids(answers.similar("Roma", all_seasons=True)) == "dabef"
    assert ids(answers.similar("Roma", k=2)) == "da"


def test_two_films_of_one_name_are_two(answers):
    assert ids(answers.similar("Dune (2021)", k=3)) == "dca"


def test_a_short_list_is_filled_up_behind_a_long_series(by_hand):
    # 200 seasons crowd the top; the two others still have to be found.
    import polars as pl

    from tastemaker.data.catalogue import Catalogue

    titles = ["Roma", *(f"Comet: Season {n}" for n in range(1, 201)), "Oslo"]
    frame = pl.DataFrame({"id": [f"i{n}" for n in range(202)], "title": titles, "genre": ["x"] * 202})
    vectors = np.array([[1, 0], *[[1, 0]] * 200, [-1, 0]], np.float32)
    arrays = {"item_vectors": vectors, "neighbour_vectors": vectors, "popularity": np.zeros(202, np.float32)}
    nobody = Interactions.from_events([], np.zeros(0, np.int32), np.zeros(0, np.int32))
    catalogue = Catalogue(frame, by_hand.catalogue.columns)
    crowded = Recommender(replace(by_hand, catalogue=catalogue, arrays=arrays, histories=nobody))
    assert [item.title for item in crowded.similar("Roma", k=5)] == ["Comet: Season 1", "Oslo"]


def test_an_item_is_found_by_id_by_title_and_by_typo(answers):
    assert (
        answers.similar(item_id="c")
        == answers.similar("Roma")
        == answers.similar("Rooma")
        == answers.similar("c")
    )


def test_what_nobody_knows_is_refused(answers):
    with pytest.raises(UnknownItemError, match="'zz'"):
        answers.similar(item_id="zz")
    with pytest.raises(UnknownItemError):
        answers.similar("qqqqq zzzzz")
    with pytest.raises(UnknownItemError, match="'zz'"):
        next(answers.similar_many(["a", "zz"]))  # before the first answer


def test_a_name_of_two_films_is_asked_back(answers):
    with pytest.raises(AmbiguousTitleError) as asked:
        answers.similar("Dune")
    assert asked.value.candidates == ["Dune (1984)", "Dune (2021)"]


def test_one_of_title_and_id_is_needed(answers):
    for given in ({}, {"title": "Roma", "item_id": "c"}):
        with pytest.raises(TastemakerError, match="one of the two"):
            answers.similar(**given)


def test_many_items_get_what_each_gets_alone(answers):
    for item_id, slate in answers.similar_many(list("fedcba"), 3):
        assert slate == answers.similar(item_id=item_id, k=3)


# --- the answer -----------------------------------------------------------------------------


def test_a_slate_is_a_sequence_a_frame_and_json(answers):
    slate = answers.similar("Roma", k=2)
    assert [item.item_id for item in slate[1:]] == ["a"]
    frame = slate.to_polars()
    assert frame.columns == ["item_id", "title", "score", "rank", "source", "reasons"]
    assert frame["item_id"].to_list() == ["d", "a"]
    assert frame["rank"].to_list() == [1, 2]
    told = slate.as_json()
    assert told["query"] == "Roma"
    assert told["items"][1] | {"score": 0} == {
        "item_id": "a",
        "title": "Comet: Season 1",
        "score": 0,
        "rank": 2,
        "source": "content",
        "reasons": [],
    }
    assert Slate(()).to_polars().height == 0


def test_many_threads_get_the_same(by_hand):
    recommender, found = Recommender(by_hand), []
    ask = lambda: found.extend([ids(recommender.recommend("ann")), ids(recommender.similar("Roma"))])  # noqa: E731
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["daef"] * 8 + ["dcbf"] * 8


@pytest.mark.slow
def test_times_are_heard_of_a_log_and_a_history_of_ids_has_none(gaps_bundle, planted):
    recommender = Recommender.load(gaps_bundle)
    # Pauses of one, two and five thousand seconds, such as it was trained on.
    rows, times = np.array([20, 33, 47, 5], np.int32), 1e9 + np.array([0, 1000, 6000, 8000])

    def scores(times: np.ndarray | None) -> list[tuple[str, float]]:
        log = Interactions.from_events(["a"], np.zeros(4, np.int32), rows, times)
        slate = recommender.recommend("a", interactions=log, k=60)
        return [(item.item_id, item.score) for item in sorted(slate, key=lambda item: item.item_id)]

    def moved(one: list[tuple[str, float]], other: list[tuple[str, float]]) -> float:
        assert [name for name, _ in one] == [name for name, _ in other]
        return max(abs(a - b) for (_, a), (_, b) in zip(one, other, strict=True))

    plain = scores(times)
    assert moved(plain, scores(times + 1e8)) < 1e-6, "when all of it was says nothing"
    assert moved(plain, scores(1e9 + np.array([0, 5000, 6000, 7000]))) > 1e-4
    by_ids = recommender.recommend(history=[planted.item_ids[row] for row in rows], k=60)
    found = sorted((item.item_id, item.score) for item in by_ids)
    assert moved(found, scores(None)) < 1e-6
    assert moved(found, plain) > 1e-4
