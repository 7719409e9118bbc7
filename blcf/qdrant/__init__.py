"""Bags in Qdrant, and the inverted file's ranking from there.

- stores.py says what a store of points is: edge.py is one in a folder of this machine
  (qdrant-edge), server.py one behind a URL (qdrant-client); opening.py tells them apart;
- head.py is what a store says of itself: which collection, and the statistics of the epoch that
  its vectors are weighed with;
- publishing.py brings a store up to date: what is new goes in, what is gone goes out;
- index.py, `QdrantIndex`, ranks in it as `blcf.InvertedFile` does; answers.py asks the store.

A point is a picture under the id that it keeps for ever: the sparse vector "words", sqrt(tf) * idf
L2-normalised as the collection has it, and its name, size and facts. Qdrant's own idf is another
one, counted per shard, and is left off.

Invariant: a ranking follows the pictures that live now, whatever statistics the vectors were
weighed with: see `QdrantIndex`.
"""

from blcf.qdrant.index import QdrantIndex
from blcf.qdrant.opening import is_url, open_store, store_of
from blcf.qdrant.publishing import Pictures, Published, publish
from blcf.qdrant.stores import PointStore

__all__ = [
    "Pictures",
    "PointStore",
    "Published",
    "QdrantIndex",
    "is_url",
    "open_store",
    "publish",
    "store_of",
]
