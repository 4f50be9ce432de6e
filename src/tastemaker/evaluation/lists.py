"""How good an order of given lists is: what was chosen should stand first."""

import numpy as np
import numpy.typing as npt


def ndcg_of_lists(
    lists: npt.NDArray[np.int32],
    scores: npt.NDArray[np.floating],
    gains: npt.NDArray[np.floating],
    k: int,
    relevant: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.float64]:
    """(S,) NDCG@k of S lists of any length, each sorted by its scores; NaN where there is nothing to gain.

    DCG is Σ gain / log2(rank + 1) (Järvelin and Kekäläinen, TOIS 2002), ties standing as they come.

    Args:
        lists: (M,) rising from 0: which list each place belongs to.
        scores: (M,) higher stands first.
        gains: (M,) 0 or more.
        relevant: (S,) how much each list could have held, with gain 1 each; None for what it holds.
    """
    count = int(lists[-1]) + 1 if len(lists) else 0
    if relevant is not None:
        count = len(relevant)
    dcg = _dcg(lists, scores, gains, k, count)
    if relevant is None:
        ideal = _dcg(lists, gains, gains, k, count)
    else:
        ideal = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(k) + 2))])[np.minimum(relevant, k)]
    return np.where(ideal > 0, dcg / np.where(ideal > 0, ideal, 1), np.nan)


def _dcg(
    lists: npt.NDArray[np.int32],
    scores: npt.NDArray[np.floating],
    gains: npt.NDArray[np.floating],
    k: int,
    count: int,
) -> npt.NDArray[np.float64]:
    order = np.lexsort((np.arange(len(lists)), -scores, lists))
    starts = np.searchsorted(lists, np.arange(count))  # rising, and sorting keeps it so
    places = np.arange(len(lists)) - starts[lists]
    won = np.where(places < k, gains[order] / np.log2(places + 2), 0.0)
    return np.bincount(lists, won, minlength=count).astype(np.float64)
