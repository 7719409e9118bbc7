"""Files of the search benchmark, each step in a process of its own: cold opening, a collection.

Functions here run in spawned processes: what they take and give is plain.
"""

from __future__ import annotations

import multiprocessing
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from benchmarks.search.data import BATCH, N_WORDS, QUERIES, SEED, RandomWords
from benchmarks.search.timing import K, forget_pages, forget_peak, memory, timed

HEIGHT, WIDTH = 32, 42
ROOT = "/frames"
SMALL_BATCH, SMALL_BATCH_IMAGES = 1_024, 100_000  # what the engine commits at once


def in_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a fresh process: nothing is loaded, no memory was used before."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def open_file(path: Path, bag: sp.csr_matrix) -> dict[str, float]:
    """Open a saved inverted file whose pages were dropped, and search once, and once again."""
    start = time.perf_counter()
    from blcf import InvertedFile

    _compile()
    before, loaded = memory("RssAnon"), time.perf_counter()
    index = InvertedFile.open(path)
    opened = time.perf_counter()
    index.search(bag, K)
    first = time.perf_counter()
    again = timed(lambda: index.search(bag, K))[0]
    return {
        "import ms": (loaded - start) * 1e3,
        "open ms": (opened - loaded) * 1e3,
        "first result ms": (first - loaded) * 1e3,
        "second search ms": again * 1e3,
        "own MB": memory("RssAnon") - before,
        "mapped MB": memory("RssFile"),
    }


def _compile() -> None:
    """Load the kernels from numba's cache: compile time apart."""
    from blcf import InvertedFile

    bags = sp.csr_matrix(np.eye(3, dtype=np.float32))
    InvertedFile(3, idf=True, sqrt=True).add(["a", "b", "c"], bags).search(bags[0])


def maps_of(n_images: int, number: int) -> tuple[np.ndarray, np.ndarray, sp.csr_matrix]:
    """Random assignment maps, norms, and bags of the cells: every word drawn stands somewhere."""
    rng = np.random.default_rng([SEED, number])
    drawn = RandomWords().words(n_images, rng)
    n_more = HEIGHT * WIDTH - drawn.shape[1]
    more = rng.integers(drawn.shape[1], size=(n_images, n_more), dtype=np.uint16)
    cells = np.concatenate([drawn, np.take_along_axis(drawn, more, axis=1)], axis=1)
    norms = rng.integers(1, 256, size=cells.shape, dtype=np.uint8)
    ends = np.arange(n_images + 1) * cells.shape[1]
    ones = np.ones(cells.size, dtype=np.float32)
    bags = sp.csr_matrix((ones, cells.ravel().astype(np.int32), ends), shape=(n_images, N_WORDS))
    bags.sum_duplicates()
    shape = (n_images, HEIGHT, WIDTH)
    return cells.reshape(shape), norms.reshape(shape), bags


def query_of_maps() -> sp.csr_matrix:
    """The bag of an image that is in no collection."""
    return maps_of(1, QUERIES)[2]


def _batch(n_images: int, number: int) -> tuple[Any, sp.csr_matrix]:
    from blcf.collection import Batch

    cells, norms, bags = maps_of(n_images, number)
    batch = Batch()
    for row in range(n_images):
        name = f"episode {number:05d}/frame {row:06d}.jpg"
        batch.append(name, (672, 512), cells[row].astype(np.int32), norms[row])
    return batch, bags


def _index_of(collection: Any) -> Any:
    """What an engine searches in: the segments' lists, with the statistics if they were kept."""
    from blcf import InvertedFile

    index = InvertedFile(N_WORDS, idf=True, sqrt=True)
    for part in collection.parts:
        index.add_part(*part)
    kept = collection.read_statistics()
    if kept is not None:
        index.set_statistics(*kept)
    return index


def make_collection(path: Path, n_images: int, size: int = BATCH) -> dict[str, float]:
    """Append maps in batches, without a network; memory while doing so."""
    from blcf.collection import Collection

    _compile()
    # No engine: what a manifest says of one is left empty.
    collection = Collection.create(path, {"settings": {}, "extractor": {}})
    base = memory("VmHWM")
    spent, more = 0.0, 0.0
    with collection.writing():
        for number, first in enumerate(range(0, n_images, size)):
            batch, bags = _batch(min(size, n_images - first), number)
            before = forget_peak()
            spent += timed(lambda: collection.append(batch, bags, ROOT))[0]
            more = max(more, memory("VmHWM") - before)
    before = forget_peak()
    statistics = timed(lambda: keep_statistics(collection))[0]
    of_statistics = memory("VmHWM") - before
    return {
        "images per s": n_images / spent,
        "statistics s": statistics,
        "append MB": more,
        "statistics MB": of_statistics,
        "base MB": base,
        "peak MB": memory("VmHWM"),
        "segments": len(collection.segments),
        **_size(path, collection),
    }


def keep_statistics(collection: Any) -> None:
    """Compute df and norms and write them beside the segments, as an engine does."""
    index = _index_of(collection)
    collection.write_statistics(index.df, index.norms_)


def _size(path: Path, collection: Any) -> dict[str, float]:
    n_bytes = {file: file.stat().st_size for file in path.rglob("*") if file.is_file()}
    n_postings = sum(part.postings.n_postings for part in collection.segments)
    return {
        "MB": sum(n_bytes.values()) / 1e6,
        "bytes per frame": sum(n_bytes.values()) / collection.n_images,
        "postings per frame": n_postings / collection.n_images,
    }


def open_collection(path: Path, bag: sp.csr_matrix) -> dict[str, float]:
    """Open a collection whose pages were dropped, and search once, and once again."""
    start = time.perf_counter()
    from blcf.collection import Collection

    _compile()
    before, loaded = memory("RssAnon"), time.perf_counter()
    collection = Collection.open(path)
    opened = time.perf_counter()
    index = _index_of(collection)
    index.search(bag, K)
    first = time.perf_counter()
    again = timed(lambda: index.search(bag, K))[0]
    return {
        "import ms": (loaded - start) * 1e3,
        "open ms": (opened - loaded) * 1e3,
        "first result ms": (first - loaded) * 1e3,
        "second search ms": again * 1e3,
        "own MB": memory("RssAnon") - before,
        "mapped MB": memory("RssFile"),
    }


def change_collection(path: Path, n_images: int) -> dict[str, float]:
    """Append 1,000 images and remove 1,000 spread over the collection, and what follows both."""
    from blcf.collection import Collection

    _compile()
    collection = Collection.open(path)
    names = list(collection.names())
    batch, bags = _batch(1_000, 50_000)
    chosen = np.random.default_rng(SEED).choice(len(names), size=1_000, replace=False)
    found = {}
    with collection.writing():
        base = forget_peak()
        found["append ms"] = timed(lambda: collection.append(batch, bags, ROOT))[0] * 1e3
        found["statistics after append ms"] = timed(lambda: keep_statistics(collection))[0] * 1e3
        doomed = [names[place] for place in chosen]
        seconds, n_removed = timed(lambda: collection.remove(doomed))
        found["remove ms"] = seconds * 1e3
        found["statistics after remove ms"] = timed(lambda: keep_statistics(collection))[0] * 1e3
    assert n_removed == 1_000 and collection.n_images == n_images, "other images than meant"
    return found | {"more MB": memory("VmHWM") - base}


def measure_collection(work: Path, n_images: int) -> dict[str, Any]:
    """A collection of n images: made, opened cold and warm, changed."""
    path = work / f"maps-{n_images}.blcf"
    made = in_process(make_collection, path, n_images)
    bag = query_of_maps()
    forget_pages(path)
    cold = in_process(open_collection, path, bag)
    warm = in_process(open_collection, path, bag)
    changed = in_process(change_collection, path, n_images)
    shutil.rmtree(path)
    row = {"n_images": n_images, "made": made, "cold": cold, "warm": warm, "changed": changed}
    if n_images <= SMALL_BATCH_IMAGES:
        small = work / f"maps-{n_images}-small.blcf"
        row["made small"] = in_process(make_collection, small, n_images, SMALL_BATCH)
        shutil.rmtree(small)
    return row
