"""Files of weights that say what they are, and what becomes of those that do not fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from blcf import ConvFeatures, SearchEngine
from blcf.errors import FormatError, WeightsError
from blcf.features.lite import LITE, LiteNetwork
from blcf.features.network_file import (
    NetworkFile,
    Preprocessing,
    is_network_file,
    read_network_file,
    write_network_file,
)
from blcf.storage import write_h5


@pytest.fixture
def network():
    torch.manual_seed(0)
    return LiteNetwork().eval()


def test_what_is_written_is_read(tmp_path, network):
    path = tmp_path / "trained.h5"
    other = Preprocessing((0.5, 0.25, 0.125), (1.0, 2.0, 3.0))
    facts = {"trained on": "Bücher", "licence": "MIT"}
    write_network_file(path, NetworkFile(LITE, network.state_dict(), "conv3_3", other, facts))
    found = read_network_file(path)
    assert (found.network, found.layer, found.preprocessing) == (LITE, "conv3_3", other)
    assert found.facts == facts and is_network_file(path)
    for name, tensor in network.state_dict().items():
        assert torch.equal(found.tensors[name], tensor)


def test_the_layer_and_the_preprocessing_are_those_of_the_file(tmp_path, network):
    path = tmp_path / "trained.h5"
    other = Preprocessing((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    write_network_file(path, NetworkFile(LITE, network.state_dict(), "conv3_3", other))
    extractor = ConvFeatures(weights=path, side=64, device="cpu")
    assert (extractor.layer_, extractor.preprocessing_) == ("conv3_3", other)
    assert ConvFeatures(weights=path, layer="conv5", side=64, device="cpu").n_channels_ == 512


def test_a_collection_is_opened_with_it_again(tmp_path, network):
    path = tmp_path / "trained.h5"
    write_network_file(path, NetworkFile(LITE, network.state_dict()))
    pictures = {
        f"{seed}": np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        for seed in range(12)
    }
    engine = SearchEngine.create(tmp_path / "c.blcf", weights=path, side=64, n_words=16)
    engine.add(pictures, progress=False)
    again = SearchEngine.open(tmp_path / "c.blcf")
    first, second = (one.search(pictures["3"], k=12, rerank=False) for one in (engine, again))
    assert [hit.name for hit in first] == [hit.name for hit in second]


def test_weights_of_another_network_are_named(tmp_path, network):
    path = tmp_path / "trained.h5"
    write_network_file(path, NetworkFile("squeezenet1_1", network.state_dict()))
    with pytest.raises(WeightsError, match="of network squeezenet1_1, got blcf-lite. Use network="):
        ConvFeatures(weights=path, side=64)


def test_damage_is_named(tmp_path, network):
    path = tmp_path / "trained.h5"
    write_network_file(path, NetworkFile(LITE, network.state_dict()))
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(WeightsError, match="damaged or cut short"):
        ConvFeatures(weights=path, side=64)
    with write_h5(path, "network", 1) as file:
        file.attrs["network"], file.attrs["preprocessing"] = np.bytes_(LITE), np.bytes_("[1")
    with pytest.raises(FormatError, match="preprocessing is none"):
        read_network_file(path)
    with write_h5(path, "vocabulary", 1):
        pass
    with pytest.raises(FormatError, match="to be a network"):
        read_network_file(path)
    assert not is_network_file(tmp_path / "none.h5") and not is_network_file(tmp_path)
