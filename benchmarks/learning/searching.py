"""Descriptors to mAP: plain, with query expansion, with database augmentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.learning.photographs import Pixels, Searched
from blcf.evaluation import average_precision
from blcf.expansion.average import average_descriptor
from blcf.learning.embedding import embed

__all__ = ["Vectors", "augmented", "embed_all", "expanded", "mean_ap", "precisions"]

Vectors = tuple[np.ndarray, np.ndarray]  # of queries and of images, float32 (n, d), of length 1


def embed_all(network: nn.Module, data: Searched, bar: Callable[[Any], Any] = iter) -> Vectors:
    """The descriptors of queries and images."""
    queries, images = (
        embed(network, Pixels(ones), range(len(ones)), device=torch.device("cpu"), bar=bar)
        for ones in (data.queries, data.pictures)
    )
    return queries, images


def precisions(vectors: Vectors, data: Searched) -> list[float]:
    """The (trapezoidal) average precision of the whole ranking of each query."""
    queries, images = vectors
    found = []
    for query, truth in zip(queries, data.truth.queries):
        order = np.argsort(-(images @ query), kind="stable")
        ranked = [data.names[row] for row in order]
        found.append(average_precision(ranked, truth.positives, truth.junk))
    return found


def mean_ap(vectors: Vectors, data: Searched) -> float:
    """Mean of the average precisions."""
    return float(np.mean(precisions(vectors, data)))


def expanded(vectors: Vectors, n: int) -> Vectors:
    """Query expansion: each query is the mean of itself and its n nearest images."""
    queries, images = vectors
    orders = np.argsort(-(queries @ images.T), axis=1, kind="stable")[:, :n]
    rows = [average_descriptor(query, images[order]) for query, order in zip(queries, orders)]
    return np.stack(rows).astype(np.float32), images


def augmented(vectors: Vectors, k: int) -> Vectors:
    """Database augmentation: each image is a sum of itself and its k nearest, which count less.

    ``x' = L2(sum_r (1 - r / (k + 1)) x_r)``, r the rank among the images, 0 for itself.

    Notes
    -----
    Source: Arandjelovic & Zisserman, CVPR 2012; with weights by rank, Gordo et al., IJCV 2017.
    """
    queries, images = vectors
    similar = images @ images.T
    np.fill_diagonal(similar, np.inf)
    orders = np.argsort(-similar, axis=1, kind="stable")[:, : k + 1]
    weights = 1 - np.arange(k + 1) / (k + 1)
    sums = np.einsum("r,nrd->nd", weights[: orders.shape[1]], images[orders])
    return queries, (sums / np.linalg.norm(sums, axis=1, keepdims=True)).astype(np.float32)
