"""Folding: items that have nothing to do with each other end up side by side.

A model that is only told what goes together may put unrelated groups in one place, and then recommends
one group's items to another's people (Xin et al., RecSys 2017). No accuracy metric shows it as what it is.
"""

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph

from tastemaker.data.catalogue import PAD, Rows
from tastemaker.data.interactions import Interactions

Ints = npt.NDArray[np.int32]


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
