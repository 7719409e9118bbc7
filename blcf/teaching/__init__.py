"""What a collection teaches about itself: labels for `blcf.learning` that nobody wrote.

- neighbours.py: which pictures show the same thing, by the engine's own rankings and keypoints;
- labels_file.py: the same of a folder of pictures, as a table that a person can look through.
"""

from blcf.teaching.labels_file import write_neighbours
from blcf.teaching.neighbours import Neighbours, neighbour_labels

__all__ = ["Neighbours", "neighbour_labels", "write_neighbours"]
