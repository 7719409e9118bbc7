"""Ranking large batches of queries by sparse products on a torch device.

The way of Mohedano et al., ICMR 2016, section 4: the dot products of all images and all queries
are one sparse product. Float64, so that scores agree with those of the posting lists to the last
bits, and rankings once they are rounded to the float32 that is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from blcf.errors import InvalidInput
from blcf.index.scoring import Part, Top

if TYPE_CHECKING:
    import torch

__all__ = ["rank_on_device"]

# Dense queries of a batch take 25,000 words x 8 bytes each, their scores 32,768 x 8.
BATCH = 256


def rank_on_device(
    parts: Sequence[Part], vectors: sp.csr_matrix, k: int, sqrt: bool, device: str
) -> list[Top]:
    """The best k images of every row of `vectors`, as `blcf.index.scoring.rank_many` has them.

    Parameters
    ----------
    vectors : CSR float64 (n_queries, n_words), what a unit of (root of) tf adds
    device : name of a torch device

    Raises
    ------
    InvalidInput
        There is no such device here.
    """
    import torch

    try:
        place = torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, TypeError) as error:
        raise InvalidInput(
            f"Expected a torch device that is there, got {device!r} "
            f"({str(error).splitlines()[0]}). Leave device out to search on the processor."
        ) from error
    if not k:
        return [_top(np.empty(0, dtype=np.int64))] * vectors.shape[0]
    batches = [
        torch.from_numpy(vectors[first : first + BATCH].toarray().T.copy()).to(place)
        for first in range(0, vectors.shape[0], BATCH)
    ]  # (n_words, n_queries) each
    best = [torch.empty((0, batch.shape[1]), dtype=torch.int64, device=place) for batch in batches]
    for part in parts:  # brought over once for all queries, and one at a time
        matrix = _matrix(part, sqrt, place)
        scale = torch.from_numpy(part.scale).to(place)[:, None]
        for number, batch in enumerate(batches):
            scores = torch.nan_to_num((matrix @ batch) * scale, nan=-torch.inf)
            keys = torch.cat([best[number], _keys(scores, part.first)])
            best[number] = keys.topk(min(k, keys.shape[0]), dim=0).values
    return [_top(column) for kept in best for column in kept.cpu().numpy().T]


def _matrix(part: Part, sqrt: bool, place: torch.device) -> torch.Tensor:
    """(Roots of) tf as a sparse matrix, CSR float64 (n_images, n_words)."""
    import torch

    lists = part.postings
    lists.check()  # torch trusts a matrix: a damaged one would lead it out of its arrays
    words = torch.repeat_interleave(
        torch.arange(lists.n_words, device=place),
        torch.from_numpy(np.diff(lists.word_indptr).astype(np.int64)).to(place),
    )
    images = torch.from_numpy(lists.image_ids.astype(np.int64)).to(place)
    images, order = images.sort(stable=True)
    tf = torch.from_numpy(lists.spread(lists.values).astype(np.float64)).to(place)
    ends = torch.cumsum(torch.bincount(images, minlength=lists.n_images), 0)
    return torch.sparse_csr_tensor(
        torch.cat([ends.new_zeros(1), ends]),
        words[order],
        (tf.sqrt() if sqrt else tf)[order],
        size=(lists.n_images, lists.n_words),
        check_invariants=False,
    )


def _keys(scores: torch.Tensor, first: int) -> torch.Tensor:
    """One number per score and image that sorts like a ranking: int64, the best the largest.

    Above, the bits of the float32 score, which order like integers once those of negative
    numbers are turned; below, the image, counted backwards. No two are equal, so that the best k
    are defined, which they are not among equal scores.
    """
    import torch

    bits = (scores.float() + 0.0).view(torch.int32)  # + 0.0: there is no negative zero
    bits = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).long()
    images = first + torch.arange(scores.shape[0], device=scores.device)[:, None]
    return (bits << 32) + (0xFFFFFFFF - images)


def _top(keys: np.ndarray) -> Top:
    """Scores and images from keys, best first; removed images have scores of -inf."""
    bits = (keys >> 32).astype(np.int32)
    scores = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).view(np.float32)
    images = 0xFFFFFFFF - (keys & 0xFFFFFFFF)
    lives = scores > -np.inf
    return Top(scores[lives], images[lives])
