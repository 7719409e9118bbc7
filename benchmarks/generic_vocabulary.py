"""The generic vocabulary of the package, as it is and refined, beside one that is learned.

    python -m benchmarks.generic_vocabulary DATA --work FOLDER

Parts of a set are drawn (twice): pictures of queries, each with three of its true ones, to six
tenths of a part, any for the rest. Every query whose picture is in a part and has another true
picture there is searched for, its own picture left out. All vocabularies index the same part, with
the engine's defaults. Writes benchmarks/results/generic_vocabulary.json and the
table of benchmarks/generic_vocabulary.md.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Container
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.report import keep_results, made_by, signature, table, write_section
from blcf import SearchEngine
from blcf.adding.generic import FEWEST_TO_LEARN
from blcf.datasets.ground_truth import GroundTruth, read_ground_truth

SIZES = {"shelves": (10,), "logos": (25, 50, 100, 300), "grocery": (25, 50, 100, 300)}
SEEDS = (0, 1)
VOCABULARIES = ("generic", "refined", "own")


def main() -> None:
    """Every size, both vocabularies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    rows = [
        measure(options.data / name, size, seed, vocabulary, options.work)
        for name, sizes in SIZES.items()
        for size in sizes
        for seed in (SEEDS if size != sizes[-1] else SEEDS[:1])
        for vocabulary in VOCABULARIES
    ]
    results = {**made_by("benchmarks.generic_vocabulary DATA --work FOLDER"), "rows": rows}
    keep_results("generic_vocabulary", results)
    write_section("generic_vocabulary", "Generic vocabulary", markdown(results))


def measure(root: Path, size: int, seed: int, vocabulary: str, work: Path) -> dict:
    """One part of a set with one vocabulary."""
    truth = read_ground_truth(root / "gt.json")
    base = root / "images" if root.name == "logos" else root
    part = draw(truth, base, size, seed)
    queries = [
        replace(query, positives=query.positives & part, junk=query.junk & part)
        for query in truth.queries
        if query.positives & part and _is_there(query.examples[0].image, base, truth.sizes, part)
    ]
    shutil.rmtree(work / "part.blcf", ignore_errors=True)
    began = time.perf_counter()
    engine = SearchEngine.create(work / "part.blcf", vocabulary=vocabulary)
    engine.add([base / name for name in sorted(part)], root=base, progress=False)
    seconds = time.perf_counter() - began
    kind = "box" if root.name == "logos" else "whole"
    some = replace(truth, queries=queries)
    measured = engine.evaluate(some, queries=kind, rerank=False, progress=False)
    row = {
        "set": root.name, "size": size, "seed": seed, "vocabulary": vocabulary,
        "n_words": engine.model.n_words, "n_queries": len(queries), "seconds": round(seconds, 1),
        "map": round(measured[0].mean_average_precision, 4),
    }  # fmt: skip
    print(row, flush=True)
    return row


def draw(truth: GroundTruth, base: Path, size: int, seed: int) -> set[str]:
    """Names of a part of a set in which there is something to find."""
    rng, part = np.random.default_rng(seed), set()
    for row in rng.permutation(len(truth.queries)):
        if len(part) >= 0.6 * size:
            break
        query = truth.queries[row]
        name = query.examples[0].image.relative_to(base).as_posix()
        part |= {name} & set(truth.sizes)
        part |= set(rng.permutation(sorted(query.positives))[:3].tolist())
    for name in rng.permutation(sorted(truth.sizes)).tolist():
        if len(part) >= size:
            break
        part.add(name)
    return part


def _is_there(picture: Path, base: Path, images: Container[str], part: set[str]) -> bool:
    """Whether a query's picture is in the part, or stands outside the set."""
    name = picture.relative_to(base).as_posix()
    return name in part or name not in images


def markdown(results: dict) -> str:
    """The section of the page."""
    lines, rows = [], results["rows"]
    for name, sizes in SIZES.items():
        for size in sizes:
            cells = [name, f"{size}"]
            for vocabulary in VOCABULARIES:
                mine = [
                    row for row in rows
                    if (row["set"], row["size"], row["vocabulary"]) == (name, size, vocabulary)
                ]  # fmt: skip
                maps = [row["map"] for row in mine]
                spread = f" ± {np.std(maps):.3f}" if len(maps) > 1 else ""
                cells += [f"{np.mean(maps):.3f}{spread}"]
                if vocabulary == "own":
                    cells += [f"{np.mean([row['n_words'] for row in mine]):,.0f}"]
                cells += [f"{np.mean([row['seconds'] for row in mine]):.1f}"]
            lines.append(cells)
    header = ["set", "pictures", "generic", "s", "refined", "s", "own", "words", "s"]
    n_words = next(row["n_words"] for row in rows if row["vocabulary"] == "generic")
    return (
        "blcf-lite, mAP of the queries with their box (grocery and shelves: whole pictures), the "
        f"engine's defaults without reranking; the generic vocabulary has {n_words:,} words. "
        "Parts, mean of two, and how far each is from it; s: seconds to index, training included. "
        f"The rule: a collection that begins with fewer than {FEWEST_TO_LEARN} pictures takes the "
        "generic vocabulary.\n\n"
        f"{table(header, lines)}\n\n{signature(results)}"
    )


if __name__ == "__main__":
    main()
