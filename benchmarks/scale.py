"""What 10 million, 100 million and a billion frames need, each line from one measured here.

    python -m benchmarks.scale [DATA] [--work FOLDER] [--images 10000,100000,1000000]

Collections of random words (as in benchmarks/search) are searched in one piece; one of them also in
64 shards in one process, whose answers are compared first. DATA holds real images: with it the
stages of indexing are timed. FOLDER takes 6 kB a frame. Writes benchmarks/results/scale.json and
benchmarks/scale.md.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import keep_results, made_by, read_results, signature, table, write_section
from benchmarks.search.data import N_WORDS
from benchmarks.search.files import ROOT, in_process, maps_of
from benchmarks.search.timing import forget_pages, memory, timed

COMMAND = "benchmarks.scale"
SIZES, N_SHARDS, BATCH, N_QUERIES = (10_000, 100_000, 1_000_000), 64, 8_192, 12
SEARCHED = 100_000  # frames of the collection that is also searched in shards, at most
FRAMES = (10_000_000, 100_000_000, 1_000_000_000)
ONE_SIZE = {"k": 100}

# What the extrapolation assumes of a machine, and of how frames are dealt to it.
MEMORY_GB, CORES, GPUS, SHARD = 256, 32, 1, 2_000_000
LATENCY_MS = 1.0  # from a machine to the one that asks

N_COMPONENTS = 128
EXTRACTOR = {
    **{key: "none" for key in ("network", "layer", "node", "weights", "weights_digest")},
    **{"n_channels": N_COMPONENTS, "side": 384, "mean": [0.0], "std": [1.0]},
}


def make(path: Path, n_images: int) -> dict[str, float]:
    """A collection of random maps, without a network; what it takes on the disk, and to make."""
    from blcf.adding.writer import keep_statistics
    from blcf.bags import BagOfWords
    from blcf.collection import Batch, Collection, Model, Settings
    from blcf.collection.model import write_model
    from blcf.features import Whitening
    from blcf.vocabulary import Vocabulary

    rng = np.random.default_rng(0)
    features = rng.standard_normal((N_WORDS, N_COMPONENTS), dtype=np.float32)
    learned = Whitening(N_COMPONENTS).fit(features), Vocabulary.from_parts(features)
    settings = Settings(n_words=N_WORDS, weighting="uniform").to_dict()
    collection = Collection.create(path, {"settings": settings, "extractor": EXTRACTOR})
    made, encoder = 0.0, BagOfWords(N_WORDS)
    with collection.writing():
        collection.commit(model=write_model(collection.file("model.h5"), *learned))
        for number, first in enumerate(range(0, n_images, BATCH)):
            cells, norms, _ = maps_of(min(BATCH, n_images - first), number)
            batch = Batch()
            for row, words in enumerate(cells.astype(np.int32)):
                batch.append(f"{number:05d}/{row:05d}.jpg", (672, 512), words, norms[row])
            bags = encoder.encode_many(batch.maps)
            made += timed(lambda: collection.append(batch, bags, ROOT))[0]
        statistics = timed(lambda: keep_statistics(Model(collection)))[0]
    files = [file.stat().st_size for file in path.rglob("*") if file.is_file()]
    lists = sum(one.postings.n_bytes for one in collection.segments)
    return {
        "writing s": made,
        "statistics s": statistics,
        "bytes a frame": sum(files) / n_images,
        "list bytes a frame": lists / n_images,
    }


def search(path: Path) -> dict[str, Any]:
    """Open a collection, or a sharded one, and search with frames of it; medians in ms."""
    from blcf import SearchEngine
    from blcf.collection.shards import is_sharded

    before, start = memory("RssAnon"), time.perf_counter()
    engine = SearchEngine.open(path)
    names = [f"00000/{number:05d}.jpg" for number in range(0, 30 * N_QUERIES, 30)]
    found = [engine.search(frame=names[0], rerank=True, **ONE_SIZE).names]
    opened = time.perf_counter() - start
    row: dict[str, Any] = {"n_images": len(engine), "open ms": opened * 1e3}
    for what, how in (("search ms", {"rerank": False}), ("rerank ms", {"rerank": True})):
        spent = []
        for name in names:
            seconds, hits = timed(lambda: engine.search(frame=name, **how, **ONE_SIZE))
            spent.append(seconds * 1e3)
            found.append(hits.names)
        row[what] = float(np.median(spent))
    row["own MB"], row["mapped MB"] = memory("RssAnon") - before, memory("RssFile")
    row["found"] = found
    if is_sharded(path):
        again = [engine.collection.coordinator.epoch for _ in range(5)]
        row["epoch ms"] = float(np.median([timed(one)[0] for one in again])) * 1e3
    return row


def measure_shards(work: Path, whole: Path) -> dict[str, Any]:
    """The same collection in 64 shards: made, searched, and merged again; answers are the same."""
    from blcf.distributed import merge, split

    folder, again = work / "shards.blcf", work / "merged.blcf"
    for path in (folder, again):
        shutil.rmtree(path, ignore_errors=True)
    row = {"split s": timed(lambda: split(whole, folder, N_SHARDS, progress=False))[0]}
    row |= in_process(search, folder)
    one = in_process(search, whole)
    assert row.pop("found") == one.pop("found"), "shards rank otherwise than one collection"
    row["merge s"] = timed(lambda: merge(again, folder, progress=False))[0]
    row["of one"] = {key: one[key] for key in ("search ms", "rerank ms")}
    shutil.rmtree(folder)
    shutil.rmtree(again)
    return row


def measure_indexing(data: Path) -> dict[str, float]:
    """Seconds of a core for a picture: reading and resizing, all of it with blcf-lite."""
    from blcf import SearchEngine
    from blcf.images import find_images

    images = find_images(data / "grocery" / "images")
    names = images.names[:200]

    def read() -> None:
        for name in names:
            images.original(name).resized(384)

    reading = timed(read)[0] / len(names)
    with tempfile.TemporaryDirectory() as folder:
        engine = SearchEngine.create(Path(folder) / "one.blcf", n_words=2_000)
        engine.add([images.path(name) for name in names[:40]], progress=False)
        used, start = time.process_time(), time.perf_counter()
        engine.add([images.path(name) for name in names], root=images.root, progress=False)
        spent = time.process_time() - used, time.perf_counter() - start
    n_more = len(names)
    return {"reading s": reading, "core s": spent[0] / n_more, "clock s": spent[1] / n_more}


def needs(n_frames: int, results: dict[str, Any]) -> dict[str, float]:
    """What so many frames need, each figure from a measured one."""
    large = results["collections"][-1]
    small = results["collections"][0]
    shards, indexing = results["shards"], results.get("indexing")
    n_images = large["n_images"]
    slope = (large["search ms"] - small["search ms"]) / max(1, n_images - small["n_images"])
    n_shards = max(1, -(-n_frames // SHARD))
    lists_gb = n_frames * large["list bytes a frame"] / 1e9
    machines = max(1, int(np.ceil(max(lists_gb / (MEMORY_GB / 2), n_shards / CORES))))
    rounds = -(-n_shards // (machines * CORES))
    each = small["search ms"] + max(0.0, slope) * n_frames / n_shards
    merging = max(0.0, shards["search ms"] - shards["of one"]["search ms"]) / N_SHARDS * n_shards
    reranking = max(0.0, large["rerank ms"] - large["search ms"])
    row = {
        "n_frames": n_frames,
        "shards": n_shards,
        "machines": machines,
        "disk TB": n_frames * large["bytes a frame"] / 1e12,
        "lists GB": lists_gb,
        "search s": (rounds * each + merging + 2 * LATENCY_MS) / 1e3,
        "rerank s": (rounds * each + merging + reranking + 4 * LATENCY_MS) / 1e3,
        "statistics MB": n_shards * N_WORDS * 8 / 1e6,
        "writing hours": n_frames * large["writing s"] / n_images / 3600 / (machines * CORES),
    }
    if indexing:
        row["hours"] = n_frames * indexing["core s"] / 3600 / (machines * CORES)
        row["GPU hours"] = n_frames * indexing["reading s"] / 3600 / (machines * CORES)
        row["GPU hours"] += row["writing hours"]
    return row


def markdown(results: dict[str, Any]) -> str:
    """The tables of the page."""
    lines = ["What was measured: collections in one piece, random words, one process.", ""]
    head = ["frames", "bytes a frame", "of these lists", "opened, first answer", "search"]
    head += ["with 100 reranked", "own memory", "statistics", "written"]
    lines.append(
        table(
            head,
            [
                [
                    f"{row['n_images']:,}",
                    f"{row['bytes a frame']:,.0f}",
                    f"{row['list bytes a frame']:,.0f}",
                    f"{row['open ms'] / 1e3:.2f} s",
                    f"{row['search ms']:.2f} ms",
                    f"{row['rerank ms']:.1f} ms",
                    f"{row['own MB']:,.0f} MB",
                    f"{row['statistics s']:.2f} s",
                    f"{row['n_images'] / row['writing s']:,.0f} frames/s",
                ]
                for row in results["collections"]
            ],
        )
    )
    shards, one = results["shards"], results["shards"]["of one"]
    lines += [
        "",
        f"{shards['n_images']:,} of these frames in {N_SHARDS} shards, in one process; every "
        "answer (names, in their order) is that of one piece:",
        "",
        f"- a search {shards['search ms']:.2f} ms, in one piece {one['search ms']:.2f}; with 100 "
        f"reranked {shards['rerank ms']:.1f} and {one['rerank ms']:.1f} ms",
        f"- statistics of all, summed anew (an epoch): {shards['epoch ms']:.1f} ms",
        f"- `split` {shards['split s']:.1f} s, `merge` {shards['merge s']:.1f} s",
    ]
    if "indexing" in results:
        found = results["indexing"]
        lines += [
            f"- a real photograph with blcf-lite, side 384: {found['core s'] * 1e3:.1f} ms of a "
            f"core in all, reading and resizing it {found['reading s'] * 1e3:.1f}",
        ]
    rows = [needs(n_frames, results) for n_frames in FRAMES]
    kinds = [
        ("shards", "shards", "{:,}"),
        ("machines", "machines", "{:,}"),
        ("disk TB", "disk, TB", "{:.2f}"),
        ("lists GB", "posting lists in memory, GB", "{:,.0f}"),
        ("search s", "seconds a query, searched", "{:.2f}"),
        ("rerank s", "seconds a query, 100 reranked", "{:.2f}"),
        ("statistics MB", "statistics of an epoch, MB", "{:,.1f}"),
        ("hours", "hours to index without GPUs, blcf-lite", "{:,.1f}"),
        ("GPU hours", "hours to index with GPUs that keep up", "{:,.2f}"),
    ]
    lines += ["", "What more frames need, by these figures:", ""]
    lines.append(
        table(
            ["", *(f"{row['n_frames'] // 1_000_000:,} M" for row in rows)],
            [
                [name, *(form.format(row[key]) for row in rows)]
                for key, name, form in kinds
                if key in rows[0]
            ],
        )
    )
    lines += [
        "",
        f"Assumed, not measured: machines of {CORES} such cores and {MEMORY_GB} GB, half of which "
        f"holds posting lists, with {GPUS} GPU each; shards of {SHARD:,} frames, a core each at a "
        f"time; an answer is {LATENCY_MS:g} ms on its way; costs of a search grow with the frames "
        "of a shard as between the first and the last collection above, those of putting answers "
        f"together with the shards as with {N_SHARDS}; real words make other lists than random "
        "ones; GPUs whose networks keep up, so that reading, and writing, is what is left. VGG16 "
        "takes thirteen times as long as blcf-lite without a GPU (extraction.md).",
        "",
        signature(results),
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, keep the results, write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--images", default=",".join(map(str, SIZES)))
    parser.add_argument("--dry-run", action="store_true", help="print the page, keep nothing")
    options = parser.parse_args()
    sizes = sorted(int(one) for one in options.images.split(","))
    results: dict[str, Any] = {**made_by(COMMAND), "collections": []}
    if options.work is not None:
        options.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        work = Path(folder)
        for n_images in sizes:
            path = work / f"{n_images}.blcf"
            row = in_process(make, path, n_images)
            forget_pages(path)
            row |= in_process(search, path)
            del row["found"]
            results["collections"].append(row)
            if n_images == max(one for one in sizes if one <= max(SEARCHED, sizes[0])):
                results["shards"] = measure_shards(work, path)
            shutil.rmtree(path)
        before = read_results("scale").get("indexing")
        if options.data is not None:
            results["indexing"] = measure_indexing(options.data)
        elif before:
            results["indexing"] = before
    page = markdown(results)
    if not options.dry_run:
        keep_results("scale", results)
        write_section("scale", "Scale", page)
    print(page)
    os.sync()


if __name__ == "__main__":
    main()
