"""What is to be learnt, and what came of it: plain arrays on both sides."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.data.interactions import Interactions
from tastemaker.features.batches import Scale, Window, query_windows
from tastemaker.features.schema import Encoded
from tastemaker.hits import best
from tastemaker.recipe import Recipe

BLOCK = 512
"""Users asked at once in a validation, at most."""
MOST_SCORES = 1 << 27
"""Scores of theirs held at once, 0.5 GB: of millions of items, fewer users are asked at once."""

Floats = npt.NDArray[np.float32]
Users = npt.NDArray[np.int32]
Top = Callable[[Interactions, Users, int], Rows]


@dataclass(frozen=True)
class Start:
    """Where learning begins that goes on from an older model.

    What an id or a value meant there it means here, wherever it stands now. The rows of what is matched are
    positions in the older model's tables, PAD for what is new.

    Attributes:
        name: of the older model.
        vectors: (N, D + 1) of all items and, last, their biases; of new ones what is thought of them.
        inputs: (N, D) of items in a history, where those have vectors of their own; else None.
        items: (N,) rows of the items.
        features: (F,) rows of the items' feature table.
        numbers: (M,) places among the older model's numbers.
        user_features: (F of users,) rows of the users' feature table.
        originals: Keras files by name.
        learning: what the optimisers remembered, as `Learned` has it; may be empty.
    """

    name: str
    vectors: Floats
    inputs: Floats | None
    items: Rows
    features: Rows
    numbers: Rows
    user_features: Rows
    originals: Mapping[str, bytes]
    learning: Mapping[str, bytes]


@dataclass(frozen=True)
class Problem:
    """What stays the same between a trial and the refit.

    Attributes:
        items: N.
        item_features: of all N, or None.
        user_features: of the log's users and a stranger, (U + 1), or None.
        user_rows: (users of the log,) their rows in `user_features`, -1 for a stranger.
        in_order: whether the history comes before the label.
        impressions: what users were shown and passed over, or None.
        start: of an older model to go on from, or None to learn from scratch.
    """

    items: int
    item_features: Encoded | None
    user_features: Encoded | None
    user_rows: npt.NDArray[np.int32]
    in_order: bool
    recipe: Recipe
    impressions: Interactions | None = None
    start: Start | None = None

    @property
    def length(self) -> int:
        return self.recipe.history.length

    @property
    def epochs(self) -> int:
        """At most; a learning rate that decays is 0 after them."""
        whole = self.recipe.history.epochs
        return whole if self.start is None else math.ceil(self.recipe.warm_start.epochs * whole)

    @property
    def learning_rate(self) -> float:
        """At the start."""
        share = 1.0 if self.start is None else self.recipe.warm_start.rate
        return share * self.recipe.history.learning_rate

    def people(self, users: Users) -> Users:
        """Rows of the user features; the stranger's is the last."""
        if self.user_features is None:
            return users
        rows = self.user_rows[users]
        return np.where(rows == PAD, self.user_features.size - 1, rows).astype(np.int32)


@dataclass(frozen=True)
class Curve:
    """How a training went, an entry an epoch.

    Attributes:
        loss: mean over the epoch's examples.
        validation: what the model was marked after it; empty where nothing was.
    """

    loss: tuple[float, ...] = ()
    validation: tuple[float, ...] = ()

    def as_json(self) -> dict[str, list[float]]:
        """As a manifest keeps it: figures to be drawn, four digits each."""
        return {name: [float(f"{value:.4g}") for value in values] for name, values in vars(self).items()}


@dataclass(frozen=True)
class Learned:
    """A trained model, taken out of TensorFlow.

    Attributes:
        arrays: as `Bundle.arrays` wants them; `item_vectors` is (N, D + 1), the last column being the bias.
        towers: LiteRT by name.
        originals: Keras files by name.
        learning: what the optimisers remember, `.npy` files by name; see `warm`.
        scale: of the strengths of events.
        epochs: passes that its weights have seen.
        examples: in one pass.
        curve: of all epochs that were run, those past the best included.
    """

    arrays: dict[str, Floats]
    towers: dict[str, bytes]
    originals: dict[str, bytes]
    scale: Scale
    epochs: int
    examples: int
    learning: dict[str, bytes] = field(default_factory=dict)
    curve: Curve = field(default_factory=Curve)


def ranking(problem: Problem, scale: Scale, answers: Floats, ask: Callable[[Window, Users], Floats]) -> Top:
    """A model in training as something that answers.

    Args:
        answers: (N, D) what queries are multiplied with.
        ask: windows and rows of the user features → (B, D) queries.
    """

    def top(history: Interactions, users: Users, k: int) -> Rows:
        blocks = [_block(history, users[part], k) for part in in_blocks(len(users), problem.items)]
        return np.concatenate(blocks) if blocks else np.zeros((0, k), np.int32)

    def _block(history: Interactions, users: Users, k: int) -> Rows:
        window = query_windows(history, users, problem.length, scale)
        scores = ask(window, problem.people(users)) @ answers.T
        return best(scores, k, [history.of(int(user)) for user in users]).rows

    return top


def in_blocks(queries: int, items: int) -> list[slice]:
    """Parts of so many queries whose scores for all items can be held at once."""
    step = max(1, min(BLOCK, MOST_SCORES // max(1, items)))
    return [slice(at, at + step) for at in range(0, queries, step)]


def unit(vectors: Floats) -> Floats:
    """Rows of length 1; zeros stay zeros."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)
