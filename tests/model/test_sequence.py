"""Attention, filter and blocks against slow loops in NumPy; what a query may know, and what it may not."""

import math

import numpy as np
import pytest

from tastemaker.features.schema import Bag, Encoded, Field

keras = pytest.importorskip("keras")

from tastemaker.model.export import to_keras, to_litert  # noqa: E402
from tastemaker.model.sequence import (  # noqa: E402
    Attention,
    Block,
    LowPass,
    Recurrent,
    SequenceTower,
    Strengths,
)
from tastemaker.retrieve.tower import Tower  # noqa: E402

pytestmark = pytest.mark.slow  # TensorFlow takes seconds to load

B, T, D = 4, 7, 6
COUNTS = [7, 4, 1, 0]  # events of each history; the last has none
USER = Encoded(
    (Field("kind", "category", 3),),
    (Bag(np.array([[1], [2], [1], [0]], np.int32), np.ones((4, 1), np.float32)),),
    np.array([[0.5, -1], [0, 2], [1, 1], [-2, 0.3]], np.float32),
)
KNOBS = {"blocks": 2, "heads": 3, "slow": 0.6, "width": 3, "before": False, "dropout": 0.3}  # no default


kinds = pytest.mark.parametrize(
    "knobs", [{"before": True}, {"before": False}, {"encoder": "pooling"}, {"encoder": "gru"}]
)


def shaken(layer, seed: int = 1):
    """With every weight something; fresh ones are mostly 0 or 1."""
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(size=weight.shape, scale=0.5) for weight in layer.get_weights()])
    return layer


def asked(counts: list[int] = COUNTS, length: int = T, user: Encoded | None = None) -> dict[str, np.ndarray]:
    """Histories of so many events, zeros behind them."""
    rng = np.random.default_rng(2)
    present = (np.arange(length) < np.array(counts)[:, None]).astype(np.float32)
    history = np.zeros((len(counts), length, D), np.float32)
    value = np.zeros_like(present)
    for b, count in enumerate(counts):
        history[b, :count] = rng.normal(size=(count, D))
        value[b, :count] = rng.normal(size=count)
    inputs = {"history": history, "present": present, "value": value}
    if user is not None:
        inputs |= {"user_ids": user.joined.ids, "user_weights": user.joined.weights, "user_dense": user.dense}
    return inputs


def tower(user: Encoded | None = None, **knobs) -> SequenceTower:
    made = SequenceTower(T, D, **{**KNOBS, **knobs}, user=user)
    shaken(made.model)
    return made


def there(array: np.ndarray, counts: list[int] = COUNTS) -> np.ndarray:
    """(events, D) what stands at events, not in the padding."""
    return np.concatenate([array[b, :count] for b, count in enumerate(counts)])


# --- the same, slowly -----------------------------------------------------------------------


def slow_attention(layer: Attention, x: np.ndarray, counts: list[int]) -> np.ndarray:
    """One query, one head and one event at a time."""
    (into, into_bias), (out, out_bias) = layer.into.get_weights(), layer.out.get_weights()
    distance, each = np.asarray(layer.distance), D // layer.heads
    mixed = np.zeros_like(x)
    for b, count in enumerate(counts):
        key, value, *asked = np.split(x[b] @ into + into_bias, 3 if layer.asks else 2, axis=1)
        query = asked[0] if asked else np.tile(np.asarray(layer.question).ravel(), (len(x[b]), 1))
        for head in range(layer.heads):
            own = slice(head * each, (head + 1) * each)
            for t in range(count):
                odds = {
                    s: math.exp(
                        float(query[t, own] @ key[s, own]) / math.sqrt(each)
                        + distance[head, min(s - t, layer.length - 1)]
                    )
                    for s in range(t, count)
                }
                for s, odd in odds.items():
                    mixed[b, t, own] += odd / sum(odds.values()) * value[s, own]
    return mixed @ out + out_bias


def slow_low_pass(layer: LowPass, x: np.ndarray, counts: list[int]) -> np.ndarray:
    fast, found = np.asarray(layer.fast), np.zeros_like(x)
    for b, count in enumerate(counts):
        for t in range(count):
            mean = np.mean([x[b, s] for s in range(t, min(t + layer.width, count))], axis=0)
            found[b, t] = mean + fast**2 * (x[b, t] - mean)
    return found


def slow_norm(layer, x: np.ndarray) -> np.ndarray:
    scale, shift = layer.get_weights()
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6) * scale + shift


def slow_thought(block: Block, x: np.ndarray) -> np.ndarray:
    (wide, wide_bias), (narrow, narrow_bias) = block.wide.get_weights(), block.narrow.get_weights()
    y = x @ wide + wide_bias
    gelu = y * (1 + np.vectorize(math.erf)(y / math.sqrt(2))) / 2
    return gelu @ narrow + narrow_bias


@pytest.mark.parametrize(
    ("heads", "length", "asks"), [(1, T, True), (2, 3, True), (3, 1, True), (6, 50, True), (2, 3, False)]
)
def test_attention_is_what_a_slow_loop_gives(heads, length, asks):
    inputs = asked()
    layer = Attention(heads, length, 0.4, asks)
    layer(inputs["history"], inputs["present"])
    shaken(layer)
    found = np.asarray(layer(inputs["history"], inputs["present"]))
    wanted = slow_attention(layer, inputs["history"], COUNTS)
    assert there(found) == pytest.approx(there(wanted), rel=1e-4, abs=1e-5)


def test_attention_by_hand_weighs_by_distance_alone_where_all_look_alike():
    layer = Attention(1, 2, 0.0)
    layer.build((1, 3, 1))
    # Keys and queries say nothing, values are as they are.
    layer.into.set_weights([np.array([[0.0, 1.0, 0.0]]), np.zeros(3)])
    layer.out.set_weights([np.ones((1, 1)), np.zeros(1)])
    layer.distance.assign([[math.log(2), math.log(3)]])  # an event itself counts 2, all behind it 3
    found = layer(np.array([[[1], [10], [100]]], "float32"), np.ones((1, 3), "float32"))
    assert np.asarray(found).ravel().tolist() == pytest.approx(
        [(2 * 1 + 3 * 10 + 3 * 100) / 8, (2 * 10 + 3 * 100) / 5, 100]
    )


@pytest.mark.parametrize("width", [1, 3, 20])
def test_the_filter_is_what_a_slow_loop_gives(width):
    inputs = asked()
    layer = LowPass(width)
    layer(inputs["history"], inputs["present"])
    shaken(layer)
    found = np.asarray(layer(inputs["history"], inputs["present"]))
    assert there(found) == pytest.approx(there(slow_low_pass(layer, inputs["history"], COUNTS)), rel=1e-4)


def test_the_filter_by_hand_and_at_the_end_of_a_short_history():
    layer = LowPass(2)
    layer.build((2, 3, 1))
    layer.fast.assign([0.5])
    x = np.array([[[8], [4], [2]], [[8], [4], [99]]], "float32")  # what stands in the padding says nothing
    found = np.asarray(layer(x, np.array([[1, 1, 1], [1, 1, 0]], "float32")))[:, :, 0]
    # Means of an event and the one before it: 6, 3, 2; the rest, 2, 1, 0, is scaled by ½².
    assert found[0].tolist() == [6.5, 3.25, 2]
    assert found[1, :2].tolist() == [6.5, 4]


@pytest.mark.parametrize("slow", [0.0, 0.6])
@pytest.mark.parametrize("before", [True, False])
def test_a_block_norms_before_its_parts_or_after_each(before, slow):
    inputs = asked()
    x = inputs["history"]
    block = Block(2, T, slow, 3, 0.4, before, inner=3)
    block(x, inputs["present"])
    shaken(block)

    def look(y: np.ndarray) -> np.ndarray:
        seen = slow_attention(block.attention, y, COUNTS)
        return (1 - slow) * seen + slow * slow_low_pass(block.low_pass, y, COUNTS) if slow else seen

    first, second = block.norms
    if before:
        wanted = x + look(slow_norm(first, x))
        wanted = wanted + slow_thought(block, slow_norm(second, wanted))
    else:
        wanted = slow_norm(first, x + look(x))
        wanted = slow_norm(second, wanted + slow_thought(block, wanted))
    found = np.asarray(block(x, inputs["present"]))
    assert there(found) == pytest.approx(there(wanted), rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("norm", [True, False])
def test_a_strength_moves_its_event_along_one_direction(norm):
    inputs = asked()
    layer = Strengths(0.3, norm)
    layer(inputs["history"], inputs["value"])
    shaken(layer)
    wanted = inputs["history"] + inputs["value"][:, :, None] * np.asarray(layer.direction)
    wanted = slow_norm(layer.normed, wanted) if norm else wanted
    found = np.asarray(layer(inputs["history"], inputs["value"]))
    assert there(found) == pytest.approx(there(wanted), rel=1e-3, abs=1e-4)


# --- what a query knows ---------------------------------------------------------------------


@kinds
def test_a_query_knows_its_event_and_those_before_it_and_nothing_newer(knobs):
    model, inputs = tower(**{"slow": 0.5, **knobs}).model, asked([T])
    plain = np.asarray(model(inputs))
    for name in ("history", "value"):
        changed = {key: np.repeat(array, T, axis=0) for key, array in inputs.items()}
        for t in range(T):  # of copy t, event t is another
            changed[name][t, t] += np.arange(1, D + 1) if name == "history" else 1
        moved = np.abs(np.asarray(model(changed)) - plain).max(axis=2)
        for t in range(T):
            assert (moved[t, t + 1 :] < 1e-6).all(), "an older event saw a newer one"
            assert (moved[t, : t + 1] > 1e-5).all(), "an event wasn't seen"


@kinds
def test_what_stands_in_the_padding_and_how_long_it_is_changes_nothing(knobs):
    model, counts = tower(**knobs).model, [7, 4, 1]
    wanted = there(np.asarray(model(asked(counts))), counts)
    for length in (T, 12):
        inputs = asked(counts, length)
        padding = inputs["present"] == 0
        inputs["history"][padding], inputs["value"][padding] = 3, -5
        assert there(np.asarray(model(inputs)), counts) == pytest.approx(wanted, abs=1e-5)


def test_an_empty_history_gives_the_same_query_at_any_length_and_in_any_company():
    model = tower().model
    (alone,) = np.asarray(model(asked([0], 1)))[:, 0]
    assert np.isfinite(alone).all()
    assert np.asarray(model(asked([0], 12)))[0, 0] == pytest.approx(alone, abs=1e-5)
    assert np.asarray(model(asked([5, 0])))[1, 0] == pytest.approx(alone, abs=1e-5)


def test_who_somebody_is_is_added_to_every_query():
    made = tower(USER)
    with_user = np.asarray(made.model(asked(user=USER)))
    nobody = asked(user=USER) | {
        "user_weights": np.zeros((4, 1), "float32"),
        "user_dense": np.zeros((4, 2), "float32"),
    }
    table, (kernel, bias) = made._kinds.get_weights()[0], made._numbers.get_weights()
    added = table[[1, 2, 1, 0]] + USER.dense @ kernel
    assert with_user - np.asarray(made.model(nobody)) == pytest.approx(
        np.repeat(added[:, None], T, axis=1), abs=1e-4
    )
    assert bias.any()


# --- serving --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "knobs"),
    [
        (None, {}),
        (USER, {"before": True, "blocks": 1}),
        (None, {"encoder": "pooling"}),
        (USER, {"encoder": "gru"}),
    ],
)
def test_what_is_served_is_the_query_after_the_newest_event_and_a_one(user, knobs):
    made, inputs = tower(user, **knobs), asked(user=user)
    newest = np.asarray(made.model(inputs))[:, 0]
    whole = np.asarray(made.whole(inputs))
    assert whole[:, :-1] == pytest.approx(newest, abs=1e-6)
    assert whole[:, -1].tolist() == [1] * B
    exported = Tower(to_litert(made.whole, alone=True))
    assert {name: shape for name, shape in exported.inputs.items() if not name.startswith("user")} == {
        "history": (T, D),
        "present": (T,),
        "value": (T,),
    }
    served = exported(**inputs)
    assert np.isfinite(served).all()  # also of somebody of whom nothing is known
    assert served == pytest.approx(whole, abs=1e-4)
    for b in range(B):  # alone as in company
        assert exported(**{name: array[b : b + 1] for name, array in inputs.items()})[0] == pytest.approx(
            whole[b], abs=1e-4
        )


@pytest.mark.parametrize("part", ["model", "whole"])
@pytest.mark.parametrize(
    ("user", "knobs"), [(None, {}), (USER, {"before": True}), (None, {"encoder": "gru"})]
)
def test_saved_and_loaded_it_is_the_same(user, knobs, part, tmp_path):
    saved, inputs = getattr(tower(user, **knobs), part), asked(user=user)
    path = tmp_path / "tower.keras"
    path.write_bytes(to_keras(saved))
    loaded = keras.saving.load_model(path)
    np.testing.assert_array_equal(np.asarray(loaded(inputs)), np.asarray(saved(inputs)))
    for layer in saved.layers:
        if isinstance(layer, (Block, Recurrent, Strengths)):
            assert loaded.get_layer(layer.name).get_config() == layer.get_config()


def test_a_block_is_made_again_from_its_config():
    config = {
        "heads": 3,
        "length": 5,
        "slow": 0.2,
        "width": 4,
        "dropout": 0.1,
        "before": True,
        "inner": 2,
        "asks": False,
    }
    again = Block.from_config(Block(**config).get_config())
    assert {name: again.get_config()[name] for name in config} == config
    again.build((None, None, D))
    assert again.wide.units == 2 * D
    for part, config in (
        (Attention(3, 5, 0.1, False), {"heads": 3, "length": 5, "dropout": 0.1, "asks": False}),
        (LowPass(4), {"width": 4}),
        (Strengths(0.1, norm=False), {"dropout": 0.1, "norm": False}),
    ):
        again = type(part).from_config(part.get_config())
        assert {name: getattr(again, name) for name in config} == config


def test_dropout_is_for_training_alone():
    model, inputs = tower().model, asked()
    keras.utils.set_random_seed(1)
    np.testing.assert_array_equal(np.asarray(model(inputs)), np.asarray(model(inputs, training=False)))
    one, other = (np.asarray(model(inputs, training=True)) for _ in range(2))
    assert not np.allclose(one, other)
