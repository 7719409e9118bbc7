"""Sparse vectors to a ranking: the inverted file, and the collection on disk."""

from blcf.index.collection import Collection
from blcf.index.inverted_file import InvertedFile
from blcf.index.segment import Batch, Segment

__all__ = ["Batch", "Collection", "InvertedFile", "Segment"]
