"""What the folding doctor looks at: lists, what an honest model might show, items' own neighbours."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.data.interactions import Interactions
from tastemaker.evaluation.doctor.islands import near
from tastemaker.evaluation.doctor.shares import Places, Standing, counted, folded, foreign, membership, shares
from tastemaker.hits import Hits
from tastemaker.rerank.facts import Groups
from tastemaker.retrieve.neighbours import Neighbours

if TYPE_CHECKING:
    from tastemaker.evaluation.judge import Marked
    from tastemaker.recommend import Recommender

ROOM = 0.1
"""Between honest and chance: with less, groups overlap so much that folding could hardly show."""
ASKED = 1000
"""Items whose neighbours are looked up, drawn by the recipe's seed."""

Where = dict[tuple[int, int], tuple[str, ...]]


@dataclass(frozen=True)
class Evidence:
    """Of B lists and G groups.

    Attributes:
        of: whether lists are of people or of items.
        standing: where they stand between honest and chance.
        touched: (B, G) how much of each group whoever asks has touched.
        shown, honest: (B, G) places of the lists, and of what they are held against; None where nothing is
            known to be honest.
        yardstick: what `honest` is, in words; "" where it is None.
        neighbours: where items' own neighbours stand, where people were asked.
        where: titles shown most to people who never touched their groups, by whose and of which group.
    """

    of: Literal["people", "items"]
    standing: Standing
    touched: sparse.csr_array
    shown: sparse.csr_array
    honest: sparse.csr_array | None
    yardstick: str
    neighbours: Standing | None
    where: Where


def of_people(
    recommender: "Recommender", exam: "Marked | None", groups: Groups, k: int, rng: np.random.Generator
) -> Evidence:
    """The lists of an exam, against what people turned to.

    Without an exam, those of everybody the bundle knows, against each one's own events.
    """
    if exam is not None:
        log, users, rows = exam.fold.history, exam.ours.users, exam.ours.rows[:, :k]
        answers = Places.of_log(exam.fold.targets, users)
        yardstick = "what people turned to later"
    else:
        log = recommender.bundle.histories
        users = np.flatnonzero(np.diff(log.offsets)).astype(np.int32)
        most = recommender.recipe.evaluation.max_users
        users = users if len(users) <= most else np.sort(rng.choice(users, most, replace=False))
        rows = recommender.top(log, users, min(k, recommender.catalogue.size))
        answers, yardstick = None, "each one's own events, one asked against the others"
    member, history = membership(groups), Places.of_log(log, users)
    lists, count = Places.of_lists(rows), len(users)
    standing = folded(shares(lists, history, answers, member, count), rng, ROOM)
    touched = counted(history, member, count)
    return Evidence(
        "people",
        standing,
        touched,
        counted(lists, member, count),
        counted(history if answers is None else answers, member, count),
        yardstick,
        _neighbours(recommender, log, member, k, rng),
        _where(recommender, lists, foreign(lists, member, touched) == 1, touched, member),
    )


def of_items(recommender: "Recommender", groups: Groups, k: int, rng: np.random.Generator) -> Evidence:
    """What is like some items, against what plain TF-IDF finds."""
    catalogue, member = recommender.catalogue, membership(groups)
    asked = _drawn(np.flatnonzero(np.diff(member.indptr)).astype(np.int32), rng)
    rows = np.full((len(asked), min(k, catalogue.size)), PAD, np.int32)
    for line, (_, slate) in enumerate(recommender.similar_many(catalogue.id_list(asked), k)):
        found = catalogue.rows([item.item_id for item in slate])
        rows[line, : len(found)] = found
    plain_rows = _by_texts(recommender, asked, k)
    lists, history = Places.of_lists(rows), Places(np.arange(len(asked)), asked)
    answers = None if plain_rows is None else Places.of_lists(plain_rows)
    measured = shares(lists, history, answers, member, len(asked))
    touched = counted(history, member, len(asked))
    return Evidence(
        "items",
        folded(measured, rng, ROOM, honest=answers is not None),
        touched,
        counted(lists, member, len(asked)),
        None if answers is None else counted(answers, member, len(asked)),
        "" if answers is None else "plain TF-IDF's lists, which know names alone",
        None,
        _where(recommender, lists, foreign(lists, member, touched) == 1, touched, member),
    )


def _drawn(rows: Rows, rng: np.random.Generator) -> Rows:
    return rows if len(rows) <= ASKED else np.sort(rng.choice(rows, ASKED, replace=False))


def _neighbours(
    recommender: "Recommender", log: Interactions, member: sparse.csr_array, k: int, rng: np.random.Generator
) -> Standing:
    """Items' own neighbours by the model, against those by the people who touched both."""
    items = recommender.catalogue.size
    asked = _drawn(
        np.flatnonzero((log.counts(items) > 0) & (np.diff(member.indptr) > 0)).astype(np.int32), rng
    )
    hits = recommender.nearest.neighbours.search(
        asked[:, None], np.ones((len(asked), 1), np.float32), min(k, items), list(asked[:, None])
    )
    graph = near(log, items)[asked]
    together = np.full((len(asked), k), PAD, np.int32)
    for line in range(len(asked)):
        part = slice(graph.indptr[line], graph.indptr[line + 1])
        order = np.lexsort((graph.indices[part], -graph.data[part]))[:k]
        together[line, : len(order)] = graph.indices[part][order]
    lists = shares(
        Places.of_lists(hits.rows),
        Places(np.arange(len(asked)), asked),
        Places.of_lists(together),
        member,
        len(asked),
    )
    return folded(lists, rng, ROOM)


def _by_texts(recommender: "Recommender", asked: Rows, k: int) -> Rows | None:
    """(A, k) what TF-IDF alone finds, a series once as `similar` has it; None where the bundle has none."""
    tfidf = recommender.bundle.tfidf
    if tfidf is None:
        return None
    nothing = np.zeros((recommender.catalogue.size, 1), np.float32)
    texts = Neighbours(nothing, nothing, tfidf, 1.0)
    rows = np.full((len(asked), k), PAD, np.int32)
    for line, row in enumerate(asked.tolist()):

        def alike(count: int, less: Rows, row: int = row) -> Hits:
            return texts.search(np.array([[row]], np.int32), np.ones((1, 1), np.float32), count, [less])

        own = recommender.series.one_of_each(row, k, alike).rows[0]
        rows[line, : len(own)] = own
    return rows


def _where(
    recommender: "Recommender",
    lists: Places,
    strange: npt.NDArray[np.bool_],
    touched: sparse.csr_array,
    member: Any,
) -> Where:
    """Titles shown most, by whose (the group that a person touched most) and of which group."""
    if not strange.any():
        return {}
    main = np.asarray(touched.argmax(1)).ravel()
    items = member.shape[0]
    keys, times = np.unique(
        main[lists.owners[strange]].astype(np.int64) * items + lists.rows[strange], return_counts=True
    )
    found: dict[tuple[int, int], list[str]] = {}
    for place in np.argsort(-times, kind="stable").tolist():
        one, row = divmod(int(keys[place]), items)
        for other in member.indices[member.indptr[row] : member.indptr[row + 1]].tolist():
            titles = found.setdefault((one, other), [])
            if len(titles) < 3:
                titles.append(recommender.catalogue.titles[row])
    return {pair: tuple(titles) for pair, titles in found.items()}
