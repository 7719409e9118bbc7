"""Losses of pairs and of triplets, as pure functions: torch tensors in, a scalar out.

Vectors are expected to be of length 1, as heads give them (`blcf.learning.heads`); margins are
meant for such. Sums are over what was given (pairs, triplets), so that the gradients of tuples
that are summed one after the other are those of all of them at once. Losses that need a whole batch
or a whole ranking are in `blcf.learning.batch_losses`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from blcf.bounds import is_number
from blcf.checks import check_choice
from blcf.errors import InvalidInput

__all__ = [
    "CONTRASTIVE_FORMS",
    "RANKING_FORMS",
    "contrastive_loss",
    "ranking_loss",
    "triplet_loss",
]

CONTRASTIVE_FORMS = ("chopra", "lecture")
RANKING_FORMS = ("paper", "lecture")

# What cirtorch adds to each component of a difference: the distance of equal vectors has a slope.
_EPS = 1e-6


def contrastive_loss(
    first: torch.Tensor,
    second: torch.Tensor,
    matching: torch.Tensor,
    *,
    margin: float = 0.7,
    form: str = "chopra",
) -> torch.Tensor:
    """Matching pairs shall be near, others at least a margin apart; the sum over pairs.

    ``chopra``: ``y D^2 / 2 + (1 - y) max(0, m - D)^2 / 2`` with ``D = |a - b + 1e-6|``;
    ``lecture``: ``y D + (1 - y) max(0, m - D)`` with ``D = |a - b|``.

    Parameters
    ----------
    first, second : float (n, d), the pairs, row by row
    matching : bool (n,), y
    margin : above 0; .7 is cirtorch's default, its best models have .85
    form : "chopra" or "lecture"

    Returns
    -------
    scalar of the vectors' dtype

    Raises
    ------
    InvalidInput
        Shapes that do not fit; no pairs; a margin or a form that is none.

    Notes
    -----
    Source: Chopra, Hadsell & LeCun, CVPR 2005, as cirtorch writes it (``layers/functional.py``,
    Radenovic et al., TPAMI 2019). The second form is the one that lectures print: not squared,
    it pulls a pair that is nearly right as hard as one that is far off.

    Examples
    --------
    >>> vectors = torch.eye(2)
    >>> contrastive_loss(vectors, vectors, torch.tensor([True, False]), form="lecture")
    tensor(0.7000)
    """
    check_vectors(first=first, second=second)
    check_flags("matching", matching, (len(first),))
    check_margin(margin)
    check_choice("form", form, CONTRASTIVE_FORMS)
    if form == "lecture":
        distances = torch.linalg.vector_norm(first - second, dim=1)
        return torch.where(matching, distances, functional.relu(margin - distances)).sum()
    distances = torch.linalg.vector_norm(first - second + _EPS, dim=1)
    errors = torch.where(matching, distances, functional.relu(margin - distances))
    return errors.square().sum() / 2


def triplet_loss(
    anchor: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor, *, margin: float = 0.1
) -> torch.Tensor:
    """Positives shall be nearer than negatives: the sum of ``max(0, |a-p|^2 - |a-n|^2 + m)``.

    Parameters
    ----------
    anchor, positive, negative : float (n, d), the triplets, row by row
    margin : above 0; .1 is cirtorch's default, .2 that of Schroff et al.

    Returns
    -------
    scalar of the vectors' dtype

    Raises
    ------
    InvalidInput
        Shapes that do not fit; no triplets; a margin that is none.

    Notes
    -----
    Source: Schroff, Kalenichenko & Philbin, CVPR 2015, equation 2. Distances are squared, as there
    and in cirtorch; pytorch-metric-learning's are not unless it is told to.
    """
    check_vectors(anchor=anchor, positive=positive, negative=negative)
    check_margin(margin)
    nearer = (anchor - positive).square().sum(1)
    return functional.relu(nearer - (anchor - negative).square().sum(1) + margin).sum()


def ranking_loss(
    query: torch.Tensor,
    relevant: torch.Tensor,
    other: torch.Tensor,
    *,
    margin: float = 0.1,
    form: str = "paper",
) -> torch.Tensor:
    """The ranking loss of Deep Image Retrieval: what matches shall come before what does not.

    ``paper``: the sum of ``max(0, m + |q - d+|^2 - |q - d-|^2) / 2``; ``lecture``: that of
    ``max(0, m + q.d- - q.d+)``. Of vectors of length 1 both are the same function, the lecture's
    margin being half the paper's.

    Parameters
    ----------
    query, relevant, other : float (n, d), row by row: q, d+, d-
    margin : above 0; .1 in the paper
    form : "paper" or "lecture"

    Returns
    -------
    scalar of the vectors' dtype

    Raises
    ------
    InvalidInput
        Shapes that do not fit; no rows; a margin or a form that is none.

    Notes
    -----
    Source: Gordo, Almazan, Revaud & Larlus, ECCV 2016, section 3.2.
    """
    check_choice("form", form, RANKING_FORMS)
    check_vectors(query=query, relevant=relevant, other=other)
    if form == "paper":
        return triplet_loss(query, relevant, other, margin=margin) / 2
    check_margin(margin)
    return functional.relu(margin + (query * (other - relevant)).sum(1)).sum()


def check_vectors(**named: torch.Tensor) -> None:
    """Raise `InvalidInput` unless all are floats (n, d) of one shape and have rows."""
    wanted: Any = None
    for name, vectors in named.items():
        wanted = vectors.shape if wanted is None else wanted
        is_fit = vectors.ndim == 2 and vectors.dtype.is_floating_point and vectors.numel()
        if not is_fit or vectors.shape != wanted:
            of = f", as {next(iter(named))} of shape {tuple(wanted)}" if len(named) > 1 else ""
            raise InvalidInput(
                f"Expected {name} to be floats of shape (n, d){of}, got {vectors.dtype} of shape "
                f"{tuple(vectors.shape)}."
            )


def check_flags(name: str, flags: torch.Tensor, shape: tuple[int, ...]) -> None:
    """Raise `InvalidInput` unless these are truth values of a shape."""
    if flags.dtype != torch.bool or tuple(flags.shape) != shape:
        raise InvalidInput(
            f"Expected {name} to be bool of shape {shape}, got {flags.dtype} of shape "
            f"{tuple(flags.shape)}."
        )


def check_margin(margin: Any) -> None:
    """Raise `InvalidInput` unless this is a finite number above 0."""
    if not is_number(margin) or not 0 < margin < float("inf"):
        raise InvalidInput(f"Expected a margin above 0, got {margin!r}.")
