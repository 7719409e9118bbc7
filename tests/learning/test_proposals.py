"""Regions that are proposed: learned from boxes, pooled as the twin does, kept in a file."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from blcf.boxes import iou
from blcf.errors import Diverged, FormatError, InvalidInput
from blcf.features.whitening import Whitening
from blcf.learning import proposal_training
from blcf.learning.proposal_training import learn_proposals
from blcf.learning.proposals import (
    RegionMACHead,
    RegionProposals,
    read_proposals,
    region_cells,
    write_proposals,
)

SIZES = (4, 6, 8)
EPS = 1e-3  # of a cell is not touched
MIXING = np.random.default_rng(9).normal(size=(24, 4))


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _things(seed: int, n: int) -> tuple[list[torch.Tensor], np.ndarray, np.ndarray]:
    """Maps of noise with a rectangle whose cells know where in it they are; boxes in pixels."""
    rng = np.random.default_rng(seed)
    maps, boxes, sizes = [], [], []
    for number in range(n):
        h, w = ((12, 14), (14, 12))[number % 2]
        one = rng.uniform(0, 0.5, (24, h, w))
        width, height = rng.integers(4, 9, 2)
        x, y = rng.integers(0, w - width + 1), rng.integers(0, h - height + 1)
        left, up = np.arange(width) + 1, (np.arange(height) + 1)[:, None]
        place = np.stack(np.broadcast_arrays(left, width + 1 - left, up, height + 1 - up))
        thing = np.tensordot(MIXING, place, 1)  # (24, height, width)
        one[:, y : y + height, x : x + width] = np.maximum(thing, 0)
        maps.append(torch.tensor(one, dtype=torch.float32))
        boxes.append([10 * x, 20 * y, 10 * (x + width), 20 * (y + height)])
        sizes.append([10 * w, 20 * h])
    return maps, np.array(boxes), np.array(sizes)


def _learned(**options) -> tuple[RegionProposals, list[float]]:
    proposals = RegionProposals(24, sizes=SIZES, n_regions=5)
    return proposals, learn_proposals(proposals, *_things(0, 40), **{"epochs": 12, **options})


@pytest.fixture(scope="module")
def learned() -> RegionProposals:
    torch.set_num_threads(1)
    return _learned(rate=1e-2, epochs=8)[0]


def test_it_finds_things_that_it_has_not_seen(learned):
    maps, boxes, sizes = _things(1, 20)
    best, before = [], []
    for one, box, size in zip(maps, boxes, sizes):
        scale = np.tile(size / (one.shape[2], one.shape[1]), 2)
        for found, network in ((best, learned), (before, RegionProposals(24, sizes=SIZES))):
            regions = network(one[None])[0]
            found.append(float(iou(regions[:1].numpy() * scale, box).max()))
            assert len(regions) <= network.options["n_regions"]
    assert np.mean(best) > 0.5 > 0.25 > np.mean(before)


def test_the_same_seed_learns_the_same():
    one, losses = _learned(epochs=2)
    torch.rand(3)
    two, again = _learned(epochs=2)
    other, _ = _learned(epochs=2, seed=1)
    assert losses == again and losses[1] < losses[0]
    weights = [each.state_dict()["network.head.bbox_pred.weight"] for each in (one, two, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_no_seed_of_the_caller_is_touched():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    _learned(epochs=1)
    assert torch.equal(torch.rand(1), expected)


def test_contrast_does_not_count(learned):
    maps = torch.stack(_things(2, 3)[0][::2])
    for one, other in zip(learned(maps), learned(maps * 8)):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("whiten", [False, True])
def test_the_head_pools_as_the_twin(learned, whiten):
    """Maps of one size together, each by itself, and by numpy."""
    rng = np.random.default_rng(0)
    whitening = Whitening(4).fit(rng.random((50, 24))) if whiten else None
    head = RegionMACHead(whitening, proposals=learned)
    maps = torch.stack(_things(3, 7)[0][::2])
    maps[1] = 0
    found = head(maps).detach().numpy()
    for one, vector in zip(maps, found):
        np.testing.assert_allclose(head(one[None])[0].detach(), vector, rtol=1e-4, atol=1e-5)
        total = np.zeros(len(vector))
        for x1, y1, x2, y2 in learned(one[None])[0].tolist():
            (x1, y1), (x2, y2) = np.floor([x1 + EPS, y1 + EPS]), np.ceil([x2 - EPS, y2 - EPS])
            cells = one.numpy()[:, int(y1) : int(y2), int(x1) : int(x2)]
            pooled = cells.reshape(24, -1).max(axis=1)
            if pooled.any():
                pooled = pooled / np.linalg.norm(pooled)
                if whitening is not None:
                    pooled = (pooled - whitening.mean_) @ whitening.projection_
                    pooled = pooled / np.linalg.norm(pooled)
            total[: len(pooled)] += pooled if pooled.any() else 0
        length = np.linalg.norm(total)
        np.testing.assert_allclose(vector, total / length if length else 0, rtol=1e-3, atol=1e-4)
    assert not found[1].any()


def test_gradients_flow_around_the_proposals(learned):
    whitening = Whitening(4).fit(np.random.default_rng(0).random((50, 24)))
    head = RegionMACHead(whitening, proposals=learned)
    head.train()
    maps = torch.stack(_things(3, 3)[0][::2]).requires_grad_()
    (head(maps)[0] @ head(maps)[1]).backward()
    assert maps.grad is not None and bool((maps.grad != 0).any())
    for name, one in head.named_parameters():
        assert one.requires_grad == name.startswith("whitening") == (one.grad is not None)
    learned.requires_grad_(True)


def test_cells_are_those_that_a_region_touches():
    boxes = torch.tensor([[0.2, 1.0, 3.1, 2.0], [0, 0, 5, 4], [4.9999, 3.9999, 5, 4], [2, 2, 2, 2]])
    assert region_cells(boxes, 4, 5) == [(0, 1, 4, 2), (0, 0, 5, 4), (4, 3, 5, 4), (2, 2, 3, 3)]


def test_a_file_keeps_it(learned, tmp_path):
    path = tmp_path / "proposals.h5"
    write_proposals(path, learned)
    again = read_proposals(path)
    assert again.options == learned.options
    maps = torch.stack(_things(4, 5)[0][::2])
    for one, other in zip(learned(maps), again(maps)):
        assert torch.equal(one, other)
    content = path.read_bytes()
    path.write_bytes(content[:-2000])
    with pytest.raises(FormatError):
        read_proposals(path)
    other = RegionProposals(24, sizes=SIZES)
    other.options["n_channels"] = 10**6
    write_proposals(path, other)
    with pytest.raises(FormatError, match=r"no region proposals \(weights of another size\)"):
        read_proposals(path)


def test_what_is_wrong_is_said(monkeypatch):
    with pytest.raises(InvalidInput, match=r"sizes to be numbers above 0, got \(\)"):
        RegionProposals(24, sizes=())
    with pytest.raises(InvalidInput, match="max_overlap above 0 up to 1, got 0"):
        RegionProposals(24, max_overlap=0)
    proposals = RegionProposals(24, sizes=SIZES)
    with pytest.raises(InvalidInput, match=r"\(n, 24, h, w\), got shape \(1, 5, 4, 4\)"):
        proposals(torch.zeros(1, 5, 4, 4))
    maps, boxes, sizes = _things(0, 3)
    with pytest.raises(InvalidInput, match="each of 3 maps, got shapes"):
        learn_proposals(proposals, maps, boxes[:2], sizes)
    with pytest.raises(InvalidInput, match="finite boxes x1 < x2"):
        learn_proposals(proposals, maps, boxes[:, ::-1], sizes)
    with pytest.raises(InvalidInput, match="rate to be a number above 0, got 0"):
        learn_proposals(proposals, maps, boxes, sizes, rate=0)
    monkeypatch.setattr(proposal_training, "_loss_of", lambda *_: torch.tensor(math.nan))
    with pytest.raises(Diverged, match="a rate less than 0.001"):
        learn_proposals(proposals, maps, boxes, sizes)
