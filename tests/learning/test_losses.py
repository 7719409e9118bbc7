"""Losses against plain twins, another library, and their own slopes."""

from __future__ import annotations

import importlib.util

import oracle_losses as oracle
import pytest
import torch
from torch.nn.functional import normalize

from blcf.errors import InvalidInput
from blcf.learning.batch_losses import lifted_structure_loss, listwise_ap_loss
from blcf.learning.losses import (
    CONTRASTIVE_FORMS,
    RANKING_FORMS,
    contrastive_loss,
    ranking_loss,
    triplet_loss,
)

other_library = pytest.mark.skipif(
    importlib.util.find_spec("pytorch_metric_learning") is None,
    reason="the oracle comes with the extra test: pip install pytorch-metric-learning",
)


def _vectors(seed: int, n: int = 9, d: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(n, d, dtype=torch.float64, generator=generator), dim=1)


FIRST, SECOND, THIRD = (_vectors(seed) for seed in range(3))
MATCHING = torch.tensor([True, False, False, True, False, True, False, False, True])
CLASSES = torch.tensor([0, 1, 0, 2, 1, 3, 2, 0, 4])
SIMILARITIES = torch.rand(4, 11, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
RELEVANT = torch.rand(4, 11, generator=torch.Generator().manual_seed(4)) < 0.4


@pytest.mark.parametrize("margin", [0.7, 1.3])
@pytest.mark.parametrize("form", CONTRASTIVE_FORMS)
def test_contrastive(form, margin):
    def loss(first, second):
        return contrastive_loss(first, second, MATCHING, margin=margin, form=form)

    expected = oracle.contrastive(FIRST.tolist(), SECOND.tolist(), MATCHING.tolist(), margin, form)
    assert float(loss(FIRST, SECOND)) == pytest.approx(expected, rel=1e-12)
    assert float(contrastive_loss(FIRST, FIRST, ~MATCHING, margin=margin, form=form)) > 0
    _check_slope(loss, FIRST, SECOND)


@pytest.mark.parametrize("form", CONTRASTIVE_FORMS)
def test_equal_vectors_have_a_finite_slope(form):
    first = FIRST.clone().requires_grad_()
    contrastive_loss(first, FIRST, MATCHING, form=form).backward()
    assert first.grad is not None and bool(first.grad.isfinite().all())


def test_the_distance_of_chopra_is_cirtorchs():
    """Equal vectors are 1e-6 apart in every direction."""
    vectors, yes = torch.eye(4, dtype=torch.float64)[:1], torch.tensor([True])
    assert float(contrastive_loss(vectors, vectors, yes)) == pytest.approx(4e-12 / 2)
    assert float(contrastive_loss(vectors, vectors, yes, form="lecture")) == 0
    assert float(contrastive_loss(vectors, -vectors, ~yes)) == 0, "further than the margin"
    assert float(contrastive_loss(vectors, -vectors, yes, form="lecture")) == 2


@pytest.mark.parametrize("margin", [0.1, 1.0])
def test_triplet(margin):
    expected = oracle.triplet(FIRST.tolist(), SECOND.tolist(), THIRD.tolist(), margin)
    assert expected > 0
    found = triplet_loss(FIRST, SECOND, THIRD, margin=margin)
    assert float(found) == pytest.approx(expected, rel=1e-12)
    _check_slope(lambda *three: triplet_loss(*three, margin=margin), FIRST, SECOND, THIRD)


@pytest.mark.parametrize("form", RANKING_FORMS)
def test_ranking(form):
    expected = oracle.ranking(FIRST.tolist(), SECOND.tolist(), THIRD.tolist(), 0.1, form)
    found = ranking_loss(FIRST, SECOND, THIRD, form=form)
    assert float(found) == pytest.approx(expected, rel=1e-12)
    _check_slope(lambda *three: ranking_loss(*three, form=form), FIRST, SECOND, THIRD)


def test_the_margin_of_the_lecture_is_half_the_papers():
    paper = ranking_loss(FIRST, SECOND, THIRD, margin=0.3)
    lecture = ranking_loss(FIRST, SECOND, THIRD, margin=0.15, form="lecture")
    torch.testing.assert_close(paper, lecture)


@pytest.mark.parametrize("margin", [0.2, 1.0])
def test_lifted_structure(margin):
    expected = oracle.lifted_structure(FIRST.tolist(), CLASSES.tolist(), margin)
    found = lifted_structure_loss(FIRST, CLASSES, margin=margin)
    assert float(found) == pytest.approx(expected, rel=1e-12)
    _check_slope(lambda one: lifted_structure_loss(one, CLASSES, margin=margin), FIRST)


def test_lifted_structure_of_equal_vectors():
    """Their distance is 0, and has no slope; torch takes another way for more than 25 vectors."""
    vectors = _vectors(5, 30)
    vectors[10:20] = vectors[:10]
    classes = torch.arange(30) % 10
    exact = lifted_structure_loss(vectors, classes)
    single = vectors.float().requires_grad_()
    found = lifted_structure_loss(single, classes)
    found.backward()
    torch.testing.assert_close(found.double(), exact, rtol=1e-6, atol=0)
    expected = vectors.requires_grad_()
    lifted_structure_loss(expected, classes).backward()
    torch.testing.assert_close(single.grad.double(), expected.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("n_bins", [2, 20, 25])
def test_listwise_ap(n_bins):
    similarities = SIMILARITIES.clone()
    similarities[0, :2], similarities[1, :2] = -0.3, 1.0
    expected = oracle.listwise_ap(similarities.tolist(), RELEVANT.tolist(), n_bins)
    found = listwise_ap_loss(similarities, RELEVANT, n_bins=n_bins)
    assert float(found) == pytest.approx(expected, rel=1e-12)
    _check_slope(lambda one: listwise_ap_loss(one, RELEVANT, n_bins=n_bins), SIMILARITIES)


def test_listwise_ap_is_that_of_the_ranking_where_bins_are_fine():
    """Each similarity alone in its bin: the mean of the precisions at the relevant."""
    similarities = torch.tensor([[0.9, 0.8, 0.6, 0.3]], dtype=torch.float64)
    relevant = torch.tensor([[False, True, False, True]])
    found = listwise_ap_loss(similarities, relevant, n_bins=11)
    assert float(found) == pytest.approx(1 - (1 / 2 + 2 / 4) / 2)


def test_empty_bins_give_no_nan():
    similarities = torch.zeros(1, 3, requires_grad=True)
    loss = listwise_ap_loss(similarities, torch.tensor([[True, False, False]]))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(2 / 3)
    assert similarities.grad is not None and bool(similarities.grad.isfinite().all())


@other_library
def test_another_library_says_the_same():
    from pytorch_metric_learning import distances, losses, reducers

    everything = reducers.SumReducer()
    numbers = torch.arange(len(FIRST))
    both = torch.cat([FIRST, SECOND])
    yes, no = numbers[MATCHING], numbers[~MATCHING]
    pairs = (yes, yes + len(FIRST), no, no + len(FIRST))
    labels = torch.zeros(len(both), dtype=torch.int64)
    contrastive = losses.ContrastiveLoss(neg_margin=0.7, reducer=everything)
    torch.testing.assert_close(
        contrastive(both, labels, pairs),
        contrastive_loss(FIRST, SECOND, MATCHING, form="lecture"),
    )
    three = torch.cat([both, THIRD])
    triplets = tuple(numbers + each * len(FIRST) for each in range(3))
    triplet = losses.TripletMarginLoss(
        margin=0.1, distance=distances.LpDistance(power=2), reducer=everything
    )
    torch.testing.assert_close(
        triplet(three, torch.zeros(len(three), dtype=torch.int64), triplets),
        triplet_loss(FIRST, SECOND, THIRD),
    )
    torch.testing.assert_close(
        losses.LiftedStructureLoss()(FIRST, CLASSES), lifted_structure_loss(FIRST, CLASSES)
    )


def _check_slope(loss, *given):
    """The slope is that of small steps; the numbers at hand lie on no kink."""
    assert torch.autograd.gradcheck(loss, [one.clone().requires_grad_() for one in given])


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: contrastive_loss(FIRST, SECOND[:2], MATCHING), "second to be floats .* as first"),
        (
            lambda: contrastive_loss(FIRST, SECOND, MATCHING[:3]),
            r"matching to be bool of shape \(9",
        ),
        (lambda: contrastive_loss(FIRST, SECOND, CLASSES), "matching to be bool .* torch.int64"),
        (lambda: contrastive_loss(FIRST, SECOND, MATCHING, form="chopro"), "mean 'chopra'"),
        (lambda: contrastive_loss(FIRST, SECOND, MATCHING, margin=0), "margin above 0, got 0"),
        (lambda: triplet_loss(FIRST[0], FIRST[0], FIRST[0]), r"anchor .* \(n, d\)"),
        (lambda: triplet_loss(*[FIRST[:0]] * 3), r"got torch.float64 of shape \(0, 5\)"),
        (
            lambda: triplet_loss(FIRST, SECOND, THIRD, margin=float("nan")),
            "margin above 0, got nan",
        ),
        (lambda: ranking_loss(FIRST, SECOND, THIRD.long()), "other to be floats .* torch.int64"),
        (lambda: ranking_loss(FIRST, SECOND, THIRD, form="dot"), "paper, lecture"),
        (lambda: lifted_structure_loss(FIRST, CLASSES * 0), "two classes, got 1 classes of 9"),
        (lambda: lifted_structure_loss(FIRST, torch.arange(9)), "a matching pair .* 9 classes"),
        (lambda: lifted_structure_loss(FIRST, CLASSES[:4]), r"classes int \(9,\)"),
        (lambda: lifted_structure_loss(FIRST, CLASSES.double()), r"got torch.float64"),
        (lambda: listwise_ap_loss(SIMILARITIES, RELEVANT & False), "something relevant"),
        (lambda: listwise_ap_loss(SIMILARITIES, RELEVANT | True), "something that is not"),
        (lambda: listwise_ap_loss(SIMILARITIES, RELEVANT, n_bins=1), "n_bins to be 2 or more"),
        (lambda: listwise_ap_loss(SIMILARITIES, RELEVANT[0]), "relevant to be bool"),
    ],
)
def test_what_cannot_be(call, match):
    with pytest.raises(InvalidInput, match=match):
        call()
