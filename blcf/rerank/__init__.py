"""A ranking to a ranking with boxes: local search over windows of assignment maps."""

from blcf.rerank.local_search import LocalSearch
from blcf.rerank.windows import grid_windows

__all__ = ["LocalSearch", "grid_windows"]
