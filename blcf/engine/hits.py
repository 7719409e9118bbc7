"""The hits of a search: a ranking that knows its query and can draw itself."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from blcf.errors import UnreadableImage
from blcf.images import display_name, read_image
from blcf.records import Hit, Ranking

__all__ = ["Hits"]


@dataclass(frozen=True, repr=False, eq=False)
class Hits(Ranking):
    """A ranking with its query.

    Attributes
    ----------
    paths : list of Path, where the images were when they were indexed
    query : Path of the query image, or the image itself, uint8 (height, width, 3)
    query_box : float32 (4,), xyxy, pixels, or None for the whole image
    """

    paths: list[Path] = field(default_factory=list)
    query: Path | np.ndarray | None = None
    query_box: np.ndarray | None = None

    def __getitem__(self, position):
        part = super().__getitem__(position)
        if not isinstance(position, slice):
            return part
        return Hits(
            part.names,
            part.scores,
            part.ids,
            part.boxes,
            paths=self.paths[position],
            query=self.query,
            query_box=self.query_box,
        )

    def plot(self, path: str | os.PathLike[str] | None = None, n_hits: int = 9) -> Any:
        """Draw the query with its box and the best hits with boxes and scores.

        Parameters
        ----------
        path : where to write the picture (its ending names the format), optional
        n_hits : how many hits

        Returns
        -------
        matplotlib Figure
        """
        from blcf.visualization import plot_ranking

        hits = [Hit(display_name(hit.name), hit.score, hit.box) for hit in self[:n_hits]]
        pictures = [_picture(path) for path in self.paths[:n_hits]]
        return plot_ranking(_picture(self.query), self.query_box, hits, pictures, path=path)

    def to_dicts(self) -> list[dict[str, Any]]:
        """Plain values, one per hit: rank, name, score, box (or None), path."""
        return [
            {
                "rank": rank,
                "name": hit.name,
                "score": round(hit.score, 6),
                "box": None if hit.box is None else [round(float(x), 1) for x in hit.box],
                "path": str(path),
            }
            for rank, (hit, path) in enumerate(zip(self, self.paths), start=1)
        ]


def _picture(source: Path | np.ndarray | None) -> np.ndarray | str:
    """A picture, or the reason why it cannot be shown."""
    if source is None:
        return "the query has none"
    if isinstance(source, np.ndarray):
        return source
    try:
        return read_image(source)
    except UnreadableImage as error:
        return str(getattr(error, "reason", error))
