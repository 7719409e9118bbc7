"""What a whole search costs: 100,000 frames, one thread, from the query's words to the boxes.

    python -m benchmarks.latency DATA --work FOLDER

DATA holds logos/ and weights/squeezenet1_1_features.pth. FOLDER keeps the collection: the maps of
557 real photographs, 180 times, with 10 to 60 % of the cells of each copy replaced by those of
another photograph. Writes benchmarks/results/latency.json and the table of
benchmarks/latency.md.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks.report import keep_results, made_by, signature, table, write_section
from blcf import SearchEngine, SearchOptions
from blcf.bags.weighting import quantise_channel
from blcf.collection import Batch
from blcf.datasets import read_ground_truth

N_IMAGES, BATCH, N_QUERIES = 100_000, 8_192, 40
SHARES = (0.1, 0.6)  # of the cells of a copy that are another photograph's
PLAIN = {"rerank": False}
ONCE = {"rerank": False, "expand": "local", "guard": "none"}  # one reranking, for its windows
STEPS = {
    "search": PLAIN,
    "+ R, votes": {"windows": "votes", "expand": "none"},
    "+ R, all windows": {"windows": "all", "expand": "none"},
    "+ R, coarse": {"windows": "coarse", "expand": "none"},
    "+ R, the paper's grid": {"windows": "grid", "shares": (1, 2, 4), "expand": "none"},
    "R, votes + LQE + second search": {"windows": "votes", **ONCE},
    "R, all windows + LQE + second search": {"windows": "all", **ONCE},
    "R, votes + LQE + second search + R": {"windows": "votes", "expand": "local"},
    "R, all windows + LQE + second search + R": {"windows": "all", "expand": "local"},
}


def collection(data: Path, work: Path) -> SearchEngine:
    """The collection, made now or in an earlier run."""
    path = work / f"latency-{N_IMAGES}.blcf"
    weights = data / "weights" / "squeezenet1_1_features.pth"
    if path.exists():
        engine = SearchEngine.open(path, weights=weights)
    else:
        engine = SearchEngine.create(path, "squeezenet1_1", weights=weights, n_words=25_000)
    engine.add(data / "logos" / "images")
    held, n_real = engine.collection, 557
    maps = [(held.words(i), quantise_channel(held.norms(i)), held.size(i)) for i in range(n_real)]
    while len(engine) < N_IMAGES:
        first = len(engine)
        batch = Batch()
        for number in range(first, min(first + BATCH, N_IMAGES)):
            words, norms, size = noisy(maps, number)
            batch.append(f"copies/{number:06d}.jpg", size, words, norms)
        bags = engine.model.bags_of_images.encode_many(batch.maps, batch.channel("norm"))
        with held.writing():
            held.append(batch, bags, str(data))
        print(f"{len(engine):,} frames")
    return engine


def noisy(maps: list, number: int) -> tuple:
    """A copy of a photograph with cells of another one."""
    rng = np.random.default_rng(number)
    words, norms, size = maps[number % len(maps)]
    other_words, other_norms, _ = maps[rng.integers(len(maps))]
    taken = rng.random(words.shape) < rng.uniform(*SHARES)
    rows = rng.integers(other_words.shape[0], size=words.shape)
    columns = rng.integers(other_words.shape[1], size=words.shape)
    return (
        np.where(taken, other_words[rows, columns], words).astype(np.int32),
        np.where(taken, other_norms[rows, columns], norms).astype(np.uint8),
        size,
    )


def queries_of(engine: SearchEngine, data: Path) -> dict[str, list]:
    """Query pictures, whole and by the box of the logo, described in the default sizes."""
    truth = read_ground_truth(data / "logos" / "gt.json")
    scales = SearchOptions().query_scales
    kinds: dict[str, list] = {"global": [], "local": []}
    for query in truth.queries[:: max(1, len(truth.queries) // N_QUERIES)][:N_QUERIES]:
        kinds["global"].append(engine.describe(query.image, scales=scales))
        kinds["local"].append(engine.describe(query.image, query.box, scales=scales))
    return kinds


def measure(engine: SearchEngine, queries: list) -> dict[str, dict[str, float]]:
    """Milliseconds of each way of searching: the median and the 90 % quantile of the queries."""
    searcher = engine.searcher
    options = {step: SearchOptions(**keywords) for step, keywords in STEPS.items()}
    for one in options.values():  # compiled and mapped
        searcher.search(queries[0], one)
    times: dict[str, list[float]] = {step: [] for step in STEPS}
    for query in queries:  # in turns, so that a slow moment of the machine meets all
        for step, one in options.items():
            start = time.perf_counter()
            searcher.search(query, one)
            times[step].append((time.perf_counter() - start) * 1e3)
    return {
        step: {"median": float(np.median(ms)), "p90": float(np.quantile(ms, 0.9))}
        for step, ms in times.items()
    }


def check(engine: SearchEngine, queries: list) -> None:
    """The ranking of the base search is that of the product with all vectors (some queries)."""
    index = engine.searcher.searchable.index
    for query in queries[:3]:
        ranking = engine.searcher.search(query, SearchOptions(rerank=False, k=20))
        vector = engine.searcher.answer(query, SearchOptions(rerank=False, k=20)).vector
        for image_id, score in zip(ranking.ids.tolist(), ranking.scores.tolist()):
            norms = engine.collection.norms(image_id)
            bag = engine.model.bags_of_images.encode(
                engine.collection.words(image_id), channel=norms
            )
            expected = float((index.weigh(bag) @ vector.T).toarray()[0, 0])
            assert abs(score - expected) < 1e-5, (image_id, score, expected)


def markdown(results: dict) -> str:
    """The section of the page."""
    rows = []
    for step in STEPS:
        cells = [step]
        for kind in results["kinds"].values():
            one = kind["times"][step]
            cells.append(f"{one['median']:.0f} ({one['p90']:.0f})")
        rows.append(cells)
    kinds = results["kinds"].items()
    words = ", ".join(f"{kind['words']:.0f} words ({name})" for name, kind in kinds)
    return "\n\n".join(
        [
            f"{results['images']:,} frames (maps of 557 photographs, most of 34x46 cells, each "
            f"copy with 10 to 60 % of its cells another's; {results['n_words']:,} words), "
            f"{results['queries']} queries of each kind, already assigned: whole pictures (global) "
            f"and the box of a logo (local), in the default {results['views']} sizes; {words} a "
            "query in the median. "
            "One thread; 100 hits are reranked, 10 expand. Milliseconds, median (90 % quantile).",
            table(["what", *results["kinds"]], rows),
            signature(results),
        ]
    )


def main() -> None:
    """Make the collection, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the set and the weights")
    parser.add_argument("--work", type=Path, required=True, help="folder for the collection")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    engine = collection(options.data, options.work)
    queries = queries_of(engine, options.data)
    kinds = {}
    torch.set_num_threads(1)
    with threadpool_limits(1):
        check(engine, queries["local"])
        for kind, some in queries.items():
            n_words = np.median([sum(view.bag for view in query.views).nnz for query in some])
            kinds[kind] = {"words": float(n_words), "times": measure(engine, some)}
    results = {
        **made_by("benchmarks.latency DATA --work FOLDER"),
        "images": len(engine),
        "n_words": engine.model.n_words,
        "queries": N_QUERIES,
        "views": len(SearchOptions().query_scales),
        "kinds": kinds,
    }
    keep_results("latency", results)
    write_section("latency", "Latency", markdown(results))


if __name__ == "__main__":
    main()
