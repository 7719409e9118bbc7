"""What a condition over facts costs: searches among some pictures beside the search of all.

    python -m benchmarks.search.filters --images 1000000

Random words as in benchmarks/search/data.py; every picture has a number, a text and a path in
``facts.sqlite``. The ranking is that of all pictures without the others, which is checked first.
Results go into benchmarks/results/search_filters.json, and from there into
benchmarks/search/README.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import keep_results, made_by, signature, table, write_section
from benchmarks.search.data import RandomWords, batches
from benchmarks.search.timing import Others, take_turns, timed
from blcf import InvertedFile
from blcf.collection.columns import COLUMNS
from blcf.collection.facts_file import FactsFile
from blcf.collection.facts_view import FactsView

SHARES = (1.0, 0.1, 0.01, 0.001, 0.00001)
N_QUERIES, N_FIRST, K = 30, 5, 100
TITLE = "Some pictures only"


class Pictures:
    """What a view of the facts needs of a segment: ids, names, columns."""

    live = None

    def __init__(self, n_images: int):
        self.columns = {one.name: one.filled(n_images) for one in COLUMNS}
        self.columns["ids"] = np.arange(n_images)
        self.columns["sizes"] += 500
        self.live_names = [f"{i:07d}.jpg" for i in range(n_images)]

    def live_column(self, name: str) -> np.ndarray:
        return self.columns[name]


def facts_of(n_images: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """A number below the number of images, and a text for each share of the pictures."""
    numbers = np.random.default_rng(0).permutation(n_images)
    limits = [max(1, round(share * n_images)) for share in SHARES]
    for image, number in enumerate(numbers.tolist()):
        inside = sum(number < limit for limit in limits)
        yield image, {"number": number, "camera": f"camera {inside}", "file": f"{inside}/{image}"}


def conditions(share: float, n_images: int) -> dict[str, str]:
    """Conditions that choose a share of the pictures, by kind."""
    place = SHARES.index(share)
    inside = range(place + 1, len(SHARES) + 1)
    return {
        "number": f"number < {max(1, round(share * n_images))}",
        "text": "camera IN (" + ", ".join(f"'camera {one}'" for one in inside) + ")",
        "LIKE": " OR ".join(f"file LIKE '{one}/%'" for one in inside),
    }


def make(n_images: int, folder: Path) -> tuple[InvertedFile, FactsView, dict[str, float]]:
    """An index, the facts of its pictures, and what the facts cost."""
    workload = RandomWords()
    index = InvertedFile(workload.n_words, idf=True, sqrt=True)
    for bags in batches(workload, n_images):
        index.add([f"{index.n_images + row:07d}.jpg" for row in range(bags.shape[0])], bags)
    assert index.idf_.any()
    view = FactsView(folder, [Pictures(n_images)], [])  # type: ignore[list-item]
    file = FactsFile(folder)
    cost = {"rows s": timed(lambda: file.build(view.rows()))[0]}

    def say() -> None:
        with file.writing(view.rows) as rows:
            rows.update(dict(facts_of(n_images)))

    cost["facts s"] = timed(say)[0]
    cost["MB"] = os.stat(file.path).st_size / 1e6
    return index, view, cost


def check(index: InvertedFile, rows: list[Any], mask: np.ndarray) -> None:
    """The ranking is that of all pictures without the others."""
    for row in rows[:3]:
        whole = index.search(row, index.n_images, weighed=True)
        kept = np.flatnonzero(mask[whole.ids])[:K]
        found = index.search(row, K, weighed=True, among=mask)
        assert np.array_equal(found.ids, whole.ids[kept])
        assert np.array_equal(found.scores, whole.scores[kept])


def measure(
    index: InvertedFile, folder: Path, segment: Any, rows: list[Any], share: float, where: str
) -> dict[str, Any]:
    """Milliseconds of the first search with a condition and of later ones, beside without."""
    view = FactsView(folder, [segment], [])
    mask = view.matching(where)
    check(index, rows, mask)
    searches = {
        "all": lambda i: index.search(rows[i], K, weighed=True),
        "later": lambda i: index.search(rows[i], K, weighed=True, among=view.matching(where)),
    }
    with Others() as others:
        seconds, _ = take_turns(searches, range(len(rows)))
        first = []
        for row in rows[:N_FIRST]:
            fresh = FactsView(folder, [segment], [])
            assert fresh.ids.size  # read when the collection is searched first, not by a condition
            used = time.process_time()
            index.search(row, K, weighed=True, among=fresh.matching(where))
            first.append(time.process_time() - used)
    ratios = seconds["later"][:, 1] / seconds["all"][:, 1]
    return {
        "share": share,
        "chosen": int(mask.sum()),
        "all ms": float(np.median(seconds["all"][:, 1])) * 1e3,
        "later ms": float(np.median(seconds["later"][:, 1])) * 1e3,
        "ratio": float(np.median(ratios)),
        "first ms": float(np.median(first)) * 1e3,
        "cores used by others": others.cores,
    }


def markdown(results: dict[str, Any]) -> str:
    """The section of the page."""
    header = ["images", "query", "condition", "pictures chosen", "all", "first", "later"]
    header += ["later / all"]
    lines = []
    for row in results["rows"]:
        line = [f"{row['n_images']:,}", row["query"], row["kind"], f"{row['chosen']:,}"]
        line += [f"{row[key]:.1f}" for key in ("all ms", "first ms", "later ms")]
        lines.append([*line, f"{row['ratio']:.2f}x"])
    costs = [
        f"{int(n):,} pictures: {one['MB']:.0f} MB, {one['rows s']:.0f} s for what the segments say "
        f"and {one['facts s']:.0f} s for three facts each"
        for n, one in results["costs"].items()
    ]
    return "\n\n".join(
        [
            f"`where` over `facts.sqlite`, random words, k = {K}; milliseconds of processor time, "
            f"median of {N_QUERIES} queries. The first search with a condition asks SQLite (median "
            f"of {N_FIRST}); later ones take the pictures that it chose then, until the facts "
            "change. Rankings are those of all pictures without the others (checked).",
            table(header, lines),
            "The table of facts: " + "; ".join(costs) + ".",
            signature(results),
        ]
    )


def main() -> None:
    """Measure, write the results and the section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", default="1000000", help="sizes, with commas")
    parser.add_argument("--work", type=Path, help="folder for large files")
    options = parser.parse_args()
    results = made_by(f"benchmarks.search.filters --images {options.images}")
    rows: list[dict[str, Any]] = []
    costs: dict[str, dict[str, float]] = {}
    for n_images in map(int, options.images.split(",")):
        with tempfile.TemporaryDirectory(dir=options.work) as name:
            folder = Path(name)
            index, _, costs[str(n_images)] = make(n_images, folder)
            segment = Pictures(n_images)
            for query, bags in RandomWords().queries(N_QUERIES).items():
                vectors = index.weigh(bags)
                queries = [vectors[i] for i in range(N_QUERIES)]
                for share in SHARES:
                    for kind, where in conditions(share, n_images).items():
                        found = measure(index, folder, segment, queries, share, where)
                        rows.append({"n_images": n_images, "query": query, "kind": kind, **found})
                        print(rows[-1], file=sys.stderr, flush=True)
    results_all: dict[str, Any] = {**results, "costs": costs, "rows": rows}
    keep_results("search_filters", results_all)
    write_section("search", TITLE, markdown(results_all))


if __name__ == "__main__":
    main()
