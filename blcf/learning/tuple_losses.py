"""The losses by name, of one tuple: the vectors of a query, of a positive, of its negatives."""

from __future__ import annotations

from collections.abc import Callable

import torch

from blcf.learning.batch_losses import lifted_structure_loss, listwise_ap_loss
from blcf.learning.losses import contrastive_loss, ranking_loss, triplet_loss

__all__ = ["TUPLE_LOSSES"]


def _contrastive(vectors: torch.Tensor, margin: float) -> torch.Tensor:
    query, others = _repeated(vectors, 1)
    return contrastive_loss(query, others, _is_positive(vectors), margin=margin)


def _triplet(vectors: torch.Tensor, margin: float) -> torch.Tensor:
    query, negatives = _repeated(vectors, 2)
    return triplet_loss(query, vectors[1:2].expand_as(negatives), negatives, margin=margin)


def _ranking(vectors: torch.Tensor, margin: float) -> torch.Tensor:
    query, negatives = _repeated(vectors, 2)
    return ranking_loss(query, vectors[1:2].expand_as(negatives), negatives, margin=margin)


def _lifted(vectors: torch.Tensor, margin: float) -> torch.Tensor:
    classes = torch.arange(len(vectors), device=vectors.device)
    classes[1] = 0
    return lifted_structure_loss(vectors, classes, margin=margin)


def _listwise(vectors: torch.Tensor, margin: float) -> torch.Tensor:
    return listwise_ap_loss(vectors[:1] @ vectors[1:].T, _is_positive(vectors)[None])


def _repeated(vectors: torch.Tensor, first: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The query as often as there are others from a row on, and those."""
    return vectors[:1].expand_as(vectors[first:]), vectors[first:]


def _is_positive(vectors: torch.Tensor) -> torch.Tensor:
    return torch.arange(1, len(vectors), device=vectors.device) == 1


# Vectors (2 + n_negatives, d) and a margin to a scalar. The listwise loss has no margin, and of a
# tuple knows one relevant picture only: it is meant for whole batches.
TUPLE_LOSSES: dict[str, Callable[[torch.Tensor, float], torch.Tensor]] = {
    "contrastive": _contrastive,
    "lifted": _lifted,
    "listwise": _listwise,
    "ranking": _ranking,
    "triplet": _triplet,
}
