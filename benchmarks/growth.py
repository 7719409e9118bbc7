"""How a collection grows: of ten thousand to ten million frames, made in parts, one folder each.

    python -m benchmarks.growth --work FOLDER [--images 10000,100000,1000000,10000000]

Frames are random words of Zipf-like popularity (as in benchmarks/search), as many cells as words
are drawn. A fresh process opens a collection with its pages dropped, another with them, and both
search by frames of it; a third removes and appends. Answers are compared first with those of a
plain product over all frames, which are made anew for it. FOLDER takes 3.2 kB a frame and keeps
the collections: they are not made again. Writes benchmarks/results/growth.json and the table of
benchmarks/growth.md.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from benchmarks.report import (
    keep_results,
    made_by,
    read_results,
    signature,
    table,
    write_section,
)
from benchmarks.scale import EXTRACTOR, N_COMPONENTS
from benchmarks.search.data import N_WORDS, SEED, RandomWords
from benchmarks.search.files import ROOT, in_process
from benchmarks.search.rivals import best, check_equal
from benchmarks.search.timing import forget_pages, forget_peak, memory, timed

COMMAND = "benchmarks.growth --work FOLDER"
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
BATCH = 10_000  # frames appended at once; divides every size
CHANGED, N_PLACES = 1_000, 10  # frames that are removed and appended, from how many batches
HEIGHT, WIDTH = 18, 34  # a cell for every word that is drawn
K, N_CHECKED = 100, 3
QUERIES = range(7, 367, 30)  # frames to search with
MODEL = "model.h5"


def frames(n_images: int, number: int) -> tuple[np.ndarray, np.ndarray, sp.csr_matrix]:
    """A batch: words uint16 and norms uint8 (n, HEIGHT, WIDTH), and bags of the cells."""
    rng = np.random.default_rng([SEED, number])
    words = RandomWords().words(n_images, rng)
    norms = rng.integers(1, 256, size=words.shape, dtype=np.uint8)
    ends = np.arange(n_images + 1, dtype=np.int64) * words.shape[1]
    ones = np.ones(words.size, dtype=np.float32)
    bags = sp.csr_matrix((ones, words.ravel().astype(np.int32), ends), shape=(n_images, N_WORDS))
    bags.sum_duplicates()
    shape = (n_images, HEIGHT, WIDTH)
    return words.reshape(shape), norms.reshape(shape), bags


def name_of(number: int) -> str:
    """The name of a frame."""
    return f"{number // BATCH:05d}/{number % BATCH:05d}.jpg"


def number_of(name: str) -> int:
    """The frame of a name."""
    batch, row = name.removesuffix(".jpg").split("/")
    return int(batch) * BATCH + int(row)


def append(collection: Any, numbers: np.ndarray, made: tuple[Any, Any, Any]) -> float:
    """Append frames; seconds, without those that make them."""
    from blcf.collection import Batch

    batch = Batch()
    for number, words, norms in zip(numbers.tolist(), made[0].astype(np.int32), made[1]):
        batch.append(name_of(number), (672, 512), words, norms)
    return timed(lambda: collection.append(batch, made[2], ROOT))[0]


def make(path: Path, n_images: int) -> dict[str, float]:
    """A collection of so many frames, or what one has that was begun, batch by batch."""
    from blcf.adding.writer import keep_statistics
    from blcf.collection import Collection, Model, Settings
    from blcf.collection.model import write_model
    from blcf.features import Whitening
    from blcf.vocabulary import Vocabulary

    if not path.exists():
        rng = np.random.default_rng(SEED)
        features = rng.standard_normal((N_WORDS, N_COMPONENTS), dtype=np.float32)
        learned = Whitening(N_COMPONENTS).fit(features), Vocabulary.from_parts(features)
        settings = Settings(n_words=N_WORDS, weighting="uniform").to_dict()
        collection = Collection.create(path, {"settings": settings, "extractor": EXTRACTOR})
        with collection.writing():
            collection.commit(model=write_model(collection.file(MODEL), *learned))
    collection = Collection.open(path)
    n_before, spent, peak = collection.n_images, 0.0, 0.0
    with collection.writing():
        for number in range(n_before // BATCH, n_images // BATCH):
            numbers, made = number * BATCH + np.arange(BATCH), frames(BATCH, number)
            before = forget_peak()
            spent += append(collection, numbers, made)
            peak = max(peak, memory("VmHWM") - before)
        seconds = timed(lambda: keep_statistics(Model(collection)))[0]
    return {
        "written frames/s": (n_images - n_before) / spent,
        "append MB": peak,
        "statistics s": seconds,
    }


def sizes_of(path: Path) -> dict[str, float]:
    """What a collection takes on the disk."""
    from blcf.collection import Collection

    collection = Collection.open(path)
    files = [one.stat().st_size for one in path.rglob("*") if one.is_file() and one.name != MODEL]
    lists = sum(one.postings.n_bytes for one in collection.segments)
    return {
        "bytes a frame": sum(files) / collection.n_images,
        "list bytes a frame": lists / collection.n_images,
        "segments": len(collection.segments),
    }


def look(path: Path) -> dict[str, Any]:
    """Open a collection and search with frames of it; medians of searches that follow others."""
    from blcf import SearchEngine

    before, start = memory("RssAnon"), time.perf_counter()
    engine = SearchEngine.open(path)
    row: dict[str, Any] = {"open s": time.perf_counter() - start}
    asked = [name_of(number) for number in QUERIES]

    def search(name: str, rerank: bool = False) -> Any:
        return engine.search(frame=name, rerank=rerank, k=K)

    search(asked[0])
    row["first answer s"] = time.perf_counter() - start
    found = [search(name) for name in asked[:N_CHECKED]]
    row["found"] = [(hits.names, [hit.score for hit in hits]) for hits in found]
    for what, rerank in (("search ms", False), ("rerank ms", True)):
        for name in asked:  # its lists are read from the disk
            search(name, rerank)
        spent = [timed(lambda: search(name, rerank))[0] for name in asked]
        row[what] = float(np.median(spent)) * 1e3
    row["own MB"], row["mapped MB"] = memory("RssAnon") - before, memory("RssFile")
    return row


def change(path: Path, n_images: int) -> dict[str, float]:
    """Remove frames of several parts, and append the same again; statistics after each."""
    from blcf.adding.writer import keep_statistics
    from blcf.collection import Collection, Model

    rng = np.random.default_rng(SEED)
    numbers, parts = [], []
    for batch in np.linspace(0, n_images // BATCH - 1, N_PLACES).astype(int).tolist():
        rows = rng.choice(BATCH // N_PLACES, size=CHANGED // N_PLACES, replace=False)
        rows = np.sort(rows) * N_PLACES + len(parts)  # others in each, were it the same batch
        numbers.append(batch * BATCH + rows)
        parts.append([each[rows] for each in frames(BATCH, batch)])
    words, norms, bags = zip(*parts)
    made = np.concatenate(words), np.concatenate(norms), sp.vstack(bags, format="csr")
    doomed, row = np.concatenate(numbers), {}
    collection = Collection.open(path)
    with collection.writing():
        before = forget_peak()
        names = [name_of(one) for one in doomed.tolist()]
        row["remove s"], n_removed = timed(lambda: collection.remove(names))
        row["statistics after remove s"] = timed(lambda: keep_statistics(Model(collection)))[0]
        row["append s"] = append(collection, doomed, made)
        row["statistics after append s"] = timed(lambda: keep_statistics(Model(collection)))[0]
        row["change MB"] = memory("VmHWM") - before
    assert n_removed == CHANGED and collection.n_images == n_images, "other frames than meant"
    return row


def check(n_images: int, found: list[tuple[list[str], list[float]]]) -> None:
    """Answers are those of a plain product over all frames, which are made anew."""
    batches = range(n_images // BATCH)
    df = sum(np.bincount(frames(BATCH, one)[2].indices, minlength=N_WORDS) for one in batches)
    idf = np.log(n_images / np.maximum(df, 1))
    asked = frames(BATCH, 0)[2][list(QUERIES[:N_CHECKED])].toarray().astype(np.float64)
    vectors = np.sqrt(asked) * idf
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    tops: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in vectors]
    for number in batches:
        bags = frames(BATCH, number)[2]
        norms = np.sqrt(bags @ (idf * idf))
        bags.data = np.sqrt(bags.data)
        scores = (bags @ (vectors * idf).T) / norms[:, None]
        for top, each in zip(tops, scores.T):
            top.append(best(number * BATCH + np.arange(BATCH), each, K))
    for (names, values), top in zip(found, tops):
        ids, scores = (np.concatenate(each) for each in zip(*top))
        ours = np.array([number_of(name) for name in names]), np.array(values)
        check_equal(f"{n_images:,} frames", ours, best(ids, scores, K))


def measure(path: Path, n_images: int, kept: dict[str, Any]) -> dict[str, Any]:
    """The row of a size; what is `kept` of an earlier run says how it was made."""
    from blcf.collection import Collection

    row: dict[str, Any] = {**kept, "n_images": n_images}
    if not path.exists() or Collection.open(path).n_images < n_images:
        row |= in_process(make, path, n_images)
        row |= sizes_of(path)
        check(n_images, in_process(look, path)["found"])
    forget_pages(path)
    row["cold"], row["warm"] = in_process(look, path), in_process(look, path)
    assert row["cold"].pop("found") == row["warm"].pop("found"), "other answers"
    return row | in_process(change, path, n_images)


def markdown(results: dict[str, Any]) -> str:
    """The section of the page."""
    rows = results["collections"]
    shown = [
        ("bytes a frame, without the model", lambda row: f"{row['bytes a frame']:,.0f}"),
        ("of these lists", lambda row: f"{row['list bytes a frame']:,.0f}"),
        ("segments", lambda row: f"{row['segments']:,}"),
        ("written, frames a second", lambda row: f"{row['written frames/s']:,.0f}"),
        ("memory while appending, MB", lambda row: f"{row['append MB']:,.0f}"),
        ("opened, pages dropped, s", lambda row: f"{row['cold']['open s']:.2f}"),
        ("with its first answer, s", lambda row: f"{row['cold']['first answer s']:.2f}"),
        ("opened, warm, s", lambda row: f"{row['warm']['open s']:.2f}"),
        ("with its first answer, s", lambda row: f"{row['warm']['first answer s']:.2f}"),
        ("a search, warm, ms", lambda row: f"{row['warm']['search ms']:.1f}"),
        ("with 100 reranked, ms", lambda row: f"{row['warm']['rerank ms']:.1f}"),
        ("own memory (RssAnon), MB", lambda row: f"{row['warm']['own MB']:,.0f}"),
        ("mapped (RssFile), MB", lambda row: f"{row['warm']['mapped MB']:,.0f}"),
        ("1,000 frames removed, s", lambda row: f"{row['remove s']:.2f}"),
        ("appended again, s", lambda row: f"{row['append s']:.2f}"),
        ("statistics after each, s", _statistics),
        ("memory of both, MB", lambda row: f"{row['change MB']:,.0f}"),
    ]
    lines = [[name, *(form(row) for row in rows)] for name, form in shown]
    text = (
        f"Random words: {N_WORDS:,}, {HEIGHT * WIDTH} cells a frame, 590 distinct words of them; "
        f"whole frames of the collection as queries, k = {K}, one process. At every size the "
        f"first {K} of {N_CHECKED} queries are those of a plain product over all frames."
    )
    head = ["frames", *(f"{row['n_images']:,}" for row in rows)]
    return "\n\n".join([text, table(head, lines), signature(results)])


def _statistics(row: dict[str, Any]) -> str:
    return f"{row['statistics after remove s']:.2f}, {row['statistics after append s']:.2f}"


def main() -> None:
    """Measure, keep the results, write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--images", default=",".join(map(str, SIZES)))
    options = parser.parse_args()
    sizes = sorted(int(one) for one in options.images.split(","))
    if any(size % BATCH or size < BATCH for size in sizes):
        parser.error(f"expected multiples of {BATCH:,}, got {options.images}")
    options.work.mkdir(parents=True, exist_ok=True)
    kept = {row["n_images"]: row for row in read_results("growth").get("collections", [])}
    for n_images in sizes:
        path = options.work / f"{n_images}.blcf"
        kept[n_images] = measure(path, n_images, kept.get(n_images, {}))
        print(kept[n_images], flush=True)
        rows = [kept[one] for one in sorted(kept)]
        results = {**made_by(COMMAND), "collections": rows}
        keep_results("growth", results)
    write_section("growth", "Growth", markdown(results))


if __name__ == "__main__":
    main()
