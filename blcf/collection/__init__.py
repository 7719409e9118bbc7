"""A collection on disk: files that grow, shrink, merge and mend, and never lose what is committed.

- `Collection` (collection.py) is made, opened and changed by one writer (lock.py); snapshot.py
  looks images up by number, name and path;
- manifest.py says which files belong to it, in the form of manifest_form.py; segment.py and maps.py
  are those files, deletions.py the marks of removed images, rewriting.py plans which segments
  become one, leftovers.py finds what killed writers left behind;
- kept_statistics.py keeps df and norms; skipped.py reports pictures that could not be read;
- `Settings` (settings.py) is what a collection is made with, `Model` (model.py) makes the words of
  a picture; opening.py opens the inverted file over the segments, and finds pictures by name or
  path;
- description.py tells what a collection is, name_list.py lists the names of its pictures;
- `check_collection` (checking.py) verifies every byte: findings.py looks, check_report.py says what
  was found, repairing.py repairs, names_copy.py knows what a damaged segment held.
"""

from blcf.collection.checking import CheckReport, Damage, Unreadable, check_collection
from blcf.collection.collection import Collection
from blcf.collection.decoding import DecodingNotes
from blcf.collection.model import Model
from blcf.collection.segment import Batch, Segment
from blcf.collection.settings import Settings

__all__ = [
    "Batch",
    "CheckReport",
    "Collection",
    "DecodingNotes",
    "Damage",
    "Model",
    "Segment",
    "Settings",
    "Unreadable",
    "check_collection",
]
