"""The loss by which a network learns for a bag of words: similarities of bags, made smooth."""

from __future__ import annotations

import torch

from blcf.bounds import is_number
from blcf.errors import InvalidInput
from blcf.learning.losses import check_vectors

__all__ = ["contrastive_softmax_loss", "kept_features_loss", "soft_bag_similarities"]


def soft_bag_similarities(
    features: torch.Tensor, weights: torch.Tensor, *, width: float = 0.1
) -> torch.Tensor:
    """Cosine similarities of bags of words, with "one word" replaced by "near".

    A bag counts which words two pictures share: their similarity is the sum over pairs of cells
    (p, q) of ``w_p w_q [word(p) = word(q)]``, over the lengths. No gradient flows through that
    bracket; here ``exp((f_p . f_q - 1) / width)`` stands for it, a match kernel that hardly
    anything but near neighbours feeds, and that needs no vocabulary.

    Parameters
    ----------
    features : float (n, m, d), m cells of n pictures, whitened and of length 1
    weights : float (n, m), of the cells, 0 or more: their norms
    width : of the kernel, above 0

    Returns
    -------
    (n, n) of the features' dtype, 0..1, 1 on the diagonal

    Raises
    ------
    InvalidInput
        Shapes that do not fit; a width that is none.

    Notes
    -----
    Source: selective match kernels, Tolias, Avrithis & Jegou, ICCV 2013, equation 4, with an
    exponential selectivity; trained through norm-weighted sums in Tolias, Jenicek & Chum, ECCV
    2020, section 3.
    """
    if features.ndim != 3 or weights.shape != features.shape[:2] or not features.numel():
        raise InvalidInput(
            "Expected features (n, m, d) and weights (n, m), got shapes "
            f"{tuple(features.shape)} and {tuple(weights.shape)}."
        )
    _check_scale("width", width)
    n, m, d = features.shape
    rows = features.reshape(n * m, d)
    near = ((rows @ rows.T).to(weights.dtype) / width - 1 / width).exp().view(n, m, n, m)
    shared = torch.einsum("ap,apbq,bq->ab", weights, near, weights)
    lengths = shared.diagonal().clamp_min(torch.finfo(shared.dtype).tiny).sqrt()
    return shared / lengths[:, None] / lengths


def contrastive_softmax_loss(
    similarities: torch.Tensor, classes: torch.Tensor, *, temperature: float = 0.05
) -> torch.Tensor:
    """Each picture must be more like those of its class than like all others of the batch.

    The mean over pictures i that have a match of ``-mean_j log softmax_k(s_ik / t)_j``, j over the
    matches of i, k over all but i.

    Parameters
    ----------
    similarities : float (n, n)
    classes : int (n,)
    temperature : t, above 0

    Returns
    -------
    scalar of the similarities' dtype

    Raises
    ------
    InvalidInput
        Shapes that do not fit; no two pictures of one class; a temperature that is none.

    Notes
    -----
    Source: Khosla et al., NeurIPS 2020, equation 2 (L_out).
    """
    check_vectors(similarities=similarities)
    n = len(similarities)
    if similarities.shape != (n, n) or classes.shape != (n,) or classes.dtype.is_floating_point:
        raise InvalidInput(
            "Expected similarities (n, n) and classes int (n,), got shapes "
            f"{tuple(similarities.shape)} and {tuple(classes.shape)} of {classes.dtype}."
        )
    _check_scale("temperature", temperature)
    itself = torch.eye(n, dtype=torch.bool, device=similarities.device)
    matches = (classes[:, None] == classes) & ~itself
    n_matches = matches.sum(1)
    if not bool(n_matches.any()):
        raise InvalidInput(
            f"Expected two pictures of one class, got {n} of as many. Draw several of each."
        )
    chances = (similarities / temperature).masked_fill(itself, -torch.inf).log_softmax(1)
    losses = -chances.masked_fill(~matches, 0).sum(1) / n_matches.clamp_min(1)
    return losses[n_matches > 0].mean()


def kept_features_loss(
    features: torch.Tensor, norms: torch.Tensor, before: torch.Tensor, norms_before: torch.Tensor
) -> torch.Tensor:
    """How far features have gone from what they were: the mean over cells.

    ``w (1 - f . f0) + (n - n0)^2 / m^2`` with m the mean of n0, and ``w = n0 / m``.

    Parameters
    ----------
    features, before : float (n, m, d), of length 1, of the same cells
    norms, norms_before : float (n, m), 0 or more

    Returns
    -------
    scalar of the features' dtype

    Raises
    ------
    InvalidInput
        Shapes that do not fit.
    """
    if not features.shape == before.shape or not norms.shape == norms_before.shape:
        raise InvalidInput(
            "Expected features and norms of the same cells, got shapes "
            f"{tuple(features.shape)}, {tuple(before.shape)}, {tuple(norms.shape)} and "
            f"{tuple(norms_before.shape)}."
        )
    mean = norms_before.mean().clamp_min(torch.finfo(norms.dtype).tiny)
    turned = norms_before / mean * (1 - (features * before).sum(2))
    return (turned + ((norms - norms_before) / mean).square()).mean()


def _check_scale(name: str, value: float) -> None:
    if not is_number(value) or not 0 < value < float("inf"):
        raise InvalidInput(f"Expected {name} to be a number above 0, got {value!r}.")
