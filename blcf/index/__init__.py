"""Sparse vectors to a ranking: the inverted file, and the collection on disk."""

from blcf.index.checking import CheckReport, Damage, check_collection
from blcf.index.collection import Collection
from blcf.index.inverted_file import InvertedFile
from blcf.index.segment import Batch, Segment

__all__ = [
    "Batch",
    "CheckReport",
    "Collection",
    "Damage",
    "InvertedFile",
    "Segment",
    "check_collection",
]
