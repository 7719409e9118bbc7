"""Exact search of dense vectors beside faiss and a plain product: equality first, then time.

    python -m benchmarks.dense_search

Random unit vectors, 100,000 of 256 components, and queries that lie near some of them. Needs
faiss-cpu. Writes benchmarks/results/dense_search.json and the table of benchmarks/dense_search.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.report import keep_results, made_by, signature, table, write_section
from benchmarks.search.timing import Others
from blcf.index import FlatIndex

N_IMAGES, N_COMPONENTS, N_QUERIES, K = 100_000, 256, 100, 100
OURS, FAISS, PRODUCT = "FlatIndex", "faiss IndexFlatIP", "numpy: product and argpartition"
TOLERANCE = 2e-6  # faiss sums in float32
SEED = 0


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def by_product(queries: np.ndarray, vectors: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Ids and scores by one product of matrices in float32; ties in any order."""
    results = []
    for scores in queries @ vectors.T:
        best = np.argpartition(-scores, K - 1)[:K]
        best = best[np.argsort(-scores[best], kind="stable")]
        results.append((best, scores[best]))
    return results


def check(index: FlatIndex, queries: np.ndarray, vectors: np.ndarray, rival: Any) -> dict:
    """Stop where a ranking is not right; say how many are the same image by image."""
    many = index.search_many(queries, k=K)
    scores, ids = rival.search(queries, K)
    exact = queries.astype(np.float64) @ vectors.T.astype(np.float64)
    n_same = 0
    for row, ranking in enumerate(many):
        alone = index.search(queries[row], k=K)
        if not (np.array_equal(alone.ids, ranking.ids) and np.array_equal(
            alone.scores, ranking.scores
        )):
            raise SystemExit("A batch differs from its queries one by one: nothing is timed.")
        best = np.sort(exact[row])[::-1][:K]
        if np.abs(ranking.scores - best).max() > 1e-6:
            raise SystemExit("Our scores are not the largest cosines: nothing is timed.")
        if np.abs(scores[row] - best).max() > TOLERANCE:
            raise SystemExit("The scores of faiss are not the largest cosines: nothing is timed.")
        n_same += int((ids[row] == ranking.ids).sum())
    return {"same_places": n_same, "places": N_QUERIES * K}


def measure(calls: dict[str, Callable[[], object]], rounds: int) -> tuple[dict, float]:
    """Median milliseconds of each call, which take turns, and the cores used by others."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    with Others() as others:
        for _ in range(rounds):
            for name, call in calls.items():
                call()  # threads of the library before may still spin
                start = time.perf_counter()
                call()
                times[name].append(time.perf_counter() - start)
    return {name: 1e3 * float(np.median(taken)) for name, taken in times.items()}, others.cores


def markdown(results: dict) -> str:
    """The section of the page."""
    rows = []
    for case in results["cases"]:
        taken = case["milliseconds"]
        shown = [
            f"{taken[name]:.1f} ({taken[name] / taken[OURS]:.2f}x)" for name in (FAISS, PRODUCT)
        ]
        rows.append(
            [
                str(case["queries"]),
                str(case["threads"]),
                f"{taken[OURS]:.1f}",
                *shown,
                f"{case['others']:.1f}",
            ]
        )
    header = ["queries", "threads", f"{OURS} (ms)", FAISS, PRODUCT, "cores used by others"]
    same = results["checked"]
    return "\n\n".join(
        [
            f"{N_IMAGES:,} random unit vectors of {N_COMPONENTS} components, {N_QUERIES} queries "
            f"near one of them each, k = {K}, seed {SEED}. Milliseconds for all queries of a call; "
            "in brackets how many times as long as ours a rival takes (below 1: it is faster). "
            f"Medians of {results['rounds']} rounds in which the ways take turns.",
            table(header, rows),
            "Checked before: our scores are the largest cosines (float64) within 1e-6, those of "
            f"faiss within {TOLERANCE:g}; {same['same_places']:,} of {same['places']:,} places "
            "hold the image that faiss has there; a batch gives what its queries give one by one, "
            "bit for bit, which neither rival promises. One query is one serial pass over the "
            "vectors, whatever the threads. In a batch the product is numpy's (OpenBLAS), and "
            "threads choose the best: what that costs more than the bare product is the price of "
            "exact scores and of ties in a defined order.",
            f"{signature(results)}, "
            + ", ".join(" ".join(pair) for pair in results["versions"].items()),
        ]
    )


def main() -> None:
    """Check the rankings, take the times, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    import faiss

    rng = np.random.default_rng(SEED)
    vectors = unit(rng.standard_normal((N_IMAGES, N_COMPONENTS), dtype=np.float32))
    noise = rng.standard_normal((N_QUERIES, N_COMPONENTS), dtype=np.float32)
    queries = unit(vectors[:N_QUERIES] + 0.1 * noise)
    index = FlatIndex(N_COMPONENTS).add([f"{i}.jpg" for i in range(N_IMAGES)], vectors)
    rival = faiss.IndexFlatIP(N_COMPONENTS)
    rival.add(vectors)
    checked, cases = check(index, queries, vectors, rival), []
    for n_threads in (1, 2):
        faiss.omp_set_num_threads(n_threads)
        with threadpool_limits(n_threads):
            for some in (queries[:1], queries):

                def ours(some=some, n_threads=n_threads):
                    if len(some) == 1:
                        return index.search(some, k=K)
                    return index.search_many(some, k=K, n_threads=n_threads)

                calls = {
                    OURS: ours,
                    FAISS: lambda some=some: rival.search(some, K),
                    PRODUCT: lambda some=some: by_product(some, vectors),
                }
                taken, others = measure(calls, options.rounds)
                cases.append(
                    {
                        "queries": len(some),
                        "threads": n_threads,
                        "milliseconds": taken,
                        "others": others,
                    }
                )
    results = {
        **made_by("benchmarks.dense_search"),
        "versions": {"faiss": faiss.__version__, "numpy": np.__version__},
        "rounds": options.rounds,
        "checked": checked,
        "cases": cases,
    }
    keep_results("dense_search", results)
    write_section("dense_search", "Dense search", markdown(results))


if __name__ == "__main__":
    main()
