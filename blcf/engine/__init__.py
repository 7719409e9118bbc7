"""The engine: the one place that wires the stages; no arithmetic of its own."""

from blcf.engine.evaluating import Evaluation
from blcf.engine.hits import Hits
from blcf.engine.indexing import AddReport
from blcf.engine.options import SearchOptions
from blcf.engine.queries import Example
from blcf.engine.search_engine import SearchEngine
from blcf.engine.settings import Settings

__all__ = [
    "AddReport",
    "Evaluation",
    "Example",
    "Hits",
    "SearchEngine",
    "SearchOptions",
    "Settings",
]
