"""Drawings of the results of a demo."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from blcf.demo.results import Demo
from blcf.images.thumbnails import Thumbnails
from blcf.storage import refusals

__all__ = ["draw_results"]

_HITS = 9

logger = logging.getLogger(__name__)


def draw_results(demo: Demo, thumbnails: Thumbnails) -> list[Path]:
    """Draw the query and the hits of each result into the folder ``hits``; give the files.

    Without matplotlib nothing is drawn, which is said.
    """
    try:
        import blcf.visualization  # noqa: F401
    except ImportError:
        logger.warning(
            "the page is written, but no drawings (%s): they need matplotlib: "
            "pip install matplotlib",
            os.path.join(demo.folder, "hits"),
        )
        return []
    drawings = []
    with refusals(demo.folder):
        (demo.folder / "hits").mkdir()
    for number, result in enumerate(demo.results, start=1):
        path = demo.folder / "hits" / f"{result.name if demo.has_truth else number}.jpg"
        result.shown.plot(path, _HITS, thumbnails=thumbnails)
        drawings.append(path)
    return drawings
