"""Asks a recommender the questions of a fold, and marks the answers.

The same exam for a trained model, behind the same door that serves people, and for a baseline.
Users are asked in blocks, so that nothing of users × items is ever held.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.data.interactions import Interactions
from tastemaker.data.split import Fold
from tastemaker.evaluation import metrics
from tastemaker.evaluation.baselines import Baseline, Users
from tastemaker.evaluation.beyond import Known, Tally
from tastemaker.evaluation.comparison import contests
from tastemaker.evaluation.conventions import OURS, Convention
from tastemaker.evaluation.intervals import bootstrap_means, ends_of, interval
from tastemaker.evaluation.report import Line, Mark, Report, plain
from tastemaker.hits import best

NOTHING = Known()
"""Of the items."""

BLOCK_BYTES = 64 * 2**20
"""Memory for one block of scores; larger is no faster, because it outgrows the cache."""

BYTES_PER_SCORE = 12
"""A float32 score, and what a sparse product needs beside it."""


Ranks = npt.NDArray[np.uint16]


class Top(Protocol):
    """Answers with ranked lists. It promises: nothing of the history comes back, no row comes back
    twice, where fewer than k are left the rest is PAD, and an answer doesn't depend on the block."""

    def top(self, history: Interactions, users: Users, k: int) -> Rows:
        """(B, k) the best rows for each of `users` (B,), best first."""
        ...


@dataclass(frozen=True)
class FullRanking:
    """A fitted baseline as `Top`: every item ranked by its score, less the user's history."""

    baseline: Baseline

    def top(self, history: Interactions, users: Users, k: int) -> Rows:
        seen = [history.of(int(user)) for user in users]
        return best(self.baseline.scores(history, users), k, seen).rows


@dataclass(frozen=True)
class Result:
    """One model's marks.

    Attributes:
        name: of the model.
        k: length of the lists.
        users: (A,) positions of those asked, ascending.
        left_out: users with nothing to be found, or not drawn, who weren't asked.
        per_user: (A,) marks by metric, aligned with `users`.
        overall: marks of all lists together, by metric.
        seconds: for all answers, fitting not included.
        rows: (A, k) the lists themselves, PAD where there was nothing more to recommend; (0, k) of baselines,
            whose lists aren't kept.
        ranks: (T,) from 1, where in its list each target of those asked stands, 0 where it doesn't: in the
            order of `fold.targets`, those of one user together; None where nobody noted them.
    """

    name: str
    k: int
    users: Users
    left_out: int
    per_user: dict[str, metrics.PerUser]
    overall: dict[str, float]
    seconds: float
    rows: Rows
    ranks: Ranks | None = None

    def mean(self, metric: str) -> float:
        """NaN when nobody was asked."""
        values = self.per_user[metric]
        return float(values.mean()) if len(values) else float("nan")


@dataclass(frozen=True)
class Skip:
    """A baseline that wasn't asked, and why."""

    name: str
    reason: str


def asked(fold: Fold, at_most: int | None = None, rng: np.random.Generator | None = None) -> Users:
    """(A,) the users with something to be found, ascending; `at_most` so many, drawn by `rng`."""
    users = np.flatnonzero(np.diff(fold.targets.offsets)).astype(np.int32)
    if at_most is None or len(users) <= at_most:
        return users
    rng = np.random.default_rng(1) if rng is None else rng
    return np.sort(rng.choice(users, at_most, replace=False))


def examine(
    top: Top,
    fold: Fold,
    k: int,
    items: int,
    *,
    name: str,
    users: Users | None = None,
    known: Known = NOTHING,
    convention: Convention = OURS,
    block: int | None = None,
    keep_lists: bool = True,
) -> Result:
    """Ask `top` for the lists of everyone who can be asked, and mark them.

    Blocks are asked, marked and let go of. What is kept of a user is a number a metric, and the list itself
    where `keep_lists` says so.

    Args:
        top: what is examined; it gets the fold's history, never its targets.
        k: length of the lists.
        items: N, size of the catalogue.
        name: how the result is called in a report.
        users: (A,) positions to ask, a part of `asked(fold)`; None for all.
        known: of the items; what isn't known isn't measured.
        convention: whose definitions the marks follow.
        block: users asked at once; None for as many as fit into BLOCK_BYTES.
        keep_lists: whether the result has them.
    """
    users = asked(fold) if users is None else users
    step = block or max(1, BLOCK_BYTES // (BYTES_PER_SCORE * max(1, items)))
    seconds = 0.0
    tally = Tally(fold, items, known)
    marks = {key: np.empty(len(users)) for key in metrics.PER_USER}
    lists = np.empty((len(users) if keep_lists else 0, k), np.int32)
    ranks = [np.zeros(0, np.uint16)]
    for at in range(0, len(users), step):
        those = users[at : at + step]
        started = time.perf_counter()
        rows = top.top(fold.history, those, k)
        seconds += time.perf_counter() - started
        _check(rows, name, those)
        targets = fold.targets.of_users(those)
        found = metrics.Found.of(rows, targets, k)
        for key, values in convention.marks(found).items():
            marks[key][at : at + step] = values
        tally.add(rows, fold.history.of_users(those), found)
        ranks.append(metrics.ranks(rows, targets, k))
        if keep_lists:
            lists[at : at + step] = rows
    return Result(
        name=name,
        k=k,
        users=users,
        left_out=fold.targets.user_count - len(users),
        per_user=marks,
        overall=tally.marks(),
        seconds=seconds,
        rows=lists,
        ranks=np.concatenate(ranks),
    )


def examine_baselines(
    baselines: Iterable[Baseline],
    fold: Fold,
    k: int,
    items: int,
    *,
    users: Users | None = None,
    known: Known = NOTHING,
    convention: Convention = OURS,
) -> tuple[list[Result], list[Skip]]:
    """Fit each to the fold's train and examine it; those that refuse are listed with their reason."""
    results, skipped = [], []
    for baseline in baselines:
        reason = baseline.refusal(items)
        if reason is not None:
            skipped.append(Skip(baseline.name, reason))
            continue
        top = FullRanking(baseline.fit(fold.train, items))
        results.append(
            examine(
                top,
                fold,
                k,
                items,
                name=baseline.name,
                users=users,
                known=known,
                convention=convention,
                keep_lists=False,
            )
        )
    return results, skipped


def _check(rows: Rows, name: str, users: Users) -> None:
    """A row twice in a list would count as two hits, so no number is given for such lists."""
    ordered = np.sort(rows, axis=1)
    twice = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != PAD)
    if twice.any():
        user = int(users[np.flatnonzero(twice.any(1))[0]])
        raise AssertionError(
            f"{name} broke the promise of Top: a row stands twice in the list of user {user}."
        )


def compare(
    results: Sequence[Result],
    rng: np.random.Generator,
    *,
    models: Sequence[str] = (),
    split: str = "",
    skipped: Sequence[Skip] = (),
    resamples: int = 1000,
) -> Report:
    """Lay results side by side, and test the models against the best baseline.

    Args:
        results: of the same users and the same k.
        rng: for the bootstrap.
        models: names of those under test; every other result is a baseline.
        split: a sentence on how the fold was made.
        skipped: baselines that refused.
        resamples: of the users, behind every interval.
    """
    first = results[0]
    if any(r.k != first.k or not np.array_equal(r.users, first.users) for r in results):
        raise ValueError(
            "Results can only be compared when the same users were asked for lists of the same length."
        )
    keys = list(first.per_user)
    values = np.stack([result.per_user[key] for result in results for key in keys], axis=1)  # (A, M)
    means = values.mean(0) if len(values) else np.full(values.shape[1], np.nan)
    drawn = bootstrap_means(values, rng, resamples, ends_of(values, within=(0.0, 1.0)))
    lines = tuple(
        Line(
            name=result.name,
            is_baseline=result.name not in models,
            marks={
                key: Mark.of(interval(means[at], drawn[:, at]))
                for at, key in enumerate(keys, number * len(keys))
            },
            overall={key: plain(value) for key, value in result.overall.items()},
            seconds=round(result.seconds, 3),
        )
        for number, result in enumerate(results)
    )
    pairs = _pairs(lines, models, keys[0])
    (held,) = contests([{r.name: r.per_user for r in results}], pairs, keys[:1], rng, resamples)
    return Report(
        k=first.k,
        split=split,
        users_asked=len(first.users),
        users_left_out=first.left_out,
        lines=lines,
        contests=held,
        skipped=tuple((skip.name, skip.reason) for skip in skipped),
    )


def _pairs(lines: Sequence[Line], models: Sequence[str], metric: str) -> list[tuple[str, str]]:
    """Each model against the best baseline, and the first model against the others."""
    baselines = [line for line in lines if line.is_baseline]
    best = max(baselines, key=lambda line: line.marks[metric].mean or 0.0).name if baselines else None
    against_best = [(model, best) for model in models if best is not None]
    return against_best + [(models[0], other) for other in models[1:]]
