import threading

import numpy as np
import pytest

from tastemaker.retrieve.tower import Tower

keras = pytest.importorskip("keras")

from tastemaker.model.export import to_litert  # noqa: E402
from tastemaker.model.history import QueryTower  # noqa: E402

T, D = 7, 6

pytestmark = pytest.mark.slow  # TensorFlow takes seconds to load


@pytest.fixture(scope="module")
def network() -> "keras.Model":
    """A query tower whose every weight is something; fresh ones are mostly zero."""
    keras.utils.set_random_seed(1)
    tower = QueryTower(T, D, [9, 5], "gelu", 0.4, encoder="recency", in_order=True, user=None).whole
    rng = np.random.default_rng(1)
    tower.set_weights([rng.normal(size=weight.shape, scale=0.5) for weight in tower.get_weights()])
    return tower


@pytest.fixture(scope="module")
def exported(network) -> bytes:
    return to_litert(network)


def asked(batch: int, seed: int = 0, scale: float = 1.0, present: float = 0.7) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    there = (rng.random((batch, T)) < present).astype(np.float32)
    history = rng.normal(size=(batch, T, D), scale=scale).astype(np.float32) * there[..., None]
    return {
        "history": history,
        "present": there,
        "value": rng.normal(size=(batch, T)).astype(np.float32) * there,
    }


def close(ours: np.ndarray, theirs: np.ndarray) -> None:
    assert np.isfinite(theirs).all()
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 7, 300])
@pytest.mark.parametrize(
    "kind", [{}, {"scale": 0.0}, {"scale": 30.0}, {"scale": 1e-6}, {"present": 0.0}, {"present": 1.0}]
)
def test_it_computes_what_keras_computes(network, exported, batch, kind):
    inputs = asked(batch, **kind)
    close(Tower(exported)(**inputs), network.predict(inputs, verbose=0, batch_size=512))


def test_extreme_strengths_are_weighed_alike(network, exported):
    inputs = asked(4)
    inputs["value"] = inputs["present"] * np.array([[-50], [50], [0], [1000]], np.float32)
    close(Tower(exported)(**inputs), network.predict(inputs, verbose=0))


def test_one_tower_answers_batches_of_any_size_in_turn(network, exported):
    tower = Tower(exported)
    for seed, batch in enumerate([3, 300, 1, 1, 7, 300]):
        inputs = asked(batch, seed)
        close(tower(**inputs), network.predict(inputs, verbose=0, batch_size=512))


def test_an_answer_is_not_overwritten_by_the_next(exported):
    tower = Tower(exported)
    first = tower(**asked(2, seed=1))
    kept = first.copy()
    tower(**asked(2, seed=2))
    np.testing.assert_array_equal(first, kept)


def test_four_threads_at_once_get_what_each_would_get_alone(exported):
    tower, failures = Tower(exported), []

    def work(seed: int) -> None:
        alone = Tower(exported)
        for turn in range(40):
            inputs = asked((1, 7, 30)[turn % 3], seed * 100 + turn)
            if not np.array_equal(tower(**inputs), alone(**inputs)):
                failures.append((seed, turn))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_alone_or_in_a_batch_the_vector_is_the_same(exported):
    tower, inputs = Tower(exported), asked(300)
    together = tower(**inputs)
    for n in (0, 1, 6, 150, 299):
        alone = tower(**{name: array[n : n + 1] for name, array in inputs.items()})
        np.testing.assert_allclose(alone[0], together[n], rtol=1e-6, atol=1e-6)


def test_it_knows_its_inputs_and_ignores_what_it_has_no_input_for(exported):
    tower = Tower(exported)
    assert tower.inputs == {"history": (T, D), "present": (T,), "value": (T,)}
    inputs = asked(2)
    np.testing.assert_array_equal(tower(**inputs, strange=np.zeros(2)), tower(**inputs))
    assert tower(**inputs).shape == (2, D + 1)
