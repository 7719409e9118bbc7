"""Heads as descriptors, and the file of a network with a head."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from blcf import ConvFeatures, Whitening
from blcf.descriptors import MAC, RMAC, VLAD, CroW, GeM, SPoC
from blcf.errors import FormatError, InvalidInput
from blcf.features.lite import LITE, LiteNetwork
from blcf.features.network_file import NetworkFile, write_network_file
from blcf.learning.descriptor_file import (
    head_of,
    read_descriptor,
    to_descriptor,
    write_descriptor,
)
from blcf.learning.heads import GeMHead, MACHead, RMACHead, SPoCHead

RNG = np.random.default_rng(0)
MAPS = [RNG.random((12, 7, 9), dtype=np.float32) for _ in range(30)]
WHITENING = Whitening(6).fit(RNG.random((200, 12), dtype=np.float32))
HEADS = {
    "mac": lambda: MACHead(WHITENING),
    "spoc": lambda: SPoCHead(WHITENING, center_prior=False),
    "gem": lambda: GeMHead(WHITENING, p=2.5),
    "rmac": lambda: RMACHead(WHITENING, n_scales=2),
}


def _trained(kind: str):
    """A head whose parameters are no longer those it began with."""
    head = HEADS[kind]()
    torch.manual_seed(1)
    with torch.no_grad():
        for one in head.parameters():
            one.add_(0.1 * torch.randn_like(one))
    return head


def _network() -> NetworkFile:
    torch.manual_seed(0)
    facts = {"trained on": "textures"}
    return NetworkFile(LITE, LiteNetwork().state_dict(), "conv5", facts=facts)


@pytest.mark.parametrize("kind", HEADS)
def test_a_descriptor_computes_what_the_head_does(kind):
    head = _trained(kind)
    with torch.inference_mode():
        expected = head(torch.from_numpy(np.stack(MAPS))).numpy()
    found = to_descriptor(head).transform(MAPS)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", HEADS)
def test_a_file_gives_the_same_descriptor(kind, tmp_path):
    path, head = tmp_path / "d.h5", _trained(kind)
    write_descriptor(path, _network(), head)
    found = read_descriptor(path)
    assert type(found) is type(to_descriptor(head)) and found.learned_on_ == "textures"
    np.testing.assert_array_equal(found.transform(MAPS), to_descriptor(head).transform(MAPS))
    extractor = ConvFeatures(weights=path, side=64, device="cpu")
    assert extractor.layer_ == "conv5"


@pytest.mark.parametrize(
    "descriptor", [MAC(6), SPoC(6, center_prior=True), GeM(6, p=4.0), RMAC(6, n_scales=3)]
)
def test_a_head_begins_as_a_descriptor(descriptor):
    rows = descriptor.fit_transform(MAPS)
    with torch.inference_mode():
        found = head_of(descriptor)(torch.from_numpy(np.stack(MAPS))).numpy()
    np.testing.assert_allclose(found, rows, rtol=1e-3, atol=1e-5)


def test_what_does_not_fit_is_named(tmp_path):
    with pytest.raises(InvalidInput, match="call fit first"):
        MAC.from_whitening(Whitening(6))
    with pytest.raises(InvalidInput, match="VLAD learns more than a whitening"):
        VLAD.from_whitening(WHITENING)
    with pytest.raises(InvalidInput, match="MAC, SPoC, GeM, RMAC, got CroW"):
        head_of(CroW())
    with pytest.raises(InvalidInput, match="call fit"):
        head_of(MAC(6))
    with pytest.raises(InvalidInput, match="with a whitening"):
        write_descriptor(tmp_path / "d.h5", _network(), MACHead())
    assert not (tmp_path / "d.h5").exists()
    write_network_file(tmp_path / "n.h5", _network())
    with pytest.raises(FormatError, match="a network with a head, got blcf-lite alone"):
        read_descriptor(tmp_path / "n.h5")
    bad = NetworkFile(LITE, {}, facts={"head": '{"kind": "rmac"}'})
    write_network_file(tmp_path / "b.h5", bad)
    with pytest.raises(FormatError, match="its head is none"):
        read_descriptor(tmp_path / "b.h5")
