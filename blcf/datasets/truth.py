"""What every data set is read into: queries, what is relevant to each, and what to index.

A picture is called by its name in a collection: its path below the folder that was indexed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from blcf.errors import InvalidInput
from blcf.images import ImageList

__all__ = ["GroundTruth", "TrueExample", "TrueQuery"]


@dataclass(frozen=True, eq=False)
class TrueExample:
    """A picture of what is looked for.

    Attributes
    ----------
    image : path of the picture
    box : float32 (4,), xyxy, pixels, around the object; None where there is none
    mask : path of a picture of the same size, white on the object; None where there is none
    """

    image: Path
    box: np.ndarray | None = None
    mask: Path | None = None


@dataclass(frozen=True, eq=False)
class TrueQuery:
    """A query and its truth.

    Attributes
    ----------
    name : what the data set calls the query, unique in it
    object : what is looked for
    examples : one or more
    positives : names of the pictures (or shots) that show the object
    junk : names that count neither way
    hard : those of the positives that are hard to find (revisited Oxford and Paris)
    boxes : {name: float64 (n, 4)} true boxes of the object, xyxy, pixels, where known
    groups : {name of a group: the positives in it} that are measured apart as well (ILIAS)
    """

    name: str
    object: str
    examples: tuple[TrueExample, ...]
    positives: frozenset[str]
    junk: frozenset[str] = frozenset()
    hard: frozenset[str] = frozenset()
    boxes: dict[str, np.ndarray] = field(default_factory=dict)
    groups: dict[str, frozenset[str]] = field(default_factory=dict)

    @property
    def image(self) -> Path:
        """The picture of the first example."""
        return self.examples[0].image

    @property
    def box(self) -> np.ndarray | None:
        """The box of the first example."""
        return self.examples[0].box


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """All queries of a data set, and its pictures.

    Attributes
    ----------
    path : the file or folder it was read from
    queries : list of `TrueQuery`
    sizes : {name: (width, height)}, pixels, where known
    name : of the data set: "oxford5k"
    protocol : how rankings are measured: a name of `blcf.evaluation.PROTOCOLS`
    images : what to index, one list after the other (the pictures of the set, distractors);
        empty where the truth does not say
    shots : {name of a frame: shot}, where not frames but shots are found (positives are shots
        then); empty elsewhere
    """

    path: Path
    queries: list[TrueQuery]
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    name: str = ""
    protocol: str = "oxford"
    images: tuple[ImageList, ...] = ()
    shots: dict[str, str] = field(default_factory=dict)

    def renamed(
        self, names: Iterable[str], places: Mapping[str, Iterable[str]] | None = None
    ) -> GroundTruth:
        """The same truth under the names of a collection.

        A collection of the folder ``images`` calls a picture ``b.jpg`` that the truth calls
        ``images/b.jpg``, and one of the folder above calls it ``set/images/b.jpg``: one leading
        folder, the same for all names, is taken off or put before. A collection that was filled
        piece by piece (``paris_1``, then ``paris_2``) is known by its files instead.

        Parameters
        ----------
        names : of the collection
        places : {folder that was indexed: names of the collection below it}, where it is known

        Raises
        ------
        InvalidInput
            No picture of the truth is in the collection.
        """
        here = set(names)
        if self.shots:
            mine = set(self.shots)
        else:
            mine = {name for query in self.queries for name in query.positives | query.junk}
            mine |= self.sizes.keys()
        new = max(_match(mine, here), self._same_files(mine, places or {}), key=len)
        if not new:
            raise InvalidInput(
                f"No picture of {self.path} is in the collection: the truth names "
                f"{min(mine, default='none')!r}, the collection {min(here, default='none')!r}. "
                "Index the folder that the ground truth belongs to."
            )
        if self.shots:
            shots = {new.get(name, name): shot for name, shot in self.shots.items()}
            return replace(self, shots=shots)
        return replace(
            self,
            queries=[_rename(query, new) for query in self.queries],
            sizes={new.get(name, name): size for name, size in self.sizes.items()},
        )

    def _same_files(
        self, mine: Iterable[str], places: Mapping[str, Iterable[str]]
    ) -> dict[str, str]:
        """{name of the truth: name in the collection} of the same files."""
        if not self.images:
            return {}
        root = self.images[0].root
        there = {
            os.path.join(folder, name): name for folder, some in places.items() for name in some
        }
        paths = {name: os.path.join(root, name) for name in mine}
        return {name: there[path] for name, path in paths.items() if path in there}

    def missing(self, names: Iterable[str]) -> list[str]:
        """Positives that are not among the names (they count as not found)."""
        wanted = {name for query in self.queries for name in query.positives}
        here = {self.shots.get(name, name) for name in names}
        return sorted(wanted - here)


def _rename(query: TrueQuery, new: dict[str, str]) -> TrueQuery:
    positives, junk, hard = (
        frozenset(new.get(name, name) for name in some)
        for some in (query.positives, query.junk, query.hard)
    )
    boxes = {new.get(name, name): some for name, some in query.boxes.items()}
    groups = {
        group: frozenset(new.get(name, name) for name in some)
        for group, some in query.groups.items()
    }
    return replace(query, positives=positives, junk=junk, hard=hard, boxes=boxes, groups=groups)


def _match(mine: set[str], here: set[str]) -> dict[str, str]:
    """{name of the truth: name in the collection}, by the one folder that sets them apart.

    Either the truth's names begin with it or the collection's do. Of all such folders (none is
    one of them) the one that most names agree on is taken, the shortest of equal ones.
    """
    votes: Counter[tuple[str, str]] = Counter()  # (folder before mine, folder before here)
    for name in mine:
        votes.update((folder, "") for folder, end in _ends(name) if end in here)
    for name in here:
        votes.update(("", folder) for folder, end in _ends(name) if folder and end in mine)
    if not votes:
        return {}
    before_mine, before_here = min(votes, key=lambda pair: (-votes[pair], len("".join(pair)), pair))
    renamed = {name: before_here + name.removeprefix(before_mine) for name in mine}
    return {
        name: new for name, new in renamed.items() if new in here and name.startswith(before_mine)
    }


def _ends(name: str) -> Iterator[tuple[str, str]]:
    """Every way to cut a name into a leading folder (with its slash, or empty) and the rest."""
    yield "", name
    for place, letter in enumerate(name):
        if letter == "/":
            yield name[: place + 1], name[place + 1 :]
