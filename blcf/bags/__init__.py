"""Assignment maps to bags: how much every visual word counts in an image or in a box."""

from blcf.bags.bag_of_words import BagOfWords
from blcf.bags.weighting import WEIGHTINGS, spatial_weights

__all__ = ["WEIGHTINGS", "BagOfWords", "spatial_weights"]
