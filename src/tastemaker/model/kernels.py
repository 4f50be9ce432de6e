"""Compiled loops over plain arrays: what TensorFlow's own operations do many times slower.

Each is one pass over its data on one core, and gives the same result every time. Rows are taken as arrays
of their own before the innermost loop: only then does the compiler see that their numbers lie side by side.
"""

from typing import Any

import numpy as np

from tastemaker.model.compiled import Floats, Ints, Longs, compiled, exp32, inlined, reordered


@compiled
def cut(rows: Ints, strengths: Floats, ends: Longs, starts: Longs, length: int) -> tuple[Ints, Floats]:
    """As `features.batches.cut`, in one pass."""
    out, values = np.full((len(ends), length), -1, np.int32), np.zeros((len(ends), length), np.float32)
    for b in range(len(ends)):
        for t in range(min(length, ends[b] - starts[b])):
            out[b, t] = rows[ends[b] - 1 - t]
            values[b, t] = strengths[ends[b] - 1 - t]
    return out, values


@compiled
def gathered(
    values: Floats, rows: Ints, keep: Floats, more: Floats, features: Ints, weights: Floats
) -> Floats:
    """(U, D) keep[n] × values[rows[n]] + Σ_l weights[rows[n], l] × more[features[rows[n], l]].

    Args:
        values: (N, D); rows, keep: (U,).
        more: (F, D); features: (N, L), −1 in the padding; weights: (N, L).
    """
    dim = values.shape[1]
    out = np.empty((len(rows), dim), np.float32)
    for n in range(len(rows)):
        row = rows[n]
        target, source, share = out[n], values[row], keep[n]
        for d in range(dim):
            target[d] = source[d] * share
        for at in range(features.shape[1]):
            if features[row, at] < 0:
                continue
            source, share = more[features[row, at]], weights[row, at]
            for d in range(dim):
                target[d] += share * source[d]
    return out


@compiled
def gathered_back(
    slopes: Floats, rows: Ints, features: Ints, weights: Floats, place: Ints, found: Ints, into: Floats
) -> int:
    """The gradient of `gathered` in those of `more` that it read.

    Args:
        slopes: (U, D); rows: (U,).
        features, weights: (N, L).
        place: (F,) all −1; filled as by `distinct`.
        found: (F,) the features by place; filled.
        into: (F, D) their gradients by place; written over.
    Returns: how many there are.
    """
    count = 0
    for n in range(len(rows)):
        slope = slopes[n]
        for at in range(features.shape[1]):
            feature = features[rows[n], at]
            if feature < 0:
                continue
            if place[feature] < 0:
                place[feature] = count
                found[count] = feature
                into[count] = 0
                count += 1
            target, weight = into[place[feature]], weights[rows[n], at]
            for d in range(len(slope)):
                target[d] += weight * slope[d]
    return count


@compiled
def distinct(rows: Ints, place: Ints, found: Ints, count: int) -> int:
    """Give each row (n,) not met yet the next place.

    Args:
        place: (N,) place of each row, −1 where it has none; filled.
        found: the rows by place, `count` of them so far; filled.
    Returns: the new count. Negative rows are padding and have no place.
    """
    for row in rows:
        if row >= 0 and place[row] < 0:
            place[row] = count
            found[count] = row
            count += 1
    return count


@compiled
def forget(place: Ints, found: Ints) -> None:
    """Make `place` as it was before `distinct`: cheaper than a new one of N."""
    for row in found:
        place[row] = -1


@compiled
def placed(rows: Ints, place: Ints) -> Ints:
    """(B, T) the place of each row, −1 in the padding."""
    out = np.empty(rows.shape, np.int32)
    for b in range(rows.shape[0]):
        for t in range(rows.shape[1]):
            row = rows[b, t]
            out[b, t] = place[row] if row >= 0 else -1
    return out


@compiled
def looked_up(vectors: Floats, places: Ints) -> Floats:
    """(B, T, D) the vector (U, D) at each place (B, T), zeros in the padding."""
    queries, length = places.shape
    out = np.zeros((queries, length, vectors.shape[1]), np.float32)
    for b in range(queries):
        for t in range(length):
            if places[b, t] >= 0:
                out[b, t] = vectors[places[b, t]]
    return out


@compiled
def scattered(slopes: Floats, places: Ints, into: Floats) -> None:
    """Add the gradient of `looked_up` in its vectors: (B, T, D), (B, T) → `into` (U, D)."""
    queries, length = places.shape
    for b in range(queries):
        for t in range(length):
            if places[b, t] < 0:
                continue
            slope, target = slopes[b, t], into[places[b, t]]
            for d in range(len(slope)):
                target[d] += slope[d]


@compiled
def bag(vectors: Floats, places: Ints, weights: Floats) -> Floats:
    """Σ_t weights[b, h, t] × vectors[places[b, t]]: (U, D), (B, T), (B, H, T) → (B, H, D)."""
    queries, length = places.shape
    heads, dim = weights.shape[1], vectors.shape[1]
    out = np.zeros((queries, heads, dim), np.float32)
    for b in range(queries):
        for t in range(length):
            if places[b, t] < 0:
                continue
            source = vectors[places[b, t]]
            for h in range(heads):
                target, weight = out[b, h], weights[b, h, t]
                for d in range(dim):
                    target[d] += weight * source[d]
    return out


@compiled
def bag_to_vectors(slopes: Floats, places: Ints, weights: Floats, into: Floats) -> None:
    """Add the gradient of `bag` in its vectors: (B, H, D), (B, T), (B, H, T) → `into` (U, D)."""
    queries, length = places.shape
    heads, dim = weights.shape[1], slopes.shape[2]
    for b in range(queries):
        for t in range(length):
            if places[b, t] < 0:
                continue
            target = into[places[b, t]]
            for h in range(heads):
                source, weight = slopes[b, h], weights[b, h, t]
                for d in range(dim):
                    target[d] += weight * source[d]


@reordered
def bag_to_weights(slopes: Floats, vectors: Floats, places: Ints) -> Floats:
    """The gradient of `bag` in its weights: (B, H, D), (U, D), (B, T) → (B, H, T)."""
    queries, length = places.shape
    heads, dim = slopes.shape[1], slopes.shape[2]
    out = np.zeros((queries, heads, length), np.float32)
    for b in range(queries):
        for t in range(length):
            if places[b, t] < 0:
                continue
            vector = vectors[places[b, t]]
            for h in range(heads):
                slope, total = slopes[b, h], np.float32(0)
                for d in range(dim):
                    total += slope[d] * vector[d]
                out[b, h, t] = total
    return out


@inlined
def _present(places: Ints) -> Any:
    """How many of one history's places aren't padding."""
    there = np.float32(0)
    for place in places:
        there += np.float32(place >= 0)
    return there


@reordered
def recency_weights(places: Ints, values: Floats, position: Floats, slope: Floats, power: float) -> Floats:
    """What each event counts: softmax over t of position[h, t] + slope[h] × values[b, t], times n^power.

    Args:
        places: (B, T), −1 in the padding, which counts nothing; n are there.
        values: (B, T); position: (H, T); slope: (H,).
    Returns: (B, H, T).
    """
    queries, length = places.shape
    out = np.zeros((queries, len(slope), length), np.float32)
    for b in range(queries):
        there = _present(places[b])
        if there == 0:
            continue
        whole = there ** np.float32(power)
        for h in range(len(slope)):
            row, highest, total = out[b, h], np.float32(-np.inf), np.float32(0)
            for t in range(length):
                row[t] = position[h, t] + slope[h] * values[b, t]
                if places[b, t] >= 0:
                    highest = max(highest, row[t])
            for t in range(length):
                row[t] = exp32(row[t] - highest) if places[b, t] >= 0 else np.float32(0)
                total += row[t]
            for t in range(length):
                row[t] *= whole / total
    return out


@reordered
def recency_weights_back(
    slopes: Floats, weights: Floats, places: Ints, values: Floats
) -> tuple[Floats, Floats, np.float32]:
    """The gradients of `recency_weights` in position, slope and power.

    Args:
        slopes, weights: (B, H, T), the gradient in the weights and the weights.
        places, values: (B, T).
    Returns: (H, T), (H,) and one number.
    """
    queries, heads, length = weights.shape
    into, into_slope = np.zeros((heads, length), np.float32), np.zeros(heads, np.float32)
    into_power = np.float32(0)
    for b in range(queries):
        there = _present(places[b])
        if there == 0:
            continue
        for h in range(heads):
            row, slope, target = weights[b, h], slopes[b, h], into[h]
            whole, drawn = np.float32(0), np.float32(0)
            for t in range(length):
                whole += row[t]
                drawn += row[t] * slope[t]
            into_power += drawn * np.log(there)
            for t in range(length):
                step = row[t] * (slope[t] - drawn / whole)
                target[t] += step
                into_slope[h] += step * values[b, t]
    return into, into_slope, into_power


@reordered
def adagrad_rows(
    values: Floats, squares: Floats, rows: Ints, slopes: Floats, rate: float, epsilon: float
) -> None:
    """One step of row-wise Adagrad on distinct `rows` (n,), in place.

    Args:
        values: (N, D).
        squares: (N,) sum of the mean squared gradient of each row so far.
        slopes: (n, D).
    """
    dim = values.shape[1]
    for n in range(len(rows)):
        slope, total = slopes[n], np.float32(0)
        for d in range(dim):
            total += slope[d] * slope[d]
        squares[rows[n]] += total / dim
        step = np.float32(rate / (np.sqrt(squares[rows[n]]) + epsilon))
        value = values[rows[n]]
        for d in range(dim):
            value[d] -= step * slope[d]


@compiled
def adam_rows(
    values: Floats,
    means: Floats,
    squares: Floats,
    rows: Ints,
    slopes: Floats,
    rate: float,
    decays: tuple[float, float],
    epsilon: float,
) -> None:
    """One step of Adam on distinct `rows` (n,), in place; rows that aren't there don't move.

    Args:
        values: (N, D), as `means` and `squares`, the running mean and mean square of the gradient.
        slopes: (n, D).
        rate: learning rate, corrected for the start.
    """
    keep, keep_square = np.float32(decays[0]), np.float32(decays[1])
    new, new_square = np.float32(1 - decays[0]), np.float32(1 - decays[1])
    speed, least = np.float32(rate), np.float32(epsilon)
    for n in range(len(rows)):
        slope, value, mean, square = slopes[n], values[rows[n]], means[rows[n]], squares[rows[n]]
        for d in range(len(slope)):
            mean[d] = keep * mean[d] + new * slope[d]
            square[d] = keep_square * square[d] + new_square * slope[d] * slope[d]
            value[d] -= speed * mean[d] / (np.sqrt(square[d]) + least)


@compiled
def strike(scores: Floats, known: Ints, starts: Ints, first: int, never: float) -> None:
    """Put `never` at the candidates that are none for a query.

    Args:
        scores: (b, C) of the queries from number `first` on.
        known, starts: of all queries, as `known_places` gives them.
    """
    for b in range(len(scores)):
        for at in range(starts[first + b], starts[first + b + 1]):
            scores[b, known[at]] = never


@compiled
def add_own(into: Floats, bias_into: Floats, columns: Ints, slopes: Floats, queries: Floats) -> None:
    """Add each query's slope in its own score to the gradients of that item's vector and bias.

    Args:
        into: (C, D), and `bias_into` (C,): changed.
        columns, slopes: (B,).
        queries: (B, D).
    """
    for b in range(len(columns)):
        bias_into[columns[b]] += slopes[b]
        target, query, slope = into[columns[b]], queries[b], slopes[b]
        for d in range(len(query)):
            target[d] += slope * query[d]


@compiled
def known_places(
    offsets: Longs, rows: Ints, users: Ints, labels: Ints, place: Ints, candidates: int
) -> tuple[Ints, Ints]:
    """Which candidates a user has touched: no negatives for that user.

    Args:
        offsets, rows: the log.
        users: (B,) whose.
        labels: (B,) rows that are left out, being what should be found.
        place: (N,) as from `distinct`; a candidate has a place below `candidates`.
    Returns: (P,) places, by query; (B + 1,) where each query's begin.
    """
    total = 1
    for user in users:
        total += offsets[user + 1] - offsets[user]
    known = np.empty(total, np.int32)
    starts = np.zeros(len(users) + 1, np.int32)
    count, most = np.uintp(0), np.uint32(candidates)
    for b in range(len(users)):
        label = labels[b]
        # Each is written down, and counted if it holds: nobody can foretell that branch. Numbers without
        # a sign, because an index that might be negative costs as much again.
        for row in rows[offsets[users[b]] : offsets[users[b] + 1]]:
            at = place[np.uint32(row)]
            known[count] = at
            count += np.uintp((np.uint32(at) < most) & (row != label))
        starts[b + 1] = count
    return known[:count], starts
