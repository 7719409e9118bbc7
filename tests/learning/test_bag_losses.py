"""The smooth similarity of bags and its loss, against plain twins and their own slopes."""

from __future__ import annotations

import oracle_losses as oracle
import pytest
import torch
from torch.nn.functional import normalize

from blcf.errors import InvalidInput
from blcf.learning.bag_losses import (
    contrastive_softmax_loss,
    kept_features_loss,
    soft_bag_similarities,
)

CLASSES = torch.tensor([0, 1, 0, 2, 1])


def _cells(seed: int, n: int = 5, m: int = 4, d: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(n, m, d, dtype=torch.float64, generator=generator)
    weights = torch.rand(n, m, dtype=torch.float64, generator=generator) + 0.1
    return normalize(features, dim=2), weights


@pytest.mark.parametrize("width", [0.05, 0.1, 1.0])
def test_soft_bags(width):
    features, weights = _cells(0)
    found = soft_bag_similarities(features, weights, width=width)
    expected = oracle.soft_bags(features.tolist(), weights.tolist(), width)
    torch.testing.assert_close(
        found, torch.tensor(expected, dtype=torch.float64), rtol=1e-10, atol=0
    )
    torch.testing.assert_close(found.diagonal(), torch.ones(5, dtype=torch.float64))
    assert torch.autograd.gradcheck(
        lambda *two: soft_bag_similarities(*two, width=width),
        (features.requires_grad_(), weights.requires_grad_()),
    )


def test_a_narrow_kernel_counts_shared_words():
    """Words are directions that are far from one another: what is near is equal."""
    words = torch.eye(6, dtype=torch.float64)
    maps = torch.tensor([[0, 1, 1, 2], [1, 1, 3, 4], [5, 5, 4, 3]])
    weights = torch.tensor([[1.0, 2, 1, 1], [1, 1, 1, 1], [3, 1, 1, 1]], dtype=torch.float64)
    bags = torch.zeros(3, 6, dtype=torch.float64).scatter_add_(1, maps, weights)
    bags = normalize(bags, dim=1)
    found = soft_bag_similarities(words[maps], weights, width=0.02)
    torch.testing.assert_close(found, bags @ bags.T)


@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_contrastive_softmax(temperature):
    similarities = soft_bag_similarities(*_cells(1)).detach()
    found = contrastive_softmax_loss(similarities, CLASSES, temperature=temperature)
    expected = oracle.contrastive_softmax(similarities.tolist(), CLASSES.tolist(), temperature)
    assert float(found) == pytest.approx(expected, rel=1e-10)
    assert torch.autograd.gradcheck(
        lambda one: contrastive_softmax_loss(one, CLASSES, temperature=temperature),
        similarities.requires_grad_(),
    )


def test_kept_features():
    (features, norms), (before, norms_before) = _cells(2), _cells(3)
    found = kept_features_loss(features, norms, before, norms_before)
    lists = [each.tolist() for each in (features, norms, before, norms_before)]
    assert float(found) == pytest.approx(oracle.kept_features(*lists), rel=1e-10)
    assert float(kept_features_loss(before, norms_before, before, norms_before)) < 1e-12
    assert torch.autograd.gradcheck(
        lambda *two: kept_features_loss(*two, before, norms_before),
        (features.requires_grad_(), norms.requires_grad_()),
    )
    with pytest.raises(InvalidInput, match="of the same cells"):
        kept_features_loss(features, norms, before[:, 1:], norms_before)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: soft_bag_similarities(torch.ones(2, 3), torch.ones(2, 3)), "features"),
        (lambda: soft_bag_similarities(torch.ones(2, 3, 4), torch.ones(2, 4)), "features"),
        (lambda: soft_bag_similarities(torch.ones(2, 3, 4), torch.ones(2, 3), width=0), "width"),
        (lambda: contrastive_softmax_loss(torch.ones(2, 3), torch.arange(2)), "similarities"),
        (lambda: contrastive_softmax_loss(torch.eye(2), torch.arange(2)), "of one class"),
        (lambda: contrastive_softmax_loss(torch.eye(2), torch.zeros(2)), "classes int"),
        (
            lambda: contrastive_softmax_loss(torch.eye(2), torch.tensor([1, 1]), temperature=-1),
            "temperature",
        ),
    ],
)
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()
