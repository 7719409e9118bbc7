"""Queries chosen in pictures whose objects nobody knows: the most striking part of some of them."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from blcf.boxes import cells_to_boxes
from blcf.engine import SearchEngine

__all__ = ["choose_queries", "striking_cells"]

N_TRIED = 20  # pictures, evenly spread over the collection
N_FOUND, ALIKE = 10, 0.7  # what a query has found: of its first hits those near its best
PLAIN = 6  # with so few different words a part counts as plain: sky, a wall, a black frame


def striking_cells(norms: np.ndarray) -> tuple[int, int, int, int]:
    """The window of half the height and half the width with the greatest sum of norms.

    Parameters
    ----------
    norms : (h, w), of the local features

    Returns
    -------
    xyxy, half-open, cells

    Examples
    --------
    >>> norms = np.zeros((4, 6))
    >>> norms[2, 5] = norms[3, 4] = 1
    >>> striking_cells(norms)
    (3, 2, 6, 4)
    """
    h, w = ((side + 1) // 2 for side in norms.shape)
    sums = sliding_window_view(norms.astype(np.float64), (h, w)).sum(axis=(2, 3))
    y, x = (int(edge) for edge in np.unravel_index(np.argmax(sums), sums.shape))
    return x, y, x + w, y + h


def choose_queries(engine: SearchEngine, n_queries: int) -> list[tuple[int, tuple]]:
    """Pictures of a collection, and a box in each, to show what a search finds there.

    Some pictures are tried, without the network. Those come first whose best other hit scores
    highest, plain parts last; a picture that one chosen has found already is passed over.

    Parameters
    ----------
    engine : of a collection that is not empty
    n_queries : how many at most

    Returns
    -------
    (id of the picture, box xyxy in whole pixels of it) of each; at least one
    """
    collection, tried = engine.collection, []
    places = np.linspace(0, len(engine) - 1, min(len(engine), N_TRIED)).round()
    for image_id in places.astype(int).tolist():
        words, norms = collection.words(image_id), collection.norms(image_id)
        cells = striking_cells(norms)
        edges = cells_to_boxes(np.array(cells), collection.size(image_id), words.shape)
        box = tuple(round(edge) for edge in edges.tolist())
        hits = engine.search(frame=collection.name(image_id), box=box, k=N_FOUND)
        others = hits.scores[hits.ids != image_id]
        x1, y1, x2, y2 = cells
        is_plain = np.unique(words[y1:y2, x1:x2]).size <= PLAIN
        best = float(others.max()) if others.size else 0.0
        found = hits.ids[hits.scores >= ALIKE * best].tolist()
        tried.append((is_plain, -best, image_id, box, found))
    chosen: list[tuple[int, tuple]] = []
    shown: set[int] = set()
    for _, _, image_id, box, found in sorted(tried):
        if image_id not in shown and len(chosen) < n_queries:
            chosen.append((image_id, box))
            shown.update(found)
    return chosen
