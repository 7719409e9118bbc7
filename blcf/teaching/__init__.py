"""What a collection teaches about itself: labels for `blcf.learning` that nobody wrote.

- neighbours.py: which pictures show the same thing, by the engine's own rankings and keypoints.
"""

from blcf.teaching.neighbours import Neighbours, neighbour_labels

__all__ = ["Neighbours", "neighbour_labels"]
