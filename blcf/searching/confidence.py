"""How sure a hit is, told from the ranking alone: no label is needed.

The end of the head of a ranking shows other things, nearly always. Their best scores fall off as
those of any sample do whose distribution has an exponential tail: the r-th largest is about
``a - b ln r``. A line through the second half of the head gives a and b, and with them how many
pictures of other things may be expected to score s or more, ``r(s) = exp((a - s) / b)``; the
ranking has ``rank(s)`` of them, and what is told is ``1 - r(s) / rank(s)``.

True hits stand before those of the second half and make a and b too large, by as much as hits that
good or better are surer than the last of them: so it is about the chance of the hit itself. In
made-up rankings, and in real ones (benchmarks/confidence.md), it is somewhat large in the middle.

Source: the spacings of the largest of a sample, Renyi, 1953; false discovery rates from ranks,
Benjamini & Hochberg, JRSS B 1995, made monotone as q-values are (Storey, JRSS B 2002).
"""

from __future__ import annotations

import numpy as np

__all__ = ["HEAD", "confidences"]

HEAD = 100  # hits whose scores are looked at; the second half of them is taken for other things
_FEWEST = 20  # of less nothing is said


def confidences(scores: np.ndarray, n_alike: int | None = None) -> np.ndarray:
    """The chance of each hit to show the object: float32 (n,), 0..1, falling.

    Where half of the head or more shows the object, what is told is too small: the line is drawn
    through true hits then.

    Parameters
    ----------
    scores : float (n,), of a ranking, descending
    n_alike : how many of the first were scored in one way (reranked), and can be compared; None:
        all

    Returns
    -------
    float32 (n,), NaN where nothing can be told: fewer than 20 scores above 0
    """
    scores = np.asarray(scores, dtype=np.float64)
    n_alike = len(scores) if n_alike is None else min(n_alike, len(scores))
    n_head = min(int(np.count_nonzero(scores[:n_alike] > 0)), HEAD)
    if n_head < _FEWEST:
        return np.full(len(scores), np.nan, dtype=np.float32)
    ranks = np.arange(1, len(scores) + 1)
    logs, tail = np.log(ranks[n_head // 2 : n_head]), scores[n_head // 2 : n_head]
    slope = -np.polyfit(logs, tail, 1)[0]
    step = max(slope, np.finfo(np.float32).eps * max(tail[0], 1.0))
    top = tail.mean() + step * logs.mean()
    n_others = np.exp(np.minimum((top - scores) / step, 700))
    found = np.clip(1 - n_others / ranks, 0, 1)
    return np.minimum.accumulate(found).astype(np.float32)
