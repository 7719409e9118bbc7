"""What an evaluation found: figures of every query, their mean, the worst, a picture of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blcf.checks import check_integer, needs
from blcf.datasets import TrueQuery
from blcf.errors import InvalidInput
from blcf.evaluation import Localisation, Protocol, bootstrap_interval, summarise
from blcf.images import ImageLike, display_name
from blcf.images.thumbnails import Thumbnail
from blcf.records import Ranking
from blcf.searching.table import rows_table

if TYPE_CHECKING:
    import pandas

    from blcf.visualization import ShownFigure

__all__ = ["DRAWN_HITS", "TOP", "Evaluation", "QueryResult"]

TOP = 10  # of the ranking, where the positives are counted
DRAWN_HITS = 8
_SIDE = 320  # pixels of a picture of the sheet: a hundred photographs do not fit into memory


@dataclass(frozen=True, eq=False)
class QueryResult:
    """One query: its figures, and the head of its ranking.

    Attributes
    ----------
    query : with its truth, under the names of the collection
    measures : {measure: figure}, see `blcf.evaluation.Protocol.measure`
    first_rank : of the best-ranked positive, 1 the first, junk not counted; None: none was found
    n_in_top : positives among the first 10, junk not counted
    localisation : overlaps of the boxes of its true hits that were localised
    image : the picture that was searched with (of several, the first that could be read)
    box : float32 (4,), xyxy, pixels, around the object in it; None for the whole picture
    hits : the first of the ranking, with junk, as many as were asked for; of shots, with id and
        box of their best frame
    missed : the best-ranked positive that is not among the hits that are drawn, in the same form;
        empty where there is none
    missed_rank : of it, as `first_rank`
    """

    query: TrueQuery
    measures: dict[str, float]
    first_rank: int | None
    n_in_top: int
    localisation: Localisation
    image: Path
    box: np.ndarray | None
    hits: Ranking
    missed: Ranking
    missed_rank: int | None

    @property
    def label(self) -> str:
        """What is looked for, and with which picture; see `Evaluation.names`."""
        return label(self.query)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Figures of one kind of query.

    Attributes
    ----------
    mode : "LS" (the cells of the box or mask) or "GS" (the whole query picture)
    protocol : how rankings were measured
    results : of the queries, in the order of the data set
    skipped : {query picture: reason} of those that could not be read, or whose box or mask is not
        of them (LS does without these); a query that has no other is left out
    places : {id: picture} of those that are drawn: their paths, when they were indexed
    """

    mode: str
    protocol: Protocol
    results: list[QueryResult]
    skipped: dict[str, str] = field(default_factory=dict)
    places: dict[int, ImageLike | None] = field(default_factory=dict)

    @property
    def measure(self) -> str:
        """The main measure: "AP" for most data sets, see `blcf.evaluation.PROTOCOLS`."""
        return self.protocol.measures[0]

    @property
    def names(self) -> list[str]:
        """What each query looks for, and its picture."""
        return [one.label for one in self.results]

    def values(self, measure: str | None = None) -> np.ndarray:
        """A figure (None: the main one) of each query that has it: float64 (n,)."""
        measure = self.measure if measure is None else measure
        if measure not in self.protocol.measures:
            raise InvalidInput(
                f"Expected a measure of {', '.join(self.protocol.measures)}, got {measure!r}."
            )
        found = [one.measures[measure] for one in self.results if measure in one.measures]
        return np.array(found, dtype=np.float64)

    @property
    def measures(self) -> dict[str, float]:
        """{measure: mean over the queries that have it}."""
        return summarise([one.measures for one in self.results])

    @property
    def mean_average_precision(self) -> float:
        """Mean of the main measure: mAP, 0..1 (of UKBench the score, 0..4)."""
        return float(self.values().mean())

    @cached_property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the mean of the main measure, see `bootstrap_interval`."""
        return bootstrap_interval(self.values())

    @cached_property
    def localisation(self) -> Localisation:
        """Overlaps of the boxes of all true hits that were localised."""
        return Localisation(
            np.concatenate([one.localisation.overlaps for one in self.results]),
            np.concatenate([one.localisation.whole_image for one in self.results]),
        )

    def worst(self, n: int | None = None) -> list[QueryResult]:
        """The n queries (None: all) with the least main measure, the worst first.

        Of equal ones those whose first positive is ranked later come first.
        """
        measured = [one for one in self.results if self.measure in one.measures]
        return sorted(
            measured, key=lambda one: (one.measures[self.measure], -(one.first_rank or np.inf))
        )[:n]

    def to_dict(self) -> dict[str, Any]:
        """Plain values; those of the localisation are None where nothing was localised."""
        boxes = self.localisation
        n_boxes = len(boxes.overlaps)
        mean = round(self.mean_average_precision, 6)
        return {
            "mode": self.mode,
            "protocol": self.protocol.name,
            "measure": self.measure,
            "n_queries": len(self.results),
            **({"mAP": mean} if self.measure.startswith("AP") else {}),
            "mean": mean,
            "interval": [round(edge, 6) for edge in self.interval],
            "measures": {name: round(value, 6) for name, value in self.measures.items()},
            "n_boxes": n_boxes,
            "mean_iou": round(boxes.mean_iou, 6) if n_boxes else None,
            "mean_iou_whole_image": round(boxes.mean_iou_whole_image, 6) if n_boxes else None,
            "corloc": round(boxes.corloc, 6) if n_boxes else None,
            "per_query": [
                {
                    "name": one.query.name,
                    "query": one.label,
                    **{name: round(value, 6) for name, value in one.measures.items()},
                    "first_rank": one.first_rank,
                    f"n_in_{TOP}": one.n_in_top,
                    "n_positives": len(one.query.positives),
                }
                for one in self.results
            ],
            "skipped": self.skipped,
        }

    def to_pandas(self) -> pandas.DataFrame:
        """A table with a row per query: its picture, its measures, and the first that was found.

        `InvalidInput` where pandas is not installed.
        """
        return rows_table(self.to_dict()["per_query"])

    def plot_failures(
        self, path: str | os.PathLike[str] | None = None, n_queries: int = 10
    ) -> ShownFigure:
        """Draw the worst queries: their first hits, framed by truth, and the first that was missed.

        Parameters
        ----------
        path : where to write the picture (its ending names the format), optional
        n_queries : how many, 1 to 100

        Returns
        -------
        a matplotlib Figure, which a notebook shows

        Raises
        ------
        InvalidInput, StorageError
        """
        with needs("matplotlib", "Drawing"):
            from blcf.visualization import plot_failures
        check_integer("n_queries", n_queries, 1)
        rows = [self._failure(one) for one in self.worst(n_queries)]
        kind = "box or mask" if self.mode == "LS" else "whole picture"
        title = (
            f"the {len(rows)} worst of {len(self.results)} queries ({self.mode}: {kind})   "
            f"mean {self.measure} {self.mean_average_precision:.3f}"
        )
        return plot_failures(rows, title=title, path=path)

    def _failure(self, result: QueryResult) -> Any:
        from blcf.visualization import Failure, FailurePicture

        query = result.query
        object_name = display_name(query.object or query.name)
        figures = f"{self.measure} {result.measures[self.measure]:.3f}"
        title = f"{object_name}\n{figures}, {len(query.positives)} to find"
        picture, box = _small(result.image, result.box)
        hits, rank = [], 0
        for row, name in enumerate(result.hits.names[:DRAWN_HITS]):
            truth = "positive" if name in query.positives else "wrong"
            if name in query.junk:
                place, truth = "junk", "junk"
            else:
                rank += 1
                place = f"{rank}."
            hits.append(self._hit(result.hits, row, place, truth))
        missed = "none found" if result.first_rank is None else "no further one"
        if result.missed_rank is not None:
            which = "first" if result.missed_rank == result.first_rank else "next"
            place = f"{which} true: {result.missed_rank:,}."
            missed = self._hit(result.missed, 0, place, "positive")
        return Failure(FailurePicture(picture, title, box), hits, missed)

    def _hit(self, hits: Ranking, row: int, place: str, truth: str) -> Any:
        from blcf.visualization import FailurePicture

        hit = hits[row]
        picture, box = _small(self.places.get(int(hits.ids[row])), hit.box)
        return FailurePicture(
            picture, f"{place}  {hit.score:.3f}\n{display_name(hit.name)}", box, truth
        )


def label(query: TrueQuery) -> str:
    """What a query looks for, and with which picture."""
    several = f" and {len(query.examples) - 1} more" if len(query.examples) > 1 else ""
    return f"{query.object or query.name} in {query.image.name}{several}"


def take(ranking: Ranking, rows: Sequence[int] | np.ndarray) -> Ranking:
    """Some rows, copied: a view would keep the whole ranking in memory."""
    taken = np.asarray(rows, dtype=np.int64)
    names = [ranking.names[row] for row in rows]
    boxes = None if ranking.boxes is None else ranking.boxes[taken]
    return Ranking(names, ranking.scores[taken], ranking.ids[taken], boxes)


def _small(picture: ImageLike | None, box: Any) -> tuple[np.ndarray | str, np.ndarray | None]:
    """A picture, made small, and a box on it; or the reason why there is none."""
    small = Thumbnail.of(picture, _SIDE)
    return small.picture, small.scaled(box)
