"""Pictures to feature maps: networks and layers by name, their weights, the whitening."""

from blcf.features.extractor import ConvFeatures
from blcf.features.whitening import Whitening

__all__ = ["ConvFeatures", "Whitening"]
