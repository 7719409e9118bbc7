"""Speed and size of the search: the inverted file beside scipy, bm25s and qdrant.

    python -m benchmarks.search --images 10000,100000,1000000 --maps DATA --work FOLDER

DATA holds real images and weights (see `data.keep_maps`); without it only random words are
searched. FOLDER keeps large files, 8 GB for a million images; a temporary one by default. Results
go into benchmarks/results/search.json, which keeps those of other sizes, and from there into
benchmarks/search/README.md. A million images take 16 GB of memory. Needs bm25s and qdrant-edge-py.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from benchmarks.report import keep_results, made_by, read_results, write_section
from benchmarks.search.data import BATCH, RandomWords, RealMaps, Workload, batches, keep_maps
from benchmarks.search.files import (
    SMALL_BATCH,
    SMALL_BATCH_IMAGES,
    in_process,
    measure_collection,
    open_file,
)
from benchmarks.search.rivals import Bm25s, Qdrant, normalise
from benchmarks.search.tables import markdown
from benchmarks.search.timing import (
    approximate_queries,
    forget_pages,
    many_queries,
    on_device,
    single_queries,
    timed,
)
from blcf import InvertedFile

COMMAND = "benchmarks.search --images 10000,100000,1000000 --maps DATA --work FOLDER"
WEIGHTINGS = {"counts": "uniform", "norms": "norm"}
PARTS = ["random", *WEIGHTINGS, "collection"]
N_QUERIES, N_MANY, REPEATS = 50, 64, 5
QDRANT_IMAGES, DEVICE_IMAGES = 100_000, 10_000


def build(workload: Workload, n_images: int) -> tuple[InvertedFile, sp.csr_matrix, float]:
    """The inverted file, scipy's X of the same counts, and seconds in `InvertedFile.add`."""
    index = InvertedFile(workload.n_words, idf=True, sqrt=True)
    capacity = n_images * 700
    # Pages of what stays unused are never touched.
    words, tf = np.empty(capacity, dtype=np.int32), np.empty(capacity, dtype=np.float32)
    ends, seconds, n_postings = [np.zeros(1, dtype=np.int64)], 0.0, 0
    for bags in batches(workload, n_images):
        names = [f"{index.n_images + row:07d}.jpg" for row in range(bags.shape[0])]
        seconds += timed(lambda: index.add(names, bags))[0]
        last = n_postings + bags.nnz
        if last > words.size:
            words, tf = np.resize(words, last * 2), np.resize(tf, last * 2)
        words[n_postings:last], tf[n_postings:last] = bags.indices, bags.data
        ends.append(n_postings + bags.indptr[1:].astype(np.int64))
        n_postings = last
    indptr = np.concatenate(ends).astype(np.int32)
    arrays = (tf[:n_postings], words[:n_postings], indptr)
    counts = sp.csr_matrix(arrays, shape=(n_images, workload.n_words), copy=False)
    counts.has_canonical_format = True
    return index, counts, seconds


def build_small(workload: Workload, n_images: int) -> float:
    """Seconds in `InvertedFile.add` for batches as the engine commits them, merges included."""
    index, seconds = InvertedFile(workload.n_words), 0.0
    for bags in batches(workload, n_images, SMALL_BATCH):
        names = [f"{index.n_images + row:07d}.jpg" for row in range(bags.shape[0])]
        seconds += timed(lambda: index.add(names, bags))[0]
    return seconds


def measure_building(
    workload: Workload, n_images: int, path: Path, query: sp.csr_matrix
) -> tuple[dict[str, Any], InvertedFile, sp.csr_matrix, sp.csr_matrix]:
    """Rates, sizes, cold opening; the index, saved in `path`, and scipy's X.T and X."""
    build(workload, 100)  # compiles
    index, by_image, add_seconds = build(workload, n_images)
    row: dict[str, Any] = {"n_postings": index.n_postings, "n_words": workload.n_words}
    row["add s"], row["statistics s"] = add_seconds, timed(lambda: index.idf_)[0]
    row["bytes per posting"] = index.n_bytes / index.n_postings
    row["save s"] = timed(lambda: index.save(path))[0]
    row["bytes per posting on disk"] = path.stat().st_size / index.n_postings
    if n_images <= SMALL_BATCH_IMAGES:
        row["add small batches s"] = build_small(workload, n_images)
    forget_pages(path)
    row["cold"] = in_process(open_file, path, query)
    row["warm"] = in_process(open_file, path, query)
    normalise(by_image)
    row["tocsc s"], by_word = timed(lambda: by_image.T.tocsr())
    arrays = by_word.data, by_word.indices, by_word.indptr
    row["scipy bytes per posting"] = sum(one.nbytes for one in arrays) / by_word.nnz
    return row, index, by_word, by_image


def measure(workload: Workload, n_images: int, work: Path) -> dict[str, Any]:
    """Everything about one workload at one size."""
    start, load = time.perf_counter(), os.getloadavg()[0]
    label = f"{workload.name}, {n_images:,}"

    def note(text: str) -> None:
        print(f"{label}: {text}, {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)

    path, queries = work / "index.h5", workload.queries(N_MANY)
    found, index, by_word, by_image = measure_building(
        workload, n_images, path, queries["global"][0]
    )
    row: dict[str, Any] = {"workload": workload.name, "n_images": n_images, "load before": load}
    row |= found
    row["median df of queries"] = float(np.median(index.df[queries["global"].indices])) / n_images
    note("built")
    rivals: dict[str, Any] = {"by word": by_word, "by image": by_image, "bm25s": Bm25s(by_word)}
    if n_images <= QDRANT_IMAGES:
        qdrant = Qdrant(by_image, work)
        rivals["qdrant"] = qdrant
    mapped = InvertedFile.open(path)
    row["single"], row["many"], row["approximate"] = {}, {}, {}
    for kind, bags in queries.items():
        row["single"][kind] = single_queries(index, mapped, rivals, bags[:N_QUERIES])
        row["approximate"][kind] = approximate_queries(index, bags[:N_QUERIES])
        note(f"{kind} queries, one by one")
    if "qdrant" in rivals:
        qdrant.close()
    repeats = REPEATS if n_images <= 100_000 else 3
    for kind, bags in queries.items():
        row["many"][kind] = many_queries(index, by_word, bags, repeats)
    if n_images <= DEVICE_IMAGES:
        row["device"] = on_device(index, queries["global"])
    note("done")
    path.unlink()
    return row


def keep(results: dict[str, Any], kind: str, row: dict[str, Any]) -> None:
    """Put a row in the place of an older one of the same workload and size, and write."""
    row["date"] = time.strftime("%Y-%m-%d")

    def key(one: dict[str, Any]) -> tuple[str, int]:
        return one.get("workload", ""), one["n_images"]

    rows = [one for one in results.get(kind, []) if key(one) != key(row)]
    results[kind] = sorted([*rows, row], key=lambda one: (key(one)[0] != "random words", key(one)))
    results |= {**made_by(COMMAND), "batch": BATCH, "queries": N_QUERIES}
    keep_results("search", results)


def main() -> None:
    """Measure, write the results and the section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", default="10000,100000,1000000", help="sizes, with commas")
    parser.add_argument("--maps", type=Path, metavar="DATA", help="folder of images and weights")
    parser.add_argument("--work", type=Path, help="folder for large files")
    parser.add_argument("--parts", nargs="*", default=PARTS, choices=PARTS, help="what to run")
    parser.add_argument("--json", action="store_true", help="print the results as JSON as well")
    options = parser.parse_args()
    sizes = [int(size) for size in options.images.split(",") if size]
    results = read_results("search")
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        workloads: list[Workload] = []
        if "random" in options.parts:
            workloads.append(RandomWords())
        weightings = [one for part, one in WEIGHTINGS.items() if part in options.parts]
        if options.maps and weightings:
            maps = keep_maps(options.maps, options.work or Path(folder))
            workloads += [RealMaps.load(maps, weighting) for weighting in weightings]
        for n_images in sizes:
            for workload in workloads:
                keep(results, "search", measure(workload, n_images, Path(folder)))
            if "collection" in options.parts:
                keep(results, "collections", measure_collection(Path(folder), n_images))
    write_section("search", "Search", markdown(results))
    if options.json:
        print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
