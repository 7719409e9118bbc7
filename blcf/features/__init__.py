"""Pictures to feature maps: networks and layers by name, their weights, the whitening."""

from blcf.features.codes import CodeFeatures
from blcf.features.extractor import ConvFeatures
from blcf.features.store import FeatureStore, feature_key
from blcf.features.whitening import Whitening

__all__ = ["CodeFeatures", "ConvFeatures", "FeatureStore", "Whitening", "feature_key"]
