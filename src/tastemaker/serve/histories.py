"""One person's history: what the bundle knew when it was made, and what the store heard of them.

Takes ids, gives rows; an event that both know counts once.
"""

from datetime import datetime

import numpy as np

from tastemaker.bundle import Bundle
from tastemaker.data.catalogue import PAD
from tastemaker.data.interactions import Interactions
from tastemaker.serve.store import Past

NOTHING = Past()


def history_of(bundle: Bundle, user_id: str, past: Past) -> Interactions:
    """The log of one person, oldest first; empty where nothing is known."""
    log = bundle.histories
    user = None if _is_erased(bundle, past) else log.user(user_id)
    own = slice(0, 0) if user is None else slice(int(log.offsets[user]), int(log.offsets[user + 1]))
    rows, times, weights = log.rows[own], log.times[own], log.weights[own]
    if past.item_ids:
        new = bundle.catalogue.rows(past.item_ids)
        is_known = new != PAD
        new_times = np.asarray(past.times, np.float64)
        new_weights = np.asarray(past.weights, np.float32)
        # Where nobody said how strong an event was, it was as strong as most.
        new_weights = np.where(np.isnan(new_weights), np.float32(usual_weight(bundle)), new_weights)
        if log.is_clock and len(rows):
            is_known &= ~_stand_in(new, new_times, rows, times)
        rows = np.concatenate([rows, new[is_known]])
        weights = np.concatenate([weights, new_weights[is_known]])
        if log.is_clock:
            times = np.concatenate([times, new_times[is_known]])
            order = np.argsort(times, kind="stable")
            rows, times, weights = rows[order], times[order], weights[order]
        else:  # its times are places in an order, which go on
            after = times[-1] + 1 if len(times) else 0.0
            times = np.concatenate([times, after + np.arange(is_known.sum(), dtype=np.float64)])
    return Interactions(
        [user_id],
        np.array([0, len(rows)], np.int64),
        np.asarray(rows, np.int32),
        np.asarray(times, np.float64),
        np.asarray(weights, np.float32),
        True if past.item_ids else log.is_ordered,
        log.is_clock,
    )


def usual_weight(bundle: Bundle) -> float:
    """How strong an event of the log usually was."""
    scale = bundle.scale
    mean = np.expm1(scale.mean) if scale.is_log else scale.mean
    return float(mean) or 1.0


def made_at(bundle: Bundle) -> float:
    """When a bundle was made, seconds since 1970."""
    return datetime.fromisoformat(bundle.manifest.created).timestamp()


def _is_erased(bundle: Bundle, past: Past) -> bool:
    """Whether what the bundle knows of somebody was to be forgotten after it was made."""
    return past.erased_at is not None and made_at(bundle) <= past.erased_at


def _stand_in(rows: np.ndarray, times: np.ndarray, others: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(n,) which of the events are among others, that are in order of time."""
    first, last = np.searchsorted(at, times), np.searchsorted(at, times, side="right")
    return np.array(
        [row in others[start:end] for row, start, end in zip(rows, first, last, strict=True)], bool
    )
