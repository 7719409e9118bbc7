"""The names of a collection's pictures as a sequence that reads each when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, overload

from blcf.collection.snapshot import Snapshot
from blcf.images import display_name

__all__ = ["PictureNames"]

_SHOWN = 3


class PictureNames(Sequence[str]):
    """Names in the order of insertion, as of the moment in which they were asked for.

    A name is looked up by its hash, and read from the mapped file by its place: a million of them
    are no list of a million strings before somebody makes one.

    Parameters
    ----------
    collection : what they are the names of
    """

    def __init__(self, collection: Snapshot):
        self._collection = collection

    def __len__(self) -> int:
        return self._collection.n_images

    @overload
    def __getitem__(self, position: int) -> str: ...

    @overload
    def __getitem__(self, position: slice) -> list[str]: ...

    def __getitem__(self, position: int | slice) -> str | list[str]:
        places = range(len(self))[position]
        if isinstance(places, int):
            return self._collection.name(places)
        return self._collection.names_of(places)

    def __iter__(self) -> Iterator[str]:
        return self._collection.names()

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and int(self._collection.find([name])[0]) >= 0

    def index(self, value: Any, start: int = 0, stop: int | None = None) -> int:
        """The place of a name, as of a list."""
        if value in self:
            place = int(self._collection.find([value])[0])
            if place in range(len(self))[start:stop]:
                return place
        raise ValueError(f"{value!r} is not among these names")

    def count(self, value: Any) -> int:
        """How often a name is there: 0 or 1."""
        return int(value in self)

    def __repr__(self) -> str:
        shown = ", ".join(repr(display_name(name)) for name in islice(self, _SHOWN))
        rest = ", ..." if len(self) > _SHOWN else ""
        return f"{len(self):,} names: {shown}{rest}" if len(self) else "no names"
