"""What is to be learnt, and what came of it: plain arrays on both sides."""

from collections.abc import Callable
from dataclasses import dataclass

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
class Problem:
    """What stays the same between a trial and the refit.

    Attributes:
        items: N.
        item_features: of all N, or None.
        user_features: of the log's users and a stranger, (U + 1), or None.
        user_rows: (users of the log,) their rows in `user_features`, -1 for a stranger.
        in_order: whether the history comes before the label.
        impressions: what users were shown and passed over, or None.
    """

    items: int
    item_features: Encoded | None
    user_features: Encoded | None
    user_rows: npt.NDArray[np.int32]
    in_order: bool
    recipe: Recipe
    impressions: Interactions | None = None

    @property
    def length(self) -> int:
        return self.recipe.history.length

    def people(self, users: Users) -> Users:
        """Rows of the user features; the stranger's is the last."""
        if self.user_features is None:
            return users
        rows = self.user_rows[users]
        return np.where(rows == PAD, self.user_features.size - 1, rows).astype(np.int32)


@dataclass(frozen=True)
class Learned:
    """A trained model, taken out of TensorFlow.

    Attributes:
        arrays: as `Bundle.arrays` wants them; `item_vectors` is (N, D + 1), the last column being the bias.
        towers: LiteRT by name.
        originals: Keras files by name.
        scale: of the strengths of events.
        epochs: passes that its weights have seen.
        examples: in one pass.
    """

    arrays: dict[str, Floats]
    towers: dict[str, bytes]
    originals: dict[str, bytes]
    scale: Scale
    epochs: int
    examples: int


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
