"""Whether a newly trained model should take the place of the live one.

Both are asked the same of the same people: what they did after everything that the live one has learnt. The
new one answers as it was before its refit, so it hasn't learnt that either.
"""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import PAD
from tastemaker.data.interactions import Interactions
from tastemaker.data.split import Fold, Which
from tastemaker.errors import DataError
from tastemaker.evaluation.comparison import permutation_test
from tastemaker.evaluation.exam import Result, asked, examine
from tastemaker.evaluation.intervals import difference_interval
from tastemaker.recipe import PromotionRecipe
from tastemaker.recommend import Recommender

K = 10
"""Length of the lists."""
ANSWERS = 50
"""Of which the median is taken, of each model in turn."""


@dataclass(frozen=True)
class Decision:
    """Whether a model goes live, why, and what was measured; in words, one sentence a reason."""

    is_better: bool
    reasons: tuple[str, ...]
    measured: dict[str, Any] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        return " ".join(self.reasons)


@dataclass(frozen=True)
class _Exam:
    people: int
    difference: tuple[float, float, float] = (0.0, 0.0, 0.0)
    chance: float = 1.0
    ndcg: tuple[float, float] = (0.0, 0.0)
    coverage: tuple[float, float] = (0.0, 0.0)
    histories: tuple[list[str], ...] = ()


class Judge:
    """Holds the exam when it is shown the candidate, and decides once that one was refitted.

    Args:
        live: who is live; it answers as it is served.
    """

    def __init__(self, live: Recommender, knobs: PromotionRecipe, seed: int = 1) -> None:
        self._live, self._knobs, self._seed = live, knobs, seed
        self._exam: _Exam | None = None

    def __call__(self, candidate: Recommender, fold: Fold) -> None:
        """A `Witness`: asks both what people did in `fold` after all that the live one has learnt."""
        live, rng = self._live, np.random.default_rng(self._seed)
        rows = live.catalogue.rows(candidate.catalogue.ids)
        kept = unknown(fold.targets, live.bundle.histories, live.catalogue.ids, candidate.catalogue.ids)
        targets = fold.targets.where(kept & (rows[fold.targets.rows] != PAD))
        ours = fold._replace(targets=targets)
        users = asked(ours, candidate.recipe.evaluation.max_users, rng)
        if len(users) < self._knobs.people:
            self._exam = _Exam(len(users))
            return
        theirs = Fold(*(part.renumbered(rows) for part in ours))
        new = examine(candidate, ours, K, candidate.catalogue.size, name="candidate", users=users)
        old = examine(live, theirs, K, live.catalogue.size, name="live", users=users)
        one, other = new.per_user["ndcg"], old.per_user["ndcg"]
        found = difference_interval(one, other, rng, candidate.recipe.evaluation.bootstrap, within=1.0)
        some = rng.choice(users, min(ANSWERS, len(users)), replace=False).tolist()
        self._exam = _Exam(
            len(users),
            (found.mean, found.low, found.high),
            permutation_test(one - other, rng),
            (new.mean("ndcg"), old.mean("ndcg")),
            (covered(new, candidate.catalogue.size), covered(old, live.catalogue.size)),
            tuple(live.catalogue.id_list(theirs.history.of(user)) for user in some),
        )

    def decide(self, trained: Recommender) -> Decision:
        """Of the candidate after its refit, which is what would be served."""
        exam, knobs = self._exam, self._knobs
        if exam is None:
            told = "No exam could be held: nobody's later events can be asked for, so nothing speaks for it."
            return Decision(False, (told,))
        measured: dict[str, Any] = {"people": exam.people}
        if exam.people < knobs.people:
            told = (
                f"Only {exam.people:,} people did something after all that the live model has learnt and "
                f"before this one was examined; {knobs.people:,} are the fewest (promotion.people)."
            )
            return Decision(False, (told,), measured)
        mean, low, high = exam.difference
        measured |= {
            f"ndcg@{K}": exam.ndcg[0], f"ndcg@{K} of live": exam.ndcg[1],
            "difference": list(exam.difference), "chance": exam.chance,
            f"coverage@{K}": exam.coverage[0], f"coverage@{K} of live": exam.coverage[1],
        }  # fmt: skip
        told = (
            f"NDCG@{K} is {exam.ndcg[0]:.4f}, of the live model {exam.ndcg[1]:.4f}: {mean:+.4f} "
            f"({low:+.4f} to {high:+.4f}, p = {exam.chance:.4f}) over {exam.people:,} people."
        )
        if mean <= 0 or exam.chance > knobs.level:
            what = (
                "It is worse" if mean <= 0 and exam.chance <= knobs.level else "It isn't shown to be better"
            )
            return Decision(False, (f"{what}.", told), measured)
        broken = [*self._narrow(exam), *self._folded(trained, measured), *self._slow(trained, exam, measured)]
        if broken:
            return Decision(False, (*broken, told), measured)
        return Decision(True, ("It is better, and no guardrail breaks.", told), measured)

    def _narrow(self, exam: _Exam) -> list[str]:
        new, old = exam.coverage
        if new >= self._knobs.coverage * old:
            return []
        return [
            f"It shows {new:.1%} of the catalogue to anyone, the live model {old:.1%} (promotion.coverage)."
        ]

    def _folded(self, trained: Recommender, measured: dict[str, Any]) -> list[str]:
        if not self._knobs.folding:
            return []
        new, old = folding(trained), folding(self._live)
        measured |= {"folding": new, "folding of live": old}
        if new != "alarm" or old == "alarm":
            return []
        return ["Unrelated groups are folded into each other, and in the live model not (promotion.folding)."]

    def _slow(self, trained: Recommender, exam: _Exam, measured: dict[str, Any]) -> list[str]:
        new, old = in_turn((trained, self._live), exam.histories)
        measured |= {"latency_ms": 1e3 * new, "latency_ms of live": 1e3 * old}
        if new <= self._knobs.latency * old:
            return []
        return [
            f"One answer takes {1e3 * new:.2f} ms, of the live model {1e3 * old:.2f} (promotion.latency)."
        ]


def unknown(log: Interactions, learnt: Interactions, there: Sequence[str], here: Sequence[str]) -> Which:
    """(E,) which events of a log a model can't have learnt.

    With a clock those after the newest that it knew, since at no moment it foretells the past. Without one
    those whose person and item it never saw together.

    Args:
        there, here: ids by row, of `learnt` and of `log`.
    """
    if not learnt.size:
        return np.ones(log.size, np.bool_)
    if log.is_clock and learnt.is_clock:
        found: Which = log.times > learnt.times.max()
        return found
    known = {
        (learnt.user_ids[u], there[r])
        for u, r in zip(learnt.users.tolist(), learnt.rows.tolist(), strict=True)
    }
    pairs = zip(log.users.tolist(), log.rows.tolist(), strict=True)
    return np.array([(log.user_ids[u], here[r]) not in known for u, r in pairs], np.bool_)


def covered(result: Result, items: int) -> float:
    """Share of the catalogue that is shown to anyone."""
    shown: npt.NDArray[np.int32] = np.unique(result.rows[result.rows != PAD])
    return len(shown) / max(1, items)


def folding(recommender: Recommender) -> str:
    """The doctor's verdict; unclear where there is nothing to go by."""
    from tastemaker.evaluation.doctor.folding import examine_folding

    try:
        return str(examine_folding(recommender).verdict)
    except DataError:
        return "unclear"


def in_turn(models: Sequence[Recommender], histories: Sequence[list[str]]) -> list[float]:
    """Seconds of one answer, the median of each model: asked in turn, so a busy machine is one for all."""
    seconds: list[list[float]] = [[] for _ in models]
    for number in range(ANSWERS + 3):
        history = histories[number % len(histories)]
        for model, own in zip(models, seconds, strict=True):
            known = [item for item in history if item in model.catalogue]
            started = time.perf_counter()
            model.recommend(history=known, k=K)
            own.append(time.perf_counter() - started)
    return [statistics.median(own[3:]) for own in seconds]  # the first few make what is made once
