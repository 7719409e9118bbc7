"""Pictures to vectors by a network that learns to rank, and how well those vectors rank."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from blcf.errors import InvalidInput
from blcf.learning.vectors import as_classes, as_vectors
from blcf.threads import one_blas_thread

__all__ = [
    "Pictures",
    "embed",
    "mean_average_precision",
    "mean_average_precision_of",
    "vectors_of",
]


class Pictures(Protocol):
    """Pictures by position: a list, or what reads them when they are asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, position: int, /) -> torch.Tensor:
        """Pixels: float32 (3, h, w), normalised as the network wants them, of any size."""


def vectors_of(
    network: nn.Module, pictures: Pictures, positions: Iterable[int], device: torch.device
) -> torch.Tensor:
    """The vectors of some pictures, one after the other: float (n, d); gradients flow.

    Raises
    ------
    InvalidInput
        Pixels of another form; a network that does not give one vector a picture.
    """
    rows = []
    for position in positions:
        pixels = pictures[position]
        if pixels.ndim != 3 or not pixels.dtype.is_floating_point:
            raise InvalidInput(
                f"Expected pictures float (3, h, w), got {pixels.dtype} of shape "
                f"{tuple(pixels.shape)} as picture {position}."
            )
        row = network(pixels[None].to(device))
        if row.ndim != 2 or len(row) != 1:
            raise InvalidInput(
                f"Expected a network that gives vectors (n, d), got shape {tuple(row.shape)} of "
                "one picture. Put a head on it (`blcf.learning.heads`)."
            )
        rows.append(row)
    return torch.cat(rows)


def embed(
    network: nn.Module,
    pictures: Pictures,
    positions: Iterable[int],
    *,
    device: torch.device,
    bar: Callable[[Any], Any] = iter,
) -> np.ndarray:
    """The vectors of some pictures, to mine among them: float32 (n, d).

    The network is in evaluation mode meanwhile; `bar` wraps the iteration over positions.
    """
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.inference_mode():
            vectors = vectors_of(network, pictures, bar(positions), device)
    finally:
        for module, was_training in modes:
            module.training = was_training
    return vectors.float().cpu().numpy()


def mean_average_precision(vectors: np.ndarray, classes: np.ndarray) -> float:
    """mAP where each picture that has a match is asked for among all others.

    By dot product; the average precision is the mean of the precisions at the matches
    (`blcf.evaluation.trec_average_precision`). Of equal similarities the first comes first.

    Parameters
    ----------
    vectors : float (n, d), of length 1
    classes : int (n,)

    Returns
    -------
    float, 0..1

    Raises
    ------
    InvalidInput
        Shapes that do not fit; no two pictures of one class.

    Examples
    --------
    >>> vectors = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    >>> mean_average_precision(vectors, np.array([0, 1, 0]))
    0.5
    """
    vectors = as_vectors(vectors, "the vectors")
    with one_blas_thread():
        return _mean_average_precision((vectors @ one for one in vectors), classes, len(vectors))


def mean_average_precision_of(similarities: np.ndarray, classes: np.ndarray) -> float:
    """The same of similarities that are known: float (n, n), row by row those of a query.

    Raises
    ------
    InvalidInput
        Shapes that do not fit; no two pictures of one class.
    """
    similarities = as_vectors(similarities, "the similarities")
    return _mean_average_precision(similarities, classes, len(similarities))


def _mean_average_precision(rows: Iterable[np.ndarray], classes: np.ndarray, n: int) -> float:
    classes = as_classes(classes, n, "classes")
    found = []
    for query, row in enumerate(rows):
        order = np.argsort(-row, kind="stable")
        hits = classes[order[order != query]] == classes[query]
        if hits.any():
            precisions = np.cumsum(hits) / np.arange(1, len(hits) + 1)
            found.append(precisions[hits].mean())
    if not found:
        raise InvalidInput(
            f"Expected at least two pictures of one class, got {n} pictures of as many."
        )
    return float(np.mean(found))
