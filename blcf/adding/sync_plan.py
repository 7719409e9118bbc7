"""What has become of a folder since it was indexed: new, changed, moved and deleted pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from blcf.images import PictureFacts, content_digest, file_state
from blcf.storage import open_plain

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


def plan_sync(known: Mapping[str, PictureFacts], images: Listed) -> SyncPlan:
    """Compare what is known of a folder's pictures with its files.

    A file is the one that was indexed if its time of change and its bytes are; where they disagree
    (the time alone has changed, as by a copy) the digest of its bytes decides. One whose bytes are
    those of a picture that is gone has moved. A picture of which nothing is known (it was indexed
    by an earlier version, or not from a file) counts as changed: none is silently kept.

    Parameters
    ----------
    known : facts of the pictures that the collection holds of this folder, by name
    images : the folder as it is now, in the collection's names
    """
    new, changed, n_same = [], [], 0
    there = set(images.names) | {name for name, _ in images.problems}
    for name in images.names:
        if name not in known:
            new.append(name)
        elif _is_same(known[name], images, name):
            n_same += 1
        else:
            changed.append(name)
    unread = [f"{name}/" for name, _ in images.problems]  # folders that could not be listed
    gone = [name for name in known if name not in there and not name.startswith(tuple(unread))]
    moved = _moved({name: known[name] for name in gone}, images, new)
    taken = set(moved.values())
    return SyncPlan(
        [name for name in new if name not in taken],
        changed,
        moved,
        [name for name in gone if name not in moved],
        n_same,
    )


def _is_same(facts: PictureFacts, images: Listed, name: str) -> bool:
    state = file_state(images.path(name))
    if state is None or state[1] != facts.n_bytes:
        return False
    return state[0] == facts.mtime_ns or facts.digest == _digest(images, name) != 0


def _moved(gone: Mapping[str, PictureFacts], images: Listed, new: list[str]) -> dict[str, str]:
    """Which new files have the bytes of a picture that is gone; of copies the first."""
    by_bytes: defaultdict[int, list[str]] = defaultdict(list)
    for name, facts in gone.items():
        if facts.n_bytes > 0 and facts.digest:
            by_bytes[facts.n_bytes].append(name)
    found: dict[str, str] = {}
    for name in new:
        state = file_state(images.path(name))
        alike = by_bytes.get(state[1], []) if state else []
        if not alike:
            continue
        digest = _digest(images, name)
        for old in alike:
            if gone[old].digest == digest:
                found[old] = name
                alike.remove(old)
                break
    return found


def _digest(images: Listed, name: str) -> int:
    """Of a file's bytes; 0 where it cannot be read."""
    try:
        with open_plain(images.path(name)) as file:
            return content_digest(file.read())
    except (OSError, ValueError):
        return 0
