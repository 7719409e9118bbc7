"""A collection on disk: files that grow, shrink, merge and mend, and never lose what is committed.

- `Collection` (collection.py) is made, opened and changed by one writer (lock.py); snapshot.py
  looks images up by number, name and path;
- manifest.py says which files belong to it, in the form of manifest_form.py; segment.py and maps.py
  are those files, deletions.py the marks of removed images, rewriting.py makes several segments
  into one;
- kept_statistics.py keeps df and norms; skipped.py reports pictures that could not be read;
- `check_collection` (checking.py) verifies every byte: findings.py looks, check_report.py says what
  was found, repairing.py repairs, names_copy.py knows what a damaged segment held.
"""

from blcf.collection.batch import Batch
from blcf.collection.checking import CheckReport, Damage, Unreadable, check_collection
from blcf.collection.collection import Collection
from blcf.collection.columns import FileFacts
from blcf.collection.decoding import DecodingNotes
from blcf.collection.segment import Segment

__all__ = [
    "Batch",
    "CheckReport",
    "Collection",
    "DecodingNotes",
    "Damage",
    "FileFacts",
    "Segment",
    "Unreadable",
    "check_collection",
]
