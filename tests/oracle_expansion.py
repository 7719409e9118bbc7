"""Plain twins of what blcf.expansion does with sure hits."""

from __future__ import annotations

import math

import numpy as np


def sure_hits(scores, confidences):
    """Hits of a confidence of .5 that score .08 above the median of the best hundred."""
    rows = []
    for row, (score, sure) in enumerate(zip(scores, confidences)):
        above = score >= np.median(sorted(scores)[::-1][:100]) + 0.08
        if above and not np.isnan(sure) and sure >= 0.5 and len(rows) < 25:
            rows.append(row)
    return rows


def sure_weights(vectors, confidences, known):
    """Confidence over the number of near-duplicates; zeros where fewer than eight are counted."""
    weights, counted = [], 0.0
    for vector, sure, is_known in zip(vectors, confidences, known):
        n_alike = sum(float(vector @ other) >= 0.8 for other in vectors)
        weights.append(sure / n_alike)
        counted += 0 if is_known else 1 / n_alike
    return weights if counted >= 8 - 1e-9 else [0.0] * len(weights)


def keep_places(first, second, n_kept):
    """(id, score) of a ranking whose first stay, from two lists of (id, score)."""
    kept = first[:n_kept]
    others = [one for one in second if one[0] not in [image_id for image_id, _ in kept]]
    others = others[: len(second) - n_kept]
    if kept and others and others[0][1] > kept[-1][1]:
        factor = kept[-1][1] / others[0][1]
        others = [(image_id, score * factor) for image_id, score in others]
    return kept + others


def shares_of_gaps(scores, sizes):
    """Shares of views: how far hits 2 to 31 lie above the median of the first 200, by size."""
    if any(len(one) < 100 for one in scores):
        return [1.0] * len(scores)
    known = [(0.35, 0.68), (0.5, 0.92), (0.7, 1.12), (1.0, 1.13), (1.4, 1.15)]
    counts = []
    for one, size in zip(scores, sizes):
        best = [float(score) for score in one[1:31]]
        chance = sorted(float(score) for score in one[:200])
        n = len(chance)
        median = (chance[(n - 1) // 2] + chance[n // 2]) / 2
        typical = known[0][1] if size <= known[0][0] else known[-1][1]
        for (low, at_low), (high, at_high) in zip(known, known[1:]):
            if low < size <= high:
                part = math.log(size / low) / math.log(high / low)
                typical = at_low + part * (at_high - at_low)
        counts.append((max(sum(best) / len(best) - median, 0.0) / typical) ** 1.5)
    total = sum(counts)
    return [len(counts) * one / total if total else 1.0 for one in counts]


def smoothed_scores(scores, vectors, n_neighbours, weight, n_best=1_000):
    """Cosines with hits that are moved towards those of the best most like them; dense vectors."""
    n = len(scores)
    rows = [one / np.linalg.norm(one) if one.any() else one for one in vectors]
    best = sorted(range(n), key=lambda i: (-scores[i], i))[:n_best]
    n_neighbours, found = min(n_neighbours, len(best) - 1), []
    for i in range(n):
        others = sorted((j for j in best if j != i), key=lambda j: -float(rows[i] @ rows[j]))
        moved, wanted = np.array(rows[i], dtype=float), float(scores[i])
        for j in others[:n_neighbours]:
            share = weight * float(rows[i] @ rows[j])
            moved, wanted = moved + share * rows[j], wanted + share * float(scores[j])
        length = np.linalg.norm(moved)
        found.append(min(wanted / length, 1) if length else float(scores[i]))
    return found
