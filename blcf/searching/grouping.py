"""Which hits belong together: those of one shot, of one film, or near-duplicates of each other."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np
import scipy.sparse as sp

from blcf.searching.pictures import InFilm

__all__ = ["GROUPS", "SIMILARITY", "film_keys", "group_rows", "hits_of_groups", "near_keys"]

GROUPS = ("shot", "video", "near")
SIMILARITY = 0.8  # of near-duplicates, see `near_keys`

# Of a moment so many frames are looked for; where there are more, its first or last are not seen.
_FRAMES_OF_A_GROUP, _FEWEST_GROUPED = 20, 1_000


def hits_of_groups(k: int) -> int:
    """How many hits are looked for where `k` groups of them are wanted.

    Examples
    --------
    >>> hits_of_groups(10), hits_of_groups(100)
    (1000, 2000)
    """
    return max(_FEWEST_GROUPED, _FRAMES_OF_A_GROUP * k)


def group_rows(keys: Iterable[Hashable]) -> list[list[int]]:
    """Rows of a ranking by their keys: groups in the order of their best, each in that order.

    Examples
    --------
    >>> group_rows("abacb")
    [[0, 2], [1, 4], [3]]
    """
    groups: dict[Hashable, list[int]] = {}
    for row, key in enumerate(keys):
        groups.setdefault(key, []).append(row)
    return list(groups.values())


def film_keys(places: Sequence[InFilm], by: str) -> list[Hashable]:
    """What hits of one shot, or of one film (`by`), have in common.

    A picture that is no frame, and a frame whose shot is not known, is a group of its own.
    """
    keys: list[Hashable] = []
    for row, one in enumerate(places):
        if not one.film or (by == "shot" and one.shot < 0):
            keys.append(row)
        else:
            keys.append((one.film, one.shot if by == "shot" else None))
    return keys


def near_keys(vectors: sp.csr_matrix, similarity: float) -> list[int]:
    """Of each picture the first that it is a near-duplicate of, or itself.

    From the best downwards: a picture joins the first of those that begin a group whose cosine with
    it is `similarity` or more, and begins a group where there is none. Near-duplicates of
    near-duplicates are not joined, as a film would become one picture so.

    Parameters
    ----------
    vectors : CSR float64 (n, n_words), of length 1 or 0, the best hit first
    similarity : 0..1
    """
    cosines = (vectors @ vectors.T).tocsr()
    keys, begins = [], np.zeros(vectors.shape[0], dtype=bool)
    for row in range(vectors.shape[0]):
        part = slice(cosines.indptr[row], cosines.indptr[row + 1])
        near = cosines.indices[part][cosines.data[part] >= similarity - 1e-12]
        earlier = near[(near < row) & begins[near]]
        keys.append(int(earlier.min()) if earlier.size else row)
        begins[row] = not earlier.size
    return keys
