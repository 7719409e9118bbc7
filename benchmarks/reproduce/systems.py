"""How each kind of system ranks a data set: BLCF by the engine, descriptors by a flat index."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import blcf
from benchmarks.reproduce.data import DataSet, Needs, Task, learned_on, missing, time_of
from benchmarks.reproduce.features import Features, pairs
from benchmarks.reproduce.rankers import CropRanker, Ranker
from blcf import SearchEngine, SearchOptions
from blcf.datasets import TrueQuery
from blcf.evaluation import protocol, rank_groups, summarise
from blcf.images import display_name
from blcf.measuring.evaluator import evaluate
from blcf.storage import write_json

__all__ = ["Laboratory"]

BYTES_OF_CELL = 3  # of an assignment map and its postings, on disk
OTHER_SECONDS = 0.03  # of a picture: vocabulary and words, or a search (2 cores, SqueezeNet)
MEMORY_OF_NETWORK, MEMORY_OF_BLCF = 3 << 29, 5 << 29  # 1.5 and 2.5 GB
REGIONS = 20  # vectors of a picture that a whitening is learned on, at most
FORMAT = 2  # raised when a change of the code changes figures


class Laboratory:
    """Runs tasks; features, collections and figures are kept in a folder, so that runs go on.

    Parameters
    ----------
    work : folder
    sets : {name: `DataSet`}
    weights : {network: file}; torchvision's own for the others
    learn_on : the set that stands for "other" where a set has no pair
    """

    def __init__(
        self,
        work: Path,
        sets: dict[str, DataSet],
        weights: dict[str, Path],
        learn_on: str = "",
    ):
        self.work, self.sets, self.weights, self.learn_on = work, sets, weights, learn_on
        self.features = Features(work / "features", sets, weights)
        self._digests: dict[tuple[str, str], str] = {}

    # What a system needs ---------------------------------------------------------------------

    def learned_on(self, task: Task) -> str:
        """Name of the set that the whitening of a descriptor is learned on."""
        return learned_on(task, self.learn_on)

    def missing(self, task: Task) -> str:
        """What is not there and must be, or ""."""
        if task.set in self.sets and self.sets[task.set].truth is None:
            return "no ground truth"
        return missing(task, self.sets, self.learn_on)

    def needs(self, task: Task, counted: set[Path]) -> Needs:
        """What a task will need, but for what was counted before: tasks share features."""
        system, data = task.system, self.sets[task.set]
        if system.kind == "blcf":
            path = self._collection(task)
            held = len(SearchEngine.open(path)) if (path / "manifest.json").exists() else 0
            n = max(0, len(data.paths) - held)
            n_queries = len(data.query_paths)
            each, shape = time_of(self.features.extractor(system), data)
            n_cells = int(np.prod(shape[1:])) * system.settings.get("upsample", 2) ** 2
            seconds = n * (each + OTHER_SECONDS) + n_queries * (each + OTHER_SECONDS)
            return Needs(n + n_queries, seconds, n * n_cells * BYTES_OF_CELL, MEMORY_OF_BLCF)
        needs = Needs()
        looked_at = {name: self.sets[name].paths for name in (task.set, self.learned_on(task))}
        looked_at[f"{task.set}-queries"] = data.query_paths
        for name, paths in looked_at.items():
            store = self.features.store(system, name)
            missing = [] if store.path in counted else store.missing(pairs(paths))
            counted.add(store.path)
            if missing:
                each, shape = time_of(self.features.extractor(system), data)
                n_bytes = store.estimate(len(missing), shape)
                memory = MEMORY_OF_NETWORK + len(paths) * shape[0] * 4 * REGIONS
                needs += Needs(len(missing), each * len(missing), n_bytes, memory)
        return needs

    # Running ---------------------------------------------------------------------------------

    def run(self, tasks: list[Task], progress: Callable[[str], None]) -> dict[str, dict]:
        """The figures of tasks of one system on one set: {task key: result}.

        What was measured before is read, not measured again.
        """
        found, left = {}, []
        for task in tasks:
            kept = self._kept(task)
            if kept is None:
                left.append(task)
            else:
                found[task.key] = kept
        if not left:
            return found
        kind = left[0].system.kind
        made = self._run_blcf(left, progress) if kind == "blcf" else self._run_dense(left, progress)
        for task, result in zip(left, made):
            path = self._result(task)
            path.parent.mkdir(parents=True, exist_ok=True)
            found[task.key] = {**result, "made of": self._made_of(task)}
            write_json(path, found[task.key])
        return found

    def _kept(self, task: Task) -> dict | None:
        """A figure that was measured before, of the same weights, pictures and truth."""
        path = self._result(task)
        try:
            kept = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            return None
        is_same = isinstance(kept, dict) and kept.get("made of") == self._made_of(task)
        return kept if is_same else None

    def _made_of(self, task: Task) -> dict[str, str]:
        """Digests of what a figure depends on besides the task."""
        truth = (task.set, "truth")
        if truth not in self._digests:
            self._digests[truth] = self.sets[task.set].digest_truth()
        facts = {**self._made_of_pictures(task), "truth": self._digests[truth]}
        return {**facts, "format": f"{FORMAT}, blcf {blcf.__version__}"}

    def _made_of_pictures(self, task: Task) -> dict[str, str]:
        """What a collection depends on besides its settings."""
        extractor = self.features.extractor(task.system)
        facts = {"weights": extractor.describe()["weights_digest"], "dtype": extractor.dtype_}
        for label, name in (("set", task.set), ("learned on", self.learned_on(task))):
            if (name, "pictures") not in self._digests:
                self._digests[name, "pictures"] = self.sets[name].digest_pictures()
            facts[label] = self._digests[name, "pictures"]
        return facts

    def _result(self, task: Task) -> Path:
        return self.work / "figures" / f"{task.key}.json"

    def _collection(self, task: Task) -> Path:
        system, made_of = task.system, self._made_of_pictures(task)
        roots = [str(images.root) for images in self.sets[task.set].images]
        facts = [system.layer, system.side, system.settings, made_of, roots]
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:8]
        return self.work / "collections" / f"{task.set}-{task.system.network}-{digest}.blcf"

    def _run_blcf(self, tasks: list[Task], progress: Callable[[str], None]) -> list[dict]:
        system, data = tasks[0].system, self.sets[tasks[0].set]
        path, weights = self._collection(tasks[0]), self.weights.get(system.network)
        start = time.perf_counter()
        if path.exists() and not (path / "manifest.json").exists():
            shutil.rmtree(path)
        if path.exists():
            engine = SearchEngine.open(path, weights=weights)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            settings = {**system.settings, "layer": system.layer, "side": system.side}
            if settings.get("n_components") == "all":
                settings["n_components"] = None
            engine = SearchEngine.create(path, system.network, weights=weights, **settings)
        for images in data.images:
            report = engine.add(images, progress=False)
            for name, reason in report.skipped.items():
                progress(f"skipped {display_name(name)}: {reason}")
        progress(f"indexed {len(engine):,} pictures in {time.perf_counter() - start:.0f} s")
        searches = [{**system.search, **task.search} for task in tasks]
        options = [
            SearchOptions(**{key: _tuple(value) for key, value in search.items()})
            for search in searches
        ]
        assert data.truth is not None
        start = time.perf_counter()
        rows = evaluate(engine.searcher, data.truth, options, progress=False)
        seconds = time.perf_counter() - start
        results = []
        for task, modes in zip(tasks, rows):
            mode = next((one for one in modes if one.mode == task.queries), modes[-1])
            measures = summarise([result.measures for result in mode.results])
            result = {"figure": mode.mean_average_precision, "mode": mode.mode}
            result |= {"measures": measures, "words": engine.model.n_words}
            result |= {"queries": len(mode.results), "skipped": mode.skipped}
            results.append({**result, "images": len(engine), "seconds": round(seconds, 1)})
        return results

    def _run_dense(self, tasks: list[Task], progress: Callable[[str], None]) -> list[dict]:
        system, data = tasks[0].system, self.sets[tasks[0].set]
        other = self.learned_on(tasks[0])
        start = time.perf_counter()
        for name in dict.fromkeys([other, data.name]):
            self.features.fill(system, name, self.sets[name].paths, progress)
        store = self.features.store(system, data.name)
        names = [name for name in data.paths if name not in store.skipped]
        fitted = self.features.fit(system, other)
        ranker: Any = (
            CropRanker(system, fitted, store, names)
            if system.kind == "crops"
            else Ranker(fitted, store, names)
        )
        progress(f"described {len(names):,} pictures in {time.perf_counter() - start:.0f} s")
        assert data.truth is not None
        truth = data.truth.renamed(names)
        rule = protocol(truth.protocol)
        label, paths = f"{data.name}-queries", data.query_paths
        name_of = {path: name for name, path in paths.items()}
        self.features.fill(system, label, paths, progress)
        reasons = self.features.store(system, label).skipped
        skipped = {str(path): reasons[name] for name, path in paths.items() if name in reasons}
        queries = [query for query in truth.queries if query.positives]
        queries = [_without(query, skipped) for query in queries]
        queries = [query for query in queries if query.examples]
        start = time.perf_counter()
        figures: dict[str, list[dict[str, float]]] = {task.key: [] for task in tasks}
        # The products of a query are small: threads of BLAS wait for one another (5 ms for 1.2).
        limits = threadpool_limits(1, "blas")
        for query in queries:
            looks: dict[str, list[np.ndarray]] = {}
            for task in tasks:
                mode = task.queries if data.has_boxes else "GS"
                if mode != "GS" and query.box is None:
                    continue
                if mode not in looks:
                    looks[mode] = [
                        self.features.look(system, label, name_of, one, mode)
                        for one in query.examples
                    ]
                ranked, scores = ranker.rank(looks[mode], task.search, _aspect(query, mode))
                if truth.shots:
                    kept = [row for row, name in enumerate(ranked) if name in truth.shots]
                    ranked, scores = [ranked[row] for row in kept], scores[kept]
                    ranked, _ = rank_groups(ranked, scores, truth.shots)
                measured = rule.measure(
                    ranked, query.positives, query.junk, query.hard, query.groups
                )
                figures[task.key].append(measured)
        limits.restore_original_limits()
        seconds = round(time.perf_counter() - start, 1)
        results = []
        for task in tasks:
            measures = summarise(figures[task.key])
            mode = task.queries if data.has_boxes else "GS"
            result = {"figure": measures[rule.measures[0]], "mode": mode, "measures": measures}
            result |= {"learned on": other, "images": len(names)}
            result |= {"queries": len(figures[task.key]), "skipped": skipped}
            results.append({**result, "components": fitted.n_components_, "seconds": seconds})
        return results


def _without(query: TrueQuery, skipped: dict[str, str]) -> TrueQuery:
    """A query without the examples that cannot be read."""
    examples = tuple(one for one in query.examples if str(one.image) not in skipped)
    return replace(query, examples=examples)


def _aspect(query: TrueQuery, mode: str) -> float | None:
    if mode == "GS" or query.box is None:
        return None
    x1, y1, x2, y2 = (float(edge) for edge in query.box)
    return (x2 - x1) / (y2 - y1)


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
