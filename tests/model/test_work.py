from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import booleans, integers

from tastemaker.data.catalogue import PAD
from tastemaker.data.interactions import Interactions
from tastemaker.features.batches import Batch, Window
from tastemaker.features.schema import Bag, Encoded, Field
from tastemaker.model.negatives import Mixture, Queue, Uniform, Weighted

keras = pytest.importorskip("keras")

from tastemaker.model.items import Items  # noqa: E402
from tastemaker.model.work import Bench, Work  # noqa: E402

pytestmark = pytest.mark.slow  # TensorFlow takes seconds to load

ITEMS, PEOPLE, LENGTH = 25, 6, 4
EVERYTHING = np.arange(ITEMS, dtype=np.int32)


class Remembering(Mixture):
    """Keeps what it drew last."""

    def draw(self, labels, rng):
        self.last = super().draw(labels, rng)
        return self.last


class World(NamedTuple):
    touched: dict[int, set[int]]  # by user
    often: np.ndarray  # (N,) how often each item is a label
    features: dict[int, dict[int, float]]  # by item: rows of the feature table with their weights
    bench: Bench
    mixture: Remembering


def features(rng: np.random.Generator) -> tuple[Encoded, dict[int, dict[int, float]]]:
    """Two fields of 5 and 4 rows, with gaps, and a number."""
    bags = []
    for size, length in [(5, 2), (4, 3)]:
        ids = np.array([rng.permutation(size)[:length] for _ in range(ITEMS)], np.int32)
        weights = rng.integers(1, 9, (ITEMS, length)) * (rng.random((ITEMS, length)) < 0.6)
        bags.append(Bag(ids, weights.astype(np.float32)))
    by_item: dict[int, dict[int, float]] = {row: {} for row in range(ITEMS)}
    for start, part in zip([0, 5], bags, strict=True):
        for row in range(ITEMS):
            for feature, weight in zip(part.ids[row].tolist(), part.weights[row].tolist(), strict=True):
                if weight:
                    by_item[row][start + feature] = weight
    fields = (Field("a", "categories", 5), Field("b", "categories", 4))
    return Encoded(fields, tuple(bags), rng.normal(size=(ITEMS, 1)).astype(np.float32)), by_item


def world(
    seed: int,
    sampled: bool = True,
    in_batch: bool = True,
    known: np.ndarray | None = None,
    tied: bool = True,
) -> World:
    """Six people; the first touched nothing, the last everything, and everybody does some things twice."""
    rng = np.random.default_rng(seed)
    touched = {user: rng.integers(0, ITEMS, 3 * user).tolist() for user in range(PEOPLE - 1)}
    touched[PEOPLE - 1] = [*range(ITEMS), 3, 3]
    users = np.concatenate([np.full(len(rows), user) for user, rows in touched.items()]).astype(np.int32)
    rows = np.concatenate(list(touched.values())).astype(np.int32)
    log = Interactions.from_events([f"u{n}" for n in range(PEOPLE)], users, rows)
    often = np.bincount(rows, minlength=ITEMS).astype(float)
    labels = Weighted(often)
    sources = [(Uniform(np.ones(ITEMS, bool)), 5), (Weighted(often**0.5), 4), (Queue(labels, 6), 3)]
    mixture = Remembering(sources, labels if in_batch else None)
    encoded, by_item = features(rng)
    known = np.ones(ITEMS, np.float32) if known is None else known
    items = Items(known, 2, encoded, 0.5, "adagrad", np.random.default_rng(seed), tied)
    bench = Bench(items, log, mixture if sampled else None)
    return World({user: set(rows) for user, rows in touched.items()}, often, by_item, bench, mixture)


def batch(seed: int, size: int = 8) -> Batch:
    """Any histories and labels: a bench asks for no more than that a label isn't in its history."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, ITEMS, size).astype(np.int32)
    rows = rng.integers(0, ITEMS, (size, LENGTH)).astype(np.int32)
    rows[rows == labels[:, None]] = PAD
    rows[np.arange(LENGTH) >= rng.integers(0, LENGTH + 1, size)[:, None]] = PAD
    values = np.where(rows == PAD, 0, rng.normal(size=rows.shape)).astype(np.float32)
    users = rng.integers(0, PEOPLE, size).astype(np.int32)
    return Batch(Window(rows, values), labels, users, users)


def sharing(seed: int, size: int = 8) -> Batch:
    """Three histories, and any labels after any of their events."""
    three = batch(seed, 3)
    history, owners = three.history, three.owners
    rng = np.random.default_rng(seed)
    after = np.sort(rng.integers(0, 3 * LENGTH, size)).astype(np.int32)
    labels = rng.integers(0, ITEMS, size).astype(np.int32)
    return Batch(history, labels, owners[after // LENGTH], owners, after)


def lay_out(world: World, given: Batch, seed: int = 7) -> Work:
    return world.bench.lay_out(given, given.owners + 100, np.random.default_rng(seed))


def expected(world: World, size: int, queued: int, in_batch: bool) -> dict[int, float]:
    """How often each item was to be expected, item by item: draws times odds."""
    everybody, roots = sum(world.often.tolist()), sum(often**0.5 for often in world.often.tolist())
    found = {}
    for row, often in enumerate(world.often.tolist()):
        as_label = often / everybody
        found[row] = 5 / ITEMS + 4 * often**0.5 / roots + queued * as_label
        if in_batch:
            found[row] += (size - 1) * as_label
    return found


def assert_laid_out(world: World, given: Batch, work: Work, candidates: set[int]) -> None:
    """Places, columns and known pairs, one example and one event at a time."""
    rows = work.chosen.rows.tolist()
    place = {row: at for at, row in enumerate(rows)}
    assert len(place) == len(rows)
    assert set(rows[: work.candidates]) == candidates
    assert work.candidates == len(candidates)
    assert len(work.starts) == len(given.labels) + 1
    for b, (label, user) in enumerate(zip(given.labels.tolist(), given.users.tolist(), strict=True)):
        assert work.columns[b] == place[label] < work.candidates
        struck = [rows[at] for at in work.known[work.starts[b] : work.starts[b + 1]]]
        assert sorted(struck) == sorted((world.touched[user] & candidates) - {label})
    assert work.starts[-1] == len(work.known)
    for places, history in zip(work.places.tolist(), given.history.rows.tolist(), strict=True):
        assert places == [-1 if row == PAD else place[row] for row in history]
    assert work.values.tolist() == given.history.values.tolist()
    assert work.users.tolist() == (given.owners + 100).tolist()
    assert work.after is given.after
    assert {work.places.dtype, work.columns.dtype, work.known.dtype, work.starts.dtype} == {np.dtype("int32")}


@given(seed=integers(0, 999), in_batch=booleans(), size=integers(1, 12), shared=booleans())
@settings(max_examples=25, deadline=None)
def test_the_work_of_a_sampled_step_is_what_a_slow_count_gives(seed, in_batch, size, shared):
    planted = world(seed, in_batch=in_batch)
    queued = 0
    for step in range(3):
        given = (sharing if shared else batch)(1000 * seed + step, size)
        work = lay_out(planted, given, step)
        drawn = planted.mixture.last.rows.tolist()
        assert len(drawn) == size + 5 + 4 + queued
        assert_laid_out(planted, given, work, set(drawn))
        history = {row for row in given.history.rows.ravel().tolist() if row != PAD}
        assert set(work.chosen.rows.tolist()) == set(drawn) | history
        counted = drawn if in_batch else drawn[size:]
        wanted = expected(planted, size, queued, in_batch)
        for row, weight in zip(
            work.chosen.rows[: work.candidates].tolist(), work.weights.tolist(), strict=True
        ):
            count = sum(other == row for other in counted)
            assert weight == (pytest.approx(count / wanted[row], rel=1e-5) if count else 0)
        queued = min(3, queued + size, 6)


@given(seed=integers(0, 999), shared=booleans())
@settings(max_examples=10, deadline=None)
def test_against_the_whole_catalogue_every_item_stands_for_itself(seed, shared):
    planted = world(seed, sampled=False)
    for step in range(2):
        given = (sharing if shared else batch)(1000 * seed + step)
        work = lay_out(planted, given)
        assert work.chosen.rows.tolist() == list(range(ITEMS))
        assert work.weights.tolist() == [1] * ITEMS
        assert_laid_out(planted, given, work, set(range(ITEMS)))


@pytest.mark.parametrize("sampled", [True, False])
def test_all_that_a_user_touched_is_no_rival_and_the_label_is_no_exception_to_itself(sampled):
    planted = world(3, sampled)
    given = batch(3)._replace(users=np.array([0, 5, 5, 5, 0, 5, 5, 5], np.int32))
    work = lay_out(planted, given)
    counts = np.diff(work.starts).tolist()
    # The first of the six touched nothing; the last touched everything, so only the label is left.
    assert counts == [0, *[work.candidates - 1] * 3, 0, *[work.candidates - 1] * 3]
    for b in range(8):
        assert work.columns[b] not in work.known[work.starts[b] : work.starts[b + 1]]


@pytest.mark.parametrize("sampled", [True, False])
def test_an_item_that_stands_only_in_a_history_is_no_candidate(sampled):
    planted = world(4, sampled)
    work = lay_out(planted, batch(4))
    behind = work.places.max() >= work.candidates
    assert behind == sampled
    assert (work.known < work.candidates).all()


@pytest.mark.parametrize("sampled", [True, False])
def test_a_history_with_vectors_of_its_own_has_places_of_its_own(sampled):
    planted = world(8, sampled, tied=False)
    for step in (1, 2):
        given = batch(step)
        work = lay_out(planted, given, step)
        assert len(work.chosen.rows) == work.candidates
        there = given.history.rows != PAD
        assert (work.places >= 0).tolist() == there.tolist()
        assert work.past[work.places[there]].tolist() == given.history.rows[there].tolist()
        assert sorted(work.past) == sorted(set(given.history.rows[there]))


def as_lists(work: Work) -> list:
    parts = [*work.chosen, *work._replace(chosen=0, candidates=0)[2:]]
    return [None if part is None else part.tolist() for part in parts] + [work.candidates]


@pytest.mark.parametrize("sampled", [True, False])
def test_a_batch_leaves_nothing_behind_for_the_next(sampled):
    used, fresh = world(5, sampled), world(5, sampled)
    queue = used.mixture.sources[2][0]
    others = [lay_out(used, batch(other)) for other in range(3)]
    assert as_lists(others[0]) != as_lists(others[1])
    found = []
    for _ in range(2):
        queue.restore({"rows": np.zeros(0, np.int32)})  # the one thing that is meant to be remembered
        found.append(as_lists(lay_out(used, batch(9))))
    assert found[0] == found[1] == as_lists(lay_out(fresh, batch(9)))


@pytest.mark.parametrize("sampled", [True, False])
def test_what_was_laid_out_stays_as_it_is_while_the_next_is_laid_out(sampled):
    planted = world(6, sampled)
    work = lay_out(planted, batch(1))
    before = as_lists(work)
    lay_out(planted, batch(2))
    assert as_lists(work) == before


@pytest.mark.parametrize("sampled", [True, False])
def test_vectors_of_the_chosen_are_those_of_their_metadata_and_ids_are_left_out(sampled):
    known = (EVERYTHING % 3 != 0).astype(np.float32)
    planted = world(7, sampled, known=known)
    items = planted.bench.items
    ids, features, numbers = (items.tables[name].values for name in ("ids", "features", "numbers"))
    kept = []
    for step in range(40):
        chosen = lay_out(planted, batch(step), step).chosen
        found = items.vectors(chosen)
        for at, row in enumerate(chosen.rows.tolist()):
            wanted = chosen.keep[at] * ids[row] + items.encoded.dense[row] @ numbers[:-1] + numbers[-1]
            wanted += sum(weight * features[feature] for feature, weight in planted.features[row].items())
            assert found[at] == pytest.approx(wanted, rel=1e-4, abs=1e-6)
            kept.append((row % 3 != 0, float(chosen.keep[at])))
    # What nobody has touched is no candidate, and its id says nothing; of the others, half are left out.
    assert {keep for is_known, keep in kept if not is_known} == ({0} if sampled else set())
    assert np.mean([keep for is_known, keep in kept if is_known]) == pytest.approx(0.5, abs=0.06)


def test_without_a_history_and_with_one_item_there_is_still_work():
    log = Interactions.from_events(["a"], np.zeros(2, np.int32), np.zeros(2, np.int32))
    items = Items(np.ones(1, np.float32), 2, None, 0.0, "adam", np.random.default_rng(1))
    nothing = Window(np.full((1, 3), PAD, np.int32), np.zeros((1, 3), np.float32))
    given = Batch(nothing, *[np.zeros(1, np.int32)] * 3)
    for mixture in (None, Mixture([(Uniform(np.ones(1, bool)), 4)], None)):
        work = Bench(items, log, mixture).lay_out(given, given.users, np.random.default_rng(1))
        assert (work.candidates, work.chosen.rows.tolist(), work.columns.tolist()) == (1, [0], [0])
        assert work.places.tolist() == [[-1, -1, -1]]
        assert work.weights == pytest.approx([1])  # four draws where four were to be expected
        assert len(work.known) == 0
