"""Which frames of a film are taken again: those that its collection has, unless something is said.

A film that the collection knows, by its name or its bytes, is listed by what its frames were taken
by. Where that is not known, and the film is as it was, its frames are those that are held.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from blcf.collection import Collection
from blcf.collection.film_choices import choice_of
from blcf.images import Choice, FrameChoice, file_digest, file_state
from blcf.images.frame_names import split_frame
from blcf.images.shots import ShotFinder
from blcf.images.timeline import Timeline
from blcf.images.video import OpenFilm

__all__ = ["HeldFrames", "KnownChoices"]


@dataclass(frozen=True)
class HeldFrames:
    """The frames of a film that a collection holds.

    Attributes
    ----------
    times : of their names, s
    """

    times: tuple[Fraction, ...]

    def shots(self, film: OpenFilm, timeline: Timeline) -> ShotFinder | None:
        """None: nothing of them is indexed again."""
        return None

    def rows(self, timeline: Timeline, shots: ShotFinder | None) -> list[int]:
        """Of each time the frame on the screen then."""
        stamps = [timeline.start + math.floor(time / timeline.time_base) for time in self.times]
        found = np.searchsorted(timeline.pts, np.array(stamps, dtype=np.int64), side="right") - 1
        return np.unique(found[found >= 0]).tolist()


class KnownChoices:
    """How each film of a folder is listed.

    Parameters
    ----------
    collection : that follows the folder
    given : fields of `FrameChoice` that the caller says; they hold for all films
    prefix : what stands before the names of the folder, and a "/"; None or "" for nothing

    Raises
    ------
    InvalidInput
        What is given is wrong.
    """

    def __init__(self, collection: Collection, given: Mapping[str, Any], prefix: str | None = None):
        self._collection, self._given, self._prefix = collection, dict(given), prefix
        FrameChoice(**self._given)

    def of(self, path: Path) -> Choice:
        """Of a film that is known what its frames were taken by; else what all others were."""
        name = self._named(path) or self._same_bytes(path)
        choice = choice_of(self._collection.manifest, name) if name else None
        if choice is None and name and not self._given and self._is_same(path, name):
            return HeldFrames(self._times(name))
        return replace(choice or self._common, **self._given)

    @cached_property
    def _films(self) -> dict[str, tuple[int, int, int]]:
        """The films of which frames are held: (time of change, ns; bytes; digest)."""
        numbers, rows = np.unique(self._collection.column("videos"), return_index=True)
        columns = ("mtimes", "n_bytes", "digests")
        facts = zip(*(self._collection.column(one)[rows].tolist() for one in columns))
        names = self._collection.manifest["videos"]
        return {names[n]: row for n, row in zip(numbers.tolist(), facts) if n >= 0}

    @cached_property
    def _common(self) -> FrameChoice:
        """By which all films were taken of which it is known; the default where they differ."""
        manifest = self._collection.manifest
        found = {choice_of(manifest, name) for name in self._films} - {None}
        (choice,) = found if len(found) == 1 else {FrameChoice()}
        assert choice is not None
        return choice

    def _named(self, path: Path) -> str | None:
        """The name of a film that is at a place."""
        for root in filter(None, self._collection.roots):
            if path.is_relative_to(root):
                name = path.relative_to(root).as_posix()
                name = f"{self._prefix}/{name}" if self._prefix else name
                if name in self._films:
                    return name
        return None

    def _same_bytes(self, path: Path) -> str | None:
        """The name of a film of the same bytes: it has moved, or been copied."""
        state = file_state(path)
        alike = [name for name, facts in self._films.items() if state and facts[1] == state[1]]
        digest = self._digest(path) if alike else 0
        return next((name for name in alike if self._films[name][2] == digest != 0), None)

    def _is_same(self, path: Path, name: str) -> bool:
        mtime_ns, n_bytes, digest = self._films[name]
        return file_state(path) == [mtime_ns, n_bytes] or self._digest(path) == digest != 0

    def _digest(self, path: Path) -> int:
        try:
            return file_digest(path)
        except OSError:
            return 0

    def _times(self, name: str) -> tuple[Fraction, ...]:
        collection = self._collection
        number = collection.manifest["videos"].index(name)
        ids = np.flatnonzero(collection.column("videos") == number).tolist()
        found = (split_frame(collection.name(image_id)) for image_id in ids)
        return tuple(time for _, time in filter(None, found))
