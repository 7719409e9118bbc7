"""What a check of a collection found: damage, and what could not be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["CheckReport", "Damage", "Unreadable"]


@dataclass(frozen=True)
class Damage:
    """A damaged file.

    Attributes
    ----------
    file : str, relative to the collection
    reason : str, a sentence
    n_images : how many images are lost with it
    names, paths : names of these images, and where the pictures were when they were indexed; empty
        where they are not known
    listed : the list of the paths that a repair wrote, or None
    n_left_out : how many of the images the list does not hold, because their names are not known
        or cannot stand on a line (new lines)
    """

    file: str
    reason: str
    n_images: int = 0
    names: Sequence[str] = ()
    paths: Sequence[Path] = ()
    listed: Path | None = None
    n_left_out: int = 0


@dataclass(frozen=True)
class Unreadable:
    """A file that could not be read, which says nothing of what is in it.

    Attributes
    ----------
    file : str, relative to the collection
    reason : str, a sentence
    """

    file: str
    reason: str


@dataclass(frozen=True)
class CheckReport:
    """What `check_collection` found.

    Attributes
    ----------
    n_images, n_segments : what is sound
    damages : list of `Damage`
    leftovers : files in ``segments`` that belong to nothing; the next writer deletes its own
    repaired : bool, all damages were repaired; what was damaged is still listed
    unreadable : list of `Unreadable`; while there is one, nothing is repaired
    has_copy : bool, the manifest has a copy; only of a collection that was made a moment ago, and
        by a process that was killed, it has none: the next writer makes it
    """

    n_images: int
    n_segments: int
    damages: list[Damage]
    leftovers: list[str]
    repaired: bool = False
    unreadable: list[Unreadable] = field(default_factory=list)
    has_copy: bool = True

    @property
    def is_sound(self) -> bool:
        """Whether everything was read, and no damage was found."""
        return not self.damages and not self.unreadable
