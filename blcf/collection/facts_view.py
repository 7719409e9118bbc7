"""The facts of a snapshot: which pictures a condition chooses, and what is known of one.

Rows that are of no picture of the snapshot are passed over: a writer that was killed may have left
some. Where the file is missing, damaged or of an earlier state, the columns that follow from the
segments are made again, in memory.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from blcf.collection.facts import FIXED, Fact, known_facts, new_columns
from blcf.collection.facts_file import FactsFile, facts_in_memory, sqlite_errors
from blcf.collection.facts_table import FactsTable, Row, rows_of
from blcf.collection.segment import Segment
from blcf.collection.where import check_where, matching_ids
from blcf.errors import FormatError, InvalidInput

__all__ = ["FactsView"]

logger = logging.getLogger(__name__)

MOST_MASKS = 8  # conditions whose masks are kept, a byte per picture each

_Mask = tuple[int, np.ndarray]  # the version of the table, and what a condition chose then


class FactsView:
    """The facts of the live pictures of some segments.

    Of pictures that a writer has removed or replaced meanwhile, what the caller said is gone.

    Parameters
    ----------
    folder : of the collection
    segments : in order of insertion
    videos : those of the manifest
    """

    def __init__(self, folder: Path, segments: Sequence[Segment], videos: Sequence[str]):
        self.file = FactsFile(folder)
        self._segments = list(segments)
        self._videos = list(videos)
        self._ids: np.ndarray | None = None
        self._in_memory: FactsTable | None = None
        self._widened: tuple[tuple[int, ...], FactsTable] | None = None
        self._masks: dict[str, _Mask] = {}
        self._using_memory = threading.Lock()  # SQLite would take turns, cursors would not

    @property
    def ids(self) -> np.ndarray:
        """The ids of the live pictures, in order of insertion: int64 (n_images,)."""
        if self._ids is None:
            parts = [segment.live_column("ids") for segment in self._segments]
            self._ids = np.concatenate([np.empty(0, dtype=np.int64), *parts])
        return self._ids

    @property
    def ascends(self) -> bool:
        """Whether the ids ascend, as they do unless a repair has moved pictures."""
        return not (np.diff(self.ids) <= 0).any()

    @property
    def last_id(self) -> int:
        """The largest id; -1 where there is none."""
        return int(self.ids.max(initial=-1))

    def numbers(self, ids: np.ndarray) -> np.ndarray:
        """The numbers of the pictures that live, among some with ids: int64."""
        order = None if self.ascends else np.argsort(self.ids)
        mine = self.ids if order is None else self.ids[order]
        places = np.searchsorted(mine, ids)
        is_live = places < mine.size
        is_live[is_live] = mine[places[is_live]] == ids[is_live]
        found = places[is_live]
        return found if order is None else order[found]

    def rows(self) -> Iterator[Row]:
        """What the segments say of the live pictures, in order of insertion."""
        for segment in self._segments:
            columns = {name: segment.live_column(name) for name in segment.columns}
            yield from rows_of(segment.live_names, columns, self._videos)

    def kinds(self) -> dict[str, set[str]]:
        """The columns that the caller gave, see `FactsTable.kinds`."""
        if not self.file.exists():
            return {}
        with self.file.reading() as table:
            return table.kinds()

    def said(self, ids: np.ndarray) -> dict[int, dict[str, Fact]]:
        """What the caller said of pictures, by id, of some near one another."""
        if not ids.size or not self.file.exists():
            return {}
        with self.file.reading() as table:
            return table.said(int(ids.min()), int(ids.max()))

    @property
    def columns(self) -> list[str]:
        """Names of the columns that the caller gave."""
        if not self.file.exists():
            return []
        with self.file.reading() as table:
            return list(table.given)

    def matching(self, where: str, also: Sequence[str] = ()) -> np.ndarray:
        """The pictures for which a condition holds: bool (n_images,), not to be written to.

        Parameters
        ----------
        where : the condition
        also : columns of other shards, which it may name: of the pictures here nothing is said

        Raises
        ------
        InvalidInput
            It is no condition, or names what there is not.
        """
        check_where(where)
        if also and (missing := new_columns([*FIXED, *self.columns], also)):
            return self._matching_wider(where, missing)
        problem = None
        if self.file.exists():
            try:
                with self.file.reading() as table:
                    if self._is_kept(table, where) or self._is_whole(table):
                        return self._mask(table, where)
                    self._remember(table)
            except FormatError as error:
                problem = error
                logger.warning("what was said of pictures is not known: %s", error)
        with self._using_memory, sqlite_errors(self.file.path):
            if self._in_memory is None:
                self._keep(facts_in_memory(self.rows()))
            assert self._in_memory is not None
            try:
                return self._mask(self._in_memory, where)
            except InvalidInput as error:
                if problem is not None:  # it may name a column that is lost with the file
                    raise problem from error
                raise

    def _is_whole(self, table: FactsTable) -> bool:
        """Whether the table has rows of all pictures; what this cannot see, `blcf check` does."""
        n_rows, last = table.extent
        return n_rows >= self.ids.size and last >= self.last_id

    def _remember(self, table: FactsTable) -> None:
        """Take what the caller said out of a table of an earlier state into memory."""
        with self._using_memory:
            if self._in_memory is None:
                made = facts_in_memory(self.rows())
                made.begin()
                made.update(table.said())
                made.commit()
                self._keep(made)

    def _matching_wider(self, where: str, columns: Sequence[str]) -> np.ndarray:
        """`matching` in a copy of the table with more columns, in which nothing is said."""
        said, version = {}, -1
        if self.file.exists():
            with self.file.reading() as table:
                said, version = table.said(), table.version
        with self._using_memory, sqlite_errors(self.file.path):
            key = version, *map(hash, columns)
            if self._widened is None or self._widened[0] != key:
                made = facts_in_memory(self.rows())
                weakref.finalize(self, made.connection.close)
                made.begin()
                made.update(said)
                made.add_columns(columns)
                made.commit()
                self._widened = key, made
            return self._mask(self._widened[1], where)

    def _keep(self, made: FactsTable) -> None:
        """Keep a table in memory as long as this view."""
        self._in_memory = made
        weakref.finalize(self, made.connection.close)

    def _is_kept(self, table: FactsTable, where: str) -> bool:
        return self._masks.get(where, (None,))[0] == table.version

    def _mask(self, table: FactsTable, where: str) -> np.ndarray:
        version, kept = table.version, self._masks.get(where)
        if kept is not None and kept[0] == version:
            return kept[1]
        mask = np.zeros(self.ids.size, dtype=bool)
        mask[self.numbers(matching_ids(table, where))] = True
        mask.flags.writeable = False
        masks = dict(self._masks)  # replaced as a whole: threads search at once
        masks.pop(where, None)
        if len(masks) >= MOST_MASKS:
            masks.pop(next(iter(masks)))
        self._masks = {**masks, where: (version, mask)}
        return mask

    def of(self, segment: Segment, position: int) -> dict[str, Fact]:
        """What is known of a picture: {column: value}, None where it is not known."""
        row = slice(position, position + 1)
        values = {
            name: segment.column(name)[row].tolist()[0]
            for name in ("mtimes", "n_bytes", "videos", "times", "shots", "ids")
        }
        video = values["videos"]
        of_video = self._videos[video] if 0 <= video < len(self._videos) else None
        known = known_facts(
            segment.size_of(position),
            values["mtimes"],
            values["n_bytes"],
            of_video,
            values["times"],
            values["shots"],
        )
        if not self.file.exists():
            return known
        with self.file.reading() as table:
            return {**known, **table.facts(values["ids"])}

    @property
    def all_columns(self) -> list[str]:
        """Names of all columns that a condition may name."""
        return [*FIXED, *self.columns]
