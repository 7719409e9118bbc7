"""How much each size of a query counts: alike, by the gap of its hits, or one size alone.

    python -m benchmarks.query_scales DATA --work FOLDER [--networks NAME ...]

DATA holds the sets and weights of `benchmarks.accuracy`; FOLDER keeps the collections. Writes
benchmarks/results/query_scales.json and the table of benchmarks/query_scales.md; networks that
were not measured this time stay.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.accuracy import SETS, collection
from benchmarks.report import (
    keep_results,
    made_by,
    read_results,
    signature,
    table,
    write_section,
)
from blcf import SearchOptions
from blcf.measuring.evaluator import evaluate

NETWORKS = ("blcf-lite", "squeezenet1_1", "mobilenet_v2")
WAYS: dict[str, dict[str, Any]] = {
    "five alike": {},
    "five by gaps": {"scales_by": "gap"},
    "one": {"query_scales": (1.0,)},
}


def measure(data: Path, work: Path, network: str) -> list[dict[str, Any]]:
    """mAP of every way, before and after reranking, on logos and grocery."""
    rows = []
    for name in ("logos", "grocery"):
        with collection(data, work, name, network) as engine:
            options = [
                SearchOptions(**way, rerank=rerank)
                for way in WAYS.values()
                for rerank in (False, True)
            ]
            results = evaluate(engine.searcher, data / SETS[name][1], options)
        columns = [f"{way}{after}" for way in WAYS for after in ("", ", R")]
        for number, mode in enumerate(results[0]):
            row: dict[str, Any] = {"network": network, "set": name, "query": mode.mode}
            for column, modes in zip(columns, results):
                row[column] = round(modes[number].mean_average_precision, 4)
            rows.append(row)
    return rows


def markdown(results: dict[str, Any]) -> str:
    """The section of the page."""
    columns = [f"{way}{after}" for way in WAYS for after in ("", ", R")]
    rows = [
        [row["network"], row["set"], row["query"]]
        + [f"{row[column]:.3f}".lstrip("0") for column in columns]
        for row in results["rows"]
    ]
    return "\n\n".join(
        [
            "mAP: trapezoidal AP, junk dropped, whole ranking, the engine's defaults but for the "
            "sizes (1, .35, .5, .7 and 1.4 of the side of 384, or 1 alone). LS: the cells of the "
            "query's box; GS: the whole query picture; R: reranked.",
            table(["network", "set", "query", *columns], rows),
            signature(results),
        ]
    )


def main() -> None:
    """Measure the networks that are asked for, write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--work", type=Path, required=True, help="for the collections")
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), choices=NETWORKS)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    rows = read_results("query_scales").get("rows", [])
    for network in options.networks:
        rows = [row for row in rows if row["network"] != network]
        rows += measure(options.data, options.work, network)
        rows.sort(key=lambda row: NETWORKS.index(row["network"]))
        results = made_by("benchmarks.query_scales DATA --work FOLDER")
        results["rows"] = rows
        keep_results("query_scales", results)
        write_section("query_scales", "Sizes of the query", markdown(results))


if __name__ == "__main__":
    main()
