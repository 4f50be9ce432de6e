"""Learns the second network from lists, and says whether its order is better than retrieval's.

Lists are ordered by a network that hasn't learnt from them; how good those orders are decides whether a
ranker is used at all, how far its order may leave retrieval's, and what came of their places mends its
chances. What is kept of lists shown has learnt from all of them; of lists found it is the mean of the trial's
networks, of which each has learnt from all but a part.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt

from tastemaker.data.impressions import Impressions
from tastemaker.data.interactions import Interactions
from tastemaker.data.split import Fold, at_time
from tastemaker.errors import TrainingError
from tastemaker.evaluation.exam import asked
from tastemaker.evaluation.intervals import Interval, mean_interval
from tastemaker.evaluation.lists import ndcg_of_lists
from tastemaker.features.lessons import Lessons
from tastemaker.features.scaling import Scaling
from tastemaker.progress import Progress, Report
from tastemaker.rank.asking import of_found, of_shown
from tastemaker.rank.calibration import Calibration, Isotonic, Platt
from tastemaker.rank.directions import Directions
from tastemaker.rank.objective import Objective
from tastemaker.rank.ranker import CHANCES, RankerNote, View, told
from tastemaker.recipe import Recipe
from tastemaker.recommend import Recommender
from tastemaker.training.impressions import holds
from tastemaker.training.parts import Parts
from tastemaker.training.propensity import by_em, randomised

Floats = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int64]
Kind = Literal["shown", "found"]

ENOUGH = 200
"""Lists in which something was chosen, below which no order can be told from another."""
FOLDS = 4
"""Parts of the lists found, each ordered by a network that has learnt from the others."""
SHARES = (0.25, 0.5, 0.75, 1.0)
"""How far from retrieval's own scores towards the networks' an order of lists found may go."""
NEWEST = 0.2
"""Share of the lists shown, the newest, that are ordered by a network that has learnt from those before."""
SHOWN_LATE = 0.3
"""Share of what was shown, the newest, that an order is learnt from; retrieval learns from what is older."""
TOP, OTHERS = 50, 50
"""Rivals of what was chosen in a list of hundreds: the first of them, and some of the others."""
MOST = 8_000
"""Lists found, at most: 500 candidates with 45 numbers each are 0.7 GB of them, and twice that while they are
laid together."""
K = 10


@dataclass(frozen=True)
class Ranking:
    """A second network, and how good it is.

    Attributes:
        note: what a bundle says of it.
        tower, original: LiteRT and Keras.
        vectors: (N, D) of the items as it saw them; those of another training lie turned.
        gain: NDCG@10 of its order on lists that it hadn't learnt from, less that of retrieval's order.
        lists: how many those were.
    """

    note: RankerNote
    tower: bytes
    original: bytes
    vectors: Floats
    gain: Interval
    lists: int

    @property
    def is_better(self) -> bool:
        """The whole interval lies above 0."""
        return self.gain.low > 0

    def turn(self, vectors: Floats) -> Floats:
        """(D, D) the rotation after which the `vectors` (N, D) of another training lie most like those it
        knows: two trainings find the same likenesses, each in a direction of its own.

        The nearest of all rotations, by Schönemann (Psychometrika, 1966).
        """
        left, _, right = np.linalg.svd(vectors.T @ self.vectors)
        return np.asarray(left @ right, np.float32)


def lists_to_come(train: Interactions, shown: Impressions | None, recipe: Recipe) -> Fold | None:
    """A cut in time after which enough lists were shown to learn an order from: what retrieval has learnt of
    their clicks it would only remember. None where there are too few, or no clock tells.
    """
    if shown is None or recipe.ranking.use == "never" or not (shown.shown.is_clock and train.is_clock):
        return None
    log = shown.shown
    known = log.times <= train.times.max(initial=-np.inf)
    if not known.any():
        return None
    cut = float(np.quantile(log.times[known], 1 - SHOWN_LATE))
    late = known & (log.times >= cut) & (log.weights > 0)
    fold = at_time(train, cut)
    enough = min(len(np.unique(shown.lists[late])), len(asked(fold))) >= ENOUGH
    return fold if enough and fold.train.size else None


def ordered(
    recommender: Recommender, fold: Fold, strict: Fold, shown: Impressions | None, report: Report
) -> tuple[Ranking | None, str]:
    """The second network, where it is to be used, and a sentence on why or why not.

    Args:
        recommender: that has learnt from the train of both folds, in retrieval's own order.
        fold: what it was chosen by, and an order is learnt from.
        strict: the exam to come, of which nothing may be known.
        shown: what people were shown; lists of it are learnt from where there are enough between the two.
    """
    recipe = recommender.recipe
    if recipe.ranking.use == "never" or recipe.preset != "default":
        return None, "retrieval's, as the recipe has it"
    view = View(recommender.bundle, recommender.nearest, recommender.series, _devices(shown))
    ranking = None
    if shown is not None and (between := _between(shown, fold, strict)) is not None:
        lessons = of_shown(recommender, view, strict.history, between, report)
        if recipe.ranking.position == "inverse":
            lessons = _with_chances(lessons, recipe)
        ranking = learn_order(lessons, view, "shown", None, recipe, report)
    if ranking is None:
        users = asked(fold, MOST, np.random.default_rng(recipe.seed))
        lessons = of_found(recommender, view, fold, users, report)
        relevant = np.diff(fold.targets.offsets)[users]
        ranking = learn_order(lessons, view, "found", relevant, recipe, report)
    if ranking is None:
        return None, f"retrieval's: fewer than {ENOUGH} lists hold anything that was chosen"
    told = f"NDCG@{K} {_signed(ranking.gain)} to retrieval's on {ranking.lists:,} lists"
    what = {"shown": "that people were shown", "found": "that retrieval found"}[ranking.note.kind]
    if ranking.is_better or recipe.ranking.use == "always":
        return ranking, f"a ranker's, learnt from lists {what}: {told}"
    return None, f"retrieval's: a ranker, learnt from lists {what}, isn't shown to be better: {told}"


def with_ranking(parts: Parts, ranking: Ranking) -> Parts:
    """The parts of a model with the second network, which is to see vectors turned as those it has learnt."""
    rotation = ranking.turn(Directions(parts.arrays["item_vectors"]).whole)
    return replace(
        parts,
        arrays=parts.arrays | {"ranker/rotation": rotation},
        towers={**parts.towers, "ranker": ranking.tower},
        originals={**parts.originals, "ranker": ranking.original},
        ranker=ranking.note.model_dump(mode="json"),
    )


def learn_order(
    lessons: Lessons, view: View, kind: Kind, relevant: Counts | None, recipe: Recipe, report: Report
) -> Ranking | None:
    """A network that has learnt from all lists; None where too few hold anything that was chosen.

    Args:
        lessons: S lists, those found in the order of retrieval, those shown oldest first.
        view: that saw them.
        relevant: (S,) how much there was to be found for each; None for what stands in it.
    """
    from tastemaker.model.mixing import mixed
    from tastemaker.model.ranking import fit_ranker
    from tastemaker.model.wide import alone

    chosen = np.bincount(lessons.lists, lessons.labels["click"] > 0, minlength=lessons.list_count) > 0
    if chosen.sum() < ENOUGH:
        return None
    rng = np.random.default_rng(recipe.seed)
    # Lists that retrieval found without the answer teach a contest nothing; lists shown, that nobody chose.
    useful = np.flatnonzero(chosen) if kind == "found" else np.arange(lessons.list_count)
    taught = with_rivals(lessons, rng) if kind == "found" else lessons
    score = view.moments.names.index("retrieval_score")
    scaling = Scaling.fit(taught.numbers) if kind == "found" else None
    base = None if scaling is None else score
    fit = partial(fit_ranker, seed=recipe.seed, kind=kind, base=base, scaling=scaling)
    parts = parts_of(lessons.list_count, kind, rng)
    held, outputs, starts, members = [], [], [], []
    for number, part in enumerate(parts):
        report(Progress("order, on trial", number, len(parts)))
        inside, outside = (
            taught.of_lists(some) for some in (np.intersect1d(useful, part), np.setdiff1d(useful, part))
        )
        tried = fit(outside, inside, recipe.ranking)
        members.append(tried)
        each = lessons.of_lists(part)
        outputs.append(tried.raw(each))
        each = replace(each, numbers=each.numbers[:, score : score + 1].copy())  # the rest is most of it all
        held.append(each if tried.examination is None else _looked_at(each, tried.examination))
        if scaling is not None:
            line = alone(outside, scaling(outside.numbers)[:, score])
            starts.append(line(scaling.of(score)(each.numbers)))
    report(Progress("order, on trial", len(parts), len(parts)))
    dues = [None if relevant is None else relevant[part] for part in parts]
    if scaling is None:
        epochs = round(float(np.mean([member.epochs for member in members])))
        final = fit(taught, None, recipe.ranking, report=report, epochs=epochs)
    else:
        outputs, share = _shares(held, outputs, starts, dues)
        all_lists = taught.of_lists(useful)
        line = alone(all_lists, scaling(all_lists.numbers)[:, score])
        final = mixed(members, share, line, score)
    calibrations: dict[str, Calibration] = {
        head: _calibration(recipe.ranking.calibration, head, held, [output[:, place] for output in outputs])
        for place, head in enumerate(final.heads)
        if head in CHANCES
        and recipe.ranking.calibration != "none"
        and any(np.isfinite(each.labels[head]).any() for each in held)
    }
    objective = Objective.parse(recipe.ranking.objective, final.heads)
    gains = []
    for due, each, output in zip(dues, held, outputs, strict=True):
        ours = objective(told(final.heads, output, calibrations))
        gains.append(_ndcg(each, ours, due) - _ndcg(each, each.numbers[:, 0], due))
    gain = mean_interval(np.concatenate(gains), rng, recipe.evaluation.bootstrap)
    note = RankerNote(
        kind=kind,
        heads=final.heads,
        features=view.moments.names,
        devices=view.devices,
        objective=recipe.ranking.objective,
        scaling=final.scaling.as_json(),
        calibrations={head: calibration.as_json() for head, calibration in calibrations.items()},
        examination=() if final.examination is None else tuple(final.examination.tolist()),
    )
    count = sum(len(part) for part in parts)
    return Ranking(note, final.tower, final.original, view.vectors, gain, count)


def _shares(
    held: list[Lessons], outputs: list[Floats], starts: list[Floats], dues: list[Counts | None]
) -> tuple[list[Floats], float]:
    """Outputs part of the way from retrieval's logits `starts` to the networks', and the share that is kept.

    Each part goes as far as is best for the others, so that none is judged by what was chosen by it.
    """
    gains = np.array(
        [
            [np.nanmean(_ndcg(each, _on_the_way(start, output, share)[:, 0], due)) for share in SHARES]
            for each, output, start, due in zip(held, outputs, starts, dues, strict=True)
        ]
    )  # (P, C)
    others = [SHARES[int(np.argmax(gains.sum(0) - own))] for own in gains]
    ways = zip(starts, outputs, others, strict=True)
    return [_on_the_way(*way) for way in ways], SHARES[int(np.argmax(gains.sum(0)))]


def _on_the_way(start: Floats, output: Floats, share: float) -> Floats:
    """(M, 1) from retrieval's `start` (M, 1) to the network's `output` (M, 1)."""
    return share * output + (1 - share) * start


def _with_chances(lessons: Lessons, recipe: Recipe) -> Lessons:
    """With how likely each place was to be looked at, found as the recipe asks.

    Raises: TrainingError where it asks for lists in random order, and nothing of such was chosen.
    """
    clicks, is_random = lessons.labels["click"], lessons.is_random
    is_told = is_random is not None and bool(clicks[is_random].any())
    if recipe.ranking.propensities == "randomised" and not is_told:
        raise TrainingError(
            "ranking.propensities is randomised, and no click is known in lists of random order: say in a "
            "column `randomised` which they are, or take em."
        )
    if is_random is not None and is_told and recipe.ranking.propensities != "em":
        looks = randomised(clicks[is_random], lessons.positions[is_random])
    else:
        looks = by_em(lessons)
    return _looked_at(lessons, looks)


def _looked_at(lessons: Lessons, examination: Floats) -> Lessons:
    places = np.clip(lessons.positions, 1, len(examination)) - 1
    return replace(lessons, propensities=np.where(lessons.positions > 0, examination[places], 1))


def _calibration(
    kind: Literal["isotonic", "platt"], head: str, held: list[Lessons], outputs: list[Floats]
) -> Calibration:
    """Of one head, by what came of places it hadn't learnt from.

    A place that is looked at with a chance θ counts θ, and what was chosen there as 1 / θ: over many, the
    share of what is chosen once it is looked at.
    """
    labels = np.concatenate([each.labels[head] for each in held])
    looks = np.concatenate(
        [np.ones(each.size) if each.propensities is None else each.propensities for each in held]
    )
    fit = Isotonic.fit if kind == "isotonic" else Platt.fit
    return fit(np.concatenate(outputs), labels / looks, looks)


def parts_of(lists: int, kind: Kind, rng: np.random.Generator) -> list[Counts]:
    """Of S lists, parts to be ordered by a network that has learnt from the rest, or from those before."""
    if kind == "shown":
        return [np.arange(lists - max(1, round(NEWEST * lists)), lists)]
    return [np.sort(part) for part in np.array_split(rng.permutation(lists), FOLDS)]


def with_rivals(lessons: Lessons, rng: np.random.Generator) -> Lessons:
    """Of each list what was chosen, the first rivals by retrieval, and some that stand for all the others."""
    starts = np.searchsorted(lessons.lists, np.arange(lessons.list_count))
    places = np.arange(lessons.size) - starts[lessons.lists]
    lengths = np.bincount(lessons.lists, minlength=lessons.list_count)[lessons.lists]
    times = np.maximum((lengths - TOP) / OTHERS, 1)
    certain = (places < TOP) | (lessons.labels["click"] > 0)
    drawn = rng.random(lessons.size) * times < 1
    stands_for = np.where(certain, 1, times).astype(np.float32)
    return replace(lessons, stands_for=stands_for).where(certain | drawn)


def _ndcg(lessons: Lessons, scores: Floats, relevant: Counts | None) -> npt.NDArray[np.float64]:
    """(S,) of lists ordered by `scores` (M,); a click at a place that is seldom looked at counts for more."""
    gains = lessons.labels["click"]
    if lessons.propensities is not None:
        gains = gains / lessons.propensities
    return ndcg_of_lists(lessons.lists, scores, gains, K, relevant)


def _between(shown: Impressions, fold: Fold, strict: Fold) -> Impressions | None:
    """What was shown after all that retrieval learnt from, and before all that the exam asks for; None where
    either can't be told. No list of which somebody chose what they will be asked for.
    """
    if not (shown.shown.is_clock and fold.train.is_clock and fold.train.is_ordered):
        return None
    learnt = float(fold.train.times.max(initial=-np.inf))
    log, targets = shown.shown, strict.targets
    first = np.full(targets.user_count, np.inf)
    np.minimum.at(first, targets.users, targets.times)
    places = [targets.user(name) for name in log.user_ids]
    ends = np.array([np.inf if place is None else first[place] for place in places])[log.users]
    newest = float(strict.history.times.max(initial=-np.inf))
    keep = (log.times > learnt) & (log.times < ends) & (log.times <= newest)
    # A list is shown before it is chosen from, and what came of it may be what is asked for.
    answers = np.unique(shown.lists[(log.weights > 0) & holds(targets, log)])
    keep &= ~np.isin(shown.lists, answers)
    return shown.where(keep) if keep.any() else None


def _devices(shown: Impressions | None) -> tuple[str, ...]:
    return () if shown is None else tuple(name for name in shown.devices.names if name)


def _signed(gain: Interval) -> str:
    return f"{gain.mean:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})"
