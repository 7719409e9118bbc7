"""Files that appear whole or not at all, are plain, and stay in their folder; arrays over them.

- members.py opens plain files only, and keeps what it is given within a folder;
- files.py replaces a file in one step, reads JSON and takes digests;
- mapping.py maps files into memory, without keeping them open;
- h5.py writes HDF5 files of plain arrays, and checks one whole before an array of it is read.
"""

from blcf.storage.files import (
    array_digest,
    file_digest,
    read_json,
    read_text,
    reading,
    refusals,
    replace_file,
    write_file,
    write_json,
)
from blcf.storage.h5 import StoredGroup, open_h5, write_dataset, write_h5
from blcf.storage.layout import plain_layout
from blcf.storage.mapping import map_file
from blcf.storage.members import Member, Place, open_plain

__all__ = [
    "Member",
    "Place",
    "StoredGroup",
    "array_digest",
    "file_digest",
    "map_file",
    "open_h5",
    "open_plain",
    "plain_layout",
    "read_json",
    "read_text",
    "reading",
    "refusals",
    "replace_file",
    "write_dataset",
    "write_file",
    "write_h5",
    "write_json",
]
