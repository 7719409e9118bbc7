"""Ranking large batches of queries by sparse products on a torch device.

The way of Mohedano et al., ICMR 2016, section 4: the dot products of all images and all queries
are one sparse product. It is in float32, and gives candidates: some more than are asked for. Those
are scored again in float64, so that their scores agree with those of the posting lists to the last
bits, and rankings once they are rounded to the float32 that is shown. A query whose last hit is not
better than what may have been missed, by the bound of the rounding, is ranked by a product in
float64.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
import torch

from blcf.devices import memory_said
from blcf.errors import InvalidInput
from blcf.index.device_lists import DeviceLists, Rows
from blcf.index.scoring import Part, Top

__all__ = ["rank_on_device"]

# Dense queries of a batch take 25,000 words x 12 bytes each, their scores 32,768 x 12. Of a large
# vocabulary fewer go together: all batches lie on the device at once.
BATCH = 256
_QUERIES = 1 << 25  # numbers of a batch of queries: 400 MB
_MORE = 256  # candidates beyond the hits that are asked for
_TOGETHER = 32  # queries whose candidates are scored again at the same time
_STEP = 2.0**-23  # scores that are equal once they are rounded to float32 tie


def _lists_on(device: str) -> DeviceLists:
    """Nothing yet, on a device that has float64."""
    try:
        return DeviceLists(torch.empty(0, dtype=torch.float64, device=device).device)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise InvalidInput(
            f"Expected a torch device that is there, got {device!r} "
            f"({str(error).splitlines()[0]}). Leave device out to search on the processor."
        ) from error


@torch.inference_mode()
def rank_on_device(
    parts: Sequence[Part],
    vectors: sp.csr_matrix,
    k: int,
    sqrt: bool,
    device: str,
    kept: dict[str, DeviceLists],
) -> list[Top]:
    """The best k images of every row of `vectors`, as `blcf.index.scoring.rank_many` has them.

    Parameters
    ----------
    vectors : CSR float64 (n_queries, n_words), what a unit of (root of) tf adds
    device : name of a torch device
    kept : lists that earlier searches brought to devices, by their names; changed

    Raises
    ------
    InvalidInput
        There is no such device here.
    OutOfMemory
        It has not enough.
    """
    if any(part.tiles is not None for part in parts):
        raise InvalidInput(
            "Expected images without tiles on a device: only posting lists take the best tile. "
            "Leave device out to search on the processor."
        )
    if str(device) not in kept:
        kept[str(device)] = _lists_on(device)
    if not k:
        return [_top(np.empty(0, dtype=np.int64))] * vectors.shape[0]
    with memory_said(
        f"{vectors.shape[0]:,} queries on {device}",
        "Search with fewer at once, or leave device out to search on the processor.",
    ):
        return _rank(parts, vectors, k, sqrt, kept[str(device)])


def _rank(
    parts: Sequence[Part], vectors: sp.csr_matrix, k: int, sqrt: bool, lists: DeviceLists
) -> list[Top]:
    n_batch = max(1, min(BATCH, _QUERIES // vectors.shape[1]))
    batches = [
        torch.from_numpy(vectors[first : first + n_batch].toarray().T.copy()).to(lists.place)
        for first in range(0, vectors.shape[0], n_batch)
    ]  # (n_words, n_queries) each, float64
    best = [_Best(batch, k, sqrt) for batch in batches]
    for part in parts:  # brought over once for all queries, and one at a time
        rows = lists.rows(part.postings)
        matrix = rows.matrix(sqrt, torch.float32)
        for one in best:
            one.look(part, rows, matrix)
    unsure = [one.unsure() for one in best]
    if any(len(one) for one in unsure):
        _look_again(parts, best, unsure, sqrt, lists)
    return [_top(column) for one in best for column in one.keys.cpu().numpy().T]


class _Best:
    """The best images of a batch of queries among the parts that were looked at.

    Attributes
    ----------
    queries : float64 (n_words, n_queries)
    keys : int64 (n, n_queries), at most k, best first
    """

    def __init__(self, queries: torch.Tensor, k: int, sqrt: bool):
        self.queries, self._k, self._sqrt = queries, k, sqrt
        self._low, self._lengths = queries.float(), queries.square().sum(dim=0).sqrt()
        n = queries.shape[1]
        self.keys = torch.empty((0, n), dtype=torch.int64, device=queries.device)
        # The most that an image may score that was not scored in float64.
        self._missed = torch.full((n,), -torch.inf, dtype=torch.float64, device=queries.device)

    def look(self, part: Part, rows: Rows, matrix: torch.Tensor) -> None:
        """Offer the images of a part: the candidates of a float32 product are scored again."""
        scale = torch.from_numpy(part.scale).to(self.queries.device)
        scores = torch.nan_to_num((matrix @ self._low) * scale.float()[:, None], nan=-torch.inf)
        keys, is_all = _keys(scores, part.first), len(scores) <= self._k + _MORE
        if not is_all:
            keys = keys.topk(self._k + _MORE, dim=0).values
        scores, images = _parsed(keys)
        error = self._error(rows.longest)
        if not is_all:
            self._missed = torch.maximum(self._missed, scores[-1].double() + error)
        lives = scores > -torch.inf
        if len(self.keys) == self._k:  # only what may still be among the best
            lives &= scores.double() + error + _STEP >= _parsed(self.keys[-1])[0].double()
        exact = torch.full(scores.shape, -torch.inf, dtype=torch.float64, device=scores.device)
        for first in range(0, lives.shape[1], _TOGETHER):
            places, columns = torch.nonzero(lives[:, first : first + _TOGETHER], as_tuple=True)
            positions = images[places, columns + first] - part.first
            queries = self.queries[:, first : first + _TOGETHER]
            dots = rows.dot(positions, columns, queries, self._sqrt)
            exact[places, columns + first] = dots * scale[positions]
        # What was left out is worse than the last of those that are kept: its key may be any.
        keys = torch.cat([self.keys, _keys_of(exact, images)])
        self.keys = keys.topk(min(self._k, len(keys)), dim=0).values

    def _error(self, longest: int) -> torch.Tensor:
        """How far scores in float32 are off at most: float64 (n_queries,).

        Sums of products of two rounded factors, in any order; the vectors of images have length 1.
        """
        share = (longest + 8) * 2.0**-24
        return 1.01 * share / max(1 - share, 1e-9) * self._lengths + 1e-30

    def unsure(self) -> torch.Tensor:
        """Queries of which something that was missed may be among the best: positions."""
        last = _parsed(self.keys[-1])[0].double() if len(self.keys) else -self._missed
        return torch.nonzero(last <= self._missed + _STEP)[:, 0]


def _look_again(
    parts: Sequence[Part],
    best: Sequence[_Best],
    unsure: Sequence[torch.Tensor],
    sqrt: bool,
    lists: DeviceLists,
) -> None:
    """Rank some queries by products in float64."""
    kept = [one.keys[:0, few] for one, few in zip(best, unsure)]
    for part in parts:
        matrix = lists.rows(part.postings).matrix(sqrt, torch.float64)
        scale = torch.from_numpy(part.scale).to(lists.place)[:, None]
        for number, (one, few) in enumerate(zip(best, unsure)):
            if len(few):
                scores = (matrix @ one.queries[:, few].contiguous()) * scale
                scores = torch.nan_to_num(scores, nan=-torch.inf)
                keys = torch.cat([kept[number], _keys(scores, part.first)])
                kept[number] = keys.topk(min(len(one.keys), len(keys)), dim=0).values
    for one, few, keys in zip(best, unsure, kept):
        if len(few):
            one.keys[:, few] = keys


def _keys(scores: torch.Tensor, first: int) -> torch.Tensor:
    """One number per score and image that sorts like a ranking: int64, the best the largest.

    Above, the bits of the float32 score, which order like integers once those of negative
    numbers are turned; below, the image, counted backwards. No two are equal, so that the best k
    are defined, which they are not among equal scores.
    """
    return _keys_of(scores, first + torch.arange(len(scores), device=scores.device)[:, None])


def _keys_of(scores: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    bits = (scores.float() + 0.0).view(torch.int32)  # + 0.0: there is no negative zero
    bits = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).long()
    return (bits << 32) + (0xFFFFFFFF - images)


def _parsed(keys: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores and images of keys: float32 and int64."""
    bits = (keys >> 32).to(torch.int32)
    scores = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).view(torch.float32)
    return scores, 0xFFFFFFFF - (keys & 0xFFFFFFFF)


def _top(keys: np.ndarray) -> Top:
    """Scores and images from keys, best first; removed images have scores of -inf."""
    bits = (keys >> 32).astype(np.int32)
    scores = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).view(np.float32)
    images = 0xFFFFFFFF - (keys & 0xFFFFFFFF)
    lives = scores > -np.inf
    return Top(scores[lives], images[lives])
