"""Evaluation on a ground truth: every query searched and measured."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from blcf.bounds import check_bounds
from blcf.checks import check_choice
from blcf.collection.snapshot import Snapshot
from blcf.datasets import GroundTruth, TrueQuery, read_dataset
from blcf.errors import InvalidInput
from blcf.evaluation import PROTOCOLS, Localisation, Protocol, localise
from blcf.images import ImageLike
from blcf.measuring.evaluation import DRAWN_HITS, TOP, Evaluation, QueryResult, take
from blcf.measuring.query_pictures import describe_pictures, has_region, read_pictures
from blcf.progress import tqdm
from blcf.records import Query, Ranking
from blcf.searching.options import SearchOptions
from blcf.searching.searcher import Searcher
from blcf.searching.views import query_sides

__all__ = ["QUERIES", "Evaluation", "evaluate", "modes_of"]

QUERIES = ("both", "box", "whole")

logger = logging.getLogger(__name__)


def evaluate(
    searcher: Searcher,
    ground_truth: GroundTruth | str | os.PathLike[str],
    options: Sequence[SearchOptions],
    *,
    protocol: str | None = None,
    queries: str = "both",
    keep: int = TOP,
    sink: Callable[[str, TrueQuery, Ranking], object] | None = None,
    progress: bool = True,
) -> list[list[Evaluation]]:
    """Search every query with each of several options, and measure the rankings.

    A query picture goes through the network once for options that look at it alike. One that
    cannot be read is skipped, and named in `Evaluation.skipped`; with a box or mask that is not of
    it, LS alone does without it.

    Parameters
    ----------
    searcher : the search that is measured
    ground_truth : a ``gt.json`` or the folder of a known data set (see
        `blcf.datasets.read_dataset`), or what was read from it
    options : of the searches; the whole rankings count, whatever k
    protocol : a name of `blcf.evaluation.PROTOCOLS`; None takes that of the data set
    queries : "box" searches with the cells of the query's box or mask (LS), "whole" with the whole
        picture (GS), "both" with one after the other
    keep : hits of each ranking that the results keep, from 0 to 1,000,000,000
    sink : gets the mode, the query and the whole ranking (of shots where these are found) of each
        search, which is not kept otherwise; see `blcf.measuring.run_file`
    progress : whether to draw a progress bar on stderr

    Returns
    -------
    For each of the options the evaluations of `SearchEngine.evaluate`.

    Raises
    ------
    InvalidInput, DatasetNotFound, FormatError
    """
    check_bounds("keep", keep)
    snapshot, model = searcher.searchable.snapshot, searcher.searchable.model
    if not isinstance(ground_truth, GroundTruth):
        ground_truth = read_dataset(ground_truth)
    name = ground_truth.protocol if protocol is None else protocol
    check_choice("protocol", name, [*PROTOCOLS])
    modes = modes_of(ground_truth, queries)
    truth = _renamed(snapshot, ground_truth)
    asked = [query for query in truth.queries if query.positives]
    n_without = len(truth.queries) - len(asked)
    if modes == ["LS"]:
        asked = [query for query in asked if has_region(query)]
    if not asked:
        raise InvalidInput(f"No query of {truth.path} has positives: there is nothing to measure.")
    if n_without:
        logger.warning("%d queries without positives are left out", n_without)
    rule = PROTOCOLS[name]
    whole = [replace(one, k=snapshot.n_images) for one in options]
    rows: list[dict[str, list[QueryResult]]] = [{mode: [] for mode in modes} for _ in options]
    skipped: dict[str, str] = {}
    for query in tqdm(asked, desc="evaluating queries", unit=" query", disable=not progress):
        mine = [mode for mode in modes if mode == "GS" or has_region(query)]
        looks = read_pictures(query, mine, skipped)
        described: dict[tuple, dict[str, list[Query]]] = {}
        for one, results in zip(whole, rows):
            alike = (*query_sides(model.settings.side, one), one.query_flip, one.refine)
            if alike not in described:
                described[alike] = describe_pictures(model, looks, one)
            for mode, examples in described[alike].items():
                ranking = searcher.search(examples, one)
                boxes = _localise(snapshot, truth, query, ranking)
                if truth.shots:
                    ranking = _rank_shots(ranking, truth.shots)
                if sink is not None:
                    sink(mode, query, ranking)
                image = next(path for path, _, regions in looks if mode in regions)
                box = examples[0].box
                results[mode].append(_measure(rule, query, ranking, boxes, image, box, keep))
    if skipped and not any(any(results.values()) for results in rows):
        picture, reason = next(iter(skipped.items()))
        raise InvalidInput(
            f"None of {len(asked)} queries of {truth.path} has a picture that can be read, the "
            f"first: {picture}: {reason}"
        )
    return [
        [
            Evaluation(mode, rule, found, skipped, _places(snapshot, found))
            for mode, found in results.items()
            if found
        ]
        for results in rows
    ]


def _places(snapshot: Snapshot, results: Sequence[QueryResult]) -> dict[int, ImageLike | None]:
    """{id: picture} of what can be drawn: a closed engine is not asked any more."""
    drawn = {
        int(image_id)
        for one in results
        for image_id in (*one.hits.ids[:DRAWN_HITS], *one.missed.ids)
    }
    return {image_id: snapshot.picture(image_id) for image_id in drawn}


def _renamed(snapshot: Snapshot, truth: GroundTruth) -> GroundTruth:
    """The truth under the names of the collection; what they do not share is said."""
    if not snapshot.n_images:
        raise InvalidInput(f"{snapshot.path} holds no pictures: add those of the data set first.")
    names = list(snapshot.names())
    truth = truth.renamed(names, {root: snapshot.names_under(root) for root in snapshot.roots})
    missing = truth.missing(names)
    if missing:
        logger.warning(
            "%d positives are not in the collection and count as not found, the first: %s",
            len(missing),
            missing[0],
        )
    n_more = _count_more(truth, len(names))
    if n_more > 0:
        logger.warning(
            "the collection has %d pictures more than %s: they count as distractors",
            n_more,
            truth.name,
        )
    n_strange = sum(name not in truth.shots for name in names) if truth.shots else 0
    if n_strange:
        logger.warning("%d pictures of the collection are of no shot: they are left out", n_strange)
    return truth


def _count_more(truth: GroundTruth, n_images: int) -> int:
    """How many pictures of a collection the data set does not have, not even as queries."""
    if truth.shots or not truth.images:
        return 0
    own = {name for images in truth.images for name in images.names}
    junk = {name for query in truth.queries for name in query.junk}
    return n_images - len(own) - len(junk - own)


def modes_of(truth: GroundTruth, queries: str = "both") -> list[str]:
    """ "LS", "GS" or both: how the queries of a truth are searched with.

    Raises
    ------
    InvalidInput
        Boxes are asked for where there are none, or `queries` is none of `QUERIES`.
    """
    check_choice("queries", queries, QUERIES)
    has_regions = any(has_region(query) for query in truth.queries)
    if queries == "box" and not has_regions:
        raise InvalidInput(
            f"Expected queries with a box or a mask, those of {truth.path} have none: they are "
            "whole pictures."
        )
    return (["LS"] if has_regions and queries != "whole" else []) + (
        ["GS"] if queries != "box" else []
    )


def _localise(
    snapshot: Snapshot, truth: GroundTruth, query: TrueQuery, ranking: Ranking
) -> Localisation:
    known = {
        name: boxes
        for name, boxes in query.boxes.items()
        if truth.shots.get(name, name) in query.positives  # boxes are of frames
    }
    sizes = {
        name: snapshot.size(int(image_id))
        for name, image_id in zip(ranking.names, ranking.ids)
        if name in known
    }
    return localise(ranking, known, sizes)


def _measure(
    rule: Protocol,
    query: TrueQuery,
    ranking: Ranking,
    localisation: Localisation,
    image: Path,
    box: np.ndarray | None,
    keep: int,
) -> QueryResult:
    """Figures of one ranking (which is not kept: it is as long as the collection)."""
    kept = [row for row, name in enumerate(ranking.names) if name not in query.junk]
    hits = [
        (rank, row)
        for rank, row in enumerate(kept, start=1)
        if ranking.names[row] in query.positives
    ]
    n_drawn = min(keep, DRAWN_HITS)
    missed = next(((rank, row) for rank, row in hits if row >= n_drawn), None)
    return QueryResult(
        query,
        rule.measure(ranking.names, query.positives, query.junk, query.hard, query.groups),
        hits[0][0] if hits else None,
        sum(rank <= TOP for rank, _ in hits),
        localisation,
        image,
        box,
        take(ranking, range(min(keep, len(ranking)))),
        take(ranking, [] if missed is None else [missed[1]]),
        None if missed is None else missed[0],
    )


def _rank_shots(ranking: Ranking, shots: dict[str, str]) -> Ranking:
    """Shots by the best score of their frames; ids and boxes are those of that frame.

    A picture of no shot (an example, a video that the task excludes) is left out. The ranking
    descends: a shot's first frame is its best, and the order that of
    `blcf.evaluation.rank_groups`.
    """
    best: dict[str, int] = {}
    for row, name in enumerate(ranking.names):
        if name in shots:
            best.setdefault(shots[name], row)
    return replace(take(ranking, [*best.values()]), names=[*best])
