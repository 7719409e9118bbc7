"""A ranking to a ranking with boxes: local search, votes, and their evidence."""

from blcf.rerank.evidence import join_evidence, region_evidence, scaled
from blcf.rerank.local_search import LocalSearch
from blcf.rerank.neighbours import smoothed_scores
from blcf.rerank.outlines import Outline, find_outline, keypoints_in, widened
from blcf.rerank.pyramid import pyramid_parts, quadrants
from blcf.rerank.similarities import PreparedVotes
from blcf.rerank.voting import Located, Voting
from blcf.rerank.windows import grid_windows

__all__ = [
    "LocalSearch",
    "Located",
    "Outline",
    "PreparedVotes",
    "Voting",
    "find_outline",
    "grid_windows",
    "join_evidence",
    "keypoints_in",
    "pyramid_parts",
    "quadrants",
    "region_evidence",
    "scaled",
    "smoothed_scores",
    "widened",
]
