"""Losses of a whole batch and of whole rankings, as pure functions of torch tensors."""

from __future__ import annotations

import torch
from torch.nn import functional

from blcf.checks import check_integer
from blcf.errors import InvalidInput
from blcf.learning.losses import check_flags, check_margin, check_vectors

__all__ = ["lifted_structure_loss", "listwise_ap_loss"]


def lifted_structure_loss(
    vectors: torch.Tensor, classes: torch.Tensor, *, margin: float = 1.0
) -> torch.Tensor:
    """Each matching pair against all negatives of both; the mean over matching pairs (i, j).

    ``max(0, D_ij + log(sum_k exp(m - D_ik) + sum_k exp(m - D_jk)))^2 / 2``, k over the vectors of
    other classes, D the Euclidean distance.

    Parameters
    ----------
    vectors : float (n, d), of one batch
    classes : int (n,)
    margin : above 0; 1 in the paper

    Returns
    -------
    scalar of the vectors' dtype

    Raises
    ------
    InvalidInput
        Shapes that do not fit; one class only; no two vectors of one class; a margin that is none.

    Notes
    -----
    Source: Song, Xiang, Jegelka & Savarese, CVPR 2016, equation 4, with the mean that
    pytorch-metric-learning takes: over the ordered pairs, which is that over the pairs.
    """
    check_vectors(vectors=vectors)
    check_margin(margin)
    if classes.shape != (len(vectors),) or classes.dtype.is_floating_point:
        raise InvalidInput(
            f"Expected classes int ({len(vectors)},), one a vector, got {classes.dtype} of shape "
            f"{tuple(classes.shape)}."
        )
    same = classes[:, None] == classes  # (n, n)
    first, second = torch.where(same.triu(1))
    if bool(same.all()) or not len(first):
        raise InvalidInput(
            "Expected a batch with a matching pair and with vectors of two classes, got "
            f"{len(torch.unique(classes))} classes of {len(classes)} vectors. Draw several of each."
        )
    # Through the product of matrices equal vectors would be 1e-4 apart, with a wild slope.
    distances = torch.cdist(vectors, vectors, compute_mode="donot_use_mm_for_euclid_dist")
    # Of vector i: log sum_k exp(m - D_ik).
    pushes = (margin - distances).masked_fill(same, -torch.inf).logsumexp(1)
    terms = distances[first, second] + torch.logaddexp(pushes[first], pushes[second])
    return functional.relu(terms).square().mean() / 2


def listwise_ap_loss(
    similarities: torch.Tensor, relevant: torch.Tensor, *, n_bins: int = 25
) -> torch.Tensor:
    """1 - mAP of whole rankings, which soft bins make differentiable.

    Bins lie evenly over [0, 1], the first at 1; a similarity is shared by the two nearest.
    ``AP = sum_b P_b r_b`` with ``r_b`` the share of the relevant in bin b and ``P_b`` the
    precision in all bins up to it.

    Parameters
    ----------
    similarities : float (n_queries, n); what is below 0 or above 1 lies in the last or first bin
    relevant : bool, of the same shape
    n_bins : 2 or more; 25 in the released code, 20 in the paper

    Returns
    -------
    scalar, 0..1, of the similarities' dtype

    Raises
    ------
    InvalidInput
        Shapes that do not fit; a query without anything relevant, or with nothing else.

    Notes
    -----
    Source: Revaud et al., ICCV 2019, equations 5 to 9; dirtorch's ``loss.py`` (APLoss). There
    the query itself is in its ranking; here the caller decides.
    """
    check_vectors(similarities=similarities)
    check_flags("relevant", relevant, tuple(similarities.shape))
    check_integer("n_bins", n_bins, 2)
    n_relevant = relevant.sum(1)
    if bool(((n_relevant == 0) | (n_relevant == relevant.shape[1])).any()):
        raise InvalidInput(
            "Expected every query to have something relevant and something that is not, got "
            f"{n_relevant.tolist()} relevant of {relevant.shape[1]}. Leave such queries out."
        )
    centres = torch.linspace(1, 0, n_bins, dtype=similarities.dtype, device=similarities.device)
    places = (similarities.clamp(0, 1)[:, None, :] - centres[:, None]) * (n_bins - 1)
    shares = functional.relu(1 - places.abs())  # (n_queries, n_bins, n), sum over bins: 1
    positives = (shares * relevant[:, None, :]).sum(2)  # (n_queries, n_bins)
    everything = shares.sum(2)
    tiny = torch.finfo(similarities.dtype).tiny  # of bins that are empty, and all before them
    precisions = positives.cumsum(1) / everything.cumsum(1).clamp_min(tiny)
    return 1 - ((precisions * positives).sum(1) / n_relevant).mean()
