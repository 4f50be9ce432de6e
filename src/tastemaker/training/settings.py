"""What a recipe leaves open, settled by the size and shape of the log."""

from typing import Any

import numpy as np

from tastemaker.data.interactions import Interactions
from tastemaker.errors import RecipeError
from tastemaker.recipe import Recipe

ENOUGH = 50_000
"""Events from which on a history is worth reading event by event."""
SHORT, LONG = 50, 200
"""Least and most events that a transformer sees."""
LONGEST_SET = 400
"""Most items of a set that are seen at once; a set is summed, which costs little."""
STEPS = 24
"""Steps of an epoch over people, where there are enough of them."""
MANY = 300_000
"""Events from which on batches are larger."""
SPARSE, DENSE = 20.0, 200.0
"""Events an item, below which half of everything is dropped, and above which a fifth."""


def settled(recipe: Recipe, log: Interactions) -> Recipe:
    """The recipe with every knob of `[history]` that it doesn't name chosen for this log.

    Raises: RecipeError where what it names doesn't go together with what was chosen.
    """
    named = recipe.history.model_fields_set
    history = recipe.history
    if recipe.features.vectors != "none":
        raise RecipeError(
            f"features.vectors={recipe.features.vectors} is for a catalogue without a log: leave it out."
        )
    if recipe.preset != "default":
        return recipe
    if "encoder" not in named:
        history = history.model_copy(update={"encoder": _encoder(log, in_order(log, recipe))})
    history = history.model_copy(update={"gaps": _gaps(recipe, history.reads_events, log)})
    by_person = not in_order(log, recipe) and recipe.loss.is_softmax
    if history.reads_events or by_person:
        chosen = _for_sequences(log) if history.reads_events else _for_sets(log)
        kept = {name: value for name, value in chosen.items() if name not in named}
        history = history.model_copy(update=kept)
        if history.reads_events and history.dim % history.heads:
            raise RecipeError(
                "history.dim has to be a multiple of history.heads; "
                f"{history.dim} isn't one of {history.heads}."
            )
    return recipe.model_copy(update={"history": history})


def note(recipe: Recipe) -> str:
    """What was settled, in a line."""
    history = recipe.history
    names = ["encoder", "length", "dim", "dropout", "batch_size", "learning_rate", "epochs"]
    return ", ".join(f"{name} {getattr(history, name)}" for name in names)


def in_order(log: Interactions, recipe: Recipe) -> bool:
    """Whether a history is what came before, or all that is beside."""
    return log.is_ordered if recipe.history.order == "auto" else recipe.history.order == "time"


def _gaps(recipe: Recipe, reads_events: bool, log: Interactions) -> bool:
    """Off where the recipe doesn't ask for them: they don't pay (benchmarks/results/ablation.jsonl)."""
    if recipe.history.gaps is not True:
        return False
    if not log.is_clock:
        raise RecipeError(
            "history.gaps=true needs to know when events were, and this log has no timestamps of one clock: "
            "leave it out."
        )
    if not reads_events:
        raise RecipeError(
            "history.gaps=true needs an encoder that reads events, and a log of this size gets sums: "
            "add history.encoder=transformer, or leave it out."
        )
    return True


def _encoder(log: Interactions, is_ordered: bool) -> str:
    return "transformer" if is_ordered and log.size >= ENOUGH else "recency"


def _length(log: Interactions, most: int) -> int:
    """What 95 % of the histories fit into, in tens."""
    counts = np.diff(log.offsets)
    longest = float(np.quantile(counts[counts > 0], 0.95)) if (counts > 0).any() else 0.0
    return int(np.clip(np.ceil(longest / 10) * 10, SHORT, most))


def _for_sets(log: Interactions) -> dict[str, Any]:
    people = int((np.diff(log.offsets) > 0).sum())
    return {
        "length": _length(log, LONGEST_SET),
        "dim": 256,
        "hidden": (256,),
        "dropout": 0.5,
        "batch_size": int(np.clip(people // STEPS, 16, 256)),
        "learning_rate": 6e-3,
        "decay": "linear",
        "epochs": 20,
        "patience": 20,
    }


def _for_sequences(log: Interactions) -> dict[str, Any]:
    each = log.size / max(1, len(np.unique(log.rows)))
    share = np.clip(np.log(each / SPARSE) / np.log(DENSE / SPARSE), 0, 1)
    large = log.size >= MANY
    return {
        "length": _length(log, LONG),
        "dim": 64 if large else 128,
        "dropout": round(float(0.5 - 0.3 * share), 2),
        "batch_size": 1024 if large else 256,
        "learning_rate": 2e-3 if large else 1e-3,
        "decay": "linear",
        "epochs": 12 if large else 16,
        "patience": 12 if large else 16,
    }
