"""A store by where it is: the URL of a server's collection, or a folder of this machine."""

from __future__ import annotations

import os

from blcf.errors import InvalidInput
from blcf.qdrant.edge import EdgeStore
from blcf.qdrant.server import ServerStore
from blcf.qdrant.stores import PointStore

__all__ = ["is_url", "open_store", "store_of"]


def is_url(place: str | os.PathLike[str]) -> bool:
    """Whether a place is a server's: ``http://localhost:6333/NAME``."""
    return os.fspath(place).lower().startswith(("http://", "https://"))


def open_store(place: str | os.PathLike[str], *, make: bool = False) -> PointStore:
    """Open a store.

    Parameters
    ----------
    place : ``http://HOST:PORT/NAME``, NAME a collection of the server, or a folder
    make : whether it is made where there is none

    Raises
    ------
    InvalidInput, StorageError
    """
    if is_url(place):
        return ServerStore.at(os.fspath(place), make=make)
    return EdgeStore(place, make=make)


def store_of(index: str) -> PointStore:
    """The store that the name of an index, ``qdrant:PLACE``, leads to.

    Raises
    ------
    InvalidInput, StorageError
        It is of another form, or there is none.
    """
    kind, _, place = str(index).partition(":")
    if kind != "qdrant" or not place or "\0" in place:
        raise InvalidInput(
            f"Expected qdrant:FOLDER or qdrant:URL as the index to rank in, got {index!r:.100}. "
            "Without one the collection's own is taken."
        )
    return open_store(place)
