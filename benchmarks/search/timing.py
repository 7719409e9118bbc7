"""Timing queries: ours and a rival take turns, so that what disturbs the machine meets both."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.search.rivals import (
    TOLERANCE,
    Bm25s,
    Qdrant,
    Top,
    by_dense_query,
    by_product,
    by_whole_product,
    check_equal,
)
from blcf import InvertedFile
from blcf.threads import in_one_thread

K = 100
TRIES, DISTURBED, PATIENCE = 3, 0.2, 30  # tries, cores used by others, seconds
SHARES = (0.3, 0.5, 0.7, 0.9)
Search = Callable[[int], Any]


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of a call and what it gives."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


class Others:
    """How many cores other programs used while a block ran: the machine's load less ours."""

    def __enter__(self) -> Others:
        self._start = self._now()
        self.cores = 0.0
        return self

    def __exit__(self, *error: object) -> None:
        busy, ours, clock = (end - start for end, start in zip(self._now(), self._start))
        self.cores = max(0.0, (busy - ours) / clock)

    @staticmethod
    def _now() -> tuple[float, float, float]:
        times = [int(one) for one in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
        idle = times[3] + times[4]
        busy = (sum(times) - idle) / os.sysconf("SC_CLK_TCK")
        return busy, time.process_time(), time.perf_counter()


def take_turns(searches: dict[str, Search], rounds: range) -> tuple[dict, dict]:
    """Seconds, (n, 2), and results of every search for every round, after one call not timed.

    The first column is the clock, the second this process's processor time.

    In random order: what a search finds in the caches depends on the one before it. A single
    search is not shared among the cores.
    """
    with in_one_thread():
        return _taken(searches, rounds)


def _taken(searches: dict[str, Search], rounds: range) -> tuple[dict, dict]:
    rng = np.random.default_rng(0)
    for search in searches.values():
        search(0)
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in searches}
    results: dict[str, list[Any]] = {name: [] for name in searches}
    for number in rounds:
        for name in rng.permutation(list(searches)):
            used = time.process_time()
            spent, result = timed(lambda: searches[name](number))
            seconds[name].append((spent, time.process_time() - used))
            results[name].append(result)
    return {name: np.array(values) for name, values in seconds.items()}, results


def summary(seconds: np.ndarray, ours: np.ndarray) -> dict[str, float]:
    """Median and 90 % quantile in ms, and how many times as long as ours, by both clocks."""
    medians, of_ours = np.median(seconds, axis=0), np.median(ours, axis=0)
    return {
        "median ms": float(medians[0]) * 1e3,
        "p90 ms": float(np.quantile(seconds[:, 0], 0.9)) * 1e3,
        "processor ms": float(medians[1]) * 1e3,
        "ratio of medians": float(medians[0] / of_ours[0]),
        "ratio of processor medians": float(medians[1] / of_ours[1]),
        "ratio": float(np.median(seconds[:, 1] / ours[:, 1])),
    }


def top(ranking: Any) -> Top:
    """Ids and scores of a ranking."""
    return ranking.ids, ranking.scores


def single_queries(
    index: InvertedFile, mapped: InvertedFile, rivals: dict[str, Any], bags: Any
) -> dict[str, Any]:
    """One query at a time, one thread: ours in memory, ours mapped, and the rivals.

    `rivals` holds "by word" (X.T), "by image" (X), "bm25s" and "qdrant", as far as they fit.
    """
    vectors = index.weigh(bags)
    rows = [vectors[i] for i in range(bags.shape[0])]
    single = [row.astype(np.float32) for row in rows]
    searches: dict[str, Search] = {
        "q @ X.T": lambda i: by_product(rivals["by word"], single[i], K),
        "ours, mapped": lambda i: mapped.search(rows[i], K, weighed=True),
    }
    if "by image" in rivals:
        dense = [row.toarray().ravel() for row in single]
        searches["X @ q"] = lambda i: by_dense_query(rivals["by image"], dense[i], K)
    if "qdrant" in rivals:
        qdrant: Qdrant = rivals["qdrant"]
        sparse = [qdrant.vector(row.indices, row.data) for row in single]
        searches["qdrant"] = lambda i: qdrant.search(sparse[i], K)
    found: dict[str, Any] = {}
    with Others() as others:
        for name, search in searches.items():
            # In pairs: X @ q streams gigabytes through the caches, which would cost the others
            # a third of their speed where ours and X.T take turns with it.
            pair = {"ours": lambda i: index.search(rows[i], K, weighed=True), name: search}
            seconds, results = take_turns(pair, range(len(rows)))
            for ours, theirs in zip(results["ours"], results[name]):
                check_equal(name, top(ours), theirs if isinstance(theirs, tuple) else top(theirs))
            found.setdefault("ours", summary(seconds["ours"], seconds["ours"]))
            found[name] = summary(seconds[name], seconds["ours"])
    found |= _words_once(index, rivals["bm25s"], rows)
    found["postings per query"] = float(np.mean([index.df[row.indices].sum() for row in rows]))
    found["cores used by others"] = others.cores
    found["words per query"] = float(np.mean([row.nnz for row in rows]))
    return found


def _words_once(index: InvertedFile, bm25s: Bm25s, rows: list[Any]) -> dict[str, Any]:
    """bm25s at its best: every word named once; ours with the same query, all weights 1."""
    equal = []
    for row in rows:
        ones = row.copy()
        ones.data = np.ones(row.nnz)
        equal.append(ones)
    words = [row.indices.tolist() for row in rows]
    searches: dict[str, Search] = {
        "ours, weights 1": lambda i: index.search(equal[i], K, weighed=True),
        "bm25s": lambda i: bm25s.search(words[i], K),
    }
    seconds, results = take_turns(searches, range(len(rows)))
    for ours, theirs, row in zip(results["ours, weights 1"], results["bm25s"], rows):
        length = np.sqrt(row.nnz)  # scores of about 1, as float32 agrees to 1e-5 there
        check_equal("bm25s", (ours.ids, ours.scores / length), (theirs[0], theirs[1] / length))
    ours = seconds["ours, weights 1"]
    return {name: summary(values, ours) for name, values in seconds.items()}


def many_queries(index: InvertedFile, by_word: Any, bags: Any, repeats: int) -> dict[str, Any]:
    """All queries in one call, beside scipy's two ways of doing so; best of both is its figure.

    Two threads need two cores: while other programs use one, it is tried again, and of the tries
    the one that was disturbed least counts, whatever its figures.
    """
    vectors = index.weigh(bags)
    single = vectors.astype(np.float32)
    rows = [single[i] for i in range(bags.shape[0])]
    searches: dict[str, Search] = {
        "ours, 1 thread": lambda _: index.search_many(vectors, K, weighed=True, n_threads=1),
        "ours, 2 threads": lambda _: index.search_many(vectors, K, weighed=True, n_threads=2),
        "q @ X.T, one by one": lambda _: [by_product(by_word, row, K) for row in rows],
        "Q @ X.T": lambda _: by_whole_product(by_word, single, K),
    }
    quietest, start = math.inf, time.perf_counter()
    for _ in range(TRIES):
        with Others() as others:
            tried, results = take_turns(searches, range(repeats))
        if others.cores < quietest:
            quietest, seconds = others.cores, tried
        if quietest < DISTURBED or time.perf_counter() - start > PATIENCE:
            break
    for name in results:
        for ours, theirs in zip(results["ours, 1 thread"][0], results[name][0]):
            check_equal(name, top(ours), theirs if isinstance(theirs, tuple) else top(theirs))
    medians = {name: float(np.median(values[:, 0])) for name, values in seconds.items()}
    scipy = min(value for name, value in medians.items() if not name.startswith("ours"))
    return {
        "queries": bags.shape[0],
        "cores used by others": quietest,
        "ms per query": {name: value * 1e3 / len(rows) for name, value in medians.items()},
        "ratio, 1 thread": scipy / medians["ours, 1 thread"],
        "ratio, 2 threads": scipy / medians["ours, 2 threads"],
    }


def _search_approximately(index: InvertedFile, rows: list[Any], share: float, i: int) -> Any:
    return index.search(rows[i], K, weighed=True, approximate=share)


def approximate_queries(index: InvertedFile, bags: Any) -> dict[str, Any]:
    """Recall at 10 and 100 and speed-up of searches that leave words out.

    A hit among the first 10 (100) counts when its exact score reaches that of the exact ranking's
    place 10 (100): images that tie are as good as each other.
    """
    vectors = index.weigh(bags)
    rows = [vectors[i] for i in range(bags.shape[0])]
    searches: dict[str, Search] = {"exact": lambda i: index.search(rows[i], K, weighed=True)}
    for share in SHARES:
        searches[str(share)] = partial(_search_approximately, index, rows, share)
    seconds, results = take_turns(searches, range(len(rows)))
    found: dict[str, Any] = {}
    for name in map(str, SHARES):
        recalls: dict[int, list[float]] = {10: [], K: []}
        for row, hits in zip(rows, results[name]):
            # Ties at place 100 reach further down; 200 is far enough for them.
            exact = index.search(row, 2 * K, weighed=True)
            scores = dict(zip(exact.ids.tolist(), exact.scores.tolist()))
            for place, values in recalls.items():
                n = min(place, len(exact))
                last = exact.scores[n - 1] - TOLERANCE / 10
                reached = [scores.get(image_id, -1.0) >= last for image_id in hits.ids[:n].tolist()]
                values.append(sum(reached) / n)
        found[name] = {
            "ms": float(np.median(seconds[name][:, 0])) * 1e3,
            "speed-up": float(np.median(seconds["exact"][:, 1] / seconds[name][:, 1])),
            "recall@10": float(np.mean(recalls[10])),
            "recall@100": float(np.mean(recalls[K])),
        }
    return found


def on_device(index: InvertedFile, bags: Any) -> dict[str, Any]:
    """The torch products beside the posting lists: same ranking, and what it takes."""
    import torch

    devices = ["cpu"] + ["cuda"] * torch.cuda.is_available()
    lists = timed(lambda: index.search_many(bags, K))
    found: dict[str, Any] = {"queries": bags.shape[0], "posting lists ms": lists[0] * 1e3}
    for device in devices:
        index.search_many(bags, K, device=device)
        spent, rankings = timed(lambda: index.search_many(bags, K, device=device))
        for ours, theirs in zip(lists[1], rankings):
            assert np.array_equal(ours.ids, theirs.ids), f"{device}: other images"
            assert np.abs(ours.scores - theirs.scores).max() <= TOLERANCE, f"{device}: scores"
        found[f"{device} ms"] = spent * 1e3
    return found


def memory(key: str) -> float:
    """A value of this process in MB: VmHWM (peak), VmRSS, RssAnon (own), RssFile (mapped)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) / 1024
    return float("nan")


def forget_peak() -> float:
    """Let VmHWM begin anew; gives the memory of this process in MB, mapped pages counted."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


def forget_pages(path: Path) -> None:
    """Drop files from the page cache (POSIX_FADV_DONTNEED), as after a restart."""
    files = path.rglob("*") if path.is_dir() else [path]
    for file in files:
        if file.is_file():
            descriptor = os.open(file, os.O_RDONLY)
            try:
                os.fsync(descriptor)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)
