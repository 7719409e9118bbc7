"""Images, queries and relevance of a data set."""

from blcf.datasets.ground_truth import GroundTruth, TrueQuery, read_ground_truth

__all__ = ["GroundTruth", "TrueQuery", "read_ground_truth"]
