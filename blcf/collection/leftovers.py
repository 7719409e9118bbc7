"""Files that writers that were killed left behind, which belong to no collection any more."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from blcf.collection.manifest import copy_manifest, read_copy, segment_files
from blcf.collection.manifest_form import is_segment_file
from blcf.errors import FormatError
from blcf.storage import Member, refusals

__all__ = ["find_leftovers"]


def find_leftovers(folder: Path, manifest: dict[str, Any]) -> list[Member]:
    """What may be deleted of a collection's folder (the caller is the writer).

    The copy of the manifest is renewed first: an older one may still name a segment.
    """
    try:
        is_copied = read_copy(folder)["digest"] == manifest["digest"]
    except FormatError:
        is_copied = False
    segments = Member(folder, "segments")
    with refusals(folder):
        segments.make_folder()  # empty folders get lost on the way
        names, beside = segments.names(), os.listdir(folder)
    leftovers = [Member(folder, name) for name in beside if _is_temporary(name)]
    leftovers += [segments / name for name in names if _is_temporary(name)]
    if is_copied or copy_manifest(folder, manifest):
        named = segment_files(manifest)
        # Only what is named like a segment: other files are not ours.
        ours = [name for name in names if is_segment_file(name.replace(".names.h5", ".h5"))]
        leftovers += [segments / name for name in ours if name not in named]
    return leftovers


def _is_temporary(name: str) -> bool:
    return name.startswith(".") and name.endswith(".tmp")
