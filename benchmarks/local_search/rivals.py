"""Rivals of the local search: the grid in plain numpy, brute force over all windows in numba."""

from __future__ import annotations

import numpy as np
from numba import njit


def best_by_numpy(
    how: str,
    words: np.ndarray,
    weights: np.ndarray,
    windows: np.ndarray,
    query: np.ndarray,
    squared_idf: np.ndarray,
    sqrt: bool,
) -> tuple[float, tuple]:
    """The first of the best of given windows.

    `how`: "unique", for each window; "numbered", one for the map; "bincount", over all words.
    """
    known = None
    if how == "numbered":
        known, words = np.unique(words, return_inverse=True)
        words = words.reshape(weights.shape)
        query, squared_idf = query[known], squared_idf[known]
    scores = np.zeros(len(windows))
    for i, (x1, y1, x2, y2) in enumerate(windows):
        part, values = words[y1:y2, x1:x2].ravel(), weights[y1:y2, x1:x2].ravel()
        if how == "unique":
            found, where = np.unique(part, return_inverse=True)
            tf = np.bincount(where, values)
            wanted, factors = query[found], squared_idf[found]
        else:
            tf = np.bincount(part, values, query.size)
            wanted, factors = query, squared_idf
        if sqrt:
            tf = np.sqrt(tf)
        norm = np.sqrt(factors @ (tf * tf))
        scores[i] = wanted @ tf / norm if norm > 0 else 0.0
    best = int(np.argmax(scores.astype(np.float32)))
    return float(scores[best]), tuple(windows[best].tolist())


def best_by_brute_force(
    words: np.ndarray,
    weights: np.ndarray,
    query: np.ndarray,
    squared_idf: np.ndarray,
    sqrt: bool,
    least: np.ndarray,
    most: np.ndarray,
) -> tuple[float, tuple]:
    """The best of all windows of allowed sizes."""
    best = np.zeros(4, dtype=np.int64)
    score = _brute_force(words, weights, query, squared_idf, sqrt, least, most, best)
    return score, tuple(best.tolist())


@njit(nogil=True)
def _brute_force(words, weights, query, squared_idf, sqrt, least, most, best):
    h, w = words.shape
    tf = np.zeros(query.size)
    best_score, highest, key = -np.inf, np.float32(-np.inf), (0, 0, 0, 0)
    for y1 in range(h):
        for y2 in range(y1 + 1, h + 1):
            for x1 in range(w):
                dot = squared_norm = 0.0
                for x2 in range(x1 + 1, w + 1):
                    for y in range(y1, y2):
                        word = words[y, x2 - 1]
                        old = tf[word]
                        new = old + weights[y, x2 - 1]
                        tf[word] = new
                        if sqrt:
                            if query[word] != 0:
                                dot += query[word] * (np.sqrt(new) - np.sqrt(old))
                            squared_norm += squared_idf[word] * (new - old)
                        else:
                            dot += query[word] * (new - old)
                            squared_norm += squared_idf[word] * (new * new - old * old)
                    if not least[y2 - y1] <= x2 - x1 <= most[y2 - y1]:
                        continue
                    score = dot / np.sqrt(squared_norm) if squared_norm > 0 else 0.0
                    rounded = np.float32(score)
                    if rounded < highest:
                        continue
                    order = ((y2 - y1) * (x2 - x1), y2 - y1, -y1, -x1)
                    if rounded > highest or order > key:
                        best_score, highest, key = score, rounded, order
                        best[0], best[1], best[2], best[3] = x1, y1, x2, y2
                for y in range(y1, y2):
                    for x in range(x1, w):
                        tf[words[y, x]] = 0.0
    return best_score
