"""Where the object is: boxes of true hits by votes, by windows, and what no search would give.

    python -m benchmarks.localisation DATA --work FOLDER

DATA and FOLDER as in accuracy.py, whose collections are used. Writes
benchmarks/results/localisation.json and the tables of benchmarks/localisation.md.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.accuracy import NETWORKS, SETS, collection
from benchmarks.report import keep_rows, made_by, table, write_section
from blcf import SearchEngine, SearchOptions
from blcf.bags.weighting import spatial_weights
from blcf.boxes import cells_to_boxes, iou, nearest_cells
from blcf.datasets import TrueQuery, read_ground_truth
from blcf.rerank.local_search import LocalSearch
from blcf.rerank.voting import Voting
from blcf.searching.queries import Example, describe_examples

# Set, settings of its collection, longer side of the queries.
CASES = (("logos", {}, None), ("shelves", {"side": 768}, 384), ("shelves", {}, None))
DEPTH, N_BOXES = 100, 10
WINDOWS = {"best window of the grid": "grid", "best of all windows": "all"}
VIEWS = {"votes, one view": 1, "votes, all views": None}
NAMES = ("whole image", *WINDOWS, *VIEWS, "nearest cells of the true box")


class Measured:
    """What was found in the true hits of all queries, and how long it took."""

    def __init__(self, engine: SearchEngine):
        index = engine.searcher.searchable.index
        self.engine = engine
        self.searches = {
            name: LocalSearch(index.idf_, sqrt=index.sqrt, windows=windows)
            for name, windows in WINDOWS.items()
        }
        self.voting = Voting(index.n_words, engine.model.centroids)
        self.ranks: list[int] = []
        self.overlaps: dict[str, list[float]] = {name: [] for name in NAMES}
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.n_found = self.n_boxes = self.n_true = 0

    def add_query(self, true: TrueQuery, options: SearchOptions) -> None:
        """Rank all images for a query, and look for the object in those that show it."""
        example, searcher = Example(true.image, true.box), self.engine.searcher
        query = describe_examples(searcher.searchable, [example], options).queries[0]
        answer = searcher.answer(query, options)
        ids = dict(zip(answer.ranking.names, answer.ranking.ids.tolist()))
        # Junk has no rank, as in the average precision.
        ranks = {name: i for i, name in enumerate(name for name in ids if name not in true.junk)}
        hits = [name for name in ranks if name in true.positives and len(true.boxes.get(name, ()))]
        if not hits:
            return
        maps = [self.engine.collection.words(ids[name]).ravel() for name in hits]
        words = np.concatenate(maps)
        prepared = {
            name: self._timed(
                f"prepare {name}",
                self.voting.prepare,
                replace(query, views=query.views[:n_views]),
                words,
            )
            for name, n_views in VIEWS.items()
        }
        dense = self.searches["best of all windows"].prepare(answer.vector)
        for name in hits:
            self.ranks.append(ranks[name])
            self._add_hit(ids[name], true.boxes[name], dense, query.aspect, prepared)

    def _add_hit(self, image_id, true_boxes, dense, aspect, prepared) -> None:
        collected = self.engine.collection
        words, size = collected.words(image_id), collected.size(image_id)
        weights = spatial_weights("norm", words.shape, collected.norms(image_id))
        cells = [nearest_cells(box, size, words.shape) for box in true_boxes]
        boxes = {
            NAMES[0]: np.array([[0, 0, *size]]),
            NAMES[-1]: cells_to_boxes(np.array(cells), size, words.shape),
        }
        settings = {"aspect": aspect, "size": size, "weights": weights}
        for method, search in self.searches.items():
            window = self._timed(method, search.best_window, dense, words, **settings)
            boxes[method] = cells_to_boxes(np.array([window.cells]), size, words.shape)
        locate = self.voting.locate
        for method, votes in prepared.items():
            boxes[method] = self._timed(method, locate, votes, words, size, weights).boxes
        for method, found in boxes.items():
            self.overlaps[method].append(float(iou(found, true_boxes).max()))
        several = locate(votes, words, size, weights, n_boxes=N_BOXES).boxes
        self.n_found += n_instances_found(several, true_boxes)
        self.n_boxes += len(several)
        self.n_true += len(true_boxes)

    def _timed(self, name, function, *values, **settings):
        start = time.perf_counter()
        result = function(*values, **settings)
        self.seconds[name].append(time.perf_counter() - start)
        return result


def n_instances_found(boxes: np.ndarray, true_boxes: np.ndarray) -> int:
    """True boxes with a box of IoU >= .5 of their own, the best boxes first."""
    free = set(range(len(true_boxes)))
    for row in iou(boxes, true_boxes):
        near = [i for i in free if row[i] >= 0.5]
        if near:
            free.remove(max(near, key=lambda i: row[i]))
    return len(true_boxes) - len(free)


def measure(data: Path, work: Path, name: str, network: str, settings: dict, side) -> dict:
    """One set: figures of each method over the true hits of the top, and over all."""
    engine = collection(data, work, name, network, **settings)
    truth = read_ground_truth(data / SETS[name][1]).renamed(list(engine.collection.names()))
    options = SearchOptions(rerank=False, k=len(engine), query_side=side)
    measured = Measured(engine)
    for true in truth.queries:
        measured.add_query(true, options)
    ranks = np.array(measured.ranks)
    methods = {}
    for method, overlaps in measured.overlaps.items():
        methods[method] = {}
        for where, kept in ((f"top {DEPTH}", ranks < DEPTH), ("all", ranks >= 0)):
            one = np.array(overlaps)[kept]
            methods[method][where] = {
                "mean_iou": round(float(one.mean()), 4),
                "corloc": round(float((one >= 0.5).mean()), 4),
                "median": round(float(np.median(one)), 4),
            }
    return {
        "set": name,
        "network": network,
        "side": engine.settings.side,
        "query side": side or engine.settings.side,
        "hits": [int((ranks < DEPTH).sum()), ranks.size],
        "instances": {
            "true": measured.n_true,
            "recall": round(measured.n_found / measured.n_true, 4),
            "precision": round(measured.n_found / measured.n_boxes, 4),
        },
        "methods": methods,
        "ms": {
            method: round(float(np.median(seconds)) * 1e3, 3)
            for method, seconds in measured.seconds.items()
        },
    }


def markdown(results: dict) -> str:
    """The section of the page."""
    sets = results["sets"]
    titles = [f"{row['set']} {row['side']} ({row['query side']}), {row['network']}" for row in sets]
    parts = [
        "Mean IoU, share of IoU >= .5 and median, of the box of each true hit with the true box "
        f"that it overlaps most: over the true hits in the top {DEPTH}, and over all of them; "
        "the median of milliseconds per image, on one thread; the votes take some more to prepare "
        "a query. Side of the collection's pictures (of the queries), network.",
    ]
    for row, title in zip(sets, titles):
        lines = []
        for method, figures in row["methods"].items():
            values = [
                f"{figures[where][key]:.3f}"
                for where in (f"top {DEPTH}", "all")
                for key in ("mean_iou", "corloc", "median")
            ]
            ms = row["ms"].get(method)
            lines.append([method, *values, "" if ms is None else f"{ms:.2f}"])
        header = [title, f"top {DEPTH}: mean", ">= .5", "median", "all: mean", ">= .5", "median"]
        prepare = row["ms"]["prepare votes, all views"]
        counts = "{:,} and {:,} true hits".format(*row["hits"])
        parts.append(f"{counts}; {prepare:.1f} ms to prepare a query of all views:")
        parts.append(table([*header, "ms"], lines))
    lines = []
    for row, title in zip(sets, titles):
        one = row["instances"]
        lines.append([title, str(one["true"]), f"{one['recall']:.2f}", f"{one['precision']:.2f}"])
    parts.append(
        f"Every place of the object in all true hits (at most {N_BOXES} boxes an image, of scores "
        "near the best, see `Voting`): recall of the true boxes at IoU .5, and precision."
    )
    parts.append(table(["", "true boxes", "recall", "precision"], lines))
    made = "; ".join(f"{network}: {when}" for network, when in results["made"].items())
    parts.append(f"`{results['command']}`. {made}")
    return "\n\n".join(parts)


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the sets and weights")
    parser.add_argument("--work", type=Path, required=True, help="folder for the collections")
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), choices=NETWORKS)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    rows = [
        measure(options.data, options.work, name, network, settings, side)
        for network in options.networks
        for name, settings, side in CASES
    ]
    results = {
        **made_by("benchmarks.localisation DATA --work FOLDER"),
        "sets": rows,
    }
    keep_rows("localisation", results, options.networks)
    write_section("localisation", "Localisation", markdown(results))


if __name__ == "__main__":
    main()
