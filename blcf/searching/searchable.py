"""What a search needs of an open collection, in one object that is handed down whole."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from blcf.bags import BagOfWords
from blcf.collection import Model
from blcf.collection.opening import open_index
from blcf.collection.snapshot import Snapshot
from blcf.qdrant import PointStore, QdrantIndex
from blcf.searching.ranking_index import RankingIndex

__all__ = ["Searchable", "made_with"]


@dataclass(frozen=True, eq=False)
class Searchable:
    """A collection as of one moment, ready to be searched.

    It knows the model and not the engine: a circle would keep the maps of an engine that is gone.

    Attributes
    ----------
    index : inverted file of the images, or another that ranks as it does
    snapshot : their names, sizes, assignment maps and norms
    model : what their words are made with; its network is loaded when a picture needs it
    bags_of_images : how the bags of whole images are made
    bags_of_parts : how those of queries and of windows are made
    """

    index: RankingIndex
    snapshot: Snapshot
    model: Model
    bags_of_images: BagOfWords
    bags_of_parts: BagOfWords

    @classmethod
    def of(cls, model: Model, store: PointStore | None = None) -> Searchable:
        """What the collection of a model holds now.

        Parameters
        ----------
        store : where it was exported to, to rank in; None ranks in its own inverted file

        Raises
        ------
        InvalidInput
            It holds no pictures yet: there are no words. Or the store holds others.
        """
        bags = model.bags_of_images, model.bags_of_parts
        # A refresh replaces what a collection holds and changes none of it: the copy stays.
        snapshot = copy(model.collection)
        lists = open_index(snapshot, model.n_words, model.settings)
        index: RankingIndex = lists
        if store is not None:
            model.settings.check_without_tiles("ranks in its own inverted file: leave index out")
            index = QdrantIndex(store, lists, snapshot.facts.ids, made_with(model))
        return cls(index, snapshot, model, *bags)

    @property
    def has_tiles(self) -> bool:
        """Whether an image scores what its best tile does, see `blcf.Settings`."""
        return self.model.settings.tiles > 0

    def chosen(self, where: str) -> Any:
        """The images for which a condition holds, in a form that the index takes."""
        return self.snapshot.matching(where)

    def bags_of(self, ids: Sequence[int]) -> sp.csr_matrix:
        """Bags of images: CSR float32 (n, n_words)."""
        bags, snapshot = self.bags_of_images, self.snapshot
        channels = [snapshot.channel(bags.weighting, image_id) for image_id in ids]
        return bags.encode_many([snapshot.words(image_id) for image_id in ids], channels)

    def last(self, vector: sp.csr_matrix, n: int, among: Any = None) -> np.ndarray:
        """The last `n` images that share a word with a vector, the best first: int64."""
        ranking = self.index.search(vector, self.index.n_images, weighed=True, among=among)
        return ranking.ids[ranking.scores > 0][-n:]

    def close(self) -> None:
        """Give the memory maps back; what is asked for later is an error."""
        self.index.close()
        self.snapshot.close()


def made_with(model: Model) -> dict[str, Any]:
    """What words and their weights follow from, as plain values: who exports bags says it."""
    extractor, settings = model.collection.manifest["extractor"], model.settings
    return {
        **{name: extractor[name] for name in ("network", "layer", "node", "weights_digest")},
        **{name: model.entry[name] for name in ("n_words", "n_components")},
        **{name: model.entry[name] for name in ("whitening_digest", "vocabulary_digest")},
        **{name: getattr(settings, name) for name in ("side", "upsample", "weighting")},
    }
