"""Labels of pictures: which of them show one thing, from a table or from their folders."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Union

import numpy as np

from blcf.collection.facts_given import facts_given
from blcf.errors import InvalidInput
from blcf.images import Source, display_name

__all__ = ["FOLDERS", "LABEL", "Labelled", "label_pictures"]

FOLDERS = "folders"
LABEL = "label"

Labels = Union[str, "os.PathLike[str]", Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class Labelled:
    """Pictures of a source that have labels.

    Attributes
    ----------
    source : where they come from
    names : of the pictures that have a label, in the source's order
    classes : int64 (n,), of each the position of its label in `labels`
    labels : what the labels say, sorted
    unlabelled : names of the source's pictures that have none
    unknown : names that have a label, and are of no picture of the source
    """

    source: Source
    names: list[str]
    classes: np.ndarray
    labels: list[str]
    unlabelled: list[str]
    unknown: list[str]

    @property
    def n_lonely(self) -> int:
        """How many classes have one picture: nothing is like it, others are unlike it."""
        return int((np.bincount(self.classes) == 1).sum())


def label_pictures(source: Source, labels: Labels = FOLDERS) -> Labelled:
    """Pictures and their classes.

    Parameters
    ----------
    source : the pictures
    labels : "folders": the folder that a picture lies in is its label, pictures of the root have
        none; or the path of a CSV file (UTF-8; a first row that names its columns) with the
        pictures' names in the column ``name``, or else the first, and their labels in the column
        ``label``, or else the only other one; or {name: label}. An empty label is none.

    Raises
    ------
    InvalidInput
        Fewer than two classes, or none of two pictures; a table without a column of labels.
    FormatError, StorageError
        The table cannot be read.
    """
    said = _by_folder(source) if labels == FOLDERS else _by_table(labels)
    known = [name for name in source.names if said.get(name) is not None]
    if not known:
        first = next(iter(said), None)
        heard = "none" if first is None else f"labels of {display_name(str(first))!r} and others"
        raise InvalidInput(
            f"Expected labels of pictures below {display_name(str(source.root))}, got {heard}: "
            f"names are relative to that folder, such as {display_name(source.names[0])!r}."
            if len(source)
            else "Expected pictures to learn from, got none."
        )
    found = sorted({str(said[name]) for name in known})
    numbers = {label: number for number, label in enumerate(found)}
    classes = np.array([numbers[str(said[name])] for name in known], dtype=np.int64)
    _check(classes, found)
    there = set(source.names)
    return Labelled(
        source,
        known,
        classes,
        found,
        [name for name in source.names if said.get(name) is None],
        [str(name) for name in said if name not in there],
    )


def _by_folder(source: Source) -> dict[str, str | None]:
    folders = {name: PurePosixPath(name).parent.as_posix() for name in source.names}
    return {name: None if folder == "." else folder for name, folder in folders.items()}


def _by_table(labels: Labels) -> Mapping[Any, Any]:
    if isinstance(labels, Mapping):
        return labels
    table = facts_given(labels)
    columns = list(dict.fromkeys(column for row in table.values() for column in row))
    column = LABEL if LABEL in columns else columns[0] if len(columns) == 1 else None
    if column is None:
        raise InvalidInput(
            f"Expected {display_name(os.fspath(labels))} to have a column {LABEL!r} beside the "
            f"names, got the columns {', '.join(columns) or 'of names alone'}."
        )
    return {name: row.get(column) for name, row in table.items()}


def _check(classes: np.ndarray, labels: list[str]) -> None:
    counts = np.bincount(classes)
    if len(labels) < 2:
        raise InvalidInput(
            f"Expected pictures of two labels or more, got {len(classes):,} of "
            f"{display_name(labels[0])!r} alone: a network learns what tells things apart."
        )
    if counts.max() < 2:
        raise InvalidInput(
            f"Expected two pictures of one label, got {len(classes):,} pictures of as many labels."
        )
