"""Why an item stands in a slate, in words that can be checked.

"Because of X" is said of the history item without which the recommended one would score
lowest: it is left out and the network asked again, so the reason is true of the model by its making. Where a
ranker orders the list, it is asked again too.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import PAD, Catalogue, Rows
from tastemaker.data.interactions import Interactions
from tastemaker.data.titles import franchise_key, normalised, series_key
from tastemaker.features.batches import Window
from tastemaker.recipe import Role
from tastemaker.retrieve.candidates import Candidates
from tastemaker.retrieve.sources import NEAREST

if TYPE_CHECKING:
    from tastemaker.asked import Asked
    from tastemaker.recommend import Recommender

Reasons = list[tuple[str, ...]]


def because(
    recommender: "Recommender", log: Interactions, user: int, found: Candidates, asked: "Asked"
) -> Reasons:
    """For each of `found` (n,), the item of the history that lifts it most in the model's eyes, if one does
    and the item would indeed be ranked with a lower score without it."""
    places = _lifting(recommender, log, user, found.rows)
    brought = np.array([NEAREST in names for names in found.sources], bool)
    if places is None or not brought.any():
        return [()] * len(found)
    places = np.where(brought, places, PAD)
    history = recommender.nearest.window(log, np.array([user], np.int32)).rows[0]
    named = np.flatnonzero(places != PAD)
    if recommender.ranker is not None and len(named):
        most = recommender.pool(len(found))
        rows, without = found.rows[named], history[places[named]]
        places[named[~_falls_without(recommender, log, user, rows, without, most, asked)]] = PAD
    titles = recommender.catalogue.titles
    return [(f"because of {titles[history[place]]}",) if place != PAD else () for place in places]


def _lifting(
    recommender: "Recommender", log: Interactions, user: int, rows: Rows
) -> npt.NDArray[np.intp] | None:
    """(n,) place in the history, newest first, of what lifts each of `rows` most; PAD where nothing does."""
    scores = _scores_without_each(recommender, log, user, rows)  # (1 + H, n): all, then without each
    if scores is None:
        return None
    lift = scores[0] - scores[1:]
    best = lift.argmax(axis=0)
    return np.where(lift[best, np.arange(len(rows))] > 0, best, PAD)


def _falls_without(
    recommender: "Recommender",
    log: Interactions,
    user: int,
    rows: Rows,
    named: Rows,
    most: int,
    asked: "Asked",
) -> npt.NDArray[np.bool_]:
    """(n,) whether each of `rows` (n,) scores lower with the ranker once what it is `named` (n,) after is
    gone from the history. All stages are asked again, since the ranker sees what the earlier ones say.

    Args:
        most: candidates of which the list was chosen.
    """
    own = slice(log.offsets[user], log.offsets[user + 1])
    different = np.unique(named)
    kept = [np.flatnonzero(log.rows[own] != row) + own.start for row in different]
    kept.append(np.arange(own.start, own.stop))
    events = np.concatenate(kept)
    variants = Interactions(
        [log.user_ids[user]] * len(kept),
        np.cumsum([0, *map(len, kept)]),
        log.rows[events],
        log.times[events],
        log.weights[events],
        log.is_ordered,
        log.is_clock,
    )
    # The moment stays what it was, though the newest event may be the one that is missing.
    occasion = asked.occasion
    if occasion.now is None and log.is_clock and own.stop > own.start:
        occasion = occasion._replace(now=float(np.nextafter(log.times[own.stop - 1], np.inf)))
    users = np.arange(len(kept), dtype=np.int32)
    scores = np.full((len(kept), len(rows)), -np.inf)
    lists = recommender.in_order(variants, users, most, asked._replace(occasion=occasion))
    for place, found in enumerate(lists):
        where = {int(row): float(score) for row, score in zip(found.rows, found.scores, strict=True)}
        scores[place] = [where.get(int(row), -np.inf) for row in rows]
    return np.asarray(scores[np.searchsorted(different, named), np.arange(len(rows))] < scores[-1])


def _scores_without_each(
    recommender: "Recommender", log: Interactions, user: int, rows: Rows
) -> npt.NDArray[np.float32] | None:
    window = recommender.nearest.window(log, np.array([user], np.int32))
    # Of a history longer than the tower sees, the newest are asked about.
    count = int((window.rows[0, : recommender.bundle.manifest.history_length] != PAD).sum())
    if not count or not len(rows):
        return None
    without = np.repeat(window.rows, count + 1, axis=0)
    # Left out, every time it stands there; the others keep their places, so only its absence is measured.
    without[1:][window.rows[0] == window.rows[0, :count, None]] = PAD
    # So do their times: what is left is as far apart as it was.
    ages = None if window.ages is None else np.repeat(window.ages, count + 1, axis=0)
    variants = Window(without, np.repeat(window.values, count + 1, axis=0), ages)
    return recommender.nearest.scores(variants, [log.user_ids[user]] * (count + 1), rows)


LOOKED_AT = 50
"""Newest events of a history that a shown item is held against."""


def resembling(recommender: "Recommender", history: Rows, rows: Rows) -> Reasons:
    """What of a `history` (H,), oldest first, each of `rows` (n,) is most like, by the model's own vectors,
    where it is like anything. That is no claim about why it stands there."""
    if not len(history) or not len(rows):
        return [()] * len(rows)
    newest = history[-LOOKED_AT:]
    likeness = recommender.nearest.neighbours.likeness(rows, newest)  # (n, H)
    best = likeness.argmax(1)
    titles = recommender.catalogue.titles
    return [
        (f"like {titles[newest[place]]}",) if likeness[row, place] > 0 else ()
        for row, place in enumerate(best)
    ]


def kinship(catalogue: Catalogue, row: int, rows: Rows) -> Reasons:
    """What each of `rows` openly shares with `row`: series or franchise, then values of categories."""
    titles = catalogue.titles
    series, franchise = series_key(titles[row]), franchise_key(titles[row])
    own = _values(catalogue, row)
    reasons: Reasons = []
    for other in rows:
        shared: list[str] = []
        if series_key(titles[other]) == series:
            shared.append("same series")
        elif franchise_key(titles[other]) == franchise:
            shared.append("same franchise")
        shared += [value for value in _values(catalogue, int(other)) if value in own]
        reasons.append(tuple(shared))
    return reasons


class Bond(NamedTuple):
    """Something that two items openly share; no claim that the model goes by it.

    what: of the column, where it is one.
    text: the value or the word; of series and franchise, what both are called.
    have: how many items of the catalogue share it; of people, how many touched both.
    of: how many there are; of people, those who touched the one asked about.
    """

    kind: Literal["series", "franchise", "value", "year", "word", "people"]
    text: str
    have: int
    of: int
    what: str = ""

    def as_json(self) -> dict[str, Any]:
        return self._asdict()


RARE = 0.01
"""Of all titles: a word in more of them says nothing of two that have it."""


def word_counts(catalogue: Catalogue) -> Counter[str]:
    """In how many titles each word stands; half a second for 100,000 titles."""
    counts: Counter[str] = Counter()
    for title in catalogue.titles:
        counts.update(_words(title))
    return counts


def bonds(
    recommender: "Recommender", row: int, rows: Sequence[int] | Rows, words: Mapping[str, int]
) -> list[list[Bond]]:
    """What each of `rows` shares with `row`, what few share first within its kind.

    Args:
        words: of `word_counts`.
    """
    catalogue = recommender.catalogue
    rows = [int(each) for each in rows]
    found: list[list[Bond]] = [[] for _ in rows]
    _of_titles(catalogue, row, rows, words, found)
    _of_columns(catalogue, row, rows, found)
    _of_people(recommender.bundle.histories, row, rows, found)
    return found


def _of_titles(
    catalogue: Catalogue, row: int, rows: Sequence[int], words: Mapping[str, int], found: list[list[Bond]]
) -> None:
    titles, size = catalogue.titles, catalogue.size
    series, franchise, own = series_key(titles[row]), franchise_key(titles[row]), _words(titles[row])
    for place, other in enumerate(rows):
        title = titles[other]
        if series and series_key(title) == series:
            found[place].append(Bond("series", series, 0, size))
        elif franchise and franchise_key(title) == franchise:
            found[place].append(Bond("franchise", franchise, 0, size))
        shared = sorted(own & _words(title), key=lambda word: (words.get(word, 0), word))
        found[place] += [
            Bond("word", word, words.get(word, 0), size)
            for word in shared
            if words.get(word, 0) <= max(5, RARE * size)
        ]


def _of_columns(catalogue: Catalogue, row: int, rows: Sequence[int], found: list[list[Bond]]) -> None:
    size = catalogue.size
    for column in catalogue.columns:
        if column.name not in catalogue.frame.columns:
            continue
        values = catalogue.frame[column.name]
        if column.role is Role.DATE and values[row] is not None:
            years = values.dt.year()
            count = int((years == years[row]).sum())
            for place, other in enumerate(rows):
                if years[other] == years[row]:
                    found[place].append(Bond("year", str(years[row]), count, size, column.name))
        elif column.role in (Role.CATEGORY, Role.CATEGORIES):
            flat = values.explode() if column.role is Role.CATEGORIES else values
            counted = {value: int((flat == value).sum()) for value in said(values[row])}
            for place, other in enumerate(rows):
                both = sorted(
                    counted.keys() & set(said(values[other])), key=lambda each: (counted[each], each)
                )
                found[place] += [Bond("value", each, counted[each], size, column.name) for each in both]


def _of_people(log: Interactions, row: int, rows: Sequence[int], found: list[list[Bond]]) -> None:
    touched = np.unique(_people(log, row))
    for place, other in enumerate(rows if len(touched) else ()):
        both = len(np.intersect1d(touched, _people(log, other)))
        if both:
            found[place].append(Bond("people", "", both, len(touched)))


def _people(log: Interactions, row: int) -> npt.NDArray[np.intp]:
    """Who touched it, once for each time."""
    return np.searchsorted(log.offsets, np.flatnonzero(log.rows == row), side="right") - 1


def _words(title: str) -> set[str]:
    """Of all its halves; numbers and single letters say nothing."""
    return {word for word in normalised(title).split() if len(word) > 1 and not word.isdecimal()}


def _values(catalogue: Catalogue, row: int) -> Sequence[str]:
    """Category values that say something by themselves ("Korean"), not flags ("Yes")."""
    values: list[str] = []
    for name in catalogue.by_role(Role.CATEGORY, Role.CATEGORIES):
        values += said(catalogue.frame[name][row])
    return values


def said(value: Any) -> list[str]:
    """The values of one cell that say something by themselves."""
    found = [value] if isinstance(value, str) else list(value) if value is not None else []
    return [each for each in found if each and each.casefold() not in _FLAGS]


_FLAGS = {"yes", "no", "true", "false", "y", "n", "0", "1"}
