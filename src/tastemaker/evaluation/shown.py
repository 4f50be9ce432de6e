"""What a bundle's objective would have done to lists that people were shown, and whether its chances held.

Takes a recommender and impressions that it hasn't learnt from; each list is seen as of its own moment. What
comes out is for people to look at, and nothing is chosen by it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from rich.console import Group, RenderableType
from rich.text import Text

from tastemaker.data.impressions import Impressions
from tastemaker.data.interactions import Interactions
from tastemaker.data.lengths import lengths_s
from tastemaker.errors import BundleError, DataError
from tastemaker.evaluation.calibration import Reliability, reliability
from tastemaker.evaluation.objectives import HeldOut, ObjectiveReport, compare_objectives
from tastemaker.features.lessons import Lessons
from tastemaker.progress import Report, silent
from tastemaker.rank.asking import of_shown
from tastemaker.rank.objective import Objective
from tastemaker.rank.ranker import CHANCES, Ranker, Sheet

if TYPE_CHECKING:
    from tastemaker.recommend import Recommender

Floats = npt.NDArray[np.float32]

LEAST_LOOK = 0.05
"""Chance of being looked at that a place has at least: a click that counted for hundreds would drown all."""


@dataclass(frozen=True)
class ShownReport:
    """How a bundle does on lists that people were shown.

    Attributes:
        objectives: what each order does, `as shown` first.
        chances: by head that gives one: how far it can be believed.
        notes: what must be known to read both, a sentence each.
    """

    objectives: ObjectiveReport
    chances: Mapping[str, Reliability]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values that `json.dumps` takes."""
        return {
            "objectives": self.objectives.as_json(),
            "chances": {head: found.as_json() for head, found in self.chances.items()},
            "notes": list(self.notes),
        }

    def __rich__(self) -> RenderableType:
        """The table of objectives, then each chance in turn."""
        parts: list[RenderableType] = [self.objectives]
        for head, found in self.chances.items():
            parts += [Text(f"\n{head}: foretold, and what happened"), found]
        return Group(*parts, *(Text(f"• {note}") for note in self.notes))


def on_shown(
    recommender: "Recommender",
    shown: Impressions,
    *,
    history: Interactions | None = None,
    objectives: Sequence[str] = (),
    k: int = 5,
    report: Report = silent,
) -> ShownReport:
    """Replay lists that were shown by the bundle's own objective, each head alone, and `objectives`.

    Chances are of whoever looks. Where the ranker has freed its clicks of their places, a chance is that at
    the first place, and what came of the places below it, where fewer look, isn't held against it.

    Args:
        shown: rows of this catalogue.
        history: what is known of people, of which each list sees what came before it; None for what the
            bundle knows.
        k: places looked at.

    Raises: BundleError without a ranker; ObjectiveError; DataError where no list can be asked.
    """
    ranker = recommender.ranker
    if ranker is None:
        raise BundleError("This bundle has no ranker: lists that were shown can't be put in another order.")
    heads = ranker.note.heads
    for text in objectives:
        Objective.parse(text, heads)
    log = recommender.bundle.histories if history is None else history
    lessons = _seen(recommender, ranker, log, shown, report)
    knobs = recommender.recipe
    foretold = _foretold(ranker, lessons)
    vectors = np.asarray(recommender.nearest.neighbours.vectors)
    lengths = lengths_s(recommender.catalogue)
    compared = compare_objectives(
        HeldOut(
            lists=lessons.lists,
            positions=lessons.positions,
            heads=foretold,
            labels=lessons.labels,
            propensities=_looks(ranker, lessons),
            lengths_s=None if lengths is None else lengths[lessons.rows],
            vectors=vectors[lessons.rows],
        ),
        [ranker.objective.text, *objectives],
        rng=np.random.default_rng(knobs.seed),
        k=k,
        resamples=knobs.evaluation.bootstrap,
    )
    is_first = np.ones(lessons.size, np.bool_)
    is_freed = ranker.note.kind == "shown" and knobs.ranking.position != "none"
    if is_freed and (lessons.positions > 0).any():
        is_first = lessons.positions == 1
    chances: dict[str, Reliability] = {
        head: reliability(foretold[head][is_first], lessons.labels[head][is_first])
        for head in heads
        if head in CHANCES and head in lessons.labels
    }
    notes = _notes(recommender, shown, lessons.list_count, bool(is_first.all()))
    return ShownReport(compared, chances, notes)


def _seen(
    recommender: "Recommender", ranker: Ranker, log: Interactions, shown: Impressions, report: Report
) -> Lessons:
    if "click" not in shown.outcomes:
        raise DataError(
            "No column of the impressions says what was chosen, so no order can be told from another: add "
            "one called click, of 0 and 1."
        )
    if not shown.shown.is_clock or not log.is_clock:
        which = "log that people are known by has" if shown.shown.is_clock else "impressions have"
        raise DataError(
            f"The {which} no times that all people share, so nobody can tell what was known when a list was "
            "shown."
        )
    lessons = of_shown(recommender, ranker.view, log, shown, report)
    if not lessons.list_count:
        raise DataError(
            f"Of {shown.list_count:,} lists none can be asked: nobody had a history that the bundle knows "
            "when theirs was shown. Give newer --interactions."
        )
    return lessons


def _foretold(ranker: Ranker, lessons: Lessons) -> dict[str, Floats]:
    """(M,) of each head, a list a call, as it is served."""
    bounds = np.searchsorted(lessons.lists, np.arange(lessons.list_count + 1))
    told = [
        ranker.heads(
            Sheet(
                lessons.numbers[start:end], lessons.queries[place], lessons.vectors[lessons.rows[start:end]]
            )
        )
        for place, (start, end) in enumerate(pairwise(bounds))
    ]
    return {head: np.concatenate([each[head] for each in told]) for head in ranker.note.heads}


def _looks(ranker: Ranker, lessons: Lessons) -> Floats | None:
    """(M,) chance that each place was looked at, as far as the ranker has learnt it; unknown places as the
    first.
    """
    learnt = np.array(ranker.note.examination, np.float32)
    if not len(learnt):
        return None
    return np.maximum(learnt[np.clip(lessons.positions, 1, len(learnt)) - 1], np.float32(LEAST_LOOK))


def _notes(recommender: "Recommender", shown: Impressions, asked: int, is_all: bool) -> tuple[str, ...]:
    known, log = recommender.bundle.histories, shown.shown
    notes = []
    if not is_all:
        notes.append("Chances are of the first place, so only what stood there is held against them.")
    if asked < shown.list_count:
        notes.append(
            f"{shown.list_count - asked:,} of {shown.list_count:,} lists are left out: of who was shown them "
            "nothing was known then."
        )
    newest = float(known.times.max(initial=-np.inf)) if known.is_clock else np.inf
    early = len(np.unique(shown.lists[log.times <= newest]))
    if early:
        notes.append(
            f"{early:,} lists were shown before the newest event that the bundle has learnt from, which may "
            "flatter it: held-out lists are newer."
        )
    return tuple(notes)
