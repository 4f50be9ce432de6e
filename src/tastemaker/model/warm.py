"""A model goes on from an older one: tables by the rows that mean the same, the tower as it was.

Values come from what a bundle holds anyway, item vectors and Keras originals; beside them it holds what the
optimisers remembered. An item's vector is what it was: what its metadata no longer say of it, because a
vocabulary has changed, its id says from now on.
"""

import io
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.model.items import Items
from tastemaker.model.network import Network
from tastemaker.model.problem import Start

Floats = npt.NDArray[np.float32]
Halves = npt.NDArray[np.uint16]

USER_BAG = "user_bag"
"""The layer of a tower whose table has a row a value of the users' features."""


def remembered(network: Network) -> dict[str, bytes]:
    """What the optimisers remember, as `.npy` files by name: in half the bytes, enough for running means.

    `TABLE-MOMENT` and `TABLE-steps` of each table, `tower-N` of the tower's optimiser in its own order
    (`tower-0` the steps), and `log_temperature`.
    """
    found: dict[str, npt.NDArray[Any]] = {"log_temperature": np.array(network.log_temperature.numpy())}
    for name, table in network.items.tables.items():
        found |= {f"{name}-{part}": shortened(array) for part, array in table.moments.items()}
        found[f"{name}-steps"] = np.array(table.steps)
    for place, variable in enumerate(_tower_moments(network)):
        value = variable.numpy()
        found[f"tower-{place}"] = shortened(value) if value.dtype == np.float32 else value
    return {name: _npy(array) for name, array in found.items()}


def go_on(network: Network, whole: keras.Model, start: Start) -> None:
    """Put a new network where an older one stood.

    Args:
        whole: the tower's form for serving, which shares its weights; of the older one's shape.
        start: the older model.
    """
    learning = {name: np.load(io.BytesIO(file), allow_pickle=False) for name, file in start.learning.items()}
    if "log_temperature" in learning:
        network.log_temperature.assign(learning["log_temperature"])
    _tower(whole, start)
    _items(network.items, start, float(np.exp(network.log_temperature.numpy())))
    if not learning:
        return
    rows = {"ids": start.items, "bias": start.items, "past": start.items, "features": start.features}
    rows["numbers"] = _with_constant(start.numbers, learning)
    for name, table in network.items.tables.items():
        if f"{name}-steps" in learning:
            moments = {part: lengthened(learning[f"{name}-{part}"]) for part in table.moments}
            table.remember(moments, rows[name], int(learning[f"{name}-steps"]))
    for place, variable in enumerate(_tower_moments(network)):
        before = learning[f"tower-{place}"]
        if before.dtype == np.uint16:
            before = lengthened(before)
        if USER_BAG in variable.path:
            before = _moved(before, start.user_features)
        variable.assign(before)


def _tower(whole: keras.Model, start: Start) -> None:
    older = _opened(start.originals["query_tower"])
    for variable, before in zip(whole.weights, older.get_weights(), strict=True):
        if USER_BAG in variable.path:
            before = _moved(before, start.user_features)
        variable.assign(before)


def _items(items: Items, start: Start, temperature: float) -> None:
    """Tables whose sum is `start.vectors`, with what is known of metadata where it was."""
    tables = items.tables
    before: dict[str, Floats] = {}
    if "item_tower" in start.originals:
        layers = {layer.name: layer.get_weights() for layer in _opened(start.originals["item_tower"]).layers}
        if "item_bag" in layers:
            before["features"] = layers["item_bag"][0]
        if "item_numbers" in layers:
            kernel, constant = layers["item_numbers"]
            before["numbers"] = np.concatenate([kernel, constant[None]])
    constant_row = len(before["numbers"]) - 1 if "numbers" in before else PAD
    rows = {"features": start.features, "numbers": np.append(start.numbers, constant_row)}
    for name in rows.keys() & tables.keys():
        # What is new says nothing at first: with a random row it would move the items that have it.
        values = tables[name].values
        values[:] = _moved(before[name], rows[name]) if name in before else 0.0
    tables["ids"].values[:] = 0.0
    # Where items in a history have other vectors, the bundle holds these as they are scored.
    scale = np.float32(1.0 if items.tied else temperature)
    tables["ids"].values[:] = start.vectors[:, :-1] * scale - items.everything()
    tables["bias"].values[:] = start.vectors[:, -1:]
    if "past" in tables and start.inputs is not None:
        tables["past"].values[:] = start.inputs


def _with_constant(numbers: Rows, learning: Mapping[str, npt.NDArray[Any]]) -> Rows:
    """Rows of the table of numbers, whose last is always added."""
    table = learning.get("numbers-squares")
    return np.append(numbers, PAD if table is None else len(table) - 1).astype(np.int32)


def _moved(before: Floats, rows: Rows) -> Floats:
    """A table with `rows` of an older one, and 0 where there was none."""
    return np.where((rows == PAD)[:, None], np.float32(0), before[np.maximum(rows, 0)])


def _opened(file: bytes) -> keras.Model:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(file)
        return keras.models.load_model(path, compile=False, safe_mode=True)


def _tower_moments(network: Network) -> list[Any]:
    """The optimiser's variables, its steps first, without the learning rate, which a schedule sets."""
    optimizer = network.tower_optimizer
    return [variable for variable in optimizer.variables if variable.path != optimizer._learning_rate.path]


def shortened(array: Floats) -> Halves:
    """The upper half of each number (bfloat16), rounded: the range of float32, three digits."""
    bits = np.asarray(array, np.float32, order="C").view(np.uint32)
    return ((bits + np.uint32(0x8000)) >> np.uint32(16)).astype(np.uint16)


def lengthened(halves: Halves) -> Floats:
    """What `shortened` kept."""
    return (halves.astype(np.uint32) << np.uint32(16)).view(np.float32)


def _npy(array: npt.NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
