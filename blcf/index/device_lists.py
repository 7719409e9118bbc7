"""Posting lists on a torch device, by image: brought over once, and kept while there is room."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch

from blcf.devices import free_memory
from blcf.index.postings import Postings

__all__ = ["DeviceLists", "Rows"]

_SHARE = 0.5  # of the free memory of a GPU that kept lists may take, each time


@dataclass(frozen=True, eq=False)
class Rows:
    """The bags of a part's images, one behind the other: tensors of one device.

    Attributes
    ----------
    ends : int64 (n_images + 1,), where the bag of each image begins and ends
    words : int32 (n_postings,), ascending within a bag
    tf : float32 (n_postings,), raw term frequencies
    n_words : size of the vocabulary
    longest : words of the longest bag
    """

    ends: torch.Tensor
    words: torch.Tensor
    tf: torch.Tensor
    n_words: int
    longest: int

    @property
    def n_bytes(self) -> int:
        """What they take on the device."""
        return sum(one.nbytes for one in (self.ends, self.words, self.tf))

    def matrix(self, sqrt: bool, dtype: torch.dtype) -> torch.Tensor:
        """(Roots of) tf as a sparse matrix, CSR (n_images, n_words)."""
        values = self.tf.to(dtype)
        return torch.sparse_csr_tensor(
            self.ends.to(torch.int32),
            self.words,
            values.sqrt() if sqrt else values,
            size=(len(self.ends) - 1, self.n_words),
            check_invariants=False,
        )

    def dot(
        self, images: torch.Tensor, columns: torch.Tensor, queries: torch.Tensor, sqrt: bool
    ) -> torch.Tensor:
        """Dot products of some images with a query each, in float64, summed word by word.

        Parameters
        ----------
        images, columns : int64 (n,), positions of images, and which query
        queries : float64 (n_words, n_queries)
        """
        begins = self.ends[images]
        lengths = self.ends[images + 1] - begins
        pairs = torch.repeat_interleave(lengths)
        before = torch.cumsum(lengths, 0) - lengths
        places = torch.arange(len(pairs), device=pairs.device) - (before - begins)[pairs]
        values = self.tf[places].double()
        if sqrt:
            values = values.sqrt()
        values = values * queries[self.words[places].long(), columns[pairs]]
        # Not by atomic additions, whose order is another each time.
        return torch.segment_reduce(values, "sum", lengths=lengths, unsafe=True, initial=0)


class DeviceLists:
    """The posting lists of an index on one device.

    Attributes
    ----------
    place : the device
    """

    def __init__(self, place: torch.device):
        self.place = place
        self._kept: WeakKeyDictionary[Postings, Rows] = WeakKeyDictionary()

    def rows(self, lists: Postings) -> Rows:
        """The bags of a part, kept for the next search if there is room for them.

        Raises
        ------
        FormatError
            The lists are damaged.
        """
        found = self._kept.get(lists)
        if found is None:
            found = _by_image(lists, self.place)
            if self._has_room(found.n_bytes):
                self._kept[lists] = found
        return found

    def _has_room(self, n_bytes: int) -> bool:
        if self.place.type != "cuda":
            return False  # the memory of the processor has the lists already
        return n_bytes <= _SHARE * free_memory(self.place)


def _by_image(lists: Postings, place: torch.device) -> Rows:
    lists.check()  # torch trusts a matrix: a damaged one would lead it out of its arrays
    images = torch.from_numpy(lists.image_ids.astype(np.int32)).to(place)
    counts = torch.from_numpy(np.diff(lists.word_indptr).astype(np.int64)).to(place)
    words = torch.arange(lists.n_words, dtype=torch.int32, device=place)
    words = torch.repeat_interleave(words, counts)
    images, order = images.sort(stable=True)
    tf = torch.from_numpy(lists.spread(lists.values).astype(np.float32)).to(place)
    lengths = torch.bincount(images, minlength=lists.n_images)
    ends = torch.cat([lengths.new_zeros(1), torch.cumsum(lengths, 0)])
    longest = int(lengths.max()) if len(lengths) else 0
    return Rows(ends, words[order], tf[order], lists.n_words, longest)
