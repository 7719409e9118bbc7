"""Boxes by votes, and refined by keypoints: how well they lie, by set and by size of the object.

    python -m benchmarks.refinement DATA --work FOLDER

DATA and FOLDER as in accuracy.py, whose collections are used; a set of flat things is made. Writes
benchmarks/results/refinement.json and the tables of benchmarks/refinement/README.md.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.accuracy import SETS, collection
from benchmarks.refinement.flat import N_PAINTINGS, make_scenes
from benchmarks.report import keep_results, made_by, signature, table, write_section
from blcf import SearchEngine, SearchOptions
from blcf.boxes import iou
from blcf.datasets import read_ground_truth
from blcf.measuring.evaluation import take
from blcf.measuring.evaluator import evaluate
from blcf.searching.queries import Example, describe_examples
from blcf.searching.refining import refine

NETWORK, DEPTH = "blcf-lite", 100
# Set, settings of its collection, longer side of the queries.
CASES: tuple[tuple[str, dict, int | None], ...] = (
    ("logos", {}, None),
    ("shelves", {"side": 768}, 384),
    ("shelves", {}, None),
)
# Set, settings, how many of its queries are searched with (each so-manyth), what they are.
RANKED: tuple[tuple[str, dict, int, str], ...] = (
    ("logos", {}, 5, "box"),
    ("grocery", {}, 5, "whole"),
    ("shelves", {}, 1, "whole"),
)
SHARES = (0, 0.01, 0.02, 0.05, 0.10, 0.25, 1)  # of the picture, of the object


def corners_of(box: np.ndarray) -> np.ndarray:
    """A box as an outline: float (4, 2)."""
    x1, y1, x2, y2 = box
    return np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)])


def overlap(one: np.ndarray, other: np.ndarray, size: tuple[int, int]) -> float:
    """IoU of two outlines within a picture, by its pixels."""
    masks = []
    for corners in (one, other):
        drawn = Image.new("1", size)
        ImageDraw.Draw(drawn).polygon([tuple(point) for point in corners.tolist()], fill=1)
        masks.append(np.asarray(drawn))
    return float((masks[0] & masks[1]).sum() / max((masks[0] | masks[1]).sum(), 1))


def measure(engine: SearchEngine, queries: list[dict[str, Any]], side: int | None) -> dict:
    """Figures of the true hits among the first `DEPTH` of each query.

    Parameters
    ----------
    queries : each with image, box, junk, and the true boxes, or outlines, by name
    """
    searcher, snapshot = engine.searcher, engine.searcher.searchable.snapshot
    how = {"k": len(engine), "query_side": side, "expand": "none"}
    options = SearchOptions(**how, refine="keypoints")
    bare = replace(options, refine=None)
    rows: list[tuple[float, ...]] = []
    missed: list[float] = []
    seconds, n_looked = 0.0, 0
    for number, one in enumerate(queries):
        example = Example(one["image"], one["box"])
        query = describe_examples(searcher.searchable, [example], options).queries[0]
        ranking = searcher.answer(query, bare).ranking
        kept = [row for row, name in enumerate(ranking.names) if name not in one["junk"]]
        hits = [row for row in kept[:DEPTH] if row < DEPTH and ranking.names[row] in one["true"]]
        found_names = {ranking.names[row] for row in hits}
        for name in one["true"]:
            if name not in found_names:
                size = snapshot.size(int(snapshot.find([name])[0]))
                missed.append(share_of(one["true"][name], size))
        part = take(ranking, hits)
        start = time.process_time()  # of all threads
        refined = refine(snapshot, [query], part)
        seconds, n_looked = seconds + time.process_time() - start, n_looked + len(part)
        if number == 0:
            check(searcher, query, options, ranking, refined)
        for row, image_id in enumerate(part.ids.tolist()):
            true, size = one["true"][part.names[row]], snapshot.size(image_id)
            outline = refined.get(image_id)
            voted = part.boxes[row]
            box = voted if outline is None else outline.box
            row_ = [float(outline is not None), share_of(true, size)]
            row_ += [float(iou(each[None], _boxes(true)).max()) for each in (voted, box)]
            if true.ndim == 3:
                shapes = corners_of(voted), corners_of(box) if outline is None else outline.corners
                row_ += [overlap(each, true[0], size) for each in shapes]
            rows.append(tuple(row_))
    table_of = np.array(rows)
    is_refined = table_of[:, 0] > 0
    return {
        "hits": len(rows),
        "refined": int(is_refined.sum()),
        "votes": _figures(table_of[:, 2]),
        "keypoints": _figures(table_of[:, 3]),
        "refined by votes": _figures(table_of[is_refined, 2]),
        "refined by keypoints": _figures(table_of[is_refined, 3]),
        **(
            {
                "outlines by votes": _figures(table_of[:, 4]),
                "outlines by keypoints": _figures(table_of[:, 5]),
            }
            if table_of.shape[1] > 4
            else {}
        ),
        "by size": by_size(table_of, np.array(missed)),
        "ms": round(seconds / n_looked * 1e3, 1),
    }


def check(searcher, query, options, ranking, refined) -> None:
    """A refined search has the hits of the bare one, and the boxes that are measured here."""
    same = searcher.answer(query, options)
    assert sorted(same.ranking.names) == sorted(ranking.names)
    for image_id, outline in refined.items():
        assert np.array_equal(same.outlines[image_id], outline.corners)
    boxes = dict(zip(ranking.ids.tolist(), ranking.boxes))
    for image_id, box in zip(same.ranking.ids.tolist(), same.ranking.boxes):
        kept = image_id in same.outlines or np.array_equal(box, boxes[image_id], equal_nan=True)
        assert kept, "a box that no keypoints agree on stays"


def by_size(rows: np.ndarray, missed: np.ndarray) -> list[dict[str, Any]]:
    """Of true pictures, by the share that the object has of them, how many are found, and where."""
    found = []
    for least, most in zip(SHARES, SHARES[1:]):
        mine = rows[(rows[:, 1] >= least) & (rows[:, 1] < most)]
        n_true = len(mine) + int(((missed >= least) & (missed < most)).sum())
        one: dict[str, Any] = {"least": least, "most": most, "true": n_true}
        if n_true:
            one["ranked"] = round(len(mine) / n_true, 4)
            for column, name in ((2, "votes"), (3, "keypoints")):
                one[name] = round(float((mine[:, column] >= 0.5).sum() / n_true), 4)
        found.append(one)
    return found


def _boxes(true: np.ndarray) -> np.ndarray:
    """True boxes, of outlines the upright ones around: (n, 4)."""
    return true if true.ndim == 2 else np.hstack([true.min(axis=1), true.max(axis=1)])


def share_of(true: np.ndarray, size: tuple[int, int]) -> float:
    """What the largest true box has of a picture."""
    boxes = _boxes(true)
    return float((boxes[:, 2:] - boxes[:, :2]).prod(axis=1).max() / (size[0] * size[1]))


def _figures(overlaps: np.ndarray) -> dict[str, float]:
    if not overlaps.size:
        return {"mean_iou": float("nan"), "corloc": float("nan")}
    return {
        "mean_iou": round(float(overlaps.mean()), 4),
        "corloc": round(float((overlaps >= 0.5).mean()), 4),
    }


def measure_ranking(data: Path, name: str, engine: SearchEngine, step: int, queries: str) -> dict:
    """mAP of a set's queries, without and with what agrees in the scores."""
    truth = read_ground_truth(data / SETS[name][1])
    some = replace(truth, queries=truth.queries[::step])
    options = [SearchOptions(expand="none", refine=refine) for refine in (None, "keypoints")]
    votes, keypoints = evaluate(engine.searcher, some, options, queries=queries, progress=False)
    return {
        "set": name,
        "queries": len(some.queries),
        "of": len(truth.queries),
        "votes": round(votes[0].to_dict()["mAP"], 4),
        "keypoints": round(keypoints[0].to_dict()["mAP"], 4),
    }


def queries_of(data: Path, name: str, engine: SearchEngine) -> list[dict[str, Any]]:
    """The queries of a set with true boxes."""
    truth = read_ground_truth(data / SETS[name][1]).renamed(list(engine.collection.names()))
    return [
        {
            "image": one.image,
            "box": one.box,
            "junk": set(one.junk),
            "positives": set(one.positives),
            "true": {
                hit: np.asarray(one.boxes[hit], dtype=np.float64).reshape(-1, 4)
                for hit in one.positives
                if len(one.boxes.get(hit, ()))
            },
        }
        for one in truth.queries
    ]


def markdown(results: dict) -> str:
    """The section of the page."""
    sets = results["sets"]
    titles = [f"{row['set']} {row['side']} ({row['query side']})" for row in sets]
    parts = [
        f"With {results['network']}. Mean IoU and share of IoU >= .5 of the box of each true hit "
        f"among the first {DEPTH} with the true box that it overlaps most: as votes have it, and "
        'with `refine="keypoints"`; then of those hits alone whose keypoints agree; milliseconds '
        "of processor time that a hit costs more, its picture read and decoded. Side of the "
        "collection's pictures (of the queries)."
    ]
    names = ("votes", "keypoints", "refined by votes", "refined by keypoints")
    lines = [
        [
            title,
            f"{row['hits']:,}",
            *(f"{row[name][key]:.3f}" for name in names[:2] for key in ("mean_iou", "corloc")),
            f"{row['refined']:,}",
            *(f"{row[name]['mean_iou']:.3f}" for name in names[2:]),
            f"{row['ms']:.0f}",
        ]
        for row, title in zip(sets, titles)
    ]
    header = ["", "true hits", "votes: mean", ">= .5", "keypoints: mean", ">= .5"]
    parts.append(table([*header, "refined", "of these: votes", "keypoints", "ms"], lines))
    flat = next((row for row in sets if "outlines by votes" in row), None)
    if flat is not None:
        parts.append(
            f"`flat`: {N_PAINTINGS} photographs, each hung in two others under a known homography, "
            "with other light and noise; the query is the whole photograph. IoU of outlines with "
            "the exact quadrilateral (of votes: of the box), over the same true hits:"
        )
        lines = [
            [by, *(f"{flat[f'outlines by {by}'][key]:.3f}" for key in ("mean_iou", "corloc"))]
            for by in ("votes", "keypoints")
        ]
        parts.append(table(["outline by", "mean", ">= .5"], lines))
    parts.append(
        "mAP, where the keypoints that agree count in the scores of the first 100 hits (logos LS, "
        "the others GS; side 384; of logos and grocery every fifth query):"
    )
    lines = [
        [row["set"], f"{row['queries']} of {row['of']}"]
        + [f"{row[name]:.3f}" for name in ("votes", "keypoints")]
        for row in results["ranking"]
    ]
    parts.append(table(["", "queries", "votes", "keypoints"], lines))
    logos = next((row for row in sets if row["set"] == "logos"), None)
    if logos is not None:
        parts.append(
            "By size of the object, logos: of all true pictures whose largest true box has that "
            f"share of the picture, how many are among the first {DEPTH}, and how many are there "
            "with a box of IoU >= .5."
        )
        lines = [
            [
                f"{one['least']:.0%} to {one['most']:.0%}",
                f"{one['true']:,}",
                *(f"{one[name]:.3f}" for name in ("ranked", "votes", "keypoints")),
            ]
            for one in logos["by size"]
            if one["true"]
        ]
        parts.append(table(["object", "true pictures", "ranked", "votes", "keypoints"], lines))
    parts.append(signature(results))
    return "\n\n".join(parts)


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the sets")
    parser.add_argument("--work", type=Path, required=True, help="folder for the collections")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    rows = []
    scenes, queries = make_scenes(options.data, options.work / "flat")
    path = options.work / f"flat-{NETWORK}.blcf"
    engine = SearchEngine.open(path) if path.exists() else SearchEngine.create(path, NETWORK)
    engine.add(scenes, progress=False)
    of_set = [("flat", engine, queries, None)]
    for name, settings, side in CASES:
        engine = collection(options.data, options.work, name, NETWORK, **settings)
        of_set.append((name, engine, queries_of(options.data, name, engine), side))
    for name, engine, queries, side in of_set:
        start = time.perf_counter()
        about = {"set": name, "side": engine.settings.side}
        about["query side"] = side or engine.settings.side
        rows.append({**about, **measure(engine, queries, side)})
        print(rows[-1], round(time.perf_counter() - start), flush=True)
    ranked = []
    for name, settings, step, queries_as in RANKED:
        engine = collection(options.data, options.work, name, NETWORK, **settings)
        ranked.append(measure_ranking(options.data, name, engine, step, queries_as))
        print(ranked[-1], flush=True)
    command = "benchmarks.refinement DATA --work FOLDER"
    results = {**made_by(command), "network": NETWORK, "sets": rows, "ranking": ranked}
    keep_results("refinement", results)
    write_section("refinement", "Refinement", markdown(results))


if __name__ == "__main__":
    main()
