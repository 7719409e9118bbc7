"""What an export reads: an open collection, as of one moment, without a network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from typing import Any, Protocol

from blcf.collection import Model
from blcf.collection.facts import Fact
from blcf.collection.opening import open_index
from blcf.collection.picture_rows import picture_columns, picture_rows
from blcf.collection.snapshot import Snapshot
from blcf.index import InvertedFile
from blcf.searching.searchable import made_with

__all__ = ["Engine", "Exported", "as_text"]


class Engine(Protocol):
    """An open collection: `blcf.SearchEngine` is one."""

    @property
    def model(self) -> Model:
        """What its words are made with."""
        ...


@dataclass(frozen=True, eq=False)
class Exported:
    """The pictures of a collection.

    Attributes
    ----------
    snapshot : their names, sizes and facts
    lists : their bags
    model : what words and weights follow from, plain values
    """

    snapshot: Snapshot
    lists: InvertedFile
    model: dict[str, Any]

    @classmethod
    def of(cls, engine: Engine) -> Exported:
        """Those that the collection of an engine holds now.

        Raises
        ------
        InvalidInput
            It holds no pictures yet: there are no words.
        """
        model, snapshot = engine.model, copy(engine.model.collection)  # as of now, and no later
        return cls(snapshot, open_index(snapshot, model.n_words, model.settings), made_with(model))

    @property
    def columns(self) -> dict[str, str]:
        """See `picture_columns`."""
        return picture_columns(self.snapshot)

    def rows(self) -> Iterator[dict[str, Fact]]:
        """See `picture_rows`."""
        return picture_rows(self.snapshot)


def as_text(value: str) -> str:
    """A text as UTF-8 can write it: what is of no text becomes U+FFFD."""
    return value if value.isascii() else re.sub("[\ud800-\udfff]", "\ufffd", value)
