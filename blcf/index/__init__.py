"""Sparse vectors to a ranking: posting lists, the inverted file over them, its statistics.

- `InvertedFile` (inverted_file.py) is the door: add, remove, search; parts.py holds what it is
  made of, merging.py says when parts become one, numbering.py numbers the images that live;
- postings.py builds, merges and walks posting lists; names.py finds names among millions;
- statistics.py has df, idf and norms of the live images, a value that parts add up to the whole's;
  scoring.py ranks, in threads;
  approximate.py chooses words to leave out, torch_products.py ranks on a device;
- `FlatIndex` (flat.py) keeps the same promises for dense vectors; dense.py holds its parts.
"""

from blcf.index.flat import FlatIndex
from blcf.index.inverted_file import InvertedFile
from blcf.index.statistics import DocumentFrequencies

__all__ = ["DocumentFrequencies", "FlatIndex", "InvertedFile"]
