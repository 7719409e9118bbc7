"""Images, queries and relevance of data sets, read from folders of this machine."""

from blcf.datasets.ground_truth import read_ground_truth
from blcf.datasets.truth import GroundTruth, TrueExample, TrueQuery

__all__ = ["GroundTruth", "TrueExample", "TrueQuery", "read_ground_truth"]
