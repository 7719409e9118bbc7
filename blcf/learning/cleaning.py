"""Labels made clean: pictures of a class that show the same thing, and where it is in them.

Pairs of one class are verified by their keypoints; the largest connected component of the graph of
those that agree is the class; boxes begin as the extent of what agrees, and are carried along the
edges until they agree as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from blcf.bounds import is_number
from blcf.checks import check_integer
from blcf.errors import InvalidInput
from blcf.learning.vectors import as_classes, as_pairs, as_vectors, groups_of
from blcf.records import Keypoints
from blcf.rerank.keypoints import Agreement, agree
from blcf.threads import one_blas_thread

__all__ = [
    "Cleaned",
    "Edges",
    "candidate_pairs",
    "clean_classes",
    "join_agreements",
    "largest_component",
    "spread_boxes",
]


@dataclass(frozen=True, eq=False)
class Edges:
    """Pairs of pictures whose keypoints agree.

    Attributes
    ----------
    pairs : int64 (n, 2), positions of pictures
    n_inliers : int64 (n,), keypoints that agree
    transforms : float64 (n, 2, 3), pixels of the first picture to pixels of the second
    boxes : float64 (n, 2, 4), xyxy, pixels of either picture: the extent of its inliers
    """

    pairs: np.ndarray
    n_inliers: np.ndarray
    transforms: np.ndarray
    boxes: np.ndarray

    def __len__(self) -> int:
        return len(self.pairs)


@dataclass(frozen=True, eq=False)
class Cleaned:
    """What is left of labelled pictures.

    Attributes
    ----------
    kept : bool (n,), whether a picture is in the largest component of its class
    boxes : float32 (n, 4), xyxy, pixels of the picture; NaN where it is not kept
    edges : `Edges` between pictures that are kept
    """

    kept: np.ndarray
    boxes: np.ndarray
    edges: Edges


def clean_classes(
    keypoints_of: Callable[[int], Keypoints],
    classes: np.ndarray,
    *,
    min_inliers: int = 10,
    min_pictures: int = 3,
    vectors: np.ndarray | None = None,
    n_nearest: int = 50,
    bar: Callable[[Any], Any] = iter,
    **how: Any,
) -> Cleaned:
    """Keep of each class the pictures that are joined by local features.

    Parameters
    ----------
    keypoints_of : position to `Keypoints`; asked for once each at most, class by class: those of
        one are in memory
    classes : int (n,), the label of each picture
    min_inliers : the least number of keypoints that agree, of an edge
    min_pictures : 2 or more; a class whose largest component is smaller keeps none
    vectors, n_nearest : see `candidate_pairs`
    bar : wraps the iteration over classes
    how : of `blcf.rerank.keypoints.agree`: ratio, tolerance, max_rotation

    Raises
    ------
    InvalidInput
    BlcfError
        OpenCV is not installed.

    Notes
    -----
    Source: Gordo, Almazan, Revaud & Larlus, ECCV 2016, section 4.
    """
    check_integer("min_pictures", min_pictures, 2)
    classes = as_classes(classes, None, "classes")
    pairs = candidate_pairs(classes, vectors, n_nearest)
    kept, boxes = np.zeros(len(classes), dtype=bool), np.full((len(classes), 4), np.nan)
    found: list[tuple[int, int, Agreement]] = []
    owners = classes[pairs[:, 0]]
    for label, group in bar(groups_of(classes).items()):
        if len(group) < min_pictures:
            continue
        keypoints = {position: keypoints_of(position) for position in group.tolist()}
        agreements = []
        for one, other in pairs[owners == label].tolist():
            its = agree(keypoints[one], keypoints[other], min_inliers=min_inliers, **how)
            if its is not None:
                agreements.append((one, other, its))
        edges = join_agreements(agreements)
        members = largest_component(edges.pairs, len(classes))
        if len(members) < min_pictures:
            continue
        kept[members] = True
        found += [each for each in agreements if kept[each[0]] and kept[each[1]]]
        sizes = np.array([keypoints[position].size for position in group.tolist()])
        inside = join_agreements([each for each in agreements if kept[each[0]]])
        places = np.searchsorted(group, inside.pairs)
        local = Edges(places, inside.n_inliers, inside.transforms, inside.boxes)
        boxes[group] = spread_boxes(local, sizes)
    return Cleaned(kept, boxes.astype(np.float32), join_agreements(found))


def candidate_pairs(
    classes: np.ndarray, vectors: np.ndarray | None = None, n_nearest: int = 50
) -> np.ndarray:
    """Pairs of one class that are worth a look: all, or those of near neighbours.

    The work of a class of n pictures is n (n - 1) / 2 pairs without vectors, n n_nearest at most
    with them.

    Parameters
    ----------
    classes : int (n,)
    vectors : float (n, d), of length 1; a pair is looked at where one of the two is among the
        n_nearest pictures of its class that are most like the other. None: all pairs.
    n_nearest : 1 or more

    Returns
    -------
    int64 (n_pairs, 2), the lesser position first; by class, then ascending

    Examples
    --------
    >>> candidate_pairs(np.array([3, 5, 3, 3])).tolist()
    [[0, 2], [0, 3], [2, 3]]
    """
    classes = as_classes(classes, None, "classes")
    check_integer("n_nearest", n_nearest, 1)
    if vectors is not None:
        vectors = as_vectors(vectors, "the vectors")
        if len(vectors) != len(classes):
            raise InvalidInput(
                f"Expected a vector for each of {len(classes)} pictures, got {len(vectors)}."
            )
    parts = [np.zeros((0, 2), dtype=np.int64)]
    for group in groups_of(classes).values():
        wanted = np.ones((len(group), len(group)), dtype=bool)
        if vectors is not None and len(group) > n_nearest + 1:
            with one_blas_thread():
                similar = vectors[group] @ vectors[group].T
            np.fill_diagonal(similar, -np.inf)
            order = np.argsort(-similar, axis=1, kind="stable")[:, :n_nearest]
            wanted[:] = False
            np.put_along_axis(wanted, order, True, axis=1)
            wanted |= wanted.T
        parts.append(group[np.argwhere(np.triu(wanted, 1))])
    return np.concatenate(parts)


def join_agreements(agreements: Iterable[tuple[int, int, Agreement]]) -> Edges:
    """`Edges` of (first position, second position, their `Agreement`)."""
    rows = list(agreements)
    extents = [
        [np.concatenate([its.min(axis=0), its.max(axis=0)]) for its in (each.ours, each.theirs)]
        for _, _, each in rows
    ]
    return Edges(
        np.array([row[:2] for row in rows], dtype=np.int64).reshape(-1, 2),
        np.array([len(row[2]) for row in rows], dtype=np.int64),
        np.array([row[2].transform for row in rows], dtype=np.float64).reshape(-1, 2, 3),
        np.array(extents, dtype=np.float64).reshape(-1, 2, 4),
    )


def largest_component(pairs: np.ndarray, n: int) -> np.ndarray:
    """The most vertices that edges join: int64, ascending; empty where there is no edge.

    Of components of one size the one with the first vertex.

    Parameters
    ----------
    pairs : int (n_pairs, 2), positions from 0 to n - 1
    n : vertices

    Examples
    --------
    >>> largest_component(np.array([[1, 2], [3, 5], [5, 4]]), 7).tolist()
    [3, 4, 5]
    """
    pairs = as_pairs(pairs, n)
    if not len(pairs):
        return np.zeros(0, dtype=np.int64)
    ones = np.ones(len(pairs), dtype=bool)
    graph = sp.csr_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    labels = connected_components(graph, directed=False)[1]
    firsts = np.unique(labels, return_index=True)[1]
    sizes = np.bincount(labels)
    largest = min(np.flatnonzero(sizes == sizes.max()).tolist(), key=lambda each: firsts[each])
    return np.flatnonzero(labels == largest)


def spread_boxes(
    edges: Edges,
    sizes: np.ndarray,
    *,
    step: float = 0.1,
    tolerance: float = 0.1,
    max_iterations: int = 200,
) -> np.ndarray:
    """Boxes that agree with those of the neighbours, as edges carry them.

    A picture's box begins as the mean of the extents of its inliers, over its edges; then, until
    none moves: ``b_j <- (1 - step) b_j + step sum_i w_ij A_ij b_i / sum_i w_ij``, w the number of
    inliers, all boxes at once. ``A b`` is the upright box around the ellipse within b, carried
    over: that of the corners would grow with each turn. It is cut to the picture, and does not
    count where nothing is left of it.

    Parameters
    ----------
    edges : see `Edges`
    sizes : int (n, 2), (width, height) of the pictures, pixels
    step : above 0 up to 1
    tolerance : pixels; less is no move
    max_iterations : at most

    Returns
    -------
    float64 (n, 4), xyxy, pixels; NaN for a picture without an edge

    Raises
    ------
    InvalidInput

    Notes
    -----
    Source: Gordo et al., ECCV 2016, section 4, with the mean that inliers weigh.
    """
    if not is_number(step) or not 0 < step <= 1:
        raise InvalidInput(f"Expected a step above 0 up to 1, got {step!r}.")
    check_integer("max_iterations", max_iterations, 0)
    sizes = np.asarray(sizes, dtype=np.float64).reshape(-1, 2)
    pairs, n = as_pairs(edges.pairs, len(sizes)), len(sizes)
    # Each edge both ways: from, to, weight, the transform.
    sources, targets = np.concatenate([pairs, pairs[:, ::-1]]).T
    weights = np.tile(edges.n_inliers.astype(np.float64), 2)
    linear, shift = edges.transforms[:, :, :2], edges.transforms[:, :, 2]
    back = np.linalg.inv(linear)
    linear = np.concatenate([linear, back])
    shift = np.concatenate([shift, -np.einsum("eij,ej->ei", back, shift)])

    extents = np.concatenate([edges.boxes[:, 1], edges.boxes[:, 0]])
    boxes, weighed = _mean_of(targets, weights, extents, n)
    boxes[weighed == 0] = np.nan
    limits = np.hstack([sizes, sizes])[targets]
    for _ in range(max_iterations):
        middles = (boxes[sources, :2] + boxes[sources, 2:]) / 2
        halves = (boxes[sources, 2:] - boxes[sources, :2]) / 2
        middles = np.einsum("eij,ej->ei", linear, middles) + shift
        halves = np.sqrt(np.einsum("eij,ej->ei", linear**2, halves**2))
        carried = np.clip(np.hstack([middles - halves, middles + halves]), 0, limits)
        is_there = (carried[:, :2] < carried[:, 2:]).all(axis=1)
        wanted, weighed = _mean_of(targets, weights * is_there, carried, n)
        moves = np.where(weighed[:, None] > 0, step * (wanted - boxes), 0)
        boxes = boxes + moves
        if not np.abs(moves).max(initial=0) > tolerance:
            break
    return boxes


def _mean_of(
    targets: np.ndarray, weights: np.ndarray, rows: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """The weighed mean of the rows of each target, and its weights' sum; 0 where there are none."""
    sums, weighed = np.zeros((n, rows.shape[1])), np.zeros(n)
    np.add.at(sums, targets, weights[:, None] * rows)
    np.add.at(weighed, targets, weights)
    return sums / np.maximum(weighed, 1e-300)[:, None], weighed
