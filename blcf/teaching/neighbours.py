"""Labels from a collection's own rankings: pictures whose keypoints agree show one thing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from blcf.checks import check_integer
from blcf.engine import SearchEngine
from blcf.errors import UnreadableImage
from blcf.images import Source
from blcf.records import Keypoints
from blcf.rerank.keypoints import agree, find_keypoints

__all__ = ["Neighbours", "group_pairs", "neighbour_labels"]

_SIDE = 480  # longer side of a picture in which keypoints are looked for, pixels
_OF_A_SHOT = 1 << 20  # in place of a number of inliers
_KEPT = 2_000  # pictures whose keypoints are in memory: 256 kB each


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Which pictures show the same thing.

    Attributes
    ----------
    names : of the pictures that were looked at
    pairs : int64 (n_pairs, 2), positions of pictures whose keypoints agree, the first before the
        second
    n_inliers : int64 (n_pairs,), keypoints that agree
    labels : {name: label}, one label for each group; a picture that agrees with none has one alone
    """

    names: Sequence[str]
    pairs: np.ndarray
    n_inliers: np.ndarray
    labels: Mapping[str, str]


def neighbour_labels(
    engine: SearchEngine,
    source: Source,
    *,
    n_hits: int = 10,
    min_inliers: int = 12,
    largest: int = 20,
    bar: Callable[[Any], Any] = iter,
) -> Neighbours:
    """Labels of the pictures of a collection.

    Each picture is searched whole; of its first hits those count whose SIFT keypoints follow one
    affine transform. Frames of one shot that follow one another show the same in any case.

    Parameters
    ----------
    engine : holds the pictures
    source : where they are read
    n_hits : of each picture, that are looked at
    min_inliers : keypoints that must agree
    largest : pictures of a group, see `group_pairs`
    bar : wraps the iteration over pictures

    Raises
    ------
    InvalidInput
    BlcfError
        OpenCV is not installed.

    Notes
    -----
    Source: Radenovic, Tolias & Chum, TPAMI 2019, section 4, whose positives are of a verified
    reconstruction; here the engine's rankings stand for it.
    """
    check_integer("n_hits", n_hits, 1)
    names = [name for name in source.names if name in engine]
    places = {name: place for place, name in enumerate(names)}
    keypoints = _KeypointsOf(source)
    found = _of_one_shot(engine, names)
    seen = set(found)
    for place, name in enumerate(bar(names)):
        for hit in engine.search(frame=name, k=n_hits + 1, rerank=False):
            other = places.get(hit.name, place)
            pair = min(place, other), max(place, other)
            if other == place or pair in seen:
                continue
            seen.add(pair)
            one, two = (keypoints(names[each]) for each in pair)
            agreement = agree(one, two, min_inliers=min_inliers)
            if agreement is not None:
                found[pair] = len(agreement)
    ordered = sorted(found)
    pairs = np.array(ordered, dtype=np.int64).reshape(-1, 2)
    n_inliers = np.array([found[pair] for pair in ordered], dtype=np.int64)
    groups = group_pairs(pairs, n_inliers, len(names), largest)
    return Neighbours(
        names, pairs, n_inliers, {name: str(group) for name, group in zip(names, groups.tolist())}
    )


def _of_one_shot(engine: SearchEngine, names: Sequence[str]) -> dict[tuple[int, int], int]:
    """Pairs of frames that follow one another in a shot, as if they agreed more than any others."""
    found: dict[tuple[int, int], int] = {}
    before: dict[tuple[str, int], int] = {}
    for place, name in enumerate(names):
        facts = engine.facts(name)
        if facts["video"] and facts["shot"] is not None:
            shot = facts["video"], facts["shot"]
            if shot in before:
                found[before[shot], place] = _OF_A_SHOT
            before[shot] = place
    return found


def group_pairs(pairs: np.ndarray, n_inliers: np.ndarray, n: int, largest: int) -> np.ndarray:
    """Groups of pictures that are connected, none larger than a number.

    Pairs are taken from the one with the most inliers on; one that would make too large a group is
    left out: along a chain of neighbours things change into others.

    Parameters
    ----------
    pairs : int (n_pairs, 2), of n pictures
    n_inliers : int (n_pairs,)
    largest : pictures of a group

    Returns
    -------
    int64 (n,), of each picture the first one of its group
    """
    check_integer("largest", largest, 1)
    first = list(range(n))
    members = {one: [one] for one in first}
    for row in np.argsort(-n_inliers, kind="stable").tolist():
        one, two = sorted(first[each] for each in pairs[row].tolist())
        if one != two and len(members[one]) + len(members[two]) <= largest:
            joined = members.pop(two)
            members[one] += joined
            for each in joined:
                first[each] = one
    return np.array(first, dtype=np.int64)


class _KeypointsOf:
    """Keypoints by name, those asked for last in memory."""

    def __init__(self, source: Source):
        self._source = source
        self._known: OrderedDict[str, Keypoints] = OrderedDict()

    def __call__(self, name: str) -> Keypoints:
        if name not in self._known:
            try:
                pixels = self._source.original(name).resized(_SIDE).content
                self._known[name] = find_keypoints(pixels)
            except UnreadableImage:  # it has changed since it was indexed
                self._known[name] = Keypoints(np.zeros((0, 2)), np.zeros((0, 128), "f4"), (0, 0))
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        self._known.move_to_end(name)
        return self._known[name]
