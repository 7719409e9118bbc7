"""Large vocabularies: words in two levels beside the exact way and faiss, time, words and mAP.

    python -m benchmarks.large_vocabulary DATA --work FOLDER [--words 100000 1000000] [--sets logos]

DATA holds logos, grocery, natural and weights/squeezenet1_1_features.pth; FOLDER keeps maps,
vocabularies and exact words between runs (12 GB; a run goes on where an earlier one was stopped,
and results of other sizes of vocabulary stay).
Needs faiss-cpu. Writes benchmarks/results/large_vocabulary.json and the tables of
benchmarks/large_vocabulary/README.md.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.assignment import busy_seconds
from benchmarks.large_vocabulary.data import (
    PER_WORD,
    SEARCHED,
    UPSAMPLE,
    Maps,
    features_of,
    learned,
    training,
)
from benchmarks.large_vocabulary.tables import markdown
from benchmarks.report import keep_results, made_by, write_section
from blcf import BagOfWords, InvertedFile, Vocabulary, Whitening
from blcf.datasets import read_ground_truth
from blcf.evaluation import average_precision
from blcf.vocabulary.two_level import N_PROBED

PROBED = (8, 12, 16, 24, 32, 48, 64)
PRECISIONS = ("float32", "bfloat16")
N_CHECKED = 16


def milliseconds(calls: dict[Any, Callable[[], object]], rounds: int) -> dict[Any, float]:
    """Medians of rounds in which the calls take turns, each called once before it is timed."""
    times: dict[Any, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            call()
            start = time.perf_counter()
            call()
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: float(np.median(values)) for name, values in times.items()}


def measure_words(
    maps: list[np.ndarray], whitening: Whitening, vocabulary: Vocabulary, rounds: int
) -> dict[str, Any]:
    """Share of the exact words and milliseconds a map."""
    one, many = maps[0][None], np.stack([m for m in maps if m.shape == maps[0].shape])

    def words(
        these: np.ndarray, way: str, n_probed: int = N_PROBED, precision: str = "float32"
    ) -> np.ndarray:
        return vocabulary.with_assignment(way, n_probed).assign_maps(
            these, upsample=UPSAMPLE, whitening=whitening, precision=precision
        )[0]

    exact = [words(m[None], "exact")[0] for m in maps]
    features = torch.from_numpy(whitening.transform(features_of(maps[0])))
    two_level = vocabulary._assigner.two_level
    calls: dict[Any, Callable[[], object]] = {
        precision: partial(words, one, "exact", precision=precision) for precision in PRECISIONS
    }
    for n_probed in PROBED:
        calls["one", n_probed] = partial(words, one, "two_level", n_probed)
        calls["many", n_probed] = partial(words, many, "two_level", n_probed)
        calls["search", n_probed] = partial(two_level.nearest, features, n_probed)
    before, start = busy_seconds(), time.perf_counter()
    times = milliseconds(calls, rounds)
    load = (busy_seconds() - before) / (time.perf_counter() - start)
    n_all = sum(m.size for m in exact)
    found: dict[str, Any] = {
        "shape": list(maps[0].shape),
        "n_maps": len(maps),
        "n_many": len(many),
        "cells": n_all,
        "load": load,
        "exact": {precision: times[precision] for precision in PRECISIONS},
        "two_level": [],
    }
    for n_probed in PROBED:
        near = [words(m[None], "two_level", n_probed)[0] for m in maps]
        found["two_level"].append(
            {
                "n_probed": n_probed,
                "same": sum(int((a == b).sum()) for a, b in zip(exact, near)) / n_all,
                "one": times["one", n_probed],
                "many": times["many", n_probed] / len(many),
                "search": times["search", n_probed],
            }
        )
    found["n_cells"], found["n_bytes"] = two_level.n_cells, two_level.n_bytes
    return found


def rivals(
    work: Path, maps: list[np.ndarray], whitening: Whitening, vocabulary: Vocabulary, rounds: int
) -> list[dict[str, Any]]:
    """Indexes of faiss over the same words: same words as the exact search, and time of a map."""
    import faiss

    centroids = vocabulary.centroids_
    n_words, d = centroids.shape
    features = [whitening.transform(features_of(m)) for m in maps]
    exactly = vocabulary.with_assignment("exact")
    exact = np.concatenate([exactly.assign_features(each) for each in features])
    n_cells = vocabulary._assigner.two_level.n_cells
    rows = []
    ways: dict[str, tuple[str, list[tuple[str, int]]]] = {
        "IVFFlat": (f"IVF{n_cells},Flat", [("nprobe", n) for n in (16, 32)]),
        "IVFPQ of 4 bits, refined": (
            f"IVF{n_cells},PQ{d // 2}x4fs,RFlat",
            [("nprobe", n) for n in (16, 32)],
        ),
        "HNSW": ("HNSW16,Flat", [("efSearch", n) for n in (16, 64)]),
    }
    for name, (factory, settings) in ways.items():
        path = work / f"{factory.replace(',', '-')}-{n_words}.faiss"
        start = time.perf_counter()
        if not path.exists():
            index = faiss.index_factory(d, factory)
            index.train(centroids)
            index.add(centroids)
            np.save(path.with_suffix(".npy"), time.perf_counter() - start)
            faiss.write_index(index, str(path))
        index, seconds = faiss.read_index(str(path)), float(np.load(path.with_suffix(".npy")))
        space = faiss.ParameterSpace()
        for parameter, value in settings:
            space.set_index_parameter(index, parameter, value)
            if "RFlat" in factory:
                space.set_index_parameter(index, "k_factor_rf", 8)
            found = np.concatenate([index.search(each, 1)[1][:, 0] for each in features])
            calls: dict[Any, Callable[[], object]] = {
                "one": partial(index.search, features[0], 1)
            }
            rows.append(
                {
                    "name": f"{name}, {parameter} {value}",
                    "same": float((found == exact).mean()),
                    "one": milliseconds(calls, rounds)["one"],
                    "build": seconds,
                }
            )
    return rows


def words_of(
    data: Path, work: Path, name: str, whitening: Whitening, vocabulary: Vocabulary, way: str
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Words and norms of every picture of a set, {name: (words, norms)}; exact ones are kept."""
    vocabulary = vocabulary.with_assignment(way)
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for folder in SEARCHED[name]:
        maps = Maps(data, work, folder)
        for first in range(0, len(maps), 100):
            key = f"{way}-{vocabulary.digest_}-{folder.replace('/', '-')}-{first}.npz"
            some = range(first, min(first + 100, len(maps)))
            if way == "exact" and (work / key).exists():
                with np.load(work / key) as file:
                    arrays = [(file[f"words{i}"], file[f"norms{i}"]) for i in some]
            else:
                arrays = []
                for i in some:
                    words, norms = vocabulary.assign_maps(
                        maps[i][None], upsample=UPSAMPLE, whitening=whitening, precision="bfloat16"
                    )
                    arrays.append((words[0], norms[0]))
                if way == "exact":
                    np.savez(
                        work / key,
                        **{f"words{i}": a[0] for i, a in zip(some, arrays)},
                        **{f"norms{i}": a[1] for i, a in zip(some, arrays)},
                    )
            prefix = "" if name == "logos" else folder.removeprefix(f"{name}/") + "/"
            found.update({prefix + maps.names[i]: a for i, a in zip(some, arrays)})
    return found


def mean_average_precision(
    data: Path, name: str, words: dict[str, tuple[np.ndarray, np.ndarray]], n_words: int
) -> float:
    """mAP of a set: bags as the engine's defaults make them, whole pictures ranked."""
    truth = read_ground_truth(data / name / "gt.json")
    folder = data / name / ("images" if name == "logos" else "")
    names = [one for one in words if one in truth.sizes]
    bags = BagOfWords(n_words, weighting="norm")
    index = InvertedFile(n_words, idf=True, sqrt=True)
    index.add(names, bags.encode_many([words[n][0] for n in names], [words[n][1] for n in names]))
    precisions = []
    for query in truth.queries:
        image = str(query.image.relative_to(folder))
        plain = BagOfWords(n_words, weighting="uniform")
        bag = plain.encode(words[image][0], box=query.box, size=truth.sizes.get(image))
        ranking = index.search(bag, k=len(names))
        precisions.append(average_precision(ranking.names, query.positives, query.junk))
    return float(np.mean(precisions))


def measure_map(
    data: Path, work: Path, sets: list[str], whitening: Whitening, vocabulary: Vocabulary
) -> dict[str, dict[str, float]]:
    """{set: mAP of each way, and the share of cells with the same word}."""
    found = {}
    for name in sets:
        by_way = {
            way: words_of(data, work, name, whitening, vocabulary, way)
            for way in ("exact", "two_level")
        }
        same = [(words == by_way["two_level"][n][0]) for n, (words, _) in by_way["exact"].items()]
        found[name] = {
            way: mean_average_precision(data, name, words, vocabulary.n_words_)
            for way, words in by_way.items()
        }
        found[name]["same"] = float(np.concatenate([one.ravel() for one in same]).mean())
    return found


def main() -> None:
    """Learn the vocabularies, measure, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the sets and weights")
    parser.add_argument("--work", type=Path, required=True, help="folder for what is kept")
    parser.add_argument("--words", type=int, nargs="+", default=[25_000, 100_000, 1_000_000])
    parser.add_argument("--sets", nargs="*", choices=list(SEARCHED), default=list(SEARCHED))
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    import faiss

    data, work = options.data, options.work
    work.mkdir(parents=True, exist_ok=True)
    whitening, features = training(data, work)
    maps = []
    for folder in ("grocery/images", "logos/images"):
        searched = Maps(data, work, folder)
        maps += [searched[i] for i in range(5, len(searched), 50)][: N_CHECKED // 2]
    for n_words in options.words:
        vocabulary, took = learned(work, features, n_words)
        start = time.perf_counter()
        type(vocabulary._assigner.two_level)(torch.from_numpy(vocabulary.centroids_))
        build_seconds = time.perf_counter() - start
        print(f"{n_words:,} words: learned {took}", flush=True)
        found = measure_words(maps, whitening, vocabulary, options.rounds)
        print(json.dumps(found), flush=True)
        others = rivals(work, maps, whitening, vocabulary, options.rounds)
        print(json.dumps(others), flush=True)
        accuracy = measure_map(data, work, options.sets, whitening, vocabulary)
        print(json.dumps(accuracy), flush=True)
        case = {
            "n_words": n_words,
            "n_components": vocabulary.centroids_.shape[1],
            "n_sampled": min(len(np.load(features, mmap_mode="r")), PER_WORD * n_words),
            "took": took,
            "build_seconds": build_seconds,
            "words": found,
            "rivals": others,
            "map": accuracy,
        }
        (work / f"case-{n_words}.json").write_text(json.dumps(case))
    cases = [json.loads(path.read_text()) for path in work.glob("case-*.json")]
    cases.sort(key=lambda case: case["n_words"])
    results = {
        **made_by("benchmarks.large_vocabulary DATA --work FOLDER"),
        "versions": {"torch": torch.__version__, "faiss": faiss.__version__},
        "threads": torch.get_num_threads(),
        "rounds": options.rounds,
        "cases": cases,
    }
    keep_results("large_vocabulary", results)
    write_section("large_vocabulary", "Large vocabularies", markdown(results))


if __name__ == "__main__":
    main()
