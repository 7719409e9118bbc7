"""What a segment says of every picture beside its words: a table of columns, one line each.

A file of an earlier version may lack a column: its default stands for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from blcf.errors import FormatError
from blcf.images import PictureFacts
from blcf.storage import StoredGroup, write_dataset

__all__ = [
    "COLUMNS",
    "COLUMN_BY_NAME",
    "Columns",
    "check_columns",
    "make_columns",
    "misshapen",
    "read_columns",
    "with_videos",
    "write_columns",
]

Columns = dict[str, np.ndarray]  # by name, in the order of COLUMNS


@dataclass(frozen=True)
class Column:
    """An array with a row per picture.

    Attributes
    ----------
    name, dtype : of the array in the file
    width : entries of a row, or None for a number
    default : what a file that lacks the column stands for; None: every file must have it
    since : version of the segments that first had it
    """

    name: str
    dtype: Any
    width: int | None = None
    default: int | float | None = None
    since: int = 3

    def shape(self, n_images: int) -> tuple[int, ...]:
        """The array's shape."""
        return (n_images,) if self.width is None else (n_images, self.width)

    def filled(self, n_images: int) -> np.ndarray:
        """The array of a file that lacks it."""
        default = 0 if self.default is None else self.default
        return np.full(self.shape(n_images), default, dtype=self.dtype)


COLUMNS = (
    Column("root_ids", np.int32, since=2),  # which root of the manifest the name is relative to
    Column("sizes", np.int32, width=2, since=2),  # width and height, pixels of the original image
    Column("ids", np.int64, default=-1),  # unique for ever in the collection
    Column("mtimes", np.int64, default=0),  # ns since 1970, 0 where the picture is no file
    Column("n_bytes", np.int64, default=-1),  # of the file, -1 where there is none
    Column("digests", np.int64, default=0),  # of the file's bytes, 0 where it is not known
    Column("videos", np.int32, default=-1),  # which video of the manifest, -1 for none
    Column("times", np.float64, default=math.nan),  # seconds in the video, NaN for none
    Column("shots", np.int32, default=-1),  # number of the shot, -1 for none
)


COLUMN_BY_NAME = {column.name: column for column in COLUMNS}


def with_videos(known: Sequence[str], facts: Sequence[PictureFacts]) -> list[str]:
    """The videos of a manifest, and behind them those that facts of new pictures name."""
    return list(dict.fromkeys([*known, *(one.video for one in facts if one.video)]))


def make_columns(
    sizes: Sequence[tuple[int, int]],
    facts: Sequence[PictureFacts],
    root_id: int,
    first_id: int,
    videos: Sequence[str],
) -> Columns:
    """The columns of new pictures; ``videos`` holds every video that their facts name."""
    n, number = len(sizes), {video: place for place, video in enumerate(videos)}
    return {
        "root_ids": np.full(n, root_id, dtype=np.int32),
        "sizes": np.array(sizes, dtype=np.int32).reshape(n, 2),
        "ids": np.arange(first_id, first_id + n, dtype=np.int64),
        "mtimes": np.array([one.mtime_ns for one in facts], dtype=np.int64),
        "n_bytes": np.array([one.n_bytes for one in facts], dtype=np.int64),
        "digests": np.array([one.digest for one in facts], dtype=np.int64),
        "videos": np.array(
            [number[one.video] if one.video else -1 for one in facts], dtype=np.int32
        ),
        "times": np.array([one.time for one in facts], dtype=np.float64),
        "shots": np.array([one.shot for one in facts], dtype=np.int32),
    }


def write_columns(file: h5py.File, columns: Columns) -> None:
    """Write all columns."""
    for column in COLUMNS:
        write_dataset(file, column.name, columns[column.name])


def read_columns(file: StoredGroup, n_images: int, version: int, first_id: int | None) -> Columns:
    """The columns of a segment of a version, over its mapped file.

    Parameters
    ----------
    first_id : of the first picture of a segment that holds no ids

    Raises
    ------
    FormatError
        The file lacks a column of its version, or says not what its ids are.
    """
    columns = {}
    for column in COLUMNS:
        if version >= column.since:
            columns[column.name] = file.array(column.name)
        else:
            columns[column.name] = column.filled(n_images)
    if version < 3:
        if first_id is None:
            raise FormatError(f"{file.path} is damaged: the manifest has no first_id for it.")
        columns["ids"] = np.arange(first_id, first_id + n_images, dtype=np.int64)
    return columns


def misshapen(columns: Columns, n_images: int) -> list[str]:
    """Names of the columns that are of another number of pictures or of another kind."""
    return [
        column.name
        for column in COLUMNS
        if (columns[column.name].dtype, columns[column.name].shape)
        != (column.dtype, column.shape(n_images))
    ]


def check_columns(columns: Columns, n_roots: int, n_videos: int, next_id: int) -> None:
    """Raise `FormatError`, a sentence without the path, where a value cannot be right."""
    if (columns["sizes"] < 1).any():
        raise FormatError("Expected images of one pixel or more.")
    _check_below(columns["root_ids"], 0, n_roots, "folders")
    _check_below(columns["videos"], -1, n_videos, "videos")
    ids = columns["ids"]
    if np.unique(ids).size < ids.size:
        raise FormatError("Expected different ids.")
    if ids.min() < 0 or ids.max() >= next_id:
        raise FormatError(f"Expected ids below {next_id}, the next one of the manifest.")
    if (columns["n_bytes"] < -1).any() or (columns["shots"] < -1).any():
        raise FormatError("Expected lengths of files, and numbers of shots, of -1 or more.")
    if np.isinf(columns["times"]).any():
        raise FormatError("Expected finite times.")


def _check_below(numbers: np.ndarray, least: int, n: int, what: str) -> None:
    if numbers.min() < least or numbers.max() >= n:
        raise FormatError(f"Expected {what} {least} .. {n - 1} of the manifest.")
