"""Kernel of the local search: the cosine of one query with the bags of many windows of a map."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["score_windows"]


@njit(cache=True, nogil=True)
def score_windows(words, weights, windows, query, squared_idf, sqrt, tf, scores):
    """Cosine similarity of a query with each window of an assignment map.

    With ``tf_w`` the weights of the window's cells of word w, summed, and ``g(tf) = tf`` or
    ``sqrt(tf)``, the score is ``sum_w query_w g(tf_w) / sqrt(sum_w idf_w^2 g(tf_w)^2)``, 0 for a
    window of norm 0.

    Parameters
    ----------
    words : int (h, w), the assignment map
    weights : float32 (h, w), >= 0, of the cells
    windows : int32 (n, 4), xyxy, half-open, cells
    query : float64 (n_words,), the normalised query times idf
    squared_idf : float64 (n_words,), ones where idf is off
    sqrt : bool, whether term frequencies are rooted
    tf : float64 (n_words,), scratch, zeros before and after
    scores : out, float64 (n,)

    Notes
    -----
    One pass sums the weights of the words of a window, a second one takes each distinct word once
    and wipes its sum: no sorting, and no pass over the vocabulary.
    """
    for i in range(windows.shape[0]):
        x1, y1, x2, y2 = windows[i, 0], windows[i, 1], windows[i, 2], windows[i, 3]
        for y in range(y1, y2):
            for x in range(x1, x2):
                tf[words[y, x]] += weights[y, x]
        dot = 0.0
        squared_norm = 0.0
        for y in range(y1, y2):
            for x in range(x1, x2):
                word = words[y, x]
                value = tf[word]
                if value > 0:
                    tf[word] = 0.0
                    squared = value * value
                    if sqrt:
                        squared = value
                        value = np.sqrt(value)
                    dot += query[word] * value
                    squared_norm += squared_idf[word] * squared
        scores[i] = dot / np.sqrt(squared_norm) if squared_norm > 0 else 0.0
