"""The pictures of a collection by what a client may ask for: ids, folders, films, order of names.

Invariant: an id of a client is the one that a picture keeps for ever; nothing here takes a path.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np

from blcf.collection.snapshot import Snapshot
from blcf.web.refusals import Refusal

__all__ = ["Catalogue"]

_ID = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_LISTED = 1_000  # folders or films of one page
_BEHIND = chr(ord("/") + 1)
NEIGHBOURS = 6


class Catalogue:
    """The pictures of a snapshot; made when it is opened, names when they are first asked for.

    Parameters
    ----------
    snapshot : of a collection
    name : of the collection, for messages
    """

    def __init__(self, snapshot: Snapshot, name: str):
        self.snapshot, self._name = snapshot, name
        self.generation = int(snapshot.manifest["generation"])
        self.n_images = snapshot.n_images
        self._ids = snapshot.column("ids")
        self._sizes, self._videos = snapshot.column("sizes"), snapshot.column("videos")
        self._times, self._shots = snapshot.column("times"), snapshot.column("shots")
        self._films: list[str] = list(snapshot.manifest["videos"])
        self._videos[self._videos >= len(self._films)] = -1  # of a damaged segment
        ascends = not (np.diff(self._ids) <= 0).any()
        self._by_id = None if ascends else np.argsort(self._ids)
        self._naming = threading.Lock()
        self._named: tuple[list[str], np.ndarray] | None = None

    def number(self, picture: str) -> int:
        """The number of the picture of an id, in this snapshot.

        Raises
        ------
        Refusal
            404: there is none.
        """
        if _ID.fullmatch(picture) and int(picture) < 1 << 63:
            wanted = int(picture)
            ids = self._ids if self._by_id is None else self._ids[self._by_id]
            place = int(np.searchsorted(ids, wanted))
            if place < ids.size and ids[place] == wanted:
                return place if self._by_id is None else int(self._by_id[place])
        raise Refusal(
            404,
            f"The collection {self._name} has no picture of the id {picture[:40]!r} (any more): it "
            "may have been removed or indexed again. Search or list the collection again.",
        )

    def picture(self, number: int) -> dict[str, Any]:
        """What is said of a picture everywhere."""
        return self.pictures([number])[0]

    def pictures(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """`picture` of each of some."""
        rows = np.asarray(numbers, dtype=np.int64)
        columns = (
            self._ids[rows].tolist(),
            self._sizes[rows].tolist(),
            self._videos[rows].tolist(),
            self._times[rows].tolist(),
            self._shots[rows].tolist(),
        )
        names = self.snapshot.names_of(rows.tolist())
        return [
            {
                "id": str(kept),
                "name": name,
                "width": width,
                "height": height,
                "film": self._films[video] if video >= 0 else None,
                "time": None if math.isnan(time) else time,
                "shot": shot if shot >= 0 else None,
            }
            for name, kept, (width, height), video, time, shot in zip(names, *columns)
        ]

    def size(self, number: int) -> tuple[int, int]:
        """(width, height), pixels."""
        width, height = self._sizes[number].tolist()
        return width, height

    def film(self, number: int) -> str | None:
        """The name of the film that a picture is a frame of."""
        video = int(self._videos[number])
        return self._films[video] if video >= 0 else None

    @property
    def n_films(self) -> int:
        """How many films have frames here."""
        return int(np.unique(self._videos[self._videos >= 0]).size)

    def _names(self) -> tuple[list[str], np.ndarray]:
        """All names in their order, and the number of each."""
        with self._naming:
            if self._named is None:
                names = list(self.snapshot.names())
                order = sorted(range(len(names)), key=names.__getitem__)
                self._named = [names[number] for number in order], np.array(order, dtype=np.int64)
            return self._named

    def browse(
        self, folder: str | None, film: str | None, where: str | None, after: str | None, limit: int
    ) -> dict[str, Any]:
        """A page of the pictures of a folder (with all below it) or film, in the order of names.

        Parameters
        ----------
        where : a condition over facts, or None
        after : the `next` of the page before, or None
        limit : how many pictures
        """
        names, order = self._names()
        first, last = _below(names, folder)
        if folder is not None and first == last:
            raise Refusal(404, f"The collection {self._name} has no folder {folder[:200]!r}.")
        places = np.arange(first, last)
        chosen = np.ones(self.n_images, dtype=bool)
        if where is not None:
            chosen = self.snapshot.matching(where)
        if film is not None:
            chosen = chosen & (self._videos == self._film_number(film))
        places = places[chosen[order[places]]]
        begin = 0 if after is None else int(np.searchsorted(places, _behind(names, after)))
        shown = places[begin : begin + limit]
        is_more = begin + limit < places.size
        return {
            "folders": [] if film is not None else self._folders(folder, chosen),
            "films": [] if film is not None else self._films_of(order[places]),
            "pictures": self.pictures(order[shown].tolist()),
            "next": _cursor(names[int(shown[-1])]) if is_more else None,
            "total": int(places.size),
        }

    def _film_number(self, film: str) -> int:
        if film not in self._films:
            raise Refusal(404, f"The collection {self._name} has no film {film[:200]!r}.")
        return self._films.index(film)

    def _folders(self, folder: str | None, chosen: np.ndarray) -> list[dict[str, Any]]:
        """The folders in a folder, and how many of the chosen pictures each holds."""
        names, order = self._names()
        counts = np.concatenate([[0], np.cumsum(chosen[order])])
        place, last = _below(names, folder)
        before = f"{folder}/" if folder else ""
        found: list[dict[str, Any]] = []
        while place < last and len(found) < _LISTED:
            inner, slash, _ = names[place][len(before) :].partition("/")
            if not slash:
                place += 1
                continue
            end = bisect_left(names, f"{before}{inner}{_BEHIND}", place, last)
            n_pictures = int(counts[end] - counts[place])
            if n_pictures:
                found.append({"name": f"{before}{inner}", "pictures": n_pictures})
            place = end
        return found

    def _films_of(self, numbers: np.ndarray) -> list[dict[str, Any]]:
        """The films of some pictures, with the times of their first and last frames here."""
        frames = numbers[self._videos[numbers] >= 0]
        videos, inverse, counts = np.unique(
            self._videos[frames], return_inverse=True, return_counts=True
        )
        firsts, lasts = np.full(videos.size, np.inf), np.full(videos.size, -np.inf)
        np.minimum.at(firsts, inverse, self._times[frames])
        np.maximum.at(lasts, inverse, self._times[frames])
        rows = zip(videos.tolist(), counts.tolist(), firsts.tolist(), lasts.tolist())
        found = [
            {"film": self._films[video], "frames": count, "first": first, "last": last}
            for video, count, first, last in rows
        ]
        return sorted(found, key=lambda one: str(one["film"]))[:_LISTED]

    def neighbours(self, number: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The pictures before and behind one: in the time of its film, or in order of names."""
        video = int(self._videos[number])
        if video >= 0:
            frames = np.flatnonzero(self._videos == video)
            row = frames[np.argsort(self._times[frames], kind="stable")]
        else:
            names, order = self._names()
            place = bisect_left(names, self.snapshot.name(number))
            row = order[max(0, place - NEIGHBOURS) : place + NEIGHBOURS + 1]
        at = int(np.flatnonzero(row == number)[0])
        before, behind = row[max(0, at - NEIGHBOURS) : at], row[at + 1 : at + 1 + NEIGHBOURS]
        return self.pictures(before.tolist()), self.pictures(behind.tolist())


def _below(names: list[str], folder: str | None) -> tuple[int, int]:
    """The places of the names below a folder."""
    if not folder:
        return 0, len(names)
    return bisect_left(names, f"{folder}/"), bisect_left(names, f"{folder}{_BEHIND}")


def _cursor(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode("utf-8", "surrogateescape")).decode("ascii")


def _behind(names: list[str], cursor: str) -> int:
    """The place behind the name that a cursor holds, whether it is still there or not."""
    try:
        name = base64.b64decode(cursor, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Refusal(
            400, "Expected after to be the next of the page before, got something else."
        ) from None
    return bisect_right(names, name.decode("utf-8", "surrogateescape"))
