"""Which images of the collection are the very pictures that are searched with.

A frame is known by its name. The file of a picture that was indexed, or a copy of it, is known by
its words: nearly all cells have those that the collection keeps of an image of its size (all of
them where both went through the network on one machine).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from blcf.records import Query, Ranking
from blcf.searching.searchable import Searchable
from blcf.searching.tiles import best_part

__all__ = ["Own", "is_alone", "own_pictures", "own_view", "with_pictures"]

LEAST_SAME = 0.9  # of the cells
# Of the words of a whole picture, by which it is found: the rarest, which cost the least.
_SHARE = 0.5
_ROUNDING = 1e-6


class Own(NamedTuple):
    """An example whose picture an image is.

    Attributes
    ----------
    example : its number
    view : which of its views has the words of the image
    """

    example: int
    view: int


def own_view(
    queries: Sequence[Query], name: str, words: np.ndarray, size: tuple[int, int]
) -> Own | None:
    """The first example whose picture an image is; None where it is that of none.

    Parameters
    ----------
    queries : the examples
    name : of the image
    words : int (h, w), of the image
    size : (width, height) of the image, pixels
    """
    for example, query in enumerate(queries):
        if query.frame is not None:
            if query.frame == name:
                return Own(example, 0)
        elif tuple(query.size) == tuple(size):
            for number, view in enumerate(query.views):
                same = view.assignment_map
                if same.shape == words.shape and np.mean(same == words) >= LEAST_SAME:
                    return Own(example, number)
    return None


def is_alone(vector: sp.csr_matrix, example: sp.csr_matrix) -> bool:
    """Whether what is searched for is one example and nothing else.

    Parameters
    ----------
    vector : CSR (1, n_words), what is searched for
    example : the vector of the example, of length 1
    """
    length = float(np.linalg.norm(vector.data))
    return float((vector @ example.T).sum()) >= (1 - _ROUNDING) * length > 0


def own_pictures(
    searchable: Searchable, queries: Sequence[Query], among: Any = None
) -> dict[int, str]:
    """{id: name} of the images that examples are a part of.

    Parameters
    ----------
    queries : the examples
    among : which images are searched, see `Searchable.chosen`
    """
    index, found = searchable.index, {}
    for query in queries:
        if query.box is None:  # all of a picture is near to it
            continue
        if query.frame is not None and among is None:
            (image_id,) = searchable.snapshot.find([query.frame]).tolist()
            found[int(image_id)] = query.frame
            continue
        words = query.views[query.whole].assignment_map
        tf = np.bincount(words.ravel(), minlength=index.n_words).astype(np.float32)
        vector = index.weigh(sp.csr_matrix(tf[None]))
        nearest = index.search(vector, 1, weighed=True, approximate=_SHARE, among=among)
        for image_id, name in zip(nearest.ids.tolist(), nearest.names):
            size, words, _ = searchable.snapshot.seen("uniform", image_id)
            if own_view([query], name, words, size) is not None:
                found[image_id] = name
    return found


def with_pictures(
    searchable: Searchable,
    vector: sp.csr_matrix,
    ranking: Ranking,
    pictures: dict[int, str],
    depth: int,
) -> Ranking:
    """A ranking whose first `depth` hold some pictures, the first of all where they did not.

    A small part of a picture may be nearer to a hundred others than to its own as a whole, which
    would not be looked into. The order of the others stays.
    """
    first = set(ranking.ids[:depth].tolist())
    missing = [image_id for image_id in pictures if image_id not in first][:depth]
    if not missing:
        return ranking
    if searchable.has_tiles:
        found = [best_part(searchable, vector, image_id)[0] for image_id in missing]
    else:
        bags = searchable.index.weigh(searchable.bags_of(missing))
        found = (bags @ vector.T).toarray().ravel()
    scores = np.array(found, dtype=np.float32)
    rest = np.flatnonzero(~np.isin(ranking.ids, missing))[: max(len(ranking) - len(missing), 0)]
    return Ranking(
        [pictures[image_id] for image_id in missing] + [ranking.names[row] for row in rest],
        np.concatenate([scores, ranking.scores[rest]]),
        np.concatenate([np.array(missing, dtype=np.int64), ranking.ids[rest]]),
    )
