"""What may have drifted, each as a distance between two windows, and the limit from which it is worth a look.

An alarm wants both: a distance beyond its limit, and one that chance doesn't explain. With many events any
change can be told from chance, and with few a large one comes by itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.data.interactions import Interactions
from tastemaker.errors import DataError
from tastemaker.evaluation.drift import measures
from tastemaker.evaluation.drift.swaps import Distance, Floats, swapped
from tastemaker.evaluation.drift.windows import Window, Windows, pooled
from tastemaker.recipe import Role

if TYPE_CHECKING:
    from tastemaker.recommend import Recommender

Integers = npt.NDArray[np.integer[Any]]

MOST_PEOPLE = 2000
"""Asked for lists, drawn by chance."""
FEWEST = 20
"""People behind a measure."""
BINS, FINE = 10, 50
"""Of scores: for the stability index, and for the Kolmogorov–Smirnov distance."""
MOST_GROUPS = 200
MOST_COLUMNS = 3

LIMITS = {
    "scores": 0.1,
    "choices": 0.1,
    "concentration": 0.05,
    "cold items": 0.05,
    "cold people": 0.1,
    "query norms": float(np.log(1.1)),
    "item norms": float(np.log(1.1)),
    "churn": 0.1,
    "replaced": 0.5,
    "activity": float(np.log(1.25)),
    "mix": 0.01,
}
"""From where on a change is worth a look. A stability index of 0.1 is the usual lower mark ("moderate");
shares by five points, people by ten, of whom some always are new; vectors a tenth longer or shorter; one
place in ten of a list beyond what chance changes, or half of it from bundle to bundle; activity by a quarter;
0.01 bits, which is twelve in a hundred events going from one of two equal groups to the other."""


class Alarm(NamedTuple):
    """One thing that may have drifted.

    name: what it is about, of LIMITS; `mix` with its column.
    before, after: what it was and is, in words.
    distance: between them.
    limit: from which on it counts.
    chance: of as great a distance without any change.
    adjusted: the same allowing for all alarms; see `swaps.holm`.
    """

    name: str
    before: str
    after: str
    distance: float
    limit: float
    chance: float
    adjusted: float = 1.0

    @property
    def is_raised(self) -> bool:
        return self.distance >= self.limit and self.adjusted <= 0.05


class Test(NamedTuple):
    """Holds one distance to its limit.

    rng: tosses the coins.
    swaps: behind each chance.
    """

    rng: np.random.Generator
    swaps: int

    def __call__(
        self,
        name: str,
        sums: "Sequence[Floats] | Sequence[csr_matrix]",
        distance: Distance,
        told: Iterable[str],
        limit: float | None = None,
    ) -> Alarm:
        """Of what each person adds before and after, (U, M) each; and what it was and is, in words."""
        before, after = sums
        was, has_become = told
        found, chance = swapped(before, after, distance, self.rng, self.swaps)
        return Alarm(name, was, has_become, found, LIMITS[name] if limit is None else limit, chance)


def of_log(recommender: "Recommender", windows: Windows, test: Test) -> Iterator[Alarm]:
    """What the logs show without any model: activity, concentration, what is cold, categories."""
    if windows.before.log.is_clock == windows.after.log.is_clock:
        yield _activity(windows, test)
    one, two = windows.even
    counts = [
        _counts(window.people, window.items, windows.people, len(windows.rows)) for window in (one, two)
    ]
    told = [_sums(each) for each in counts]
    words = (
        f"Gini {measures.gini(each)[0]:.3f}, top 1 % has {measures.top_share(each)[0]:.1%}" for each in told
    )
    yield test("concentration", counts, measures.gini_change, words)
    is_cold = windows.rows == PAD
    yield _share(test, "cold items", [_marked(each, is_cold, windows.people) for each in (one, two)])
    known = {*recommender.bundle.histories.user_ids}
    if known:
        strange = np.array([name not in known for name in windows.user_ids])
        present = [
            np.bincount(each.people, minlength=windows.people) > 0 for each in (windows.before, windows.after)
        ]
        yield _share(
            test,
            "cold people",
            [np.column_stack([each & strange, each]).astype(np.float64) for each in present],
        )
    for column in _columns(recommender):
        groups = recommender.facts.groups(column)
        group = np.append(groups.first(np.arange(recommender.catalogue.size, dtype=np.int32)), PAD)
        names = len(groups.names)
        mixes = []
        for window in (one, two):
            own = group[windows.rows[window.items]]
            mixes.append(_counts(window.people[own != PAD], own[own != PAD], windows.people, names))
        if min(each.sum() for each in mixes) == 0:
            continue
        shares = [_sums(each)[0] / _sums(each).sum() for each in mixes]
        most = int(np.argmax(np.abs(shares[1] - shares[0])))
        words = (f"{groups.names[most]} {share[most]:.1%}" for share in shares)
        yield test(f"mix of {column}", mixes, measures.jensen_shannon, words, LIMITS["mix"])


def of_model(recommender: "Recommender", windows: Windows, test: Test, k: int) -> Iterator[Alarm]:
    """What the bundle makes of them: scores of its lists and of what was chosen, vectors, churn."""
    logs = [window.log for window in windows.even]
    counts = [np.diff(log.offsets) for log in logs]
    asked = [_some(np.flatnonzero(count > 0), test.rng) for count in counts]
    scores = [_scores(recommender, log, own, k) for log, own in zip(logs, asked, strict=True)]
    yield from _binned(test, "scores", scores, asked, windows.people)
    several = [_some(np.flatnonzero(count > 1), test.rng) for count in counts]
    if min(map(len, several)) >= FEWEST:
        chosen = [_chosen(recommender, log, own)[:, None] for log, own in zip(logs, several, strict=True)]
        yield from _binned(test, "choices", chosen, several, windows.people)
    both = _some(np.flatnonzero((counts[0] > 0) & (counts[1] > 0)), test.rng)
    if len(both) < FEWEST:
        return
    if recommender.bundle.towers.get("query_tower") is not None:
        lengths = [np.linalg.norm(_queries(recommender, log, both), axis=1) for log in logs]
        yield _norms(test, "query norms", lengths)
    lists = [_lists(recommender, log, both, k) for log in logs]
    mixed = [_lists(recommender, log, both, k) for log in pooled(windows.even, windows.user_ids, test.rng)]
    changed, by_chance = _replaced(*lists), _replaced(*mixed)
    one = np.ones(len(both))
    words = (f"{by_chance.mean():.0%} of a list by chance", f"{changed.mean():.0%} of it")
    sums = [np.column_stack([own, one]) for own in (by_chance, changed)]
    yield test("churn", sums, measures.rise, words)


def of_bundles(
    recommender: "Recommender", older: "Recommender", windows: Windows, test: Test, k: int
) -> Iterator[Alarm]:
    """What a bundle does otherwise than an older one: lengths of item vectors, lists of the same people.

    Raises: DataError where the two have no item in common.
    """
    theirs = older.catalogue.rows(recommender.catalogue.ids)
    ours = np.flatnonzero(theirs != PAD)
    if not len(ours):
        raise DataError("The older bundle knows none of this one's items: it is of another catalogue.")
    if len(ours) >= FEWEST:
        pairs = ((older, theirs[ours]), (recommender, ours))
        lengths = [
            np.linalg.norm(np.asarray(of.bundle.arrays["item_vectors"])[rows], axis=1) for of, rows in pairs
        ]
        yield _norms(test, "item norms", lengths)
    after = windows.after.log
    asked = _some(np.flatnonzero(np.diff(after.offsets) > 0), test.rng)
    if len(asked) < FEWEST:
        return
    now = _lists(recommender, after, asked, k)
    own = np.append(theirs, PAD)
    # A list of the older bundle, by its own rows, from the same events.
    kept = after.renumbered(theirs)
    before = _lists(older, kept, asked, k)
    changed = _replaced(before, np.where(now == PAD, PAD, own[now]))
    half, one = np.full(len(asked), LIMITS["replaced"]), np.ones(len(asked))
    words = ("the older bundle's lists", f"{changed.mean():.0%} of a list replaced")
    sums = [np.column_stack([share, one]) for share in (half, changed)]
    more = test("replaced", sums, measures.rise, words)
    yield more._replace(distance=float(changed.mean()))


def _activity(windows: Windows, test: Test) -> Alarm:
    each = (windows.before, windows.after)
    counts = [np.bincount(window.people, minlength=windows.people) / window.days for window in each]
    sums = [np.column_stack([count, count > 0]) for count in counts]
    words = tuple(f"{measures.mean(_sums(own))[0]:.3g} events" for own in sums)
    return test("activity", sums, measures.factor, words)


def _share(test: Test, name: str, parts: list[Floats]) -> Alarm:
    """Of (U, 2): how many of a person's are, and how many there are."""
    words = tuple(f"{measures.mean(_sums(own))[0]:.1%}" for own in parts)
    return test(name, parts, measures.rise, words)


def _marked(window: Window, is_marked: Rows, people: int) -> Floats:
    """(U, 2) events of each person on items that are marked (M,), and all."""
    marked = np.bincount(window.people, is_marked[window.items], people)
    return np.column_stack([marked, np.bincount(window.people, minlength=people)]).astype(np.float64)


def _binned(test: Test, name: str, values: list[Floats], asked: list[Rows], people: int) -> Iterator[Alarm]:
    """Values (P, n) of people, NaN where there are none, by quantiles of both windows together."""
    both = np.concatenate([each.ravel() for each in values])
    # An edge may come twice: of few different values each keeps a bin in proportion to where it lies.
    edges = np.nanquantile(both, np.linspace(0, 1, FINE + 1)[1:-1]) if len(both) else np.zeros(0)
    sums = []
    for own, who in zip(values, asked, strict=True):
        bins = np.searchsorted(edges, own, side="right")
        known = ~np.isnan(own)
        sums.append(_counts(np.repeat(who, own.shape[1])[known.ravel()], bins[known], people, FINE))
    middles = [f"median {np.nanmedian(own):.3g}" if own.size else "–" for own in values]
    found = test(name, sums, measures.in_bins(measures.psi, FINE // BINS), middles)
    far = float(measures.kolmogorov(*(_sums(each) for each in sums))[0])
    yield found._replace(after=f"{found.after}, KS {far:.3f}")


def _norms(test: Test, name: str, lengths: list[Floats]) -> Alarm:
    logs = [np.log(np.maximum(each, 1e-12)) for each in lengths]
    one = np.ones(len(logs[0]))
    words = tuple(f"{np.exp(own.mean()):.3g}" for own in logs)
    return test(name, [np.column_stack([own, one]) for own in logs], measures.change, words)


def _scores(recommender: "Recommender", log: Interactions, people: Rows, k: int) -> Floats:
    """(P, k) scores of what each is recommended."""
    hits = recommender.ranked([log.user_ids[int(user)] for user in people], k, interactions=log)
    return np.where(hits.rows == PAD, np.nan, hits.scores).astype(np.float64)


def _lists(recommender: "Recommender", log: Interactions, people: Rows, k: int) -> Rows:
    return recommender.ranked([log.user_ids[int(user)] for user in people], k, interactions=log).rows


def _chosen(recommender: "Recommender", log: Interactions, people: Rows) -> Floats:
    """(P,) of each person's last event, the share of the catalogue that scored lower before it."""
    last = log.offsets[1:][people] - 1
    keep = np.ones(log.size, np.bool_)
    keep[last] = False
    earlier = log.where(keep)
    found = np.zeros(len(people))
    for at in range(0, len(people), 256):
        block = people[at : at + 256].astype(np.int32)
        names = [log.user_ids[int(user)] for user in block]
        scores = recommender.nearest.scores(recommender.nearest.window(earlier, block), names)
        own = np.take_along_axis(scores, log.rows[last[at : at + 256]][:, None].astype(np.intp), axis=1)
        found[at : at + 256] = (scores < own).mean(1)
    return found


def _queries(recommender: "Recommender", log: Interactions, people: Rows) -> Floats:
    window = recommender.nearest.window(log, people.astype(np.int32))
    names = [log.user_ids[int(user)] for user in people]
    return np.asarray(recommender.nearest.query_vectors(window, names), np.float64)


def _replaced(before: Rows, after: Rows) -> Floats:
    """(P,) share of the first list's places whose item the second lacks."""
    there = (before[:, :, None] == after[:, None, :]).any(2) & (before != PAD)
    return np.asarray(1 - there.sum(1) / np.maximum((before != PAD).sum(1), 1))


def _columns(recommender: "Recommender") -> list[str]:
    """Of categories, the first few that aren't nearly as many as the items."""
    catalogue = recommender.catalogue
    found = []
    for column in catalogue.by_role(Role.CATEGORY, Role.CATEGORIES):
        names = len(recommender.facts.groups(column).names)
        if 2 <= names <= min(MOST_GROUPS, catalogue.size // 2):
            found.append(column)
    return found[:MOST_COLUMNS]


def _counts(people: Integers, what: Integers, rows: int, columns: int) -> csr_matrix:
    return csr_matrix((np.ones(len(people)), (people, what)), shape=(rows, columns))


def _sums(values: Floats | csr_matrix) -> Floats:
    return np.asarray(values.sum(0), np.float64).reshape(1, -1)


def _some(people: Integers, rng: np.random.Generator) -> Rows:
    return np.sort(rng.permutation(people)[:MOST_PEOPLE]).astype(np.int32)
