"""The network that the package carries: its file, its names, and what becomes of damage."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from blcf import ConvFeatures
from blcf.errors import FormatError, InvalidInput, WeightsError
from blcf.features import CodeFeatures, weights
from blcf.features.lite import LITE, PACKAGED, LiteNetwork, read_lite, write_lite
from blcf.features.networks import default_layer, network_names
from blcf.storage import write_h5


@pytest.fixture
def network():
    torch.manual_seed(0)
    return LiteNetwork().eval()


def test_written_weights_are_read_back_rounded_to_half(tmp_path, network):
    path = tmp_path / "lite.h5"
    write_lite(path, network, {"licence": "MIT"})
    read = read_lite(path)
    state = network.state_dict()
    assert set(read) == set(state)
    for name, tensor in state.items():
        assert read[name].dtype == torch.float32
        torch.testing.assert_close(read[name], tensor, rtol=1e-3, atol=1e-7)
    network.load_state_dict(read)
    assert path.stat().st_size <= 3_500_000


def test_the_package_carries_weights_of_every_layer():
    assert PACKAGED.stat().st_size <= 3_500_000
    LiteNetwork().load_state_dict(read_lite())


def test_default_network_and_layer():
    extractor = ConvFeatures(side=96, device="cpu")
    assert (extractor.network_, extractor.layer_) == (LITE, "conv5:signed")
    assert extractor.n_channels_ == 512
    assert extractor.weights_ == "of the package (blcf-lite.h5)"
    picture = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    feature_map = extractor.extract(picture)
    assert feature_map.shape == (512, 4, 6) and feature_map.dtype == np.float32
    assert feature_map.min() < 0 < feature_map.max()
    finer = ConvFeatures(LITE, layer="conv3_3", side=96, device="cpu").extract(picture)
    assert finer.shape == (112, 8, 12)
    assert LITE in network_names() and default_layer(LITE) == "conv5:signed"


def test_weights_of_ones_own(tmp_path, network):
    torch.save(network.state_dict(), tmp_path / "mine.pth")
    mine = ConvFeatures(LITE, weights=tmp_path / "mine.pth", side=64, device="cpu")
    assert mine.weights_digest_ != ConvFeatures(side=64, device="cpu").weights_digest_


def test_damage_is_named(tmp_path, network, monkeypatch):
    path = tmp_path / "lite.h5"
    with pytest.raises(FormatError, match="missing"):
        read_lite(path)
    with write_h5(path, "network", 1) as file:
        file.attrs["network"] = np.bytes_("another")
    with pytest.raises(FormatError, match="to hold blcf-lite, got another"):
        read_lite(path)
    write_lite(path, network, {})
    path.write_bytes(path.read_bytes()[:-1000])
    monkeypatch.setattr(weights, "read_lite", lambda: read_lite(path))
    with pytest.raises(WeightsError, match="install it again"):
        ConvFeatures(side=64)


def test_it_has_no_codes():
    with pytest.raises(InvalidInput, match="LiteNetwork has no layer"):
        CodeFeatures(LITE)
