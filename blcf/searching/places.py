"""Hits that were sure before an expansion keep their places, wherever the new query drifts."""

from __future__ import annotations

import numpy as np

from blcf.records import Ranking
from blcf.searching.outcome import Outcome

__all__ = ["keep_places"]


def keep_places(before: Outcome, after: Outcome, n_kept: int) -> Outcome:
    """The first hits of one outcome, then the others of a later one.

    The kept ones have the scores and boxes that they had. The others come in the order and with the
    boxes of the later ranking, and with its scores, all shrunk by one factor where the first of
    them would score more than the last that is kept.

    Parameters
    ----------
    before : whose first hits stay
    after : of the expanded query, of as many images
    n_kept : how many stay
    """
    first, second = before.ranking[:n_kept], after.ranking
    if not n_kept:
        return after
    kept = set(first.ids.tolist())
    rows = np.array([row for row, one in enumerate(second.ids.tolist()) if one not in kept], int)
    rows = rows[: max(len(second) - n_kept, 0)]
    scores = second.scores[rows]
    top, least = float(scores.max(initial=0)), float(first.scores[-1])
    if top > least:
        scores = np.minimum(scores * np.float32(max(least, 0) / top), first.scores[-1])
    ranking = Ranking(
        [*first.names, *(second.names[row] for row in rows)],
        np.concatenate([first.scores, scores]),
        np.concatenate([first.ids, second.ids[rows]]),
        np.concatenate([_boxes(first), _boxes(second)[rows]]),
    )
    looked_at = {one: found for one, found in before.found.items() if one in kept}
    return Outcome(
        after.vector,
        ranking,
        {**after.found, **looked_at},
        before.quarters,  # of the same query; what was not looked into has none to show
        dict.fromkeys(kept, before.vector),
    )


def _boxes(ranking: Ranking) -> np.ndarray:
    if ranking.boxes is None:
        return np.full((len(ranking), 4), np.nan, dtype=np.float32)
    return ranking.boxes
