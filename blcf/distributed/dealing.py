"""Which pictures of a source go into which shard, and in which parts: a plan, kept on disk.

A plan depends on the source and on the shards, never on the workers: who goes on with it, with more
of them or fewer, makes the same parts. Neighbours stay together, the frames of a film always.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from blcf.errors import InvalidInput
from blcf.images import GivenPictures, ImageList, Source, film_of

__all__ = ["PART", "Plan", "deal", "n_of_part", "parts_of", "source_digest", "some_of"]

PART = 512  # pictures: half a minute of blcf-lite on a core, six minutes of VGG16
_PARTS, _LEAST = 8, 16  # of a small source: parts for each shard, and their pictures at least


@dataclass(frozen=True)
class Plan:
    """What is done with a source.

    Attributes
    ----------
    source : `source_digest`
    firsts : the id of the first picture of the source, the last counts; the others follow by their
        places. One before stands for what was put into shards before other pictures were
    n_images : of the source
    part : pictures of a part, at most but for films
    runs : (shard, first, last) of places in the source, half-open, ascending
    filled : how many pictures are in the shards that hold all of theirs, by their numbers
    known : n_present, n_changed, n_gone, see `blcf.adding.AddReport`
    """

    source: str
    firsts: list[int]
    n_images: int
    part: int
    runs: list[tuple[int, int, int]]
    filled: dict[int, int]
    known: tuple[int, int, int] = (0, 0, 0)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars(self), "filled": [list(one) for one in sorted(self.filled.items())]}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Plan:
        """A plan from a file; KeyError, TypeError or ValueError where it is none."""
        runs = [(int(shard), int(first), int(last)) for shard, first, last in stored["runs"]]
        n_images = int(stored["n_images"])
        before = 0
        for _, first, last in runs:
            if not before <= first < last <= n_images:
                raise ValueError("runs that overlap")
            before = last
        filled = {int(shard): int(n) for shard, n in stored["filled"]}
        firsts, part = [int(one) for one in stored["firsts"]], int(stored["part"])
        if min(firsts) < 0 or part < 1:
            raise ValueError("negative numbers")
        n_present, n_changed, n_gone = (int(one) for one in stored["known"])
        known = n_present, n_changed, n_gone
        return cls(str(stored["source"]), firsts, n_images, part, runs, filled, known)

    @property
    def first(self) -> int:
        """The id of the first picture of the source."""
        return self.firsts[-1]

    def places(self, shard: int) -> np.ndarray:
        """The places of the pictures that go into a shard: int64, ascending."""
        parts = [np.arange(first, last) for number, first, last in self.runs if number == shard]
        return np.concatenate([np.empty(0, dtype=np.int64), *parts])


def source_digest(images: Source, *more: object) -> str:
    """Digest of the names of a source, and of what else decides what is done with it."""
    digest = hashlib.sha256(repr((str(images.root), getattr(images, "prefix", ""), more)).encode())
    for name in images.names:
        digest.update(b"\0" + name.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:32]


def some_of(images: Source, places: Sequence[int] | np.ndarray) -> Source:
    """Some pictures of a source, as a source that can be sent to a worker.

    Raises
    ------
    InvalidInput
        It is a source of the caller's own kind.
    """
    names = [images.names[int(place)] for place in places]
    if isinstance(images, ImageList):
        paths = [images.path(film) for film in {film_of(name) for name in names} - {""}]
        films = {path: images.films[path] for path in paths if path in images.films}
        return replace(images, names=names, problems=[], films=films)
    if isinstance(images, GivenPictures):
        return images.only(names)
    raise InvalidInput(
        "Expected a folder, list, films, paths or pictures with names, got "
        f"{type(images).__name__}. Index that on one machine (SearchEngine.add)."
    )


def deal(
    names: Sequence[str], new: np.ndarray, fixed: Mapping[int, np.ndarray], sizes: Sequence[int]
) -> list[tuple[int, int, int]]:
    """The runs of a plan: new pictures go to the shards that hold fewest, neighbours together.

    Parameters
    ----------
    names : of the source
    new : int64, ascending places of pictures that no shard knows
    fixed : {shard: places} of pictures that go where they were
    sizes : how many pictures each shard holds
    """
    owner = np.full(len(names), -1, dtype=np.int64)
    bounds = np.cumsum([0, *_quotas(len(new), sizes)])
    can_cut = _between_films(names)
    before = 0
    for shard in range(len(sizes)):
        end = int(bounds[shard + 1])
        while before < end < len(new) and not can_cut[new[end]] and new[end - 1] + 1 == new[end]:
            end += 1
        end = max(end, before)
        owner[new[before:end]] = shard
        before = end
    for shard, places in fixed.items():
        owner[places] = shard
    starts = np.flatnonzero(np.diff(owner, prepend=-2) != 0)
    ends = np.append(starts[1:], len(owner))
    return [
        (int(owner[start]), int(start), int(end))
        for start, end in zip(starts, ends)
        if owner[start] >= 0
    ]


def _quotas(n_new: int, sizes: Sequence[int]) -> list[int]:
    """How many new pictures each shard gets, so that all come as near to each other as they can."""
    level = 0.0
    ascending = sorted(sizes)
    for n, size in enumerate(ascending, 1):
        level = (n_new + sum(ascending[:n])) / n
        if n == len(sizes) or level <= ascending[n]:
            break
    wanted = np.maximum(level - np.asarray(sizes, dtype=np.float64), 0)
    ends = np.round(np.cumsum(wanted)).astype(np.int64)
    ends[-1] = n_new
    return np.diff(np.minimum(ends, n_new), prepend=0).tolist()


def _between_films(names: Sequence[str]) -> np.ndarray:
    """Whether a picture is of another film, or none, than the one before: bool (n,)."""
    can = np.ones(len(names), dtype=bool)
    before = ""
    for place, name in enumerate(names):
        film = film_of(name)
        can[place] = not film or film != before
        before = film
    return can


def n_of_part(n_images: int, n_shards: int) -> int:
    """How many pictures a part has: few where there are few, so that all workers get some."""
    return max(_LEAST, min(PART, -(-n_images // (_PARTS * n_shards))))


def parts_of(names: Sequence[str], plan: Plan, shard: int) -> Iterator[np.ndarray]:
    """The places of the pictures of each part of a shard: int64, ascending."""
    places = plan.places(shard)
    first = 0
    while first < len(places):
        end = min(first + plan.part, len(places))
        while end < len(places) and _is_same_film(names, places, end):
            end += 1
        yield places[first:end]
        first = end


def _is_same_film(names: Sequence[str], places: np.ndarray, at: int) -> bool:
    film = film_of(names[places[at]])
    return bool(film) and film == film_of(names[places[at - 1]])
