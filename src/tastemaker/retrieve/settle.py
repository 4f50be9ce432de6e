"""How far new items are spread about the mean of the known, so that both can stand in one list.

Said by the model as it is served, so this is asked of it: at the end of a trial, or when the first item comes
that is newer than the model.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from tastemaker.data.interactions import Interactions
from tastemaker.features.kin import Kin, Lesson
from tastemaker.features.newcomers import AT_ONCE, Newcomers, are_foretold
from tastemaker.features.pairs import Pairs, faded
from tastemaker.retrieve.nearest import Nearest

Floats = npt.NDArray[np.float32]
Users = npt.NDArray[np.int32]
Places = npt.NDArray[np.int64]

ASKED = 500
"""Users whose lists say how much new items have to be spread."""
FOLDS = 10
"""Parts of the known items, each of which is scored as if it were new."""
MOST = 5000
"""Items in all of them, at most."""
SPREADS = (2.0**-3, 2.0**5)
"""Least and most. A regression draws everything to the mean, so it is mostly above 1."""
STEPS = 20
"""Halvings of what lies between them."""
K = 10
MOST_SCORES = 1 << 25
"""Scores of people's lists held at once, 128 MB: of millions of items, fewer people are asked at once."""


def settle(
    nearest: Nearest, kin: Kin, history: Interactions, users: Users, rng: np.random.Generator
) -> Newcomers:
    """The spread by which being new neither lifts nor buries.

    Known items are scored as if they were new and nobody had seen them, part by part, each foretold from the
    others. Spread rightly, they fill as large a share of the first ten places of people's lists as
    they have of the log.

    Args:
        nearest: the model as it is served, but for new items.
        kin: of its catalogue.
        history: what is known of `users` (B,).
    """
    if not len(users) or len(kin.known) < FOLDS:
        return Newcomers()
    users = users if len(users) <= ASKED else np.sort(rng.choice(users, ASKED, replace=False))
    places = rng.permutation(len(kin.known))[:MOST]
    parts = np.array_split(np.arange(len(places)), FOLDS)
    scores = _scores(nearest, kin, history, users, [places[part] for part in parts])
    counts = history.counts(nearest.bundle.catalogue.size)
    due = counts[kin.known[places]].sum() / counts.sum()

    def filled(spread: float) -> float:
        found = 0.0
        for part, others in zip(parts, scores.others, strict=True):
            pretended = scores.base + spread * scores.deviations[:, part]
            bar = _highest(np.concatenate([others, pretended], axis=1))[:, -1:]
            found += float((pretended >= bar).mean()) * len(part) / K
        return found

    low, high = np.log(SPREADS)
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if filled(float(np.exp(middle))) < due else (low, middle)
    return Newcomers(float(np.exp((low + high) / 2)))


class _Scores(NamedTuple):
    """Of B users.

    others: of each part of the known items (B, K), the highest scores of what is known beside it.
    base: (B, 1) what the mean of the known items makes of one that is new.
    deviations: (B, p) what is added to it for each known item of all parts as if new, where the spread is 1.
    """

    others: list[Floats]
    base: Floats
    deviations: Floats


def _scores(nearest: Nearest, kin: Kin, history: Interactions, users: Users, parts: list[Places]) -> _Scores:
    """parts: places among `kin.known`."""
    bundle = nearest.bundle
    window = nearest.window(history, users)
    user_ids = [history.user_ids[user] for user in users]
    others: list[list[Floats]] = [[] for _ in parts]
    step = max(1, MOST_SCORES // bundle.catalogue.size)
    for at in range(0, len(users), step):
        some = slice(at, at + step)
        served = nearest.scores(window.part(some), user_ids[some])
        for scores, user in zip(served, users[some], strict=True):
            scores[history.of(int(user))] = -np.inf
        served[:, kin.new] = -np.inf
        for places, found in zip(parts, others, strict=True):
            rows = kin.known[places]
            own = served[:, rows]
            served[:, rows] = -np.inf
            found.append(_highest(served))
            served[:, rows] = own
    queries = nearest.query_vectors(window, user_ids)
    pairs, weight = bundle.pairs, np.float32(bundle.manifest.pair_weight)
    vectors = np.asarray(bundle.arrays["item_vectors"])
    lesson = kin.learn(vectors[kin.known])
    places = np.concatenate(parts)
    base = queries @ lesson.mean[:, None]
    deviations = queries @ lesson.as_if_new(places).T
    if pairs is not None and are_foretold(pairs):
        lesson = _of_pairs(kin, pairs)
        spoken = faded(window.rows, pairs.weights.shape[0], pairs.decay)
        base = base + weight * (spoken @ lesson.mean[:, None])
        for at in range(0, len(places), AT_ONCE):
            some = slice(at, at + AT_ONCE)
            deviations[:, some] += weight * (spoken @ lesson.as_if_new(places[some]).T)
    return _Scores([np.concatenate(found) for found in others], base, deviations)


def _of_pairs(kin: Kin, pairs: Pairs) -> Lesson:
    """What every item says of the known ones."""
    return kin.learn(sparse.csr_array(pairs.weights.T.tocsr()[kin.known]))


def _highest(scores: Floats) -> Floats:
    """(B, K) the highest of each row, falling."""
    count = min(K, scores.shape[1])
    return -np.sort(-np.partition(scores, -count, axis=1)[:, -count:], axis=1)
