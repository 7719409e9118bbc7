"""Evaluation of an engine on a ground truth: every query searched and measured."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np
from tqdm import tqdm

from blcf.datasets import GroundTruth, TrueQuery, read_dataset
from blcf.engine.checks import check_choice, check_integer
from blcf.engine.evaluation import DRAWN_HITS, TOP, Evaluation, QueryResult, take
from blcf.engine.options import SearchOptions
from blcf.engine.queries import Region, describe_regions, query_sides
from blcf.errors import InvalidInput
from blcf.evaluation import PROTOCOLS, Protocol, localise, write_run
from blcf.images import read_image
from blcf.records import Query, Ranking

if TYPE_CHECKING:
    from blcf.engine.search_engine import SearchEngine

__all__ = ["QUERIES", "Evaluation", "evaluate", "modes_of", "write_rankings"]

QUERIES = ("both", "box", "whole")

_Looks = list[tuple[np.ndarray, list[Region]]]  # pictures, and of each a region per mode

logger = logging.getLogger(__name__)


def evaluate(
    engine: SearchEngine,
    ground_truth: GroundTruth | str | os.PathLike[str],
    options: Sequence[SearchOptions],
    *,
    protocol: str | None = None,
    queries: str = "both",
    keep: int = TOP,
    progress: bool = True,
) -> list[list[Evaluation]]:
    """Search every query with each of several options, and measure the rankings.

    A query picture goes through the network once for options that look at it alike. One that
    cannot be read is skipped, and named in `Evaluation.skipped`.

    Parameters
    ----------
    ground_truth : a ``gt.json`` or the folder of a known data set (see
        `blcf.datasets.read_dataset`), or what was read from it
    options : of the searches; the whole rankings count, whatever k
    protocol : a name of `blcf.evaluation.PROTOCOLS`; None takes that of the data set
    queries : "box" searches with the cells of the query's box or mask (LS), "whole" with the whole
        picture (GS), "both" with one after the other
    keep : hits of each ranking that the results keep, to be drawn or written
    progress : whether to draw a progress bar on stderr

    Returns
    -------
    For each of the options the evaluations of `SearchEngine.evaluate`.

    Raises
    ------
    InvalidInput, DatasetNotFound, FormatError
    """
    check_integer("keep", keep, 0)
    if not isinstance(ground_truth, GroundTruth):
        ground_truth = read_dataset(ground_truth)
    name = ground_truth.protocol if protocol is None else protocol
    check_choice("protocol", name, [*PROTOCOLS])
    modes = modes_of(ground_truth, queries)
    truth = _renamed(engine, ground_truth)
    asked = [query for query in truth.queries if query.positives]
    if modes == ["LS"]:
        asked = [query for query in asked if _has_region(query)]
    if not asked:
        raise InvalidInput(f"No query of {truth.path} has positives: there is nothing to measure.")
    rule = PROTOCOLS[name]
    whole = [replace(one, k=len(engine)) for one in options]
    rows: list[dict[str, list[QueryResult]]] = [{mode: [] for mode in modes} for _ in options]
    skipped: dict[str, str] = {}
    for query in tqdm(asked, desc="evaluating", unit="query", disable=not progress):
        mine = [mode for mode in modes if mode == "GS" or _has_region(query)]
        image, looks = _read(query, mine, skipped)
        if image is None:
            continue
        described: dict[tuple, list[list[Query]]] = {}
        for one, results in zip(whole, rows):
            alike = (*query_sides(engine.settings.side, one), one.query_flip)
            if alike not in described:
                described[alike] = _describe(engine, looks, one)
            for mode, examples in zip(mine, described[alike]):
                ranking = engine.searcher.search(examples, one)
                result = _measure(engine, truth, rule, query, ranking, image, examples[0].box, keep)
                results[mode].append(result)
    if skipped and not any(any(results.values()) for results in rows):
        picture, reason = next(iter(skipped.items()))
        raise InvalidInput(
            f"None of {len(asked)} queries of {truth.path} has a picture that can be read, the "
            f"first: {picture}: {reason}"
        )
    path_of = engine.searcher.collection.image_path
    return [
        [
            Evaluation(mode, rule, found, skipped, path_of)
            for mode, found in results.items()
            if found
        ]
        for results in rows
    ]


def _renamed(engine: SearchEngine, truth: GroundTruth) -> GroundTruth:
    """The truth under the names of the collection; what they do not share is said."""
    if not len(engine):
        raise InvalidInput(
            f"{engine.collection.path} holds no pictures: add those of the data set first."
        )
    names = list(engine.collection.names())
    collection = engine.collection
    truth = truth.renamed(names, {root: collection.names_under(root) for root in collection.roots})
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
    """"LS", "GS" or both: how the queries of a truth are searched with.

    Raises
    ------
    InvalidInput
        Boxes are asked for where there are none, or `queries` is none of `QUERIES`.
    """
    check_choice("queries", queries, QUERIES)
    has_regions = any(_has_region(query) for query in truth.queries)
    if queries == "box" and not has_regions:
        raise InvalidInput(
            f"Expected queries with a box or a mask, those of {truth.path} have none: they are "
            "whole pictures."
        )
    return (["LS"] if has_regions and queries != "whole" else []) + (
        ["GS"] if queries != "box" else []
    )


def _has_region(query: TrueQuery) -> bool:
    return any(one.box is not None or one.mask is not None for one in query.examples)


def _read(
    query: TrueQuery, modes: list[str], skipped: dict[str, str]
) -> tuple[Path | None, _Looks]:
    """The path of the first picture that can be read; the pictures, with a region per mode."""
    first, looks = None, []
    for example in query.examples:
        # A mask says more than the box around it.
        shown = Region(box=example.box) if example.mask is None else Region(mask=example.mask)
        try:
            image = read_image(example.image)
            size = (image.shape[1], image.shape[0])
            regions = [(shown if mode == "LS" else Region()).on(size) for mode in modes]
            looks.append((image, regions))
        except InvalidInput as error:  # also a mask or a box that is not of this picture
            skipped[str(example.image)] = getattr(error, "reason", "") or str(error)
            continue
        first = first or example.image
    return first, looks


def _describe(engine: SearchEngine, looks: _Looks, options: SearchOptions) -> list[list[Query]]:
    """For each mode the queries of all pictures."""
    parts = [describe_regions(engine, image, regions, options) for image, regions in looks]
    return [[query for queries in some for query in queries] for some in zip(*parts)]


def _measure(
    engine: SearchEngine,
    truth: GroundTruth,
    rule: Protocol,
    query: TrueQuery,
    ranking: Ranking,
    image: Path,
    box: np.ndarray | None,
    keep: int,
) -> QueryResult:
    """Figures of one ranking (which is not kept: it is as long as the collection)."""
    known = {
        name: boxes
        for name, boxes in query.boxes.items()
        if truth.shots.get(name, name) in query.positives  # boxes are of frames
    }
    sizes = {
        name: engine.collection.size(int(image_id))
        for name, image_id in zip(ranking.names, ranking.ids)
        if name in known
    }
    localisation = localise(ranking, known, sizes)
    if truth.shots:
        ranking = _rank_shots(ranking, truth.shots)
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
        rule.measure(ranking.names, query.positives, query.junk, query.hard),
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


def write_rankings(path: str | os.PathLike[str], evaluation: Evaluation) -> None:
    """Write the hits that were kept as a TREC run file, with junk.

    White space in names, which separates the columns of the file, becomes %20. Readers of run
    files order equal scores by name, not as the search does.

    Raises
    ------
    StorageError
    """
    rankings = {}
    for result in evaluation.results:
        names = [_without_spaces(name) for name in result.hits.names]
        rankings[_without_spaces(result.query.name)] = list(zip(names, result.hits.scores.tolist()))
    write_run(path, rankings, tag=f"blcf-{evaluation.mode}")


def _without_spaces(name: str) -> str:
    return re.sub(r"[ \t-\r]", lambda space: quote(space[0]), name)
