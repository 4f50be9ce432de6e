"""Several networks as one, laid between retrieval's own scores and theirs."""

from dataclasses import replace

import numpy as np
import pytest

from tastemaker.features.lessons import Lessons
from tastemaker.features.scaling import Scaling
from tastemaker.model.wide import Line, alone
from tastemaker.recipe import RankingRecipe
from tastemaker.retrieve.tower import Tower

pytest.importorskip("keras")

from tastemaker.model.mixing import mixed
from tastemaker.model.ranking import FittedRanker, fit_ranker

pytestmark = pytest.mark.slow  # TensorFlow takes seconds to load


def lessons(dim: int, seed: int) -> Lessons:
    """Sixty lists of seven places; of each the highest sum of the first two numbers is chosen."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(2, 3, (420, 3)).astype(np.float32)
    best = numbers[:, :2].sum(1).reshape(60, 7).argmax(1)
    return Lessons(
        numbers=numbers,
        queries=rng.normal(size=(60, dim)).astype(np.float32),
        vectors=rng.normal(size=(420, dim)).astype(np.float32),
        rows=np.arange(420, dtype=np.int32),
        lists=np.repeat(np.arange(60, dtype=np.int32), 7),
        positions=np.zeros(420, np.int32),
        labels={"click": (np.arange(7) == best[:, None]).astype(np.float32).ravel()},
    )


def member(dim: int, seed: int, scaling: Scaling) -> FittedRanker:
    recipe = RankingRecipe(epochs=2, hidden=(6,), crosses=1, vectors=3, batch_size=16)
    return fit_ranker(lessons(dim, seed), None, recipe, seed, kind="found", base=1, scaling=scaling)


@pytest.mark.parametrize("dim", [0, 4])
@pytest.mark.parametrize("share", [0.25, 1.0])
def test_what_is_served_is_so_far_from_retrieval_to_the_mean_of_all(dim, share):
    scaling = Scaling.fit(lessons(dim, 1).numbers)
    members = [member(dim, seed, scaling) for seed in (1, 2, 3)]
    fresh = lessons(dim, 9)
    each = np.stack([one.raw(fresh)[:, 0] for one in members])
    assert each.std(0).min() > 1e-4  # they are three
    retrieval = 0.7 * scaling(fresh.numbers)[:, 1] - 2
    expected = share * each.mean(0) + (1 - share) * retrieval
    one = mixed(members, share, Line(0.7, -2.0), 1)
    inputs = {"numbers": one.scaling(fresh.numbers)}
    if dim:
        inputs |= {"query": fresh.queries[fresh.lists], "item": fresh.vectors[fresh.rows]}
    served = Tower(one.tower)(**inputs)
    assert served.shape == (420, 1)
    assert served[:, 0] == pytest.approx(expected, abs=1e-4)
    assert one.raw(fresh)[:, 0] == pytest.approx(expected, abs=1e-4)


def test_retrieval_alone_is_on_the_scale_that_finds_most():
    """Two places a list, 2 apart; the higher is chosen three times in four: odds of 3 are e^(2 × slope)."""
    given = lessons(0, 1)
    score = np.tile(np.array([1, -1], np.float32), 4000)
    chosen = np.tile(np.array([1, 0, 1, 0, 1, 0, 0, 1], np.float32), 1000)
    lists = np.repeat(np.arange(4000, dtype=np.int32), 2)
    pairs = replace(given, numbers=score[:, None], lists=lists, labels={"click": chosen})
    pairs = replace(pairs, queries=np.zeros((4000, 0), np.float32))
    line = alone(pairs, score)
    assert line.slope == pytest.approx(np.log(3) / 2, abs=1e-3)
    assert line.level == pytest.approx(0, abs=1e-6)  # one of two
