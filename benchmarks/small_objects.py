"""Tiles: what of small objects is found with them, at what cost.

    python -m benchmarks.small_objects DATA --work FOLDER

DATA and FOLDER as in accuracy.py. All collections have the words of that of side 384; those with
tiles are made of the maps of those without. Writes benchmarks/results/small_objects.json and the
tables of benchmarks/small_objects.md.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy import SETS, collection
from benchmarks.refinement.__main__ import DEPTH, SHARES, queries_of, share_of
from benchmarks.report import keep_results, made_by, signature, table, write_section
from blcf import SearchEngine, SearchOptions
from blcf.adding.indexer import tiles_of
from blcf.bags import tile_windows
from blcf.boxes import iou
from blcf.collection import Batch, Collection
from blcf.collection.joining import create_like
from blcf.collection.model import write_model
from blcf.evaluation import average_precision
from blcf.records import Query
from blcf.searching.queries import Example, describe_examples

NETWORK, SET = "blcf-lite", "logos"
# Side of the pictures, tiles of a row, side of these, side of the queries. What was chosen, the
# sides of queries and what tiles count, was by even queries.
CASES = (
    (384, 0, None, 384),
    (768, 0, None, 768),
    (768, 0, None, 384),
    (768, 3, None, 384),
    (768, 5, None, 384),
    (384, 3, None, 384),
    (384, 3, 768, 384),
    (384, 5, 768, 384),
)
STEP = 4  # every second one of the odd queries


def of_side(data: Path, work: Path, side: int) -> SearchEngine:
    """The collection of a side, with the words of that of side 384."""
    first = collection(data, work, SET, NETWORK)
    if side == first.settings.side:
        return first
    path = work / f"{SET}-{NETWORK}-words_of_384-side_{side}.blcf"
    if not path.exists():
        with SearchEngine.create(path, NETWORK, side=side) as engine:
            made = engine.collection
            with made.writing():
                file = made.file("model.h5")
                entry = write_model(file, first.model.whitening, first.model.vocabulary)
                made.commit(model=entry | {"vocabulary": "own"})
    engine = SearchEngine.open(path)
    engine.add(data / SETS[SET][0])
    return engine


def with_tiles(
    engine: SearchEngine, path: Path, n: int, larger: SearchEngine | None
) -> tuple[SearchEngine, float]:
    """The same pictures with tiles, by their maps; and the milliseconds that these took each.

    `larger` has the maps of the same pictures that tiles are of; None takes their own.
    """
    source, seconds = engine.collection, 0.0
    if not path.exists():
        made = create_like(path, source)
        side = None if larger is None else larger.settings.side
        with made.writing():
            settings = {**source.manifest["settings"], "tiles": n, "tile_side": side}
            made.commit(settings=settings)
        made.close()
    tiled = SearchEngine.open(path)
    model = tiled.model
    batch = Batch()
    for number in range(source.n_images):
        name = source.name(number)
        of_tiles = None if larger is None else kept_of(larger, name)
        batch.append(name, source.size(number), *kept_of(engine, name), of_tiles=of_tiles)
    start = time.thread_time()
    batch.tiles = tiles_of(model, batch)
    seconds = time.thread_time() - start
    if not len(tiled):
        bags = model.bags_of_images.encode_many(batch.maps, batch.channel("norm"))
        with Collection.open(path) as writer, writer.writing():
            writer.append(batch, bags, next(iter(source.roots)))
        tiled.refresh()
    return tiled, seconds / source.n_images * 1e3


def kept_of(engine: SearchEngine, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Words and quantised norms of a picture."""
    snapshot = engine.collection
    (number,) = snapshot.find([name]).tolist()
    norms = np.rint(255 * snapshot.norms(number)).astype(np.uint8)
    return snapshot.words(number).astype(np.int32), norms


def check(engine: SearchEngine, vector: Any) -> None:
    """The index gives what the bags of all parts give, by brute force."""
    searchable = engine.searcher.searchable
    snapshot, n = searchable.snapshot, engine.settings.tiles
    found = searchable.index.search(vector, 20, weighed=True)
    for image_id, score in zip(found.ids.tolist(), found.scores.tolist()):
        _, words, channel = snapshot.seen("norm", image_id, of_tiles=True)
        bags = searchable.bags_of_parts
        windows = tile_windows(words.shape, n) if n else []
        parts = [bags.encode(words, cells=one, channel=channel) for one in windows]
        parts.append(searchable.bags_of([image_id]))
        *tiles, whole = ((searchable.index.weigh(one) @ vector.T).toarray()[0, 0] for one in parts)
        share = engine.settings.tile_share
        assert abs(max([whole, *(share * one for one in tiles)]) - score) < 1e-5


def described(engine: SearchEngine, queries: list[dict[str, Any]], side: int) -> list[Query]:
    """The queries after the network; they are those of all collections of these words."""
    searchable, options = engine.searcher.searchable, SearchOptions(query_side=side)
    asked = [[Example(one["image"], one["box"])] for one in queries]
    return [describe_examples(searchable, one, options).queries[0] for one in asked]


def measure(engine: SearchEngine, truths: list[dict[str, Any]], queries: list[Query]) -> dict:
    """Figures of the queries' boxes: mAP, recall by the size of the object, time of a search."""
    searcher, snapshot = engine.searcher, engine.searcher.searchable.snapshot
    bare = SearchOptions(k=len(engine), rerank=False)
    reranked = SearchOptions(k=len(engine), expand="none")
    precisions: dict[str, list[float]] = {"base": [], "R": []}
    rows, seconds = [], []
    for number, (one, query) in enumerate(zip(truths, queries)):
        for name, options in (("base", bare), ("R", reranked)):
            answer = searcher.answer(query, options)
            ranking = answer.ranking
            precisions[name].append(average_precision(ranking.names, one["positives"], one["junk"]))
        vector = searcher.searchable.index.weigh(query.views[0].bag)
        if number == 0:
            check(engine, vector)
        start = time.thread_time()
        searcher.searchable.index.search(vector, DEPTH, weighed=True)
        seconds.append(time.thread_time() - start)
        kept = [row for row, name in enumerate(ranking.names) if name not in one["junk"]][:DEPTH]
        places = {ranking.names[row]: row for row in kept}
        for name, true in one["true"].items():
            size = snapshot.size(int(snapshot.find([name])[0]))
            row = places.get(name)
            box = np.full(4, np.nan) if row is None else ranking.boxes[row]
            overlap = 0.0 if np.isnan(box).any() else float(iou(box[None], true).max())
            rows.append((share_of(true, size), row is not None, overlap))
    found = np.array(rows)
    by_size = []
    for least, most in zip(SHARES, SHARES[1:]):
        mine = found[(found[:, 0] >= least) & (found[:, 0] < most)]
        by_size.append(
            {
                "least": least,
                "most": most,
                "true": len(mine),
                "ranked": round(float(mine[:, 1].mean()), 4),
                "located": round(float((mine[:, 2] >= 0.5).mean()), 4),
            }
        )
    return {
        **{name: round(float(np.mean(each)), 4) for name, each in precisions.items()},
        "mean_iou": round(float(found[found[:, 1] > 0, 2].mean()), 4),
        "rank ms": round(float(np.median(seconds)) * 1e3, 2),
        "by size": by_size,
    }


def markdown(results: dict) -> str:
    """The section of the page."""
    rows = results["rows"]
    parts = [
        f"{results['set']} with {results['network']}, {results['words']:,} words, "
        f"{results['queries']} of the 140 queries, LS. mAP before and behind "
        f"reranking, mean IoU of true hits among the first {DEPTH}; what a picture costs: "
        "kB on the disk, postings, milliseconds for the bags of its tiles, and milliseconds that "
        f"ranking all {results['images']} pictures for one size of a query takes."
    ]
    lines = [
        [
            _title(row),
            *(f"{row[name]:.3f}" for name in ("base", "R", "mean_iou")),
            f"{row['kB']:.1f}",
            f"{row['postings']:,}",
            f"{row['tile ms']:.1f}",
            f"{row['rank ms']:.2f}",
        ]
        for row in rows
    ]
    head = [
        "side, tiles, side of the query",
        "mAP",
        "mAP, R",
        "IoU",
        "kB",
        "postings",
        "tiles, ms",
        "ranking, ms",
    ]
    parts.append(table(head, lines))
    parts.append(
        "Of all true pictures whose largest true box has that share of the picture: how many are "
        f"among the first {DEPTH}, and there with a box of IoU >= .5."
    )
    sizes = rows[0]["by size"]
    lines = [
        [
            f"{one['least']:.0%} to {one['most']:.0%}",
            f"{one['true']:,}",
            *(
                f"{row['by size'][i]['ranked']:.3f}, {row['by size'][i]['located']:.3f}"
                for row in rows
            ),
        ]
        for i, one in enumerate(sizes)
    ]
    parts.append(table(["object", "true pictures", *map(_title, rows)], lines))
    parts.append(signature(results))
    return "\n\n".join(parts)


def _title(row: dict) -> str:
    tiles = f"{row['tiles']} x {row['tiles']}" if row["tiles"] else "none"
    tiles += f" of {row['tile side']}" if row["tile side"] else ""
    return f"{row['side']}, {tiles}, {row['query side']}"


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the sets")
    parser.add_argument("--work", type=Path, required=True, help="folder for the collections")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    rows = []
    known: dict[int, list[Query]] = {}
    for side, n, tile_side, query_side in CASES:
        engine, milliseconds = of_side(options.data, options.work, side), 0.0
        truths = queries_of(options.data, SET, engine)[1::STEP]
        if query_side not in known:
            known[query_side] = described(engine, truths, query_side)
        if n:
            label = f"{SET}-{NETWORK}-{side}-tiles_{n}" + (f"_of_{tile_side}" if tile_side else "")
            larger = of_side(options.data, options.work, tile_side) if tile_side else None
            engine, milliseconds = with_tiles(engine, options.work / f"{label}.blcf", n, larger)
        facts = engine.info()
        row = {
            "side": side,
            "tiles": n,
            "tile side": tile_side,
            "query side": query_side,
            "kB": round((facts["bytes"] - _model_bytes(engine)) / len(engine) / 1e3, 2),
            "postings": round(facts["n_postings"] / len(engine)),
            "tile ms": round(milliseconds, 2),
            **measure(engine, truths, known[query_side]),
        }
        rows.append(row)
        print(row, flush=True)
    results = {
        **made_by("benchmarks.small_objects DATA --work FOLDER"),
        "network": NETWORK,
        "set": SET,
        "words": engine.model.n_words,
        "images": len(engine),
        "queries": len(truths),
        "rows": rows,
    }
    keep_results("small_objects", results)
    write_section("small_objects", "Small objects", markdown(results))


def _model_bytes(engine: SearchEngine) -> int:
    """Bytes of whitening and vocabulary, which are of no picture."""
    return (engine.path / engine.model.entry["file"]).stat().st_size


if __name__ == "__main__":
    main()
