"""What a model's negatives look like: how popular, how near the right answer, and how often wrong.

Draws by the same sources, in the same batches, as training does (`model.negatives`); no network is
needed for it, but the compiled loops of training are. In comes a recommender, out comes plain values.
"""

import importlib.util
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from tastemaker.data.interactions import Interactions
from tastemaker.data.split import Fold
from tastemaker.errors import DataError, TastemakerError
from tastemaker.features.batches import Examples, Scale, Sets, Stretches
from tastemaker.pages import style
from tastemaker.pages.section import Picture, Section, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tastemaker.recommend import Recommender

BATCHES = 100
"""Looked at, at most: the shares below are then of a million draws and more."""
PAIRS = 20_000
"""Whose likeness is looked at."""
HARD_PEOPLE, HARD_EACH = 2048, 20
"""Who are asked for hard negatives, and how many each brings, as in training."""
TENTHS = 10


class Spread(NamedTuple):
    """Of cosines: the mean, and what a tenth, half and nine tenths lie below."""

    mean: float
    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, values: npt.NDArray[np.floating]) -> "Spread":
        return cls(float(values.mean()), *(float(value) for value in np.quantile(values, [0.1, 0.5, 0.9])))


@dataclass(frozen=True)
class Negatives:
    """Shares are from 0 to 1, of all pairs of an example and a draw, less draws of the example's own answer.

    Attributes:
        is_whole: nothing is drawn: every item that anybody touched is a negative.
        batches: that were looked at.
        draws, distinct, effective: a batch, on average: draws, distinct items among them, and how many equal
            ones they are worth: (Σ times)² / Σ times² (Kish, 1965).
        covered: share of the items that anybody touched that was drawn at all.
        touched: share that the same person touched, at any time; they are struck out before they count.
        later: share of what isn't struck out that the same person turned to later: false negatives. Of those
            who turned to something; None where nobody is known to have.
        tenths: (10,) share of draws by tenths of the items by popularity, the least popular first.
        answer_tenths: (10,) the same of right answers.
        near: likeness of draws to the answer they stand against; of two items drawn by lot.
    """

    is_whole: bool
    batches: int
    draws: float
    distinct: float
    effective: float
    covered: float
    touched: float
    later: float | None
    tenths: tuple[float, ...]
    answer_tenths: tuple[float, ...]
    near: Spread
    by_lot: Spread

    def as_json(self) -> dict[str, Any]:
        """Plain values that `json.dumps` takes."""
        told = asdict(self)
        return told | {"near": self.near._asdict(), "by_lot": self.by_lot._asdict()}

    def section(self) -> Section:
        """With a picture, where matplotlib is installed."""
        table = Table(
            "By popularity, in tenths of the items",
            ["", "of negatives", "of right answers"],
            [
                [_tenth(place), f"{drawn:.1%}", f"{answer:.1%}"]
                for place, (drawn, answer) in enumerate(zip(self.tenths, self.answer_tenths, strict=True))
            ],
        )
        spreads = Table(
            "Cosine",
            ["", "mean", "a tenth below", "half below", "nine tenths below"],
            [
                [name, *(f"{value:.2f}" for value in spread)]
                for name, spread in (("negative and right answer", self.near), ("any two items", self.by_lot))
            ],
        )
        drawn = []
        if importlib.util.find_spec("matplotlib") is not None:
            alt = "Shares of negatives and of right answers by tenths of the items by popularity"
            drawn = [Picture(style.svg(self.drawing()), alt)]
        return Section(
            "negatives", "Negatives", self._lead(), self.as_json(), "", [table, spreads], drawn, self._notes()
        )

    def _lead(self) -> str:
        if self.is_whole:
            told = f"Nothing is drawn: each of {self.distinct:,.0f} items stands against every answer"
        else:
            told = (
                f"{self.draws:,.0f} draws a batch, {self.distinct:,.0f} items among them, worth "
                f"{self.effective:,.0f} equal ones; {self.covered:.1%} of the items came up in "
                f"{self.batches:,} batches"
            )
        return f"{told}. {self.touched:.2%} are what the same person touched, and are struck out."

    def _notes(self) -> list[str]:
        if self.later is None:
            return ["How many are wrong can't be said without later events: give --test."]
        return [
            f"{self.later:.2%} of those that count are false: the same person turned to them later.",
        ]

    def drawing(self) -> "Figure":
        """Bars a tenth: what is drawn beside what is right; a line where every item counts alike."""
        made, (panel,) = style.figure(7.0, 3.0)
        places = np.arange(TENTHS)
        panel.bar(places - 0.2, self.tenths, 0.4, color=style.OURS, label="negatives")
        panel.bar(places + 0.2, self.answer_tenths, 0.4, color=style.RIVAL, label="right answers")
        panel.axhline(1 / TENTHS, color=style.QUIET, linestyle="--", label="all items alike")
        panel.set_xticks(places, [_tenth(place) for place in range(TENTHS)])
        panel.set_xlabel("items by popularity")
        panel.set_ylabel("share")
        panel.legend()
        return made


class _Batch(NamedTuple):
    """labels: (B,) right answers; users: (B,) whose; times: (N,) how often each item was drawn."""

    labels: npt.NDArray[np.int32]
    users: npt.NDArray[np.int32]
    times: npt.NDArray[np.float64]


def negatives_report(
    recommender: "Recommender",
    fold: Fold | None = None,
    *,
    shown: Interactions | None = None,
    batches: int = BATCHES,
) -> Negatives:
    """What the recipe of a bundle sets against right answers, drawn anew by the recipe's seed.

    Args:
        fold: what was learnt from, and what people turned to later; None for the bundle's log and nothing.
        shown: what people were shown, for a recipe that draws from it.
        batches: to look at, at most.
    Raises: DataError for a bundle that learnt from no log; TrainingError where a recipe draws from
        impressions and none are given; TastemakerError where what training needs isn't installed.
    """
    log = recommender.bundle.histories if fold is None else fold.train
    if recommender.bundle.manifest.kind == "content" or not log.size:
        raise DataError(
            "This bundle learnt from a catalogue alone: each item's negatives are the other items of its "
            "batch, all alike, and there are no people to say which are false."
        )
    items, recipe = recommender.catalogue.size, recommender.recipe
    rng = np.random.default_rng([recipe.seed, 4])
    counts = log.counts(items)
    touched = _of_people(log, items)
    later = None if fold is None else _of_people(fold.targets, items)
    is_whole, drawn = _drawn(recommender, log, shown, batches, rng)
    return measured(
        drawn, touched, later, counts, np.asarray(recommender.nearest.neighbours.vectors), is_whole, rng
    )


def measured(
    drawn: Iterator[_Batch],
    touched: sparse.csr_array,
    later: sparse.csr_array | None,
    counts: npt.NDArray[np.int64],
    vectors: npt.NDArray[np.float32],
    is_whole: bool,
    rng: np.random.Generator,
) -> Negatives:
    """
    Args:
        touched, later: (U, N) 1 where a person touched an item, then and later, an item in one of them only.
        counts: (N,) events of each item.
        vectors: (N, D).
    """
    sizes: list[tuple[float, float, float]] = []
    often, answers = np.zeros(len(counts)), np.zeros(len(counts))
    all_pairs = struck = asked = wrong = 0.0
    near: list[npt.NDArray[np.floating]] = []
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    asks_later = None if later is None else np.diff(later.indptr) > 0
    for labels, users, times in drawn:
        sizes.append((times.sum(), float((times > 0).sum()), times.sum() ** 2 / max(1.0, (times**2).sum())))
        others = times.sum() - times[labels]
        own = touched[users] @ times - times[labels]
        all_pairs, struck = all_pairs + others.sum(), struck + own.sum()
        if later is not None and asks_later is not None:
            who = asks_later[users]
            asked += (others - own)[who].sum()
            wrong += (later[users[who]] @ times).sum()
        often += times * len(labels) - np.bincount(labels, times[labels], minlength=len(times))
        answers += np.bincount(labels, minlength=len(times))
        near.append(_likeness(unit, labels, times, rng))
    known = np.flatnonzero(counts)
    two = unit[rng.choice(known, (2, PAIRS))]
    tenth = np.zeros(len(counts), np.int64)
    tenth[known[np.argsort(counts[known], kind="stable")]] = np.arange(len(known)) * TENTHS // len(known)
    draws, distinct, effective = np.mean(sizes, axis=0).tolist()
    return Negatives(
        is_whole=is_whole,
        batches=len(sizes),
        draws=draws,
        distinct=distinct,
        effective=effective,
        covered=float((often[known] > 0).mean()),
        touched=float(struck / all_pairs),
        later=float(wrong / asked) if asked else None,
        tenths=_shares(often, tenth),
        answer_tenths=_shares(answers, tenth),
        near=Spread.of(np.concatenate(near)),
        by_lot=Spread.of(np.einsum("pd,pd->p", *two)),
    )


def _drawn(
    recommender: "Recommender",
    log: Interactions,
    shown: Interactions | None,
    batches: int,
    rng: np.random.Generator,
) -> tuple[bool, Iterator[_Batch]]:
    """Whether nothing is drawn, and batches as training has them."""
    try:
        from tastemaker.model.negatives import Weighted, drawn_count, mixed
    except ImportError:
        raise TastemakerError(
            "Drawing negatives takes what training takes: pip install 'tastemaker[train]'."
        ) from None
    recipe, items = recommender.recipe, recommender.catalogue.size
    history, size = recipe.history, recipe.history.batch_size
    in_order = log.is_ordered if history.order == "auto" else history.order == "time"
    examples = Examples(log, items, history.length, Scale.fit(log.weights), in_order)
    count = None if recipe.preset == "seed-softmax" else drawn_count(recipe, items)
    if count is None:
        events = examples.events
        every = (log.counts(items) > 0).astype(np.float64)
        return True, iter([_Batch(log.rows[events], log.users[events], every)])
    hard = Weighted(_hardest(recommender, log, rng)) if recipe.negatives.hard else None
    mixture = mixed(recipe.negatives, count, log, examples, hard, shown)

    def dealt() -> Iterator[tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]]:
        if history.reads_events or (not in_order and recipe.loss.is_softmax):
            deal: Stretches | Sets = (Stretches if history.reads_events else Sets)(examples, size)
            for part in deal.deal(rng)[:batches]:
                batch = deal.batch(part) if isinstance(deal, Stretches) else deal.batch(part, rng)
                yield batch.labels, batch.users
            return
        events = rng.permutation(examples.events)
        for part in np.split(events, range(size, len(events), size))[:batches]:
            yield log.rows[part], log.users[part]

    def all_drawn() -> Iterator[_Batch]:
        for labels, users in dealt():
            drawn = mixture.draw(labels, rng)
            times = np.bincount(drawn.rows[drawn.counted :], minlength=items).astype(np.float64)
            yield _Batch(labels, users, times)

    return False, all_drawn()


def _hardest(
    recommender: "Recommender", log: Interactions, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """(N,) how often each item stands among the first of people who didn't touch it, as the model is now."""
    users = np.flatnonzero(np.diff(log.offsets)).astype(np.int32)
    asked = np.sort(rng.choice(users, min(HARD_PEOPLE, len(users)), replace=False))
    rows = recommender.retrieval.top(log, asked, min(HARD_EACH, recommender.catalogue.size))
    found = np.bincount(rows[rows >= 0], minlength=recommender.catalogue.size).astype(np.float64)
    return np.where(log.counts(recommender.catalogue.size) > 0, found, 0.0)


def _of_people(log: Interactions, items: int) -> sparse.csr_array:
    """(U, N) 1 where a person touched an item."""
    shape = (log.user_count, items)
    touched = sparse.csr_array((np.ones(log.size), log.rows, log.offsets), shape=shape, copy=True)
    touched.sum_duplicates()
    touched.data[:] = 1
    return touched


def _likeness(
    unit: npt.NDArray[np.floating],
    labels: npt.NDArray[np.int32],
    times: npt.NDArray[np.float64],
    rng: np.random.Generator,
) -> npt.NDArray[np.floating]:
    """(n,) of answers and draws that stand against them."""
    pairs = min(PAIRS, 4 * len(labels))
    label = rng.choice(labels, pairs)
    drawn = rng.choice(len(times), pairs, p=times / times.sum()) if times.any() else label
    apart = drawn != label
    return np.asarray(np.einsum("pd,pd->p", unit[label[apart]], unit[drawn[apart]]))


def _shares(times: npt.NDArray[np.float64], tenth: npt.NDArray[np.int64]) -> tuple[float, ...]:
    held = np.bincount(tenth, times, minlength=TENTHS)
    return tuple((held / max(held.sum(), 1e-12)).tolist())


def _tenth(place: int) -> str:
    return {0: "least", TENTHS - 1: "most"}.get(place, str(place + 1))
