"""Feature maps to assignment maps: k-means, the vocabulary, the nearest word of each cell."""

from blcf.vocabulary.interpolation import interpolate_map, interpolated_features
from blcf.vocabulary.size import auto_n_words
from blcf.vocabulary.vocabulary import Vocabulary

__all__ = ["Vocabulary", "auto_n_words", "interpolate_map", "interpolated_features"]
