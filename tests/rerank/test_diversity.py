from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import composite, integers, sampled_from

from tastemaker.data.catalogue import Catalogue, Column
from tastemaker.errors import RecipeError
from tastemaker.recipe import Role
from tastemaker.recipe.reranking import DiversityRule
from tastemaker.rerank.diversity import Diversity
from tastemaker.rerank.dpp import greedy_dpp
from tastemaker.rerank.draft import Draft, Request
from tastemaker.rerank.facts import Facts
from tastemaker.rerank.mmr import maximal_marginal_relevance

OWN = 0.3  # as docs say of the DPP: the share of an item that no other has


def mmr_worths(relevance, vectors, picked, strength, window):
    """Of every item, by its definition, one product at a time."""
    recent = picked[-window:] if window else picked
    worths = []
    for one in range(len(relevance)):
        likest = max((vectors[one] @ vectors[other] for other in recent), default=0.0)
        worths.append((1 - strength) * relevance[one] - strength * likest)
    return np.array(worths)


def dpp_worths(relevance, vectors, picked, strength, window):
    """The log of det(L) of the picked and each item, in units of relevance; L is the paper's."""
    alpha = (1 - strength) / (2 * strength)
    quality = np.exp(alpha * relevance)
    similar = (1 - OWN) * vectors @ vectors.T
    np.fill_diagonal(similar, 1)
    kernel = quality[:, None] * similar * quality
    recent = picked[-window:] if window else picked
    worths = np.full(len(relevance), -np.inf)
    for one in set(range(len(relevance))) - set(picked):
        among = [*recent, one]
        worths[one] = strength * np.linalg.slogdet(kernel[np.ix_(among, among)])[1]
    return worths


METHODS = {"mmr": (maximal_marginal_relevance, mmr_worths), "dpp": (greedy_dpp, dpp_worths)}


def is_greedy(picks, relevance, vectors, strength, window, worths_of):
    """Each pick is the best that is left, within 1e-5, and none that stands before it is as good."""
    vectors, relevance, picked = vectors.astype(float), relevance.astype(float), []
    for pick in picks.tolist():
        worths = worths_of(relevance, vectors, picked, strength, window)
        worths[picked] = -np.inf
        assert worths[pick] >= worths.max() - 1e-5
        assert pick <= np.flatnonzero(worths >= worths.max() - 1e-9)[0]
        picked.append(pick)


def unit(vectors):
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)


@composite
def pools(draw, most=14):
    """Relevance, falling, and vectors: of any direction, of few different ones, or one group an item; ties
    and zeros among them."""
    rng = np.random.default_rng(draw(integers(0, 10_000)))
    n, width = draw(integers(0, most)), draw(integers(1, 6))
    relevance = np.sort(rng.random(n))[::-1]
    if draw(sampled_from([True, False])):
        relevance = np.round(relevance * 3) / 3
    kind = draw(sampled_from(["any", "few", "groups"]))
    vectors = np.eye(width)[rng.integers(0, width, n)]
    if kind != "groups":
        vectors = rng.normal(size=(n, width)) + rng.normal(size=width)
    if kind == "few":
        vectors = vectors[rng.integers(0, max(n // 3, 1), n)] if n else vectors
    vectors[rng.random(n) < draw(sampled_from([0, 0.2]))] = 0
    return relevance.astype(np.float32), unit(vectors)


strengths = sampled_from([0.1, 0.3, 0.5, 0.9, 1.0])
windows = sampled_from([0, 1, 2, 3, 5, 100])


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=80, deadline=None)
@given(pool=pools(), strength=strengths, window=windows, k=integers(0, 17))
def test_each_pick_is_the_best_by_definition(method, pool, strength, window, k):
    pick, worths_of = METHODS[method]
    relevance, vectors = pool
    picks = pick(relevance, vectors, k, strength, window)
    assert len(picks) == len(set(picks.tolist())) == min(k, len(relevance))
    is_greedy(picks, relevance, vectors, strength, window, worths_of)


@pytest.mark.parametrize("window", [0, 4])
@pytest.mark.parametrize("method", METHODS)
def test_the_picks_are_those_of_the_slow_loop(method, window):
    pick, worths_of = METHODS[method]
    rng = np.random.default_rng(7)
    relevance = np.sort(rng.random(80).astype(np.float32))[::-1]
    vectors = unit(rng.normal(size=(80, 16)) + 0.5)
    slow = []
    for _ in range(25):
        worths = worths_of(relevance.astype(float), vectors.astype(float), slow, 0.4, window)
        worths[slow] = -np.inf
        slow.append(int(worths.argmax()))
    assert pick(relevance, vectors, 25, 0.4, window).tolist() == slow
    assert slow != sorted(slow)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=60, deadline=None)
@given(pool=pools(most=40), strength=strengths, window=windows, k=integers(0, 40))
def test_a_shorter_list_is_the_beginning_of_a_longer_one(method, pool, strength, window, k):
    pick, _ = METHODS[method]
    whole = pick(*pool, len(pool[0]), strength, window)
    assert sorted(whole.tolist()) == list(range(len(pool[0])))
    assert pick(*pool, k, strength, window).tolist() == whole[:k].tolist()


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=30, deadline=None)
@given(pool=pools(), window=windows, k=integers(0, 20))
def test_without_strength_nothing_moves(method, pool, window, k):
    pick, _ = METHODS[method]
    assert pick(*pool, k, 0.0, window).tolist() == list(range(min(k, len(pool[0]))))


@pytest.mark.parametrize(("strength", "order"), [(1e-45, [0, 1, 2, 3]), (1e-3, [0, 2, 1, 3])])
@pytest.mark.parametrize("method", METHODS)
def test_a_hair_of_strength_only_parts_what_is_equally_relevant(method, strength, order):
    pick, _ = METHODS[method]
    # q is e^500 here, more than a float holds. Items 1 and 2 are as relevant; 1 is a copy of 0.
    relevance = np.array([1, 0.5, 0.5, 0], np.float32)
    vectors = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    assert pick(relevance, vectors, 4, strength).tolist() == order


def test_a_long_page_stays_true_to_the_definition():
    """Of a window, hundreds of items come and go: what they leave behind by rounding mustn't show."""
    rng = np.random.default_rng(3)
    n, window = 1500, 7
    vectors = unit(rng.normal(size=(n, 8)) + 0.5)
    picks = greedy_dpp(np.zeros(n, np.float32), vectors, n, 1.0, window)
    exact, left = vectors.astype(float), np.ones(n, bool)
    for place, pick in enumerate(picks):
        within = exact[picks[max(0, place - window) : place]]
        own = (1 - OWN) * within @ within.T
        np.fill_diagonal(own, 1)
        shared = (1 - OWN) * within @ exact[left].T
        worths = np.log(1 - (shared * np.linalg.solve(own, shared)).sum(axis=0))
        assert worths[np.flatnonzero(left).searchsorted(pick)] >= worths.max() - 1e-5
        left[pick] = False


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [5, 37, 75, 503])
def test_copies_stay_as_they_stand(method, n):
    """A product gives equal lines another last digit, by where they lie: at 5, 37 and 503 lines of 17."""
    pick, _ = METHODS[method]
    rng = np.random.default_rng(n)
    vectors = unit(np.repeat(rng.normal(size=(1, 17)), n, axis=0))
    for window in (0, 3):
        assert pick(np.ones(n, np.float32), vectors, n, 0.7, window).tolist() == list(range(n))


def test_a_dpp_of_few_groups_goes_on_when_each_was_there():
    # Three groups, nine items, all as relevant: a determinant of S without `own` is 0 from the fourth on.
    vectors = np.eye(3, dtype=np.float32)[[0, 0, 0, 1, 1, 1, 2, 2, 2]]
    picks = greedy_dpp(np.ones(9, np.float32), vectors, 9, 0.5)
    assert picks.tolist() == [0, 3, 6, 1, 4, 7, 2, 5, 8]


def test_a_dpp_minds_the_second_copy_less_than_the_first():
    """A copy leaves 1 − 0.7² = 0.51 of the variance, a second one 1 − 2 · 0.49 / 1.7 ≈ 0.4235."""
    # At strength 0.5 they are worth 1 + log 0.51 = 0.327 and 1 + log 0.4235 = 0.141.
    vectors = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], np.float32)
    for last, expected in ((0.15, [0, 1, 3, 2]), (0.13, [0, 1, 2, 3]), (0.35, [0, 3, 1, 2])):
        relevance = np.array([1.0, 1.0, 1.0, last], np.float32)
        assert greedy_dpp(relevance, vectors, 4, 0.5).tolist() == expected
    # MMR: 1 − 1 against last − 0, with the first copy as with the second.
    for last, expected in ((0.01, [0, 3, 1, 2]), (-0.01, [0, 1, 2, 3])):
        relevance = np.array([1.0, 1.0, 1.0, last], np.float32)
        assert maximal_marginal_relevance(relevance, vectors, 4, 0.5).tolist() == expected


@pytest.fixture(scope="module")
def facts(by_hand):
    return Facts(by_hand, by_hand.arrays["item_vectors"])


def six():
    """Relevance 1, 0.8, 0.6, 0.4, 0.2, 0."""
    return Draft(np.arange(6, dtype=np.int32), np.array([10, 9, 8, 7, 6, 5], np.float32))


@pytest.mark.parametrize(
    ("knobs", "k", "order", "reasons"),
    [
        # Oslo is the opposite of Comet, Dune (2021) at a right angle; both stood behind the end.
        ({}, 3, [0, 5, 4, 1, 2, 3], {5: "unlike what stands above it", 4: "unlike what stands above it"}),
        # Genres x x y x – y. Row 1 only closes up to where it stood.
        ({"of": "Genre"}, 6, [0, 2, 4, 1, 3, 5], {2: "to vary genres", 4: "to vary genres"}),
        ({"of": "Genre", "method": "dpp"}, 6, [0, 2, 4, 1, 3, 5], {2: "to vary genres", 4: "to vary genres"}),
        # Row 2 is y; then x may come again, and the item of no genre waits.
        ({"of": "genre", "window": 1}, 6, [0, 2, 1, 4, 3, 5], {2: "to vary genres", 4: "to vary genres"}),
        # Comet has two seasons here, each other series one. Who moves up only by the other's going isn't
        # said to vary anything.
        ({"of": "series"}, 5, [0, 2, 3, 4, 5, 1], {5: "to vary series"}),
        ({"of": "franchise"}, 2, [0, 2, 1, 3, 4, 5], {2: "to vary franchises"}),
        ({"strength": 0}, 6, [0, 1, 2, 3, 4, 5], {}),
        ({"of": "genre"}, 0, [0, 1, 2, 3, 4, 5], {}),
    ],
)
def test_six_items_by_hand(facts, knobs, k, order, reasons):
    rule = Diversity(DiversityRule(**{"strength": 0.5, **knobs}), facts)
    draft = rule(six(), Request(k=k))
    assert draft.rows.tolist() == order
    assert draft.scores.tolist() == six().scores.tolist()
    assert draft.reasons == {row: (text,) for row, text in reasons.items()}


@pytest.mark.parametrize(
    ("column", "words"),
    [("country", "to vary countries"), ("Main_Genre", "to vary main genres"), ("day", "to vary days"),
     ("言語", "to vary 言語")],
)  # fmt: skip
def test_a_reason_names_what_is_varied(by_hand, column, words):
    was = by_hand.catalogue
    columns = (*was.columns[:2], Column(name=column, role=Role.CATEGORY))
    renamed = replace(by_hand, catalogue=Catalogue(was.frame.rename({"genre": column}), columns))
    facts = Facts(renamed, by_hand.arrays["item_vectors"])
    draft = Diversity(DiversityRule(strength=0.5, of=column), facts)(six(), Request(k=2))
    assert draft.reasons == {2: (words,)}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("count", [0, 1])
def test_what_is_hardly_there_stays(facts, method, count):
    draft = Draft(np.arange(count, dtype=np.int32), np.ones(count, np.float32))
    rule = Diversity(DiversityRule(strength=1, method=method, window=1), facts)
    assert rule(draft, Request(k=5)).rows.tolist() == list(range(count))
    assert rule(draft, Request(k=5)).reasons == {}


def test_a_column_that_is_not_there_is_told_at_once(facts):
    with pytest.raises(RecipeError, match=r"'gnre'.*Did you mean 'genre'"):
        Diversity(DiversityRule(strength=0.5, of="gnre"), facts)


def test_what_is_alike_by_groups_is_so_by_the_cosine(facts):
    rows = np.array([0, 1, 2, 4, 5], np.int32)  # genres x, x, y, none, y
    alike = facts.alike("genre", rows)
    assert (alike @ alike.T).tolist() == [
        [1, 1, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [0, 0, 1, 0, 1],
        [0, 0, 0, 0, 0],
        [0, 0, 1, 0, 1],
    ]
    # Of the one that is the only y, nothing is kept: it costs a product and says nothing.
    assert facts.alike("genre", rows[:4]).tolist() == [[1], [1], [0], [0]]


def test_vectors_of_any_length_are_alike_by_direction(by_hand):
    vectors = np.array([[3, 4], [0, 0], [0.03, 0.04], [-6, -8], [8, -6], [1, 0]], np.float32)
    alike = Facts(by_hand, vectors).alike("vectors", np.array([0, 1, 2, 3, 4], np.int32))
    assert alike == pytest.approx(np.array([[0.6, 0.8], [0, 0], [0.6, 0.8], [-0.6, -0.8], [0.8, -0.6]]))
