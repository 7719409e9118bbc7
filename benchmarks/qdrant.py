"""Ranking in Qdrant beside the inverted file: equality first, then time and bytes.

    python -m benchmarks.qdrant --images 10000,100000 --work FOLDER

Random words, as in benchmarks/search/README.md, in a shard of this process (qdrant-edge-py, extra
qdrant). FOLDER keeps the shard meanwhile, 1.5 GB for 100,000 images; a temporary one by default.
Results go into benchmarks/results/qdrant.json, which keeps those of other sizes, and from there
into benchmarks/qdrant.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from benchmarks.report import keep_results, made_by, read_results, signature, table, write_section
from benchmarks.search.data import RandomWords, batches
from benchmarks.search.timing import Others, timed
from blcf import InvertedFile
from blcf.qdrant import Pictures, Published, QdrantIndex, open_store, publish

COMMAND = "benchmarks.qdrant --images 10000,100000"
N_QUERIES, ROUNDS, K = 50, 3, 100
CHANGED = 100  # one in so many images goes, and as many come


def pictures(lists: InvertedFile, ids: np.ndarray) -> Pictures:
    """As an export has them."""
    rows = ({"name": f"{number:07d}.jpg", "width": 640, "height": 480} for number in ids.tolist())
    return Pictures(lists, ids, rows, {"vocabulary_digest": "random words"})


def check(index: QdrantIndex, lists: InvertedFile, queries: sp.csr_matrix) -> None:
    """Stop where a ranking is not that of the inverted file, to the last bit."""
    for k in (1, K, 1_000):
        many = index.search_many(queries, k), lists.search_many(queries, k)
        for one, other in zip(*many):
            same = np.array_equal(one.ids, other.ids) and np.array_equal(one.scores, other.scores)
            if not (same and one.names == other.names):
                raise SystemExit(f"Another ranking of {k} images: nothing is timed.")


def take_turns(calls: dict[str, Callable[[int], object]]) -> tuple[dict[str, float], float]:
    """Median milliseconds of a query in each way, and the cores used by others."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call(0)
    with Others() as others:
        for _ in range(ROUNDS):
            for query in range(N_QUERIES):
                for name, call in calls.items():
                    times[name].append(timed(lambda: call(query))[0])
    return {name: 1e3 * float(np.median(taken)) for name, taken in times.items()}, others.cores


def size_of(folder: Path, *, log: bool) -> int:
    """Bytes of a shard's files; of its write-ahead log, or of all others."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files if ("wal" in path.parts) == log)


def measure(n_images: int, work: Path) -> dict[str, Any]:
    """Everything at one size."""
    workload, folder = RandomWords(), work / "shard"
    n_new = n_images // CHANGED
    first = list(batches(workload, n_images + n_new, n_new))
    lists = InvertedFile(workload.n_words, idf=True, sqrt=True)
    names = [f"{number:07d}.jpg" for number in range(n_images + n_new)]

    def add() -> None:
        bags = sp.vstack(first[:-1], format="csr")
        lists.add(names[:n_images], bags)

    row: dict[str, Any] = {"n_images": n_images, "date": time.strftime("%Y-%m-%d")}
    row["add s"] = timed(add)[0]
    row["n_postings"] = lists.n_postings
    store = open_store(folder, make=True)
    ids = np.arange(n_images)
    row["export s"] = timed(lambda: publish(store, pictures(lists, ids)))[0]
    row["again s"] = timed(lambda: publish(store, pictures(lists, ids)))[0]
    lists.remove(names[:n_new])
    lists.add(names[n_images:], first[-1])
    ids = np.arange(n_new, n_images + n_new)
    seconds, done = timed(lambda: publish(store, pictures(lists, ids)))
    assert done == Published(n_new=n_new, n_removed=n_new, n_kept=n_images - n_new), done
    row["changed s"] = seconds
    store.close()
    row["bytes"], row["shard bytes"] = lists.n_bytes, size_of(folder, log=False)
    row["log bytes"] = size_of(folder, log=True)
    row["open s"], store = timed(lambda: open_store(folder))
    index = QdrantIndex(store, lists, ids, {"vocabulary_digest": "random words"})
    row["queries"] = {}
    for kind, queries in workload.queries(N_QUERIES).items():
        check(index, lists, queries)
        vectors = index.weigh(queries)
        asked = [(one.indices.astype(np.int64), one.data) for one in vectors]
        calls = {
            "inverted file": lambda query: lists.search(queries[query], K),
            "QdrantIndex": lambda query: index.search(queries[query], K),
            "Qdrant alone": lambda query: store.query([asked[query]], K, None),
        }
        taken, others = take_turns(calls)
        row["queries"][kind] = {"milliseconds": taken, "others": others}
        print(f"{n_images:,}, {kind}: {taken}", file=sys.stderr, flush=True)
    store.close()
    return row


def markdown(results: dict[str, Any]) -> str:
    """The section of the page."""
    speed, cost = [], []
    for row in results["sizes"]:
        for kind, one in row["queries"].items():
            taken = one["milliseconds"]
            ours = taken["inverted file"]
            others = [
                f"{taken[name]:.2f} ({taken[name] / ours:.1f}x)"
                for name in ("QdrantIndex", "Qdrant alone")
            ]
            cells = [f"{row['n_images']:,}", kind, f"{ours:.2f}", *others, f"{one['others']:.1f}"]
            speed.append(cells)
        mega = [f"{row[name] / 1e6:,.0f} MB" for name in ("bytes", "shard bytes", "log bytes")]
        names = ("add s", "export s", "again s", "changed s", "open s")
        cost.append([f"{row['n_images']:,}", *(f"{row[name]:.1f} s" for name in names), *mega])
    return "\n\n".join(
        [
            f"Milliseconds of a query, k = {K}, the median of {ROUNDS} rounds of {N_QUERIES} "
            "queries in which the ways take turns; in brackets how many times as long as the "
            "inverted file's. *Qdrant alone* is its query for the first "
            f"{K}, with the bags that come back; the rest is the proof that no other picture "
            f"can be among them, and their scores in float64. Before: rankings of 1, {K} and 1,000 "
            "pictures are equal to the last bit.",
            table(
                [
                    "pictures",
                    "queries",
                    "inverted file (ms)",
                    "QdrantIndex",
                    "Qdrant alone",
                    "cores used by others",
                ],
                speed,
            ),
            "Seconds and bytes: the inverted file is made; all is exported to a shard; exported "
            "again, with nothing to send; exported after one picture in a hundred went and as many "
            "came, with no other sent; the shard is opened. Bytes of the posting lists, of the "
            "shard, and of its write-ahead log, which has a size that it keeps.",
            table(
                [
                    "pictures",
                    "make",
                    "export",
                    "again",
                    "1 % changed",
                    "open",
                    "posting lists",
                    "shard",
                    "log",
                ],
                cost,
            ),
            "The machine had other work, which meets all ways alike.",
            f"{signature(results)}, qdrant-edge-py {results['version']}",
        ]
    )


def main() -> None:
    """Measure, write the results and the section."""
    from importlib.metadata import version

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", default="10000,100000", help="sizes, with commas")
    parser.add_argument("--work", type=Path, help="folder for large files")
    options = parser.parse_args()
    sizes = [int(size) for size in options.images.split(",")]
    results = read_results("qdrant")
    for n_images in sizes:
        with tempfile.TemporaryDirectory(dir=options.work) as folder:
            row = measure(n_images, Path(folder))
        kept = [one for one in results.get("sizes", []) if one["n_images"] != n_images]
        results["sizes"] = sorted([*kept, row], key=lambda one: one["n_images"])
        results |= {**made_by(COMMAND), "version": version("qdrant-edge-py")}
        keep_results("qdrant", results)
    write_section("qdrant", "Qdrant", markdown(results))


if __name__ == "__main__":
    main()
