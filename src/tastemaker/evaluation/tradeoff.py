"""What a rule costs and what it brings: the same lists, re-ranked with one rule ever stronger.

Candidates are found and ranked once for everybody; each strength then puts the same ones into its order, so
that every difference between two points of a curve is the rule's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from rich import box
from rich.table import Table

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.data.split import Fold
from tastemaker.errors import RecipeError
from tastemaker.evaluation import metrics
from tastemaker.evaluation.exam import asked as who
from tastemaker.evaluation.intervals import difference_interval, mean_interval
from tastemaker.evaluation.report import Mark, plain
from tastemaker.progress import Progress, Report, silent
from tastemaker.recipe import RerankingRecipe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tastemaker.recommend import Recommender

GAINS = {
    "diversity": "diversity of a list",
    "coverage": "share of the catalogue shown",
    "gini": "Gini of what is shown",
    "age_days": "median age, days",
}
"""Of a `Point`, what is drawn."""
WORST, MOST = 30.0, 2.0
"""Per cent of NDCG: what lost more isn't drawn, nobody would want it; and a line to go by."""
STRENGTHS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
FEW_STRENGTHS = (0.0, 0.1, 0.3, 0.6, 1.0)
"""Of the curves that are measured while a model is trained."""
MOST_GROUPS = 3
BLOCK = 256
"""People whose candidates are held at once."""

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Point:
    """One strength of one rule.

    Attributes:
        strength: 0 is no rule.
        ndcg: mean over people.
        loss: what it is less than without the rule, paired over people; above 0 is worse.
        diversity: mean pairwise 1 − cosine of a list; None for lists of one.
        coverage: share of the catalogue shown to anyone.
        gini: how unequally the catalogue is shown.
        novelty: bits; None where nobody has touched anything.
        age_days: mean over lists of the median age; None where nothing is known of ages.
        popularity: mean of `Facts.popularity` over what is shown.
        shares: of the places, by group, where groups were asked for.
    """

    strength: float
    ndcg: Mark
    loss: Mark
    diversity: float | None
    coverage: float
    gini: float | None
    novelty: float | None
    age_days: float | None
    popularity: float
    shares: Mapping[str, float]


@dataclass(frozen=True)
class Curves:
    """By name of the rule, its points from the weakest to the strongest; every one begins without it."""

    k: int
    people: int
    split: str
    curves: Mapping[str, tuple[Point, ...]]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def figure(self) -> "Figure":
        """A panel for each thing that is gained, over what is lost of NDCG in per cent, as far as WORST.

        Raises: TastemakerError without matplotlib.
        """
        from tastemaker.pages import style

        made, panels = style.figure(11, 7.5, rows=2, columns=2, sharex=True)
        for panel, (name, title) in zip(panels, GAINS.items(), strict=True):
            for number, (rule, points) in enumerate(self.curves.items()):
                whole = points[0].ndcg.mean or 1.0
                losses = [100 * (point.loss.mean or 0.0) / whole for point in points]
                seen = [place for place, loss in enumerate(losses) if loss <= WORST]
                gained = [getattr(points[place], name) for place in seen]
                if any(value is None for value in gained):
                    continue
                look = style.PALETTE[number % len(style.PALETTE)], style.MARKERS[number % len(style.MARKERS)]
                lost = [losses[place] for place in seen]
                panel.plot(lost, gained, color=look[0], marker=look[1], label=rule)
            panel.set_title(title)
            panel.axvline(MOST, color=style.RIVAL, linewidth=0.8, linestyle="--")
        for panel in panels[2:]:
            panel.set_xlabel(f"NDCG@{self.k} lost, %")
        made.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=7)
        return made

    @property
    def _are_grouped(self) -> bool:
        return any(point.shares for points in self.curves.values() for point in points)

    def __rich__(self) -> Table:
        shown = Table(
            "rule", "strength", f"NDCG@{self.k}", "less than without", "diversity", "coverage", "Gini",
            "age, days", *(["most shown"] if self._are_grouped else []),
            box=box.SIMPLE_HEAD,
            caption=f"{self.people:,} people. {self.split}",
            caption_justify="left",
        )  # fmt: skip
        for name, points in self.curves.items():
            for point in points:
                shown.add_row(
                    name if point is points[0] else "",
                    f"{point.strength:g}",
                    f"{point.ndcg.mean:.4f}",
                    _loss(point),
                    _figure(point.diversity),
                    _figure(point.coverage),
                    _figure(point.gini),
                    "" if point.age_days is None else f"{point.age_days:,.0f}",
                    *([_most(point)] if self._are_grouped else []),
                )
        return shown


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _most(point: Point) -> str:
    """The groups that have most of the places."""
    return ", ".join(f"{name} {share:.1%}" for name, share in list(point.shares.items())[:MOST_GROUPS])


def _loss(point: Point) -> str:
    mean, low, high = point.loss.mean or 0.0, point.loss.low or 0.0, point.loss.high or 0.0
    whole = (point.ndcg.mean or 0.0) + mean
    share = f"{mean / whole:.1%}" if whole else "–"
    return f"{mean:+.4f} ({low:+.4f} to {high:+.4f}), {share}"


def curves_of(
    recommender: "Recommender",
    fold: Fold,
    split: str,
    rules: Mapping[str, Sequence[tuple[float, Settings]]],
    *,
    k: int | None = None,
    groups: str | None = None,
    people: int | None = None,
    report: Report = silent,
) -> Curves:
    """Lists of everybody who can be asked, under each rule at each strength.

    Args:
        fold: the recommender must not have learnt from more than its train.
        split: a sentence on how the fold was made.
        rules: by name, strengths and what the recipe's `[reranking]` says then; the first should change
            nothing.
        k: length of the lists; None for the recipe's.
        groups: a column whose groups' shares of the places are counted.
        people: asked at most, drawn by the seed; None for the recipe's.
    Raises: RecipeError where a rule can't be made.
    """
    knobs, size = recommender.recipe.evaluation, recommender.catalogue.size
    k = min(knobs.k if k is None else k, size)
    rng = np.random.default_rng(recommender.recipe.seed)
    users = who(fold, knobs.max_users if people is None else people, rng)
    plain_order = recommender.unruled
    ruled = [
        (name, strength, recommender.with_rules(RerankingRecipe.model_validate(settings)))
        for name, points in rules.items()
        for strength, settings in points
    ]
    shown = np.full((len(ruled), len(users), k), PAD, np.int32)
    log = fold.history
    for at in range(0, len(users), BLOCK):
        block = users[at : at + BLOCK]
        lists = plain_order.in_order(log, block, recommender.pool(k), plain_order.usually)
        for place, (user, found) in enumerate(zip(block.tolist(), lists, strict=True), at):
            for number, (_, _, by) in enumerate(ruled):
                rows = by.shown(found, k, by.usually, log.of(user), log.user_ids[user]).found.rows
                shown[number, place, : len(rows)] = rows
        report(Progress("lists", min(at + BLOCK, len(users)), len(users)))
    judge = Judge(recommender, fold, users, k, groups)
    without = {name: judge.ndcg(shown[n]) for n, (name, strength, _) in enumerate(ruled) if strength == 0}
    found_points: dict[str, list[Point]] = {}
    for number, (name, strength, _) in enumerate(ruled):
        point = judge.point(strength, shown[number], without[name])
        found_points.setdefault(name, []).append(point)
    return Curves(k, len(users), split, {name: tuple(points) for name, points in found_points.items()})


class Judge:
    """Marks lists (A, k) of the same people.

    Args:
        users: (A,) who was asked.
        groups: a column whose groups' shares of the places are counted.
    """

    def __init__(
        self,
        recommender: "Recommender",
        fold: Fold,
        users: npt.NDArray[np.int32],
        k: int,
        groups: str | None = None,
    ) -> None:
        self._fold, self._users, self._k = fold, users, k
        self._vectors = np.asarray(recommender.nearest.neighbours.vectors)
        self._facts = recommender.facts
        self._size = recommender.catalogue.size
        self._counts = fold.train.counts(self._size)
        self._resamples = recommender.recipe.evaluation.bootstrap
        self._seed = recommender.recipe.seed
        self._groups = None if groups is None else self._facts.groups(groups)

    def ndcg(self, rows: Rows) -> metrics.PerUser:
        """(A,)"""
        every = np.full((self._fold.targets.user_count, self._k), PAD, np.int32)
        every[self._users] = rows
        return metrics.ndcg(every, self._fold.targets, self._k)[self._users]

    def point(self, strength: float, rows: Rows, without: metrics.PerUser) -> Point:
        """Of one strength, beside the marks (A,) without it."""
        ndcg = self.ndcg(rows)
        rng = np.random.default_rng(self._seed)
        kept = rows[rows != PAD]
        ages = self._facts.age_days(kept, self._facts.now)
        return Point(
            strength,
            Mark.of(mean_interval(ndcg, rng, self._resamples)),
            Mark.of(difference_interval(without, ndcg, rng, self._resamples)),
            plain(metrics.diversity(rows, self._vectors)),
            metrics.coverage(rows, self._size),
            plain(metrics.gini(rows, self._size)),
            plain(metrics.novelty(rows, self._counts)),
            None if np.isnan(ages).all() else float(np.nanmedian(ages)),
            float(self._facts.popularity[kept].mean()),
            self._shares(kept),
        )

    def _shares(self, kept: Rows) -> dict[str, float]:
        if self._groups is None or not len(kept):
            return {}
        numbers, member = self._groups.of_rows(kept)
        shares = member.mean(0)
        order = np.argsort(-shares, kind="stable")
        return {self._groups.names[numbers[place]]: float(shares[place]) for place in order}


def remembered_curves(recommender: "Recommender", fold: Fold, split: str) -> dict[str, Any] | None:
    """The curves that go into a bundle, as JSON: few people, few strengths, of the rules that change
    any list; None where the recipe wants none, or nobody can be asked.

    Args:
        fold, split: as `curves_of` takes them.
    """
    people = recommender.recipe.evaluation.curve_people
    if not people or not len(who(fold)):
        return None
    rules = usual(recommender.recipe.reranking, (), FEW_STRENGTHS)
    found = curves_of(recommender, fold, split, rules, people=people)
    moving = {name: points for name, points in found.curves.items() if _moves(points)}
    return replace(found, curves=moving).as_json()


def _moves(points: Sequence[Point]) -> bool:
    """Whether a rule changed any list: calibration of a catalogue without categories doesn't."""
    return any(replace(point, strength=0.0) != replace(points[0], strength=0.0) for point in points)


def usual(
    recipe: RerankingRecipe, rules: Sequence[str], strengths: Sequence[float] = STRENGTHS
) -> dict[str, list[tuple[float, Settings]]]:
    """Of each rule with a strength, ever stronger, the others off; of diversity both methods; of fair shares,
    where the recipe has any, off and on.

    Args:
        recipe: says what a rule goes by beside its strength.
        rules: `popularity`, `freshness`, `calibration`, `mmr`, `dpp`, `fairness`; `against popularity` goes
            below 0. Empty for all.
        strengths: from 0 up.
    Raises: RecipeError for another, and for shares that the recipe doesn't have.
    """
    tables: dict[str, tuple[str, float, Settings]] = {
        "popularity": ("popularity", 1.0, {}),
        "against popularity": ("popularity", -1.0, {}),
        "freshness": ("freshness", 1.0, {}),
        "calibration": ("calibration", 1.0, {}),
        "mmr": ("diversity", 1.0, {"method": "mmr"}),
        "dpp": ("diversity", 1.0, {"method": "dpp"}),
    }
    found: dict[str, list[tuple[float, Settings]]] = {}
    for name in rules or (*tables, *(["fairness"] if recipe.fairness.of else [])):
        if name == "fairness":
            if not recipe.fairness.of:
                raise RecipeError(
                    "Of fairness no curve is drawn: the bundle's recipe has no reranking.fairness.shares."
                )
            found[name] = [(0.0, {}), (1.0, {name: recipe.fairness.model_dump()})]
            continue
        if name not in tables:
            raise RecipeError(f"No curve is drawn of {name!r}. There are {', '.join([*tables, 'fairness'])}.")
        table, sign, more = tables[name]
        own = getattr(recipe, table).model_dump() | dict(more)
        found[name] = [
            (sign * strength, {table: own | {"strength": sign * strength}}) for strength in strengths
        ]
    return found
