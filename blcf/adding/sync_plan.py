"""What has become of a folder since it was indexed: new, changed, moved and deleted pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from blcf.images import PictureFacts, file_digest, file_of, file_state, film_of

__all__ = ["SyncPlan", "plan_sync"]


@dataclass(frozen=True)
class SyncPlan:
    """What makes a collection follow its folder; names as the collection has, or will have, them.

    Attributes
    ----------
    new : pictures that the collection lacks
    changed : pictures whose files have other bytes than those that were indexed
    moved : {name in the collection: name of the file that has its bytes now}
    deleted : pictures whose files are gone
    n_same : how many are as they were
    """

    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    n_same: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.new or self.changed or self.moved or self.deleted)


class Listed(Protocol):
    """Pictures of a folder by names: `ImageList` and its like."""

    names: list[str]
    problems: list[tuple[str, str]]

    def path(self, name: str) -> Path:
        """Where a picture is."""


def plan_sync(
    known: Mapping[str, PictureFacts],
    images: Listed,
    dropped: Collection[str] = frozenset(),
) -> SyncPlan:
    """Compare what is known of a folder's pictures with its files.

    A file is the one that was indexed if its time of change and its bytes are; where they disagree
    (the time alone has changed, as by a copy) the digest of its bytes decides. One whose bytes are
    those of a picture that is gone has moved. A picture of which nothing is known (it was indexed
    by an earlier version, or not from a file) counts as changed: none is silently kept.

    The frames of a film are compared by the film. While it is the same, none of them is deleted,
    whichever frames are listed now, and those that were dropped are not new.

    Parameters
    ----------
    known : facts of the pictures that the collection holds of this folder, by name
    images : the folder as it is now, in the collection's names
    dropped : frames that were looked at and left out (`blcf.errors.UniformFrame`)
    """
    new, changed, n_same = [], [], 0
    files = _Files(images)
    there = set(images.names) | {name for name, _ in images.problems}
    for name in images.names:
        if name not in known:
            new.append(name)
        elif files.is_same(known[name], name):
            n_same += 1
        else:
            changed.append(name)
    altered = set(map(film_of, changed)) - {""}
    new = [name for name in new if name not in dropped or film_of(name) in altered]
    # Folders that could not be listed, and films of which nothing can be read any more.
    unread = [f"{name}/" for name, _ in images.problems]
    unread += [f"{name}@" for name, _ in images.problems if name not in files.films]
    gone = [name for name in known if name not in there and not name.startswith(tuple(unread))]
    kept = {name for name in gone if film_of(name) in files.films}
    kept = {name for name in kept if files.is_same(known[name], name)}
    n_same += len(kept)
    gone = [name for name in gone if name not in kept]
    moved = _moved({name: known[name] for name in gone}, files, new)
    taken = set(moved.values())
    return SyncPlan(
        [name for name in new if name not in taken],
        changed,
        moved,
        [name for name in gone if name not in moved],
        n_same,
    )


class _Files:
    """The files of pictures; of the frames of a film the film, which is looked at once.

    Attributes
    ----------
    films : {name: path of a frame} of the films whose frames are listed
    """

    def __init__(self, images: Listed):
        self._images = images
        self.films: dict[str, Path] = {}
        for name in images.names:
            film = film_of(name)
            if film and film not in self.films:
                self.films[film] = images.path(name)
        self._known: dict[Path, tuple[list[int] | None, int | None]] = {}

    def path(self, name: str) -> Path:
        return Path(file_of(self.films.get(film_of(name)) or self._images.path(name)))

    def state(self, name: str) -> list[int] | None:
        path = self.path(name)
        if path not in self._known:
            self._known[path] = file_state(path), None
        return self._known[path][0]

    def digest(self, name: str) -> int:
        """Of a file's bytes; 0 where it cannot be read."""
        path, state = self.path(name), self.state(name)
        digest = self._known[path][1]
        if digest is None:
            try:
                digest = file_digest(path)
            except (OSError, ValueError):
                digest = 0
            self._known[path] = state, digest
        return digest

    def is_same(self, facts: PictureFacts, name: str) -> bool:
        """Whether a file is the one of which these facts are."""
        state = self.state(name)
        if state is None or state[1] != facts.n_bytes:
            return False
        return state[0] == facts.mtime_ns or facts.digest == self.digest(name) != 0


def _moved(gone: Mapping[str, PictureFacts], files: _Files, new: list[str]) -> dict[str, str]:
    """Which new files have the bytes of a picture that is gone; of copies the first.

    A frame moves to the same time of a film with the same bytes.
    """
    by_bytes: defaultdict[int, list[str]] = defaultdict(list)
    for name, facts in gone.items():
        if facts.n_bytes > 0 and facts.digest:
            by_bytes[facts.n_bytes].append(name)
    found: dict[str, str] = {}
    for name in new:
        state = files.state(name)
        alike = by_bytes.get(state[1], []) if state else []
        if not alike:
            continue
        digest, moment = files.digest(name), _moment(name)
        for old in alike:
            if gone[old].digest == digest and _moment(old) == moment:
                found[old] = name
                alike.remove(old)
                break
    return found


def _moment(name: str) -> str:
    """Of a frame its time, as it is written."""
    return name[len(film_of(name)) :] if film_of(name) else ""
