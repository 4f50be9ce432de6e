"""Whether a training will fit, said before it starts."""

import os
from pathlib import Path

from tastemaker.errors import TrainingError
from tastemaker.model.head import MOST_SCORES, ROWS, cores
from tastemaker.model.problem import Problem
from tastemaker.model.table import Table

BASE = 1_000_000_000
"""TensorFlow, the catalogue and the log, about."""


def bytes_needed(problem: Problem, candidates: int | None, has_validation: bool) -> int:
    """Memory that a training takes, about.

    Args:
        candidates: negatives drawn a batch; None for the whole catalogue.
        has_validation: whether the best epoch is kept beside the newest.
    """
    recipe = problem.recipe.history
    features = problem.item_features
    words = features.table_size if features is not None and features.fields else 0
    rows = problem.items * (1 if recipe.tied else 2) + words
    tables = Table.bytes_needed(rows, recipe.dim, recipe.optimizer)
    best = 4 * rows * recipe.dim if has_validation else 0
    inputs = 0
    if features is not None:
        inputs = 4 * problem.items * (2 * features.joined.ids.shape[1] + features.dense.shape[1])
    against = problem.items if candidates is None else candidates + recipe.batch_size
    scores = cores() * min(4 * MOST_SCORES, 4 * ROWS * against)
    # Of the vectors in a step: looked up, made, their gradient twice.
    step = 4 * 4 * recipe.dim * (against + min(problem.items, recipe.batch_size * recipe.length))
    return BASE + tables + best + inputs + scores + step


def check(needed: int) -> None:
    """Raises TrainingError when `needed` bytes are more than there are."""
    there = available()
    if there is not None and needed > there:
        raise TrainingError(
            f"Training would take about {needed / 1e9:.1f} GB of memory, and {there / 1e9:.1f} GB are free. "
            "Try a smaller history.dim, negatives.count=4096, or history.optimizer=adagrad."
        )


def available() -> int | None:
    """Bytes of memory that this process may still take; None where nobody can say."""
    limits = [_free(), _below_limit()]
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None


def _free() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (OSError, ValueError, AttributeError):
        return None


def _below_limit() -> int | None:
    """Of a container: what its limit leaves."""
    try:
        folder = Path("/sys/fs/cgroup")
        limit = (folder / "memory.max").read_text(encoding="ascii").strip()
        used = int((folder / "memory.current").read_text(encoding="ascii"))
        return None if limit == "max" else max(0, int(limit) - used)
    except (OSError, ValueError):
        return None
