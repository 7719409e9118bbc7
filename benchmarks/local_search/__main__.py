"""Local search: the paper's grid, all windows and coarse, beside numpy and plain brute force.

    python -m benchmarks.local_search DATA --work FOLDER

DATA holds grocery/images and weights/squeezenet1_1_features.pth; FOLDER keeps the assignment maps,
those of benchmarks.search where it ran. Writes benchmarks/results/local_search.json and the tables
of benchmarks/local_search/README.md. One thread; the results are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from benchmarks.local_search.rivals import best_by_brute_force, best_by_numpy
from benchmarks.local_search.tables import (
    ALL,
    BINCOUNT,
    BOX,
    BRUTE,
    COARSE,
    DEPTH,
    GRID,
    NUMBERED,
    NUMPY,
    SHAPE,
    SHAPED,
    markdown,
)
from benchmarks.report import keep_results, made_by, write_section
from benchmarks.search.data import keep_maps
from blcf import LocalSearch
from blcf.rerank import grid_windows
from blcf.rerank.windows import allowed_widths

ASPECT = BOX[1] / BOX[0]
SHAPES = ((24, 18), (32, 42), (46, 46), (64, 84), (96, 72))


def read_maps(path: Path) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Maps cropped to `SHAPE`, norms of their cells 0..1, and idf."""
    file = np.load(path)
    ends = np.cumsum(file["shapes"].prod(axis=1))[:-1]
    pairs = [
        (words.reshape(shape), norms.reshape(shape).astype(np.float32) / 255)
        for words, norms, shape in zip(
            np.split(file["cells"], ends), np.split(file["norms"], ends), file["shapes"]
        )
        if (shape >= SHAPE).all()
    ]
    h, w = SHAPE
    maps = [np.ascontiguousarray(words[:h, :w]) for words, _ in pairs]
    norms = [np.ascontiguousarray(one[:h, :w]) for _, one in pairs]
    df = np.zeros(int(file["n_words"]))
    for words in maps:
        df[np.unique(words)] += 1
    idf = np.where(df > 0, np.log(len(maps) / np.maximum(df, 1)), 0.0)
    return maps, norms, idf


def whole_bag(words: np.ndarray, weights: np.ndarray, idf: np.ndarray, sqrt: bool) -> np.ndarray:
    """A normalised weighed bag, dense."""
    bag = np.bincount(words.ravel(), weights.ravel(), idf.size)
    bag = (np.sqrt(bag) if sqrt else bag) * idf
    return bag / np.linalg.norm(bag)


class Case:
    """Queries of one kind, and for each the images that a reranking would look at."""

    def __init__(self, data: tuple, sqrt: bool, kind: str, weighting: str, n_queries: int):
        maps, norms, self.idf = data
        weights = norms if weighting == "norm" else [np.ones_like(one) for one in norms]
        self.sqrt, self.kind, self.weighting = sqrt, kind, weighting
        bags = np.stack([whole_bag(*one, self.idf, sqrt) for one in zip(maps, weights)])
        rng = np.random.default_rng(0)
        self.rounds: list[tuple[np.ndarray, list]] = []
        for number in rng.permutation(len(maps))[:n_queries]:
            words, values = maps[number], weights[number]
            if kind == "local":
                y, x = (int(rng.integers(n - m + 1)) for n, m in zip(SHAPE, BOX))
                part = slice(y, y + BOX[0]), slice(x, x + BOX[1])
                words, values = words[part], values[part]
            vector = whole_bag(words, values, self.idf, sqrt)
            best = np.argsort(-(bags @ vector), kind="stable")[:DEPTH]
            query = self.search("grid").prepare(sp.csr_matrix(vector))
            self.rounds.append((query, [(maps[i], weights[i]) for i in best]))

    def search(self, windows: str) -> LocalSearch:
        """What is timed."""
        return LocalSearch(self.idf, sqrt=self.sqrt, windows=windows)

    def ways(self) -> dict[str, Callable]:
        """Each: (query, words, weights) -> (score, cells)."""

        def ours(windows: str, aspect: float | None = None) -> Callable:
            search = self.search(windows)

            def call(query: np.ndarray, words: np.ndarray, weights: np.ndarray) -> tuple:
                found = search.best_window(query, words, aspect=aspect, weights=weights)
                return found.score, found.cells

            return call

        def numpy(how: str) -> Callable:
            windows, squared_idf = grid_windows(*SHAPE), self.idf**2

            def call(query: np.ndarray, words: np.ndarray, weights: np.ndarray) -> tuple:
                return best_by_numpy(how, words, weights, windows, query, squared_idf, self.sqrt)

            return call

        def brute(aspect: float | None) -> Callable:
            squared_idf = self.idf**2
            least, most = allowed_widths(SHAPE, 1, 0.4, aspect)

            def call(query: np.ndarray, words: np.ndarray, weights: np.ndarray) -> tuple:
                arguments = words, weights, query, squared_idf, self.sqrt, least, most
                return best_by_brute_force(*arguments)

            return call

        return {
            GRID: ours("grid"),
            ALL: ours("all"),
            SHAPED: ours("all", ASPECT),
            COARSE: ours("coarse"),
            NUMPY: numpy("unique"),
            NUMBERED: numpy("numbered"),
            BINCOUNT: numpy("bincount"),
            BRUTE: brute(None),
            f"{BRUTE}, aspect": brute(ASPECT),
        }


def check(case: Case, ways: dict[str, Callable]) -> dict[str, float]:
    """Compare every result; how near the grid and coarse come to the best of all windows."""
    pairs = [(one, GRID) for one in (NUMPY, NUMBERED, BINCOUNT)]
    pairs += [(BRUTE, ALL), (f"{BRUTE}, aspect", SHAPED)]
    scores: dict[str, list[float]] = {GRID: [], ALL: [], COARSE: []}
    n_equal = n_images = 0
    areas = []
    for query, images in case.rounds:
        for words, weights in images:
            found = {name: ways[name](query, words, weights) for name in ways}
            for theirs, ours in pairs:
                (score, cells), (other, others) = found[theirs], found[ours]
                if cells != others or abs(score - other) > 1e-9:
                    raise SystemExit(f"{ours} finds {other} {others}, {theirs} {score} {cells}.")
            for name, values in scores.items():
                values.append(found[name][0])
            n_equal += found[COARSE][1] == found[ALL][1]
            x1, y1, x2, y2 = found[ALL][1]
            areas.append((x2 - x1) * (y2 - y1))
            n_images += 1
    best = np.array(scores[ALL])
    return {
        "images": n_images,
        "median_area": float(np.median(areas)),
        "coarse_equal": n_equal / n_images,
        "coarse_score": float((np.array(scores[COARSE]) / best).mean()),
        "grid_score": float((np.array(scores[GRID]) / best).mean()),
    }


def milliseconds(case: Case, ways: dict[str, Callable]) -> dict[str, float]:
    """Milliseconds an image: the images of a query one after the other, median of the queries."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for query, images in case.rounds:
        for name, call in ways.items():
            call(query, *images[0])
            start = time.perf_counter()
            for words, weights in images:
                call(query, words, weights)
            taken[name].append((time.perf_counter() - start) / len(images))
    return {name: 1e3 * float(np.median(values)) for name, values in taken.items()}


def sizes(case: Case) -> list[dict]:
    """Milliseconds for maps of other sizes: the real ones side by side, and of 20 words."""
    query, images = case.rounds[0]
    rng, rows = np.random.default_rng(0), []
    for h, w in SHAPES:
        times: dict[str, list[float]] = {}
        for (words, weights), (other, other_weights) in zip(images[:20], images[20:40]):
            pairs = (words, other), (weights, other_weights)
            wide = [np.concatenate([one, two, one], axis=1) for one, two in pairs]
            many, values = (np.ascontiguousarray(np.concatenate([one] * 3)[:h, :w]) for one in wide)
            for name in ("grid", "coarse", "all"):
                search = case.search(name)
                start = time.perf_counter()
                search.best_window(query, many, weights=values)
                times.setdefault(name, []).append(time.perf_counter() - start)
        few = np.argsort(-query)[:20].astype(np.int32)
        for _ in range(5):
            drawn = rng.choice(few, size=(h, w))
            start = time.perf_counter()
            case.search("all").best_window(query, drawn)
            times.setdefault("few", []).append(time.perf_counter() - start)
        medians = {name: 1e3 * float(np.median(values)) for name, values in times.items()}
        n_windows = h * (h + 1) * w * (w + 1) // 4
        rows.append({"shape": [h, w], "windows": n_windows, "milliseconds": medians})
    return rows


def main() -> None:
    """Check the windows, take the times, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the sets and weights")
    parser.add_argument("--work", type=Path, required=True, help="folder for the maps")
    parser.add_argument("--queries", type=int, default=3)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    data = read_maps(keep_maps(options.data, options.work))
    cases, by_size = [], []
    for sqrt in (True, False):
        for kind in ("global", "local"):
            for weighting in ("norm", "uniform"):
                case = Case(data, sqrt, kind, weighting, options.queries)
                ways = case.ways()
                cases.append(
                    {
                        "name": f"{kind}, {'roots' if sqrt else 'counts'}, {weighting}",
                        "found": check(case, ways),
                        "milliseconds": milliseconds(case, ways),
                    }
                )
                if sqrt and (kind, weighting) == ("local", "norm"):
                    by_size = sizes(case)
    results = {
        **made_by("benchmarks.local_search DATA --work FOLDER"),
        "load": os.getloadavg()[0],
        "queries": options.queries,
        "words": data[2].size,
        "cases": cases,
        "sizes": by_size,
    }
    keep_results("local_search", results)
    write_section("local_search", "Local search", markdown(results))


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
