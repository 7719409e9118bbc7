"""Images ranked by a global descriptor: maps in, a ranking out, as the inverted file ranks bags."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

import numpy as np

from blcf.descriptors.descriptor import Descriptor, as_sequence, check_count
from blcf.descriptors.reranking import RmacReranker
from blcf.errors import InvalidInput
from blcf.expansion.average import average_descriptor
from blcf.index.flat import FlatIndex
from blcf.printing import counted
from blcf.records import Ranking

__all__ = ["DescriptorSearch"]

# Descriptors made at a time: maps come from a generator, and are not kept.
_CHUNK = 256


class DescriptorSearch:
    """The descriptors of a collection, and the search through them.

    Parameters
    ----------
    descriptor : a fitted `Descriptor`

    Attributes
    ----------
    index_ : `blcf.index.FlatIndex`, which holds the descriptors

    Examples
    --------
    >>> from blcf.descriptors import MAC
    >>> rng = np.random.default_rng(0)
    >>> maps = [rng.random((16, 9, 12), dtype=np.float32) for _ in range(40)]
    >>> search = DescriptorSearch(MAC(n_components=8).fit(maps))
    >>> search.add([f"{i}.jpg" for i in range(40)], maps).search([maps[3]], k=1)[0].name
    '3.jpg'
    """

    def __init__(self, descriptor: Descriptor):
        self.descriptor = descriptor
        n_components = getattr(descriptor, "n_components_", None)
        if n_components is None:
            raise InvalidInput("Expected a descriptor that has learned: call its fit first.")
        self.index_ = FlatIndex(n_components)

    def __repr__(self) -> str:
        return f"DescriptorSearch({self.descriptor!r}): {counted(self.n_images, 'image')}"

    @property
    def n_images(self) -> int:
        """How many images are held."""
        return self.index_.n_images

    def add(self, names: Sequence[str], maps: Iterable[np.ndarray]) -> DescriptorSearch:
        """Append images: all of them, or, where a map is bad, none.

        Parameters
        ----------
        names : one per map
        maps : feature maps, float32 (C, h, w) each; a generator will do, and is read once

        Raises
        ------
        InvalidInput
            Not one map per name; a map that is none, or of another number of channels.
        """
        rows, maps = [], iter(maps)
        while chunk := list(islice(maps, _CHUNK)):
            rows.append(self.descriptor.transform(chunk))
        n_components = self.index_.n_components
        vectors = np.concatenate(rows) if rows else np.zeros((0, n_components), np.float32)
        self.index_.add(names, vectors)
        return self

    def remove(self, names: Sequence[str]) -> int:
        """Remove all images of some names; gives how many there were."""
        return self.index_.remove(names)

    def describe(self, maps: Iterable[np.ndarray]) -> np.ndarray:
        """The query of one or more examples: float32 (n_components_,), the mean of theirs, L2.

        `maps` are whole feature maps (GS) or their crops (LS, see `crop_map`).
        """
        vectors = self.descriptor.transform(maps)
        if not len(vectors):
            raise InvalidInput("Expected the feature map of an example, got none.")
        return average_descriptor(vectors[0], vectors[1:]).astype(np.float32)

    def search(
        self,
        maps: Iterable[np.ndarray],
        k: int = 100,
        *,
        n_expand: int = 0,
        reranker: RmacReranker | None = None,
        open_map: Callable[[str], tuple[np.ndarray, tuple[int, int]]] | None = None,
        aspect: float | None = None,
    ) -> Ranking:
        """The k images most similar to an object.

        Parameters
        ----------
        maps : of one or more examples, see `describe`
        k : how many; all images where there are fewer
        n_expand : above 0, the mean of the query and its best hits searches again (Chum et al.,
            ICCV 2007; 10 in Kalantidis et al.); not with a reranker, which has its own
        reranker : orders the best hits again by their regions, and gives them boxes
        open_map, aspect : for the reranker, see `RmacReranker.rerank`; its query is the first
            example

        Raises
        ------
        InvalidInput
        """
        check_count(n_expand, "n_expand", least=0)
        if reranker is not None and (open_map is None or n_expand):
            raise InvalidInput(
                "Expected open_map=... with a reranker, and its own n_expand in place of the "
                "search's."
            )
        maps = as_sequence(maps)
        query = self.describe(maps)
        if n_expand and self.n_images:
            best = self.index_.search(query, n_expand)
            query = average_descriptor(query, self.index_.vectors(best.ids))
        if reranker is None or open_map is None:
            return self.index_.search(query, k)
        ranking = self.index_.search(query, max(k, reranker.depth))
        return reranker.rerank(ranking, maps[0], open_map, aspect=aspect)[:k]
