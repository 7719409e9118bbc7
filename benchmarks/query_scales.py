"""How much each size of a query counts: alike, by the gap of its hits, or one size alone.

    python -m benchmarks.query_scales DATA --work FOLDER [--networks NAME ...] [--rerank SET ...]

DATA holds the sets and weights of `benchmarks.accuracy`; FOLDER keeps the collections and the
cosines of every size of every query with every picture, from which rankings by any shares follow:
another rule is measured in seconds. Reranking takes the search itself, and is measured where it is
asked for. Writes benchmarks/results/query_scales.json and the table of benchmarks/query_scales.md;
what was not measured this time stays.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from benchmarks.accuracy import NETWORKS, SETS, collection, renamed
from benchmarks.report import (
    keep_results,
    made_by,
    read_results,
    signature,
    table,
    write_section,
)
from blcf import SearchEngine, SearchOptions
from blcf.datasets import GroundTruth, read_ground_truth
from blcf.evaluation import average_precision
from blcf.measuring.query_pictures import describe_pictures, has_region, read_pictures
from blcf.records import Query
from blcf.searching import scales

Shares = Callable[[np.ndarray, np.ndarray], list[float]]

KEYS = ("network", "set", "query")
RERANKED = {"alike": {"scales_by": "alike"}, "by gaps": {"scales_by": "gap"}}


def plain_gaps(power: float, alike: float = 0.0) -> Shares:
    """Shares by powers of gaps, whatever is typical of a size."""

    def shares(scores: np.ndarray, sizes: np.ndarray) -> list[float]:
        best, among = slice(1, 1 + scales.BEST), scales.AMONG
        gaps = np.array([one[best].mean() - np.median(one[:among]) for one in scores])
        counts = np.maximum(gaps, 0) ** power
        return (alike + (1 - alike) * counts / max(counts.mean(), 1e-12)).tolist()

    return shares


RULES: dict[str, Shares] = {
    "alike": lambda scores, sizes: [1.0] * len(scores),
    "by gaps": scales.shares_of_gaps,
    "gaps alone": plain_gaps(1),
    "their squares, half": plain_gaps(2, alike=0.5),
    "size 1": lambda scores, sizes: [1.0] + [0.0] * (len(scores) - 1),
}


def describe(engine: SearchEngine, truth: GroundTruth) -> dict[str, list[Query]]:
    """{mode: the queries}."""
    described: dict[str, list[Query]] = {}
    for query in truth.queries:
        modes = ["LS", "GS"] if has_region(query) else ["GS"]
        looks = read_pictures(query, modes, {})
        for mode, found in describe_pictures(engine.model, looks, SearchOptions()).items():
            described.setdefault(mode, []).append(found[0])
    return described


def cosines_of(engine: SearchEngine, described: dict[str, list[Query]]) -> dict[str, np.ndarray]:
    """Cosines of all views with all pictures and with one another, and the views' sizes, by mode.

    The ranking that follows is that of the engine, which is checked for the first queries.
    """
    index = engine.searcher.searchable.index
    images = index.weigh(sp.vstack(list(index.bags()), format="csr"))
    found: dict[str, np.ndarray] = {"names": np.array(list(engine.names))}
    for mode, queries in described.items():
        views = [
            index.weigh(sp.vstack([view.bag for view in query.views], format="csr"))
            for query in queries
        ]
        found[f"{mode} images"] = np.stack([(one @ images.T).toarray() for one in views])
        found[f"{mode} views"] = np.stack([(one @ one.T).toarray() for one in views])
        found[f"{mode} sizes"] = np.array([scales.sizes_of(query) for query in queries])
        for number, query in enumerate(queries[:3]):
            options = SearchOptions(k=len(engine), rerank=False)
            ours = engine.searcher.search(query, options)
            scores = joint_scores(found, mode, number, scales.shares_of_gaps)
            np.testing.assert_allclose(ours.scores, scores[ours.ids], atol=1e-6)
    return found


def joint_scores(cosines: dict[str, np.ndarray], mode: str, number: int, rule: Shares) -> Any:
    """The cosines of a query with all pictures, its views weighed by a rule."""
    by_view = cosines[f"{mode} images"][number]
    best = -np.sort(-by_view.astype(np.float32), axis=1)[:, : scales.AMONG]
    shares = np.array(rule(best, cosines[f"{mode} sizes"][number]))
    if by_view.shape[1] < scales.LEAST:
        shares = np.ones(len(by_view))
    length = np.sqrt(shares @ cosines[f"{mode} views"][number] @ shares)
    return (shares @ by_view / max(length, 1e-12)).astype(np.float32)


def searched(
    engine: SearchEngine, queries: list[Query], truth: GroundTruth, options: SearchOptions
) -> tuple[list[float], list[float]]:
    """The average precision of each query, and the seconds of its search."""
    precisions, seconds = [], []
    for query, true in zip(queries, truth.queries):
        start = time.perf_counter()
        ranking = engine.searcher.search(query, options)
        seconds.append(time.perf_counter() - start)
        precisions.append(average_precision(ranking.names, true.positives, true.junk))
    return precisions, seconds


def reranked(
    engine: SearchEngine, truth: GroundTruth, described: dict[str, list[Query]]
) -> dict[tuple[str, str], float]:
    """The mAP of the search as it is, by mode and rule."""
    found: dict[tuple[str, str], float] = {}
    for mode, queries in described.items():
        for way, options in RERANKED.items():
            all_of = SearchOptions(k=len(engine), expand="none", **options)
            precisions, _ = searched(engine, queries, truth, all_of)
            found[mode, f"{way}, R"] = round(float(np.mean(precisions)), 4)
            print(mode, way, found[mode, f"{way}, R"], flush=True)
    return found


def measure(data: Path, work: Path, network: str, name: str, rerank: bool) -> list[dict[str, Any]]:
    """A row for each mode of a set: the mAP of every rule."""
    path = work / f"query_scales-{name}-{network}.npz"
    truth = read_ground_truth(data / SETS[name][1])
    after: dict[tuple[str, str], float] = {}
    with collection(data, work, name, network) as engine:
        truth = renamed(engine, truth)
        if rerank or not path.exists():
            described = describe(engine, truth)
            if not path.exists():
                np.savez(path, **cosines_of(engine, described))
            if rerank:
                after = reranked(engine, truth, described)
    with np.load(path) as file:
        cosines = dict(file)
    names = cosines["names"].tolist()
    rows = []
    for mode in [mode for mode in ("LS", "GS") if f"{mode} images" in cosines]:
        row: dict[str, Any] = {"network": network, "set": name, "query": mode}
        for way, rule in RULES.items():
            found = []
            for number, query in enumerate(truth.queries):
                scores = joint_scores(cosines, mode, number, rule)
                order = np.lexsort((np.arange(len(names)), -scores))
                ranked = [names[one] for one in order]
                found.append(average_precision(ranked, query.positives, query.junk))
            row[way] = round(float(np.mean(found)), 4)
        row |= {way: value for (one, way), value in after.items() if one == mode}
        rows.append(row)
        print(row, flush=True)
    return rows


def markdown(results: dict[str, Any]) -> str:
    """The section of the page."""
    columns = [*RULES, *(f"{way}, R" for way in RERANKED)]
    rows = [
        [row["network"], row["set"], row["query"]]
        + [f"{row[one]:.3f}".lstrip("0") if one in row else "" for one in columns]
        for row in results["rows"]
    ]
    return "\n\n".join(
        [
            "mAP: trapezoidal AP, junk dropped, whole ranking, the engine's defaults but for how "
            "much the sizes count (1, .35, .5, .7 and 1.4 of the side of 384). LS: the cells of "
            "the query's box; GS: the whole query picture; R: reranked, where it was measured.",
            table(["network", "set", "query", *columns], rows),
            signature(results),
        ]
    )


def main() -> None:
    """Measure what is asked for, write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--work", type=Path, required=True, help="for collections and cosines")
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--sets", nargs="*", default=["logos", "grocery"], choices=SETS)
    parser.add_argument("--rerank", nargs="*", default=[], choices=SETS, help="with these sets too")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    rows = read_results("query_scales").get("rows", [])
    for network in options.networks:
        for name in options.sets:
            rerank = name in options.rerank
            new = measure(options.data, options.work, network, name, rerank)
            for row in new:
                before = [one for one in rows if all(one[key] == row[key] for key in KEYS)]
                kept = {key: value for one in before for key, value in one.items() if ", R" in key}
                rows = [one for one in rows if one not in before]
                rows.append({**kept, **row})
            rows.sort(key=lambda row: (list(NETWORKS).index(row["network"]), -len(row["query"])))
            results = made_by("benchmarks.query_scales DATA --work FOLDER")
            results["rows"] = rows
            keep_results("query_scales", results)
            write_section("query_scales", "Sizes of the query", markdown(results))


if __name__ == "__main__":
    main()
