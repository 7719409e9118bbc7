"""Heads compute what the descriptors of their names do, and gradients flow through them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from blcf.descriptors import MAC, RMAC, GeM, SPoC
from blcf.errors import InvalidInput
from blcf.features.whitening import Whitening
from blcf.learning.heads import GeMHead, MACHead, RMACHead, SPoCHead, WhiteningLayer

KINDS = {
    "mac": (MAC, MACHead, {}),
    "spoc": (SPoC, SPoCHead, {}),
    "plain spoc": (SPoC, SPoCHead, {"center_prior": False}),
    "gem": (GeM, GeMHead, {}),
    "gem of a large power": (GeM, GeMHead, {"p": 40.0}),
    "rmac": (RMAC, RMACHead, {}),
    "rmac of two scales": (RMAC, RMACHead, {"n_scales": 2}),
}


def _maps(seed: int, n: int, h: int = 6, w: int = 9) -> np.ndarray:
    """Maps after a ReLU: half of their cells are 0."""
    rng = np.random.default_rng(seed)
    return np.maximum(rng.normal(size=(n, 8, h, w)), 0).astype(np.float32) * 50


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_head_computes_its_descriptor(kind, whiten):
    descriptor, head, options = KINDS[kind]
    fitted = descriptor(5 if whiten else None, whiten=whiten, **options).fit(_maps(0, 40))
    layers = head(fitted.whitening_, **options)
    for h, w in ((6, 9), (9, 6), (5, 5), (1, 7)):
        maps = _maps(h, 3, h, w)
        maps[1] = 0
        maps[2, :, :, : w // 2] = 0  # regions without any activation
        found = layers(torch.from_numpy(maps)).detach().numpy()
        np.testing.assert_allclose(found, fitted.transform(list(maps)), rtol=1e-4, atol=1e-5)
        assert not found[1].any()


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_flow(kind):
    descriptor, head, options = KINDS[kind]
    whitening = descriptor(4, **options).fit(_maps(0, 40)).whitening_
    layers = head(whitening, **options).double()
    maps = torch.rand(2, 8, 3, 4, generator=torch.Generator().manual_seed(0)).double()
    maps.requires_grad_()  # no two cells are equal: the maximum has a slope
    assert torch.autograd.gradcheck(layers, (maps,))
    (layers(maps)[0] @ layers(maps)[1]).backward()
    slopes = {name: one.grad for name, one in layers.named_parameters()}
    assert {"whitening.shift", "whitening.linear.weight"} <= set(slopes)
    assert ("p" in slopes) == (head is GeMHead)
    for name, slope in slopes.items():
        assert slope is not None and bool((slope != 0).any()), name


def test_the_power_is_learned_as_small_steps_say():
    maps = torch.from_numpy(_maps(1, 2) / 50).double()
    head = GeMHead(p=2.5).double()

    def at(p):
        return torch.func.functional_call(head, {"p": p}, (maps,))

    assert torch.autograd.gradcheck(at, (torch.tensor([2.5]).double().requires_grad_(),))


def test_no_activation_gives_finite_slopes():
    whitening = Whitening(4).fit(_maps(0, 9).max(axis=(2, 3)))
    for head in (
        MACHead(whitening),
        SPoCHead(),
        GeMHead(),
        GeMHead(whitening),
        RMACHead(whitening),
    ):
        maps = torch.zeros(2, 8, 4, 4, requires_grad=True)
        head(maps).sum().backward()
        assert maps.grad is not None and bool(maps.grad.isfinite().all())


def test_a_head_is_stored_with_its_whitening():
    whitening = Whitening(4).fit(_maps(0, 9).max(axis=(2, 3)))
    head, other = RMACHead(whitening), RMACHead(Whitening(4).fit(np.eye(8)))
    other.load_state_dict(head.state_dict())
    maps = torch.from_numpy(_maps(1, 2))
    assert torch.equal(head(maps), other(maps))


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: WhiteningLayer(Whitening(3)), "call fit first"),
        (lambda: MACHead()(torch.zeros(8, 3, 3)), r"\(n, C, h, w\), .* Give feature_map\[None\]"),
        (lambda: MACHead()(torch.zeros(0, 8, 3, 3)), r"shape \(0, 8, 3, 3\)"),
        (lambda: MACHead()(torch.zeros(1, 8, 3, 3).int()), "torch.int32"),
        (lambda: GeMHead(p=0), "p to be a number above 0"),
        (lambda: RMACHead(n_scales=0), "n_scales"),
        (
            lambda: MACHead(Whitening(3).fit(np.eye(7)))(torch.zeros(1, 8, 3, 3)),
            "7 channels, as the whitening, got 8",
        ),
    ],
)
def test_what_no_head_takes(call, match):
    with pytest.raises(InvalidInput, match=match):
        call()
