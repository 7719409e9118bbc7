"""The network of a collection: that of its layer, whatever the default is by now."""

from __future__ import annotations

from blcf import ConvFeatures
from blcf.collection.network import load_extractor
from blcf.collection.settings import Settings


def test_a_collection_of_the_default_before_keeps_its_layer():
    before = ConvFeatures(layer="conv5", side=96, device="cpu")
    assert ConvFeatures(side=96, device="cpu").layer_ != "conv5"
    settings = Settings(side=96)  # none was named
    again = load_extractor(before.describe(), settings, "c.blcf", device="cpu")
    assert again.describe() == before.describe()
