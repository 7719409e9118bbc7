"""What hits among their like gain: reranked scores smoothed by no, 3, 5 and 9 neighbours.

    python -m benchmarks.neighbours DATA --work FOLDER [--networks NAME ...]

DATA holds the sets and weights of `benchmarks.accuracy`; FOLDER keeps the collections. The engine's
defaults without expansion, but for the number. Writes benchmarks/results/neighbours.json and the
table of benchmarks/neighbours.md; networks that were not measured this time stay.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy import NETWORKS, SETS, collection, renamed
from benchmarks.query_scales import describe, searched
from benchmarks.report import (
    keep_results,
    made_by,
    read_results,
    signature,
    table,
    write_section,
)
from blcf import SearchOptions
from blcf.datasets import read_ground_truth

NUMBERS = (0, 3, 5, 9)
HALVES = {"": slice(None), "odd": slice(1, None, 2)}  # the number was chosen on even queries


def measure(data: Path, work: Path, network: str, name: str) -> list[dict[str, Any]]:
    """A row for each mode of a set: mAP by number of neighbours, of all and of odd queries."""
    rows = []
    with collection(data, work, name, network) as engine:
        truth = renamed(engine, read_ground_truth(data / SETS[name][1]))
        for mode, queries in describe(engine, truth).items():
            row: dict[str, Any] = {"network": network, "set": name, "query": mode}
            for number in NUMBERS:
                options = SearchOptions(k=len(engine), expand="none", n_neighbours=number)
                found, seconds = searched(engine, queries, truth, options)
                for half, chosen in HALVES.items():
                    row[f"{number} {half}".strip()] = round(float(np.mean(found[chosen])), 4)
                row[f"{number} ms"] = round(1e3 * float(np.median(seconds)))
            rows.append(row)
            print(row, flush=True)
    return rows


def markdown(results: dict[str, Any]) -> str:
    """The section of the page."""
    columns = [f"{number} {half}".strip() for half in HALVES for number in NUMBERS]
    rows = [
        [row["network"], row["set"], row["query"]]
        + [f"{row[one]:.3f}".lstrip("0") for one in columns]
        + [", ".join(str(row[f"{number} ms"]) for number in NUMBERS)]
        for row in results["rows"]
    ]
    head = ["network", "set", "query", *columns, "ms of a search, without the network"]
    return "\n\n".join(
        [
            "mAP: trapezoidal AP, junk dropped, whole ranking, the engine's defaults but for the "
            "number of neighbours: of all queries, and of those of odd numbers.",
            table(head, rows),
            signature(results),
        ]
    )


def main() -> None:
    """Measure what is asked for, write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--work", type=Path, required=True, help="for the collections")
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), choices=NETWORKS)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    rows = read_results("neighbours").get("rows", [])
    for network in options.networks:
        rows = [row for row in rows if row["network"] != network]
        for name in ("logos", "grocery"):
            rows += measure(options.data, options.work, network, name)
    results = {**made_by("benchmarks.neighbours DATA --work FOLDER"), "rows": rows}
    keep_results("neighbours", results)
    write_section("neighbours", "Neighbours", markdown(results))


if __name__ == "__main__":
    main()
