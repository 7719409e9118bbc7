"""Query expansion where there is much to find, and where there is little: what it gains and hurts.

    python -m benchmarks.expansion DATA --work FOLDER

DATA holds logos, grocery, shelves and their ground truth (see `benchmarks.accuracy`); FOLDER keeps
the collections, those of `benchmarks.accuracy` too. The engine's defaults, blcf-lite. Of each query
all but 1, 2, 5 or 20 positives, chosen at random, are taken out of the ranking (by a condition:
weights of words are those of all). Writes benchmarks/results/expansion.json and the table of
benchmarks/expansion.md.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy import SETS, collection, renamed
from benchmarks.report import keep_results, made_by, signature, table, write_section
from blcf import Example, SearchEngine, SearchOptions
from blcf.datasets import TrueQuery, read_ground_truth
from blcf.evaluation import average_precision
from blcf.searching.queries import describe_examples

LEFT = (1, 2, 5, 20, None)  # positives of a query; None: all
COLUMNS: dict[str, dict[str, Any]] = {
    "none": {"expand": "none"},
    "local, guard scores": {"expand": "local"},
    "auto": {"expand": "auto"},
}


def without(names: list[str]) -> str | None:
    """The condition that takes pictures out."""
    quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in names)
    return f"name NOT IN ({quoted})" if names else None


def measure_query(engine: SearchEngine, query: TrueQuery, seed: int) -> dict[str, Any]:
    """{positives left: {column: (average precision, seconds of the search)}}."""
    searcher = engine.searcher
    asked = describe_examples(
        searcher.searchable, [Example(query.image, box=query.box)], SearchOptions()
    )
    names = sorted(query.positives)
    shuffled = [names[row] for row in np.random.default_rng(seed).permutation(len(names))]
    found: dict[str, Any] = {}
    for n_left in LEFT:
        kept = shuffled if n_left is None else shuffled[:n_left]
        if n_left is not None and n_left > len(shuffled):
            continue
        where = without(shuffled[len(kept) :])
        row = {}
        for column, options in COLUMNS.items():
            start = time.perf_counter()
            all_of = SearchOptions(k=len(engine), where=where, **options)
            ranking = searcher.search(asked.queries, all_of)
            seconds = time.perf_counter() - start
            row[column] = average_precision(ranking.names, set(kept), query.junk), seconds
        found["all" if n_left is None else str(n_left)] = row
    return found


def measure_set(data: Path, work: Path, name: str, chosen: slice) -> list[dict[str, Any]]:
    """A row for each number of positives."""
    engine = collection(data, work, name, "blcf-lite")
    truth = renamed(engine, read_ground_truth(data / SETS[name][1]))
    found = [
        measure_query(engine, query, seed) for seed, query in list(enumerate(truth.queries))[chosen]
    ]
    rows = []
    for left in map(str, [one or "all" for one in LEFT]):
        mine = [one[left] for one in found if left in one]
        if mine:
            rows.append(
                {
                    "set": name,
                    "left": left,
                    "queries": len(mine),
                    "mAP": {one: float(np.mean([row[one][0] for row in mine])) for one in COLUMNS},
                    "ms": {
                        one: 1000 * float(np.median([row[one][1] for row in mine]))
                        for one in COLUMNS
                    },
                }
            )
            print(rows[-1], flush=True)
    return rows


def markdown(results: dict[str, Any]) -> str:
    """The table of the page."""
    rows = []
    for row in results["rows"]:
        maps = [f"{row['mAP'][column]:.3f}".lstrip("0") for column in COLUMNS]
        change = f"{row['mAP']['auto'] - row['mAP']['none']:+.3f}"
        times = [f"{row['ms'][column]:.0f}" for column in COLUMNS]
        rows.append([row["set"], row["left"], str(row["queries"]), *maps, change, ", ".join(times)])
    head = ["set", "positives left", "queries", *COLUMNS, "auto - none", "ms of each search"]
    return "\n\n".join([table(head, rows), signature(results)])


def main() -> None:
    """Measure all sets, write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--work", type=Path, required=True, help="for the collections")
    parser.add_argument("--every", type=int, default=1, help="every n-th query of logos, grocery")
    parser.add_argument(
        "--first", type=int, default=0, help="of which this is the first, 0 or more"
    )
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    command = "benchmarks.expansion DATA --work FOLDER"
    if options.every > 1:
        command += f" --every {options.every} --first {options.first}"
    results: dict[str, Any] = made_by(command)
    results["rows"] = []
    for name in SETS:
        chosen = slice(0, None) if name == "shelves" else slice(options.first, None, options.every)
        results["rows"] += measure_set(options.data, options.work, name, chosen)
    keep_results("expansion", results)
    write_section("expansion", "Expansion", markdown(results))


if __name__ == "__main__":
    main()
