"""One search from the picture's file to the hits, stage by stage, and two at a time.

    python -m benchmarks.one_search DATA --work FOLDER

DATA holds logos/. The rival is the plain way: the sizes of the query one after the other, a word
for every cell, and the images of the head voted on one by one; both give the same queries and the
same boxes, which is checked first. Writes benchmarks/results/one_search.json and the table of
benchmarks/one_search.md.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.accuracy import collection
from benchmarks.report import keep_results, made_by, signature, table, write_section
from blcf import Example, SearchEngine, SearchOptions
from blcf.datasets import read_ground_truth
from blcf.images import as_image, resize_image
from blcf.processor import n_cores
from blcf.records import Query
from blcf.rerank import Voting
from blcf.searching.regions import Region
from blcf.searching.views import describe_looks, look_at, make_view, query_sides
from blcf.weighed_maps import WeighedMaps

N_QUERIES = 28
STAGES = ("read, resize", "network, words", "rank", "rerank", "in all")


class Ways:
    """A query's way through the stages, ours and the plain one."""

    def __init__(self, engine: SearchEngine, options: SearchOptions):
        self.engine, self.options = engine, options
        self.side = engine.model.settings.side
        searchable = engine.searcher.searchable
        self.voting = Voting(searchable.index.n_words, engine.model.centroids)
        self.weighting = searchable.bags_of_parts.weighting

    def read(self, image, box):
        """The picture in all sizes."""
        pixels = as_image(image)
        region = Region(box).on((pixels.shape[1], pixels.shape[0]))
        return look_at(pixels, [region], self.side, self.options)

    def read_plainly(self, image, box):
        """The same, one size after the other."""
        pixels = as_image(image)
        size = (pixels.shape[1], pixels.shape[0])
        sides = query_sides(self.side, self.options)
        return size, [resize_image(pixels, side) for side in sides], Region(box).on(size)

    def describe(self, looks) -> Query:
        """The query."""
        return describe_looks(self.engine.model, looks)[0][0]

    def describe_plainly(self, read) -> Query:
        """The same, size by size, every cell assigned."""
        size, resized, region = read
        model, views = self.engine.model, []
        for one in resized:
            words, norms = model.encode(model.extractor.extract_resized([one])[0])
            views.append(make_view(model.bags_of_parts, words, norms, region))
        return Query(tuple(views), size, region.box)

    def rank(self, query: Query):
        """Without reranking."""
        return self.engine.searcher.answer(query, SearchOptions(rerank=False))

    def rerank(self, query: Query):
        """With it, ranked once more."""
        return self.engine.searcher.answer(query, self.options)

    def vote(self, query: Query, ids: list[int]) -> np.ndarray:
        """The boxes of the head, in one call."""
        seen = (self.engine.collection.seen("norm", image_id) for image_id in ids)
        sizes, words, norms = zip(*seen)
        maps = WeighedMaps.of(words, norms, self.voting.n_words)
        prepared = self.voting.prepare(query, maps.words)
        return self.voting.locate_best(prepared, maps, np.array(sizes))[1]

    def vote_plainly(self, query: Query, ids: list[int]) -> np.ndarray:
        """The same, image by image."""
        images = [self._image(image_id) for image_id in ids]
        prepared = self.voting.prepare(query, np.concatenate([one[0].ravel() for one in images]))
        return np.concatenate([self.voting.locate(prepared, *one).boxes for one in images])

    def _image(self, image_id: int):
        held = self.engine.collection
        return held.words(image_id), held.size(image_id), held.norms(image_id)


def check(ways: Ways, cases: list) -> None:
    """Both ways give the same queries and the same boxes."""
    for image, box in cases[:6]:
        ours = ways.describe(ways.read(image, box))
        plain = ways.describe_plainly(ways.read_plainly(image, box))
        for one, other in zip(ours.views, plain.views, strict=True):
            np.testing.assert_array_equal(one.weights, other.weights)
            counted = one.weights > 0
            ours_there, plain_there = one.assignment_map[counted], other.assignment_map[counted]
            np.testing.assert_array_equal(ours_there, plain_there)
            assert (one.bag != other.bag).nnz == 0
        ids = ways.rank(ours).ranking.ids[:100].tolist()
        np.testing.assert_array_equal(ways.vote(ours, ids), ways.vote_plainly(plain, ids))


def measure(ways: Ways, cases: list) -> dict[str, list[float]]:
    """Milliseconds of every stage, by query."""
    found: dict[str, list[float]] = {}

    def timed(name, call, *values):
        start = time.perf_counter()
        result = call(*values)
        found.setdefault(name, []).append((time.perf_counter() - start) * 1e3)
        return result

    for image, box in cases:
        looks = timed("read, resize", ways.read, image, box)
        query = timed("network, words", ways.describe, looks)
        answer = timed("rank", ways.rank, query)
        timed("rank and rerank", ways.rerank, query)
        ids = answer.ranking.ids[:100].tolist()
        timed("votes", ways.vote, query, ids)
        read = timed("read, resize: plain", ways.read_plainly, image, box)
        plain = timed("network, words: plain", ways.describe_plainly, read)
        timed("votes: plain", ways.vote_plainly, plain, ids)
        timed("in all", lambda: ways.engine.search(image, box=box))
    found["rerank"] = np.subtract(found["rank and rerank"], found.pop("rank")).tolist()
    found["rank"] = np.subtract(found.pop("rank and rerank"), found["rerank"]).tolist()
    return found


def two_at_a_time(engine: SearchEngine, cases: list) -> dict[str, float]:
    """Seconds of all searches one after the other, by two threads, and in one call."""

    def search(case):
        return engine.search(case[0], box=case[1])[0].name

    seconds = {}
    for name, n_threads in (("one after the other", 1), ("two at a time", 2)):
        with ThreadPoolExecutor(n_threads) as pool:
            start = time.perf_counter()
            firsts = list(pool.map(search, cases))
            seconds[name] = round(time.perf_counter() - start, 3)
    examples = [Example(image, box=box) for image, box in cases]
    start = time.perf_counter()
    found = engine.search_many(examples, progress=False)
    seconds["search_many"] = round(time.perf_counter() - start, 3)
    assert [hits[0].name for hits in found] == firsts
    return seconds


def markdown(results: dict) -> str:
    """The section of the page."""
    ms = results["milliseconds"]

    def shown(name: str) -> str:
        return f"{np.median(ms[name]):.0f} ({np.quantile(ms[name], 0.9):.0f})"

    rows = []
    for name in (*STAGES[:4], "votes", "in all"):
        plain = f"{name}: plain"
        ratio = f"{np.median(ms[plain]) / np.median(ms[name]):.2f}" if plain in ms else ""
        what = "votes of 100, one thread (within rerank)" if name == "votes" else name
        rows.append([what, shown(name), shown(plain) if plain in ms else "", ratio])
    both = results["seconds"]
    return "\n\n".join(
        [
            f"{results['images']} photographs of logos ({results['n_words']:,} words), "
            f"{results['queries']} queries, half of them the box of a logo, half whole pictures, "
            f"the engine's defaults (five sizes, 100 reranked by votes), blcf-lite in "
            f"{results['dtype']}, {results['cores']} cores. Milliseconds, median (90 % quantile).",
            table(["stage", "ours", "one after the other", "ratio"], rows),
            f"All {results['queries']} searches one after the other take "
            f"{both['one after the other']:.2f} s, by two threads {both['two at a time']:.2f} s, "
            f"in one call of `search_many` {both['search_many']:.2f} s.",
            signature(results),
        ]
    )


def main() -> None:
    """Index, check, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the set")
    parser.add_argument("--work", type=Path, required=True, help="folder for the collection")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    engine = collection(options.data, options.work, "logos", "blcf-lite")
    truth = read_ground_truth(options.data / "logos" / "gt.json").queries
    chosen = truth[:: len(truth) // N_QUERIES][:N_QUERIES]
    cases = [(one.image, one.box if n % 2 else None) for n, one in enumerate(chosen)]
    ways = Ways(engine, SearchOptions())
    check(ways, cases)
    measure(ways, cases[:2])  # compiled and mapped
    results = {
        **made_by("benchmarks.one_search DATA --work FOLDER"),
        "images": len(engine),
        "n_words": engine.model.n_words,
        "queries": len(cases),
        "cores": n_cores(),
        "dtype": engine.model.extractor.dtype_,
        "milliseconds": measure(ways, cases),
        "seconds": two_at_a_time(engine, cases),
    }
    keep_results("one_search", results)
    write_section("one_search", "One search", markdown(results))


if __name__ == "__main__":
    main()
