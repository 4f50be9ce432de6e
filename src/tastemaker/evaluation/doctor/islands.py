"""Islands and communities: parts of a catalogue that no people share, or few.

In comes a log; out comes a number for each item. Islands are strict, and most real logs are a single
one; communities are what people keep within, mostly.
"""

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.data.interactions import Interactions

Ints = npt.NDArray[np.int32]

LEAST = 0.05
"""Share of all events that an island needs, to be one of those a catalogue is parted by."""
STRONGEST = 30
"""Neighbours of an item that count: more brings in what everybody touches, which parts nothing."""
BLOCK = 512
"""Items whose neighbours are counted at once."""


def islands_of(log: Interactions, items: int) -> tuple[Ints, Ints]:
    """(U,) and (N,): the island of each user and item, such that no event joins two of them.

    An item or a user without events is an island alone.
    """
    edges = (np.ones(log.size), (log.users, log.rows + log.user_count))
    size = log.user_count + items
    _, labels = csgraph.connected_components(sparse.coo_array(edges, shape=(size, size)), directed=False)
    labels = labels.astype(np.int32)
    return labels[: log.user_count], labels[log.user_count :]


def folding(rows: Rows, users: Ints, items: Ints) -> npt.NDArray[np.float64]:
    """(B,) the share of each list that lies on another island than its user; NaN for an empty list.

    Args:
        rows: (B, K) ranked rows, PAD where there is none.
        users: (B,) islands of the users.
        items: (N,) islands of the items.
    """
    shown = rows != PAD
    foreign = shown & (items[np.maximum(rows, 0)] != users[:, None])
    with np.errstate(invalid="ignore"):
        return np.asarray(foreign.sum(1) / shown.sum(1))


def communities(log: Interactions, items: int) -> tuple[Ints, bool]:
    """(N,) which community each item is in, 0 the one with the most events, PAD where nobody touched it;
    and whether they are islands.

    Islands, where two of them have `LEAST` of the events each. Else the Louvain method (Blondel et al.,
    2008) on a graph in which two items are as near as the cosine of the people who touched both, a person
    with n items counting 1 / (n - 1) (Newman, 2001); of each item the `STRONGEST` neighbours. Items move in
    the order of the catalogue and ties go to the smaller number, so the same log is always parted alike.
    """
    counts = log.counts(items)
    _, island = islands_of(log, items)
    events = np.bincount(island, counts)
    strict = int((events >= LEAST * max(1, log.size)).sum()) >= 2
    labels = island if strict else louvain(near(log, items))
    return _by_size(labels, counts), strict


def near(log: Interactions, items: int) -> sparse.csr_array:
    """(N, N) how near items are by the people who touched both; symmetric, nothing on the diagonal."""
    pairs = np.unique(log.users.astype(np.int64) * items + log.rows)
    users, rows = pairs // items, pairs % items
    sizes = np.bincount(users, minlength=log.user_count)
    weights = 1 / np.sqrt(np.maximum(sizes[users] - 1, 1))
    touched = sparse.csr_array((weights, (users, rows)), shape=(log.user_count, items))
    norms = np.sqrt(np.asarray(touched.power(2).sum(0)).ravel())
    touched = sparse.csr_array(touched @ sparse.diags_array(1 / np.maximum(norms, 1e-12)))
    by_item, found = sparse.csr_array(touched.T), []
    for at in range(0, items, BLOCK):
        part = sparse.csr_array(by_item[at : at + BLOCK] @ touched).tocoo()
        own, other = part.coords
        apart = own + at != other
        own, other, data = own[apart], other[apart], part.data[apart]
        order = np.lexsort((other, -data, own))
        own, other, data = own[order], other[order], data[order]
        place = np.arange(len(own)) - np.searchsorted(own, own)
        kept = place < STRONGEST
        found.append((own[kept] + at, other[kept], data[kept]))
    own, other, data = (np.concatenate(parts) for parts in zip(*found, strict=True))
    one_way = sparse.csr_array((data, (own, other)), shape=(items, items))
    return sparse.csr_array(one_way.maximum(one_way.T))


def louvain(graph: sparse.csr_array) -> Ints:
    """(N,) communities of a symmetric graph, by moves of single items and then of whole communities."""
    labels = np.arange(graph.shape[0], dtype=np.int32)
    while True:
        moved = _moved(graph)
        labels = moved[labels]
        count = int(moved.max(initial=-1)) + 1
        if count == graph.shape[0]:
            return labels
        belongs = sparse.csr_array((np.ones(len(moved)), (np.arange(len(moved)), moved)))
        graph = sparse.csr_array(belongs.T @ graph @ belongs)


def _moved(graph: sparse.csr_array) -> Ints:
    """(N,) where each node goes if it may go to a neighbour's community, until nothing is gained."""
    total = float(graph.sum())
    degrees = np.asarray(graph.sum(1)).ravel().tolist()
    labels, held = list(range(len(degrees))), list(degrees)
    starts, others, weights = graph.indptr.tolist(), graph.indices.tolist(), graph.data.tolist()
    gained = total > 0
    while gained:
        gained = False
        for node, degree in enumerate(degrees):
            own = labels[node]
            held[own] -= degree
            towards: dict[int, float] = {own: 0.0}
            for edge in range(starts[node], starts[node + 1]):
                if others[edge] != node:
                    label = labels[others[edge]]
                    towards[label] = towards.get(label, 0.0) + weights[edge]
            best, most = own, towards[own] - degree * held[own] / total
            for label in sorted(towards):
                gain = towards[label] - degree * held[label] / total
                if gain > most + 1e-12 * max(1.0, degree):
                    best, most = label, gain
            held[best] += degree
            labels[node] = best
            gained |= best != own
    return np.unique(labels, return_inverse=True)[1].astype(np.int32)


def _by_size(labels: Ints, counts: npt.NDArray[np.int64]) -> Ints:
    """Numbered anew, the one with the most events first; PAD for what has none."""
    order = np.argsort(-np.bincount(labels, counts), kind="stable")
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order))
    return np.where(counts > 0, place[labels], PAD).astype(np.int32)
