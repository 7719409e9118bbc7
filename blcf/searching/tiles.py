"""The part of a picture that makes its score before reranking: all of it, or its best tile."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from blcf.bags import tile_windows
from blcf.index.approximate import promising_words
from blcf.searching.outcome import CellWindow
from blcf.searching.ranking_index import RankingIndex
from blcf.searching.searchable import Searchable

__all__ = ["best_part", "looked_at"]


def looked_at(
    vector: sp.csr_matrix, index: RankingIndex, approximate: float | None
) -> sp.csr_matrix:
    """The vector without the words that an approximate search leaves out."""
    if approximate is None:
        return vector
    kept = promising_words(vector.data, index.df[vector.indices], approximate)
    row = np.where(kept, vector.data, 0), vector.indices, vector.indptr
    return sp.csr_matrix(row, shape=vector.shape)


def best_part(
    searchable: Searchable, vector: sp.csr_matrix, image_id: int
) -> tuple[float, CellWindow | None]:
    """The score that the index gives an image, and the window of the tile that makes it.

    The window is one of the map that tiles are parts of, see `NumberedImages.seen`.

    Parameters
    ----------
    vector : CSR float64 (1, n_words), what is searched for
    image_id : of the image

    Returns
    -------
    Its cosine, and the window in cells; None where it is that of the whole image
    """
    snapshot, n = searchable.snapshot, searchable.model.settings.tiles
    bags = [searchable.bags_of([image_id])]
    windows: list[CellWindow | None] = [None]
    if n:
        of_parts = searchable.bags_of_parts
        _, words, channel = snapshot.seen(of_parts.weighting, image_id, True)
        tiles = tile_windows(words.shape, n)
        bags.append(of_parts.encode_windows(words, tiles, channel))
        windows += tiles
    vectors = searchable.index.weigh(sp.vstack(bags, format="csr"))
    scores = (vectors @ vector.T).toarray().ravel()
    scores[1:] *= searchable.model.settings.tile_share
    best = int(scores.argmax())
    return float(scores[best]), windows[best]
