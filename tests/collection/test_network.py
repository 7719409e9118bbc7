"""The network of a collection: that of its layer, whatever the default is by now."""

from __future__ import annotations

import pytest

from blcf import ConvFeatures
from blcf.collection.network import load_extractor
from blcf.collection.settings import Settings
from blcf.errors import VocabularyMismatch


def test_a_collection_of_the_default_before_keeps_its_layer():
    before = ConvFeatures(layer="conv5", side=96, device="cpu")
    assert ConvFeatures(side=96, device="cpu").layer_ != "conv5"
    settings = Settings(side=96)  # none was named
    again = load_extractor(before.describe(), settings, "c.blcf", device="cpu")
    assert again.describe() == before.describe()


def test_weights_of_the_package_that_were_others_then():
    now = ConvFeatures(side=96, device="cpu").describe()
    assert now["weights"] == "of the package (blcf-lite.h5)"
    made = {**now, "weights_digest": "0123456789abcdef"}
    wanted = (
        r"^c.blcf was made when the weights of the package \(blcf-lite.h5\) were others "
        rf"\(0123456789abcdef, now {now['weights_digest']}\). Index its pictures again in a new "
        r"collection, or pass the file of then with weights=FILE \(--weights FILE\).$"
    )
    with pytest.raises(VocabularyMismatch, match=wanted):
        load_extractor(made, Settings(side=96), "c.blcf", device="cpu")
