"""What an item would bring, foretold from the logs: the reward model of the direct and doubly robust methods.

One number for each item, place and value of each context, added up: logistic where rewards are 0 and 1, else
ridge regression. What it says of a row it has learnt from others (cross-fitting, Chernozhukov et al., 2018),
so that the doubly robust estimate stays unbiased.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import LinearOperator, cg
from scipy.special import expit

from tastemaker.evaluation.off_policy.logs import Codes, Floats, Logs

FOLDS = 3
RIDGE = 1.0
"""Prior weight of each number: of logits, that most lie within 1 of the mean; of others, one row's worth."""


@dataclass(frozen=True)
class RewardModel:
    """Attributes:
    base: (F, E) of each row by each fold's model, all but its item.
    of_items: (F, A + 1) of each item; 0 for one that was never logged.
    fold: (E,) int8 whose model speaks of a row: one that hasn't learnt from its unit.
    is_binary: whether these are logits.
    """

    base: Floats
    of_items: Floats
    fold: npt.NDArray[np.int8]
    is_binary: bool

    def __call__(self, rows: slice | Codes, items: Codes) -> Floats:
        """(b, m) what `items` (b, m) would bring in `rows`."""
        fold = self.fold[rows]
        base = np.take_along_axis(self.base[:, rows], fold[None].astype(np.intp), axis=0)[0]
        told = base[:, None] + self.of_items[fold[:, None], items]
        return np.asarray(expit(told) if self.is_binary else told)


def fit(logs: Logs, rng: np.random.Generator) -> RewardModel:
    """Learn from all folds of units but one, for each."""
    fold_of = rng.permutation(np.arange(logs.unit_count) % FOLDS).astype(np.int8)
    fold = fold_of[logs.units]
    is_binary = bool(np.isin(logs.rewards, (0.0, 1.0)).all())
    places = int(logs.places.max(initial=0)) + 1
    widths = [len(logs.item_ids), places, *(int(codes.max(initial=0)) + 1 for codes in logs.contexts.T)]
    starts = np.concatenate([[0], np.cumsum(widths)])
    codes = np.column_stack([logs.items, logs.places, logs.contexts]) + starts[:-1]
    design = csr_matrix(
        (np.ones(codes.size), codes.ravel(), np.arange(logs.size + 1) * codes.shape[1]),
        shape=(logs.size, int(starts[-1])),
    )
    base, of_items = [], []
    for number in range(FOLDS):
        others = fold != number
        learn = _logistic if is_binary else _ridge
        middle, numbers = learn(design[others], logs.rewards[others])
        own = numbers[: widths[0]]
        base.append(middle + design @ numbers - own[logs.items])
        of_items.append(np.append(own, 0.0))
    return RewardModel(np.array(base), np.array(of_items), fold, is_binary)


def _logistic(design: csr_matrix, rewards: Floats) -> tuple[float, Floats]:
    """The mean's logit, and a number a column, by penalised likelihood."""
    share = (rewards.sum() + 0.5) / (len(rewards) + 1)

    def loss(values: Floats) -> tuple[float, Floats]:
        logits = values[0] + design @ values[1:]
        off = expit(logits) - rewards
        cost = np.logaddexp(0, logits).sum() - rewards @ logits + RIDGE / 2 * values[1:] @ values[1:]
        return cost, np.concatenate([[off.sum()], design.T @ off + RIDGE * values[1:]])

    start = np.zeros(design.shape[1] + 1)
    start[0] = np.log(share / (1 - share))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 100}).x
    return float(found[0]), found[1:]


def _ridge(design: csr_matrix, rewards: Floats) -> tuple[float, Floats]:
    middle = float(rewards.mean()) if len(rewards) else 0.0
    width = design.shape[1]
    normal = LinearOperator((width, width), matvec=lambda v: design.T @ (design @ v) + RIDGE * v)
    numbers, _ = cg(normal, design.T @ (rewards - middle), rtol=1e-8, maxiter=500)
    return middle, numbers


def expected(model: RewardModel, rows: slice, items: Codes, chances: Floats) -> Floats:
    """(b,) mean over what a policy would show in `rows`."""
    return np.asarray((model(rows, items) * chances).sum(1))


def of_logged(model: RewardModel, logs: Logs) -> Floats:
    """(E,) what was foretold of what was shown."""
    return model(slice(0, logs.size), logs.items[:, None])[:, 0]
