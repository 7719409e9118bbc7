"""What is known of every picture, row by row: what tables of a collection are made of."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

from blcf.collection.facts import FIXED, Fact
from blcf.collection.facts_table import rows_of
from blcf.collection.places import path_of
from blcf.collection.snapshot import Snapshot

__all__ = ["PATH", "picture_columns", "picture_rows"]

PATH = "path"  # where the picture was; none where the caller has a column of that name
_TOGETHER = 4096  # pictures whose facts are read at once

# The kinds of what follows from the segments, as `FactsTable.kinds` names them.
_KINDS = {"INTEGER PRIMARY KEY": "integer", "INTEGER": "integer", "REAL": "real", "TEXT": "text"}


def picture_columns(snapshot: Snapshot) -> dict[str, str]:
    """The columns of `picture_rows` and the kind of each: "integer", "real" or "text".

    Of a column in which the caller wrote numbers and texts it is "text".
    """
    columns = {name: _KINDS[kind] for name, kind in FIXED.items()}
    given = snapshot.facts.kinds()
    for name, kinds in given.items():
        columns[name] = "text" if "text" in kinds else "real" if "real" in kinds else "integer"
    if PATH not in {name.lower() for name in given}:
        columns[PATH] = "text"
    return columns


def picture_rows(snapshot: Snapshot) -> Iterator[dict[str, Fact]]:
    """A row per picture in order of insertion, some thousands in memory at a time.

    Each is {column: value}, None where it is not known: ``id``, which a picture keeps for ever;
    its name, size, file and film as of `Snapshot.facts_of`; what the caller said; and its path.
    Names and paths that are no valid UTF-8 hold surrogates, as of `os.fsdecode`.

    Raises
    ------
    FormatError
        What was said of pictures is damaged.
    """
    view, manifest = snapshot.facts, snapshot.manifest
    columns = picture_columns(snapshot)
    has_path = PATH not in {name.lower() for name in view.columns}
    for segment in snapshot.segments:
        kept = {name: segment.live_column(name) for name in segment.columns}
        names, ids = list(segment.live_names), kept["ids"]
        for first in range(0, ids.size, _TOGETHER):
            part = slice(first, first + _TOGETHER)
            some = {name: column[part] for name, column in kept.items()}
            said = view.said(np.asarray(some["ids"]))
            rows = rows_of(names[part], some, manifest["videos"])
            roots = some["root_ids"].tolist()
            for name, root_id, values in zip(names[part], roots, rows):
                row: dict[str, Fact] = dict.fromkeys(columns)
                row.update(zip(FIXED, values))
                row["name"] = name
                row.update(said.get(int(row["id"] or 0), {}))
                if has_path:
                    path = path_of(manifest, root_id, name)
                    row[PATH] = None if path is None else os.fspath(path)
                yield row
