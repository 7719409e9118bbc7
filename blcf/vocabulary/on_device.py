"""The steps of k-means on a GPU: the sample lies there while it fits, and no step leaves it.

A look is a product with all words in bfloat16, of whose scores the two best words are kept and
scored again in float32; means are sums over features that were sorted by their words, so that they
come out alike each time (atomic additions do not). All of it is plain torch, and runs on the CPU
too, where the tests compare it with the other k-means.

Bytes of an iteration with n features, k words and d components, in bfloat16: 2 n k are written by
the product and read three times by the two maxima, the rest is small: of 3,000,000 x 256 and 25,000
words 150 GB and 450 GB, beside 38 Tflop.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from blcf.devices import free_memory, numbered
from blcf.vocabulary.rows import Rows

__all__ = ["DeviceSteps", "multiplies_bfloat16_on", "two_best"]

_SCORES = 1 << 29  # of a block, 1 GB in bfloat16
_ROWS = 1 << 18  # of a piece that is copied while the one before is computed
_SHARE = 0.6  # of the free memory that a sample may take


class DeviceSteps:
    """A sample on a device, words, and the steps between them.

    Parameters
    ----------
    rows : the sample
    centroids : float32 (n_words, n_components), where the words begin
    device : of torch
    precision : "bfloat16" or "float32", of the products
    resident : whether the whole sample lies on the device; None: where it fits. Else it goes there
        in pieces, each while the one before it is computed

    Attributes
    ----------
    centroids : float32 (n_words, n_components), a tensor of the device
    words, distances : int64 and float32 (len(rows),), tensors of the device, of the last look
    """

    def __init__(
        self,
        rows: Rows,
        centroids: np.ndarray,
        device: str,
        precision: str,
        resident: bool | None = None,
    ):
        self._rows, self._device, self._low = rows, numbered(device), precision == "bfloat16"
        self.centroids = torch.from_numpy(centroids).to(self._device)
        self.words = torch.zeros(len(rows), dtype=torch.int64, device=self._device)
        self.distances = torch.zeros(len(rows), device=self._device)
        self._lengths = torch.from_numpy(rows.squared_lengths).to(self._device)
        if resident is None:
            resident = self._fits()
        self._whole = self._whole_sample() if resident else None

    def _fits(self) -> bool:
        """Whether the sample and a block of scores have room."""
        if self._device.type != "cuda":
            return True
        n_bytes = 4 * len(self._rows) * self.centroids.shape[1]
        return n_bytes + (4 if self._low else 8) * _SCORES <= _SHARE * free_memory(self._device)

    def _copied(self, part: slice) -> torch.Tensor:
        """Some rows on the device; of pinned memory the copy goes on beside what is computed."""
        found = torch.from_numpy(self._rows.sample[self._rows.places[part]])
        if self._device.type == "cuda":
            return found.pin_memory().to(self._device, non_blocking=True)
        return found.to(self._device)

    def _whole_sample(self) -> torch.Tensor:
        """All rows on the device, piece by piece: at home a sample may exceed the memory."""
        shape = len(self._rows), self.centroids.shape[1]
        found = torch.empty(shape, device=self._device)
        for part in self._parts():
            found[part] = self._copied(part)
        return found

    def _parts(self) -> list[slice]:
        n = len(self._rows)
        return [slice(first, min(first + _ROWS, n)) for first in range(0, n, _ROWS)]

    def _pieces(self) -> Iterator[tuple[slice, torch.Tensor]]:
        """Yield (positions, float32 features on the device) of all the sample.

        In pieces, wherever it lies: what is made of one (its rows in the order of their words) must
        have room beside the sample.
        """
        parts = self._parts()
        if self._whole is not None:
            for part in parts:
                yield part, self._whole[part]
            return
        beside = torch.cuda.Stream(self._device) if self._device.type == "cuda" else None
        ahead = None
        for number, part in enumerate(parts):
            features = ahead if ahead is not None else self._copied(part)
            if beside is not None:
                torch.cuda.current_stream(self._device).wait_stream(beside)
                features.record_stream(torch.cuda.current_stream(self._device))
            ahead = None
            if number + 1 < len(parts):
                if beside is None:
                    ahead = self._copied(parts[number + 1])
                else:
                    with torch.cuda.stream(beside):
                        ahead = self._copied(parts[number + 1])
            yield part, features

    @torch.inference_mode()
    def look(self) -> float:
        """Find the word of each feature; gives the mean squared distance."""
        half_norms = self.centroids.square().sum(dim=1) / 2
        low = self.centroids.bfloat16() if self._low else None
        # Of few words it is the two candidates of each feature that take the room.
        n_block = max(1, _SCORES // max(len(self.centroids), 8 * self.centroids.shape[1]))
        for part, features in self._pieces():
            for first in range(0, len(features), n_block):
                few = slice(first, first + n_block)
                words, scores = two_best(features[few], self.centroids, half_norms, low)
                at = slice(part.start + first, part.start + first + len(words))
                self.words[at] = words
                self.distances[at] = (self._lengths[at] - 2 * scores).clamp_(min=0)
        return float(self.distances.mean(dtype=torch.float64))

    @torch.inference_mode()
    def move(self, past: float) -> int:
        """Put each word at the mean of its features or past it, see `move_words`."""
        n_words = len(self.centroids)
        counts = torch.bincount(self.words, minlength=n_words)
        sums = torch.zeros_like(self.centroids)
        for part, features in self._pieces():
            order = self.words[part].sort(stable=True).indices
            lengths = torch.bincount(self.words[part], minlength=n_words)
            sums += torch.segment_reduce(
                features[order], "sum", lengths=lengths, axis=0, unsafe=True, initial=0
            )
        means = sums / counts.clamp(min=1)[:, None]
        moved = means + past * (means - self.centroids)
        is_empty = counts == 0
        n_empty = int(is_empty.sum())
        self.centroids = torch.where(is_empty[:, None], self.centroids, moved)
        if n_empty:
            farthest = self.distances.sort(descending=True, stable=True).indices[:n_empty]
            places = self._rows.places[farthest.cpu().numpy()]
            rows = torch.from_numpy(self._rows.sample[places]).to(self._device)
            self.centroids[torch.nonzero(is_empty)[: len(rows), 0]] = rows
        return n_empty


def multiplies_bfloat16_on(device: str) -> bool:
    """Whether a device multiplies bfloat16 faster than float32."""
    found = torch.device(device)
    return found.type == "cuda" and torch.cuda.get_device_capability(found) >= (8, 0)


@torch.inference_mode()
def two_best(
    features: torch.Tensor,
    centroids: torch.Tensor,
    half_norms: torch.Tensor,
    low: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The nearest word of each feature: of the two best by a rounded product, the better one.

    Parameters
    ----------
    features : float32 (n, d)
    centroids, half_norms : float32 (n_words, d) and (n_words,), ``|c|^2 / 2``
    low : the centroids in bfloat16, for the product; None: it is in float32

    Returns
    -------
    words : int64 (n,), the lowest of equally near ones
    scores : float32 (n,), ``x.c - |c|^2 / 2``
    """
    if low is None:
        products = torch.addmm(-half_norms, features, centroids.T)
    else:
        products = torch.addmm(-half_norms.bfloat16(), features.bfloat16(), low.T)
    best = products.argmax(dim=1, keepdim=True)
    if products.shape[1] > 1:
        products.scatter_(1, best, -torch.inf)
        best = torch.cat([best, products.argmax(dim=1, keepdim=True)], dim=1).sort(dim=1).values
    near = centroids[best]  # (n, 2, d)
    scores = (features[:, None] * near).sum(dim=2) - half_norms[best]
    chosen = scores.argmax(dim=1, keepdim=True)
    return best.gather(1, chosen)[:, 0], scores.gather(1, chosen)[:, 0]
