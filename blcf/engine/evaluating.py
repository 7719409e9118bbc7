"""Evaluation of an engine on a ground truth: every query searched, measured, averaged."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from blcf.datasets import GroundTruth, TrueQuery, read_ground_truth
from blcf.engine.options import SearchOptions
from blcf.engine.queries import Region, describe_regions, query_sides
from blcf.errors import InvalidInput
from blcf.evaluation import Localisation, average_precision, localise
from blcf.images import read_image
from blcf.records import Query, Ranking

if TYPE_CHECKING:
    from blcf.engine.search_engine import SearchEngine

__all__ = ["Evaluation", "evaluate"]

_Row = tuple[TrueQuery, float, Localisation]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Figures of one kind of query.

    Attributes
    ----------
    mode : "LS" (the cells of the box) or "GS" (the whole query picture)
    names : what each query looks for, and its picture
    average_precisions : float64 (n_queries,), trapezoidal, junk dropped
    localisation : overlaps of the boxes of all true hits that were localised
    """

    mode: str
    names: list[str]
    average_precisions: np.ndarray
    localisation: Localisation

    @property
    def mean_average_precision(self) -> float:
        """mAP, 0..1."""
        return float(self.average_precisions.mean())

    def to_dict(self) -> dict[str, Any]:
        """Plain values; those of the localisation are None where nothing was localised."""
        boxes = self.localisation
        n_boxes = len(boxes.overlaps)
        return {
            "mode": self.mode,
            "n_queries": len(self.names),
            "mAP": round(self.mean_average_precision, 6),
            "n_boxes": n_boxes,
            "mean_iou": round(boxes.mean_iou, 6) if n_boxes else None,
            "mean_iou_whole_image": round(boxes.mean_iou_whole_image, 6) if n_boxes else None,
            "corloc": round(boxes.corloc, 6) if n_boxes else None,
            "per_query": [
                {"query": name, "AP": round(float(value), 6)}
                for name, value in zip(self.names, self.average_precisions)
            ],
        }


def evaluate(
    engine: SearchEngine,
    ground_truth: GroundTruth | str | os.PathLike[str],
    options: Sequence[SearchOptions],
    *,
    progress: bool = True,
) -> list[list[Evaluation]]:
    """Search every query with each of several options, and measure the rankings.

    A query picture goes through the network once for options that look at it alike.

    Returns
    -------
    For each of the options the evaluations of `SearchEngine.evaluate`.
    """
    if not isinstance(ground_truth, GroundTruth):
        ground_truth = read_ground_truth(ground_truth)
    names = list(engine.collection.names())
    truth = ground_truth.renamed(names)
    missing = truth.missing(names)
    if missing:
        logger.warning(
            "%d positives are not in the collection and count as not found, the first: %s",
            len(missing),
            missing[0],
        )
    queries = [query for query in truth.queries if query.positives]
    if not queries:
        raise InvalidInput(f"No query of {truth.path} has positives: there is nothing to measure.")
    whole = [replace(one, k=max(1, len(engine))) for one in options]
    rows: list[dict[str, list[_Row]]] = [{"LS": [], "GS": []} for _ in options]
    for query in tqdm(queries, desc="evaluating", unit="query", disable=not progress):
        image = read_image(query.image)
        size = (image.shape[1], image.shape[0])
        regions = {} if query.box is None else {"LS": Region(query.box).on(size)}
        regions["GS"] = Region()
        described: dict[tuple, list[list[Query]]] = {}
        for one, modes in zip(whole, rows):
            looks = (*query_sides(engine.settings.side, one), one.query_flip)
            if looks not in described:
                described[looks] = describe_regions(engine, image, list(regions.values()), one)
            for mode, examples in zip(regions, described[looks]):
                modes[mode].append(_measure(engine, query, engine.searcher.search(examples, one)))
    return [
        [_summarise(mode, measured) for mode, measured in modes.items() if measured]
        for modes in rows
    ]


def _measure(engine: SearchEngine, query: TrueQuery, ranking: Ranking) -> _Row:
    """AP and overlaps of one ranking (which is not kept: it is as long as the collection)."""
    known = {name: boxes for name, boxes in query.boxes.items() if name in query.positives}
    sizes = {
        name: engine.collection.size(int(image_id))
        for name, image_id in zip(ranking.names, ranking.ids)
        if name in known
    }
    ap = average_precision(ranking.names, query.positives, query.junk)
    return query, ap, localise(ranking, known, sizes)


def _summarise(mode: str, rows: list[_Row]) -> Evaluation:
    return Evaluation(
        mode,
        [f"{query.object} in {query.image.name}" for query, _, _ in rows],
        np.array([ap for _, ap, _ in rows]),
        Localisation(
            np.concatenate([boxes.overlaps for _, _, boxes in rows]),
            np.concatenate([boxes.whole_image for _, _, boxes in rows]),
        ),
    )
