"""A collection on disk: files that grow, shrink, merge and mend, and never lose what is committed.

- `Collection` (collection.py) is made, opened and changed by one writer (lock.py); snapshot.py
  looks images up by number, name and path;
- manifest.py says which files belong to it, in the form of manifest_form.py; segment.py and maps.py
  are those files, batch.py images on their way into one, columns.py the table of what a segment
  says of each image beside its words, deletions.py the marks of removed images, rewriting.py plans
  which segments become one, renaming.py gives images other names, leftovers.py finds what killed
  writers left behind;
- facts.py says what may be said of a picture, facts_given.py reads it from tables; facts_file.py
  and facts_table.py keep it in SQLite, facts_changes.py changes it around a commit, facts_view.py
  and where.py answer which pictures a condition chooses;
- kept_statistics.py keeps df and norms, skipped.py reports pictures that could not be read,
  side_files.py is their door;
- joining.py takes pictures of other collections of the same model into one, without the network;
- `Settings` (settings.py) is what a collection is made with, `Model` (model.py) makes the words of
  a picture, with the network that network.py loads and checks; opening.py opens the inverted file
  over the segments, and finds pictures by name or path;
- description.py tells what a collection is, name_list.py lists the names of its pictures;
- `check_collection` (checking.py) verifies every byte: findings.py looks, check_report.py says what
  was found, repairing.py repairs, names_copy.py knows what a damaged segment held.
"""

from blcf.collection.batch import Batch
from blcf.collection.checking import CheckReport, Damage, Unreadable, check_collection
from blcf.collection.collection import Collection
from blcf.collection.decoding import DecodingNotes
from blcf.collection.model import Model
from blcf.collection.segment import Segment
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
