"""The hits of a search: a ranking that knows its query, can say why, and shows itself."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from blcf.checks import needs
from blcf.errors import InvalidInput
from blcf.images import display_name
from blcf.images.thumbnails import Thumbnails
from blcf.records import Evidence, Hit, Query, Ranking
from blcf.searching.explanation import by_picture
from blcf.searching.grouping import SIMILARITY
from blcf.searching.moments import Moments, group_hits
from blcf.searching.notebook import MOST, hits_html
from blcf.searching.options import SearchOptions
from blcf.searching.pictures import Pictures
from blcf.searching.queries import Asked, Shown, shown_pixels
from blcf.searching.searcher import Answer, Searcher
from blcf.searching.sheet import SHEET, draw_sheet
from blcf.searching.table import hits_dicts, hits_table

if TYPE_CHECKING:
    import pandas

    from blcf.visualization import ShownFigure

__all__ = ["Hits"]


@dataclass(frozen=True, repr=False, eq=False)
class Hits(Ranking):
    """A ranking with its query.

    It can be pickled and copied: names, scores, ids, boxes, paths, the query and its box. Evidence
    needs the engine, and is not there in what was pickled.

    Attributes
    ----------
    paths : list of Path, where the images were when they were indexed; None of one in no folder
    pictures : list of what shows the images: their paths, or the pictures that were given, or None
    asked : the examples and their pictures
    answer : what the ranking was made of
    rows : int (n,), the rows of the answer's ranking that these are
    """

    paths: list[Path | None] = field(default_factory=list)
    pictures: list[Shown] = field(default_factory=list)
    asked: Asked = field(default_factory=lambda: Asked((), ()))
    answer: Answer | None = None
    rows: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    @classmethod
    def find(
        cls,
        searcher: Searcher,
        asked: Asked,
        options: SearchOptions,
        negatives: Sequence[Query] = (),
    ) -> Hits:
        """Search; `negatives` are examples of what is not meant."""
        answer = searcher.answer(asked.queries, options, negatives)
        ranking, snapshot = answer.ranking, searcher.searchable.snapshot
        paths = snapshot.image_paths(ranking.ids.tolist())
        found = ranking.names, ranking.scores, ranking.ids, ranking.boxes
        return cls(
            *found,
            paths=paths,
            pictures=[path or snapshot.given(int(i)) for path, i in zip(paths, ranking.ids)],
            asked=asked,
            answer=answer,
            rows=np.arange(len(ranking)),
        )

    @property
    def query(self) -> Shown:
        """The picture of the first example, as it was given, or its path."""
        return self.asked.pictures[0] if self.asked.pictures else None

    @property
    def query_box(self) -> np.ndarray | None:
        """The box around the object in it: float32 (4,), xyxy, pixels, or None."""
        return self.asked.queries[0].box if self.asked.queries else None

    @overload
    def __getitem__(self, position: int) -> Hit: ...

    @overload
    def __getitem__(self, position: slice) -> Hits: ...

    def __getitem__(self, position: int | slice) -> Hit | Hits:
        if not isinstance(position, slice):
            hit = super().__getitem__(position)
            if self.answer is None:
                return hit
            boxes = self.answer.boxes.get(int(self.ids[position]))
            explain = partial(self.answer.explain, int(self.rows[position]))
            look_up = partial(self.answer.facts, int(self.ids[position]))
            known = hit.name, hit.score, hit.box, boxes, explain, look_up
            outline = self.answer.outlines.get(int(self.ids[position]))
            return Hit(*known, self._confidence(position), outline)
        return self.take(range(len(self))[position])

    @property
    def missing_shards(self) -> tuple[str, ...]:
        """Shards that did not answer, and were done without."""
        return () if self.answer is None else self.answer.missing

    def _confidence(self, row: int) -> float | None:
        sure = self.answer.confidences[self.rows[row]] if self.answer else np.nan
        return None if np.isnan(sure) else float(sure)

    def take(self, rows: Sequence[int]) -> Hits:
        """Some of the hits, by their rows, in that order."""
        chosen = np.array(rows, dtype=np.int64)
        return replace(
            self,
            names=[self.names[row] for row in rows],
            scores=self.scores[chosen],
            ids=self.ids[chosen],
            boxes=None if self.boxes is None else self.boxes[chosen],
            paths=[self.paths[row] for row in rows] if self.paths else [],
            pictures=[self.pictures[row] for row in rows] if self.pictures else [],
            rows=self.rows[chosen] if self.rows.size else self.rows,
        )

    def group(self, by: str = "shot", similarity: float = SIMILARITY) -> Moments:
        """Hits of one shot, of one film, or near-duplicate pictures, as one each.

        The order is that of the best members, and so are the scores: the maximum over frames, as
        TRECVID has it. A picture that is no frame of a film stays by itself.

        Parameters
        ----------
        by : "shot", "video", or "near": pictures whose bags have a cosine of `similarity` or more
            with that of the best
        similarity : 0..1

        Returns
        -------
        Moments
            Each with its best hit, the others, and the time in which it was seen.

        Raises
        ------
        InvalidInput
            Hits that were pickled, or whose engine is closed.
        """
        return group_hits(self, self._in_films(), by, similarity)

    def _in_films(self) -> Pictures:
        if self.answer is None:
            raise InvalidInput("Expected hits of SearchEngine.search: others know no films.")
        return self.answer.pictures

    @property
    def shown(self) -> Sequence[Shown]:
        """What shows the images: `pictures`, or the paths where only these are known."""
        return self.pictures or self.paths

    def __repr__(self) -> str:
        rows = [
            f"  {rank:3d}  {hit.score:.4f}  {_edges(hit.box):20s}  {display_name(hit.name)}"
            for rank, hit in enumerate(self[:10], start=1)
        ]
        rest = [f"  ... {len(self) - 10} more"] if len(self) > 10 else []
        return "\n".join([f"Hits of {len(self)} images", *rows, *rest])

    def _repr_html_(self) -> str:
        """The query and the first hits with their boxes, for a notebook."""
        head = self[:MOST]
        return hits_html(self.query, self.query_box, list(zip(head, head.shown)), len(self))

    def plot(
        self,
        path: str | os.PathLike[str] | None = None,
        n_hits: int = 9,
        *,
        thumbnails: Thumbnails | None = None,
    ) -> ShownFigure:
        """Draw the query with its box and the best hits with boxes and scores.

        Parameters
        ----------
        path : where to write the picture (its ending names the format), optional
        n_hits : how many hits
        thumbnails : small versions of pictures that were made before, optional

        Returns
        -------
        a matplotlib Figure, which a notebook shows
        """
        with needs("matplotlib", "Drawing"):
            from blcf.visualization import plot_ranking

        # Small ones: a hundred photographs as they are do not fit into memory.
        thumbnails = Thumbnails() if thumbnails is None else thumbnails
        query, small = thumbnails[self.query], [thumbnails[one] for one in self.shown[:n_hits]]
        hits = [
            Hit(
                display_name(hit.name),
                hit.score,
                one.scaled(hit.box),
                one.scaled(hit.boxes),
                outline=one.scaled(hit.outline),
            )
            for hit, one in zip(self[:n_hits], small)
        ]
        pictures = [one.picture for one in small]
        box = query.scaled(self.query_box)
        return plot_ranking(query.picture, box, hits, pictures, path=path)

    def sheet(self, path: str | os.PathLike[str] | None = None, n_hits: int = SHEET) -> ShownFigure:
        """Draw the first `n_hits` hits as a contact sheet: in the order of film and time.

        Each with its boxes, film, time and score; pictures that are no frames come last. Raises
        and gives what `plot` does, and `InvalidInput` where hits do not know their films: `group`.
        """
        return draw_sheet(self, self._in_films().in_films(self.ids), path, n_hits)

    def picture_evidence(self, row: int = 0) -> Evidence:
        """`Hit.evidence` with the query's pictures for examples, whatever sizes they came in."""
        n_views = [len(query.views) for query in self.asked.queries]
        return by_picture(self[row].evidence(), n_views)

    def plot_evidence(
        self,
        row: int = 0,
        path: str | os.PathLike[str] | None = None,
        n_lines: int = 40,
    ) -> ShownFigure:
        """Draw why a hit has its score: matched cells joined, heat over query and image.

        Parameters
        ----------
        row : which hit, 0 for the first
        path : where to write the picture, optional
        n_lines : how many pairs of cells are joined

        Returns
        -------
        a matplotlib Figure, which a notebook shows

        Raises
        ------
        InvalidInput
            No such hit; or hits that were pickled, or whose engine is closed.
        """
        with needs("matplotlib", "Drawing"):
            from blcf.visualization import plot_evidence

        if not -len(self) <= row < len(self):
            raise InvalidInput(f"Expected a hit from 0 to {len(self) - 1}, got {row}.")
        hit = self[row]
        return plot_evidence(
            [shown_pixels(picture) for picture in self.asked.pictures],
            [query.box for query in self.asked.queries],
            shown_pixels(self.shown[row]),
            hit.box,
            self.picture_evidence(row),
            name=display_name(hit.name),
            n_lines=n_lines,
            path=path,
        )

    def to_dicts(self) -> list[dict[str, Any]]:
        """Plain values, one per hit: rank, name, score, confidence, box, path; `boxes`, `outline`.

        Several boxes, and an outline, where a hit has them.
        """
        return hits_dicts(self)

    def to_pandas(self) -> pandas.DataFrame:
        """A table with a row per hit: rank, name, score, x1, y1, x2, y2, path and confidence.

        The edges of the (best) box are in pixels, and NaN where a hit has none. `InvalidInput`
        where pandas is not installed.
        """
        return hits_table(self)


def _edges(box: np.ndarray | None) -> str:
    return "-" if box is None else ",".join(f"{edge:.0f}" for edge in box)
