"""What a search needs of an open collection, in one object that is handed down whole."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

from blcf.bags import BagOfWords
from blcf.collection import Model
from blcf.collection.opening import open_index
from blcf.collection.snapshot import Snapshot
from blcf.index import InvertedFile

__all__ = ["Searchable"]


@dataclass(frozen=True, eq=False)
class Searchable:
    """A collection as of one moment, ready to be searched.

    It knows the model and not the engine: a circle would keep the maps of an engine that is gone.

    Attributes
    ----------
    index : inverted file of the images
    snapshot : their names, sizes, assignment maps and norms
    model : what their words are made with; its network is loaded when a picture needs it
    bags_of_images : how the bags of whole images are made
    bags_of_parts : how those of queries and of windows are made
    """

    index: InvertedFile
    snapshot: Snapshot
    model: Model
    bags_of_images: BagOfWords
    bags_of_parts: BagOfWords

    @classmethod
    def of(cls, model: Model) -> Searchable:
        """What the collection of a model holds now.

        Raises
        ------
        InvalidInput
            It holds no pictures yet: there are no words.
        """
        bags = model.bags_of_images, model.bags_of_parts
        # A refresh replaces what a collection holds and changes none of it: the copy stays.
        snapshot = copy(model.collection)
        return cls(open_index(snapshot, model.n_words, model.settings), snapshot, model, *bags)

    def close(self) -> None:
        """Give the memory maps back; what is asked for later is an error."""
        self.index.close()
        self.snapshot.close()
