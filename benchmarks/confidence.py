"""How sure the engine is of its hits, beside how right it is; and where the object is nowhere.

    python -m benchmarks.confidence DATA --work FOLDER

DATA holds logos, grocery and their ground truth (see `benchmarks.accuracy`); FOLDER keeps the
collections. The engine's defaults without expansion, blcf-lite. A query's object is nowhere where
the queries of one set are asked of the other's collection. Writes
benchmarks/results/confidence.json and the tables of benchmarks/confidence.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy import SETS
from benchmarks.report import keep_results, made_by, signature, table, write_section
from blcf import SearchEngine
from blcf.datasets import GroundTruth, read_ground_truth

NAMES = ("logos", "grocery")
EDGES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 1.01)
LEAST = (0.0, 0.5, 0.9, 0.95, 0.99)


def engine_of(data: Path, work: Path, name: str) -> SearchEngine:
    """The collection of a set, made now or earlier."""
    path = work / f"{name}.blcf"
    engine = SearchEngine.open(path) if path.exists() else SearchEngine.create(path)
    engine.add(data / SETS[name][0])
    return engine


def ask(engine: SearchEngine, truth: GroundTruth, *, is_here: bool) -> list[dict[str, np.ndarray]]:
    """Of each query the confidences of its first 100 hits, and which of them are true."""

    def among(name: str, names: Any) -> bool:
        return is_here and (name in names or f"images/{name}" in names)

    found = []
    for query in truth.queries:
        hits = engine.search(query.image, box=query.box, k=200, expand="none")
        seen = [hit for hit in hits if not among(hit.name, query.junk)][:100]
        found.append(
            {
                "sure": np.array([hit.confidence for hit in seen], dtype=np.float64),
                "true": np.array([among(hit.name, query.positives) for hit in seen], bool),
            }
        )
    return found


def reliability(found: list[dict[str, np.ndarray]]) -> list[dict[str, float]]:
    """Of each range of confidences how many hits, what was said, and what was so."""
    sure = np.concatenate([one["sure"] for one in found])
    true = np.concatenate([one["true"] for one in found])
    rows = []
    for least, most in zip(EDGES, EDGES[1:]):
        chosen = (sure >= least) & (sure < most)
        rows.append(
            {
                "least": least,
                "hits": int(chosen.sum()),
                "said": float(sure[chosen].mean()) if chosen.any() else float("nan"),
                "true": float(true[chosen].mean()) if chosen.any() else float("nan"),
            }
        )
    return rows


def cut_off(
    here: list[dict[str, np.ndarray]], nowhere: list[dict[str, np.ndarray]]
) -> list[dict[str, float]]:
    """What a least confidence keeps of the true hits, and lets through of the others."""
    n_true = sum(int(one["true"].sum()) for one in here)
    rows = []
    for least in LEAST:
        kept = [one["true"][one["sure"] >= least] for one in here]
        alarms = [int((one["sure"] >= least).sum()) for one in nowhere]
        n_kept = sum(map(len, kept))
        rows.append(
            {
                "least": least,
                "kept": sum(int(one.sum()) for one in kept) / n_true,
                "precision": sum(int(one.sum()) for one in kept) / max(1, n_kept),
                "alarms": float(np.mean(alarms)),
                "silent": float(np.mean(np.array(alarms) == 0)),
            }
        )
    return rows


def markdown(results: dict[str, Any]) -> str:
    """The tables of the page."""
    parts = []
    for name in results["sets"]:
        one = results["sets"][name]
        parts.append(f"**{name}**: {one['queries']} queries, their first 100 hits")
        rows = [
            [f"{row['least']:g} and more", f"{row['hits']:,}", f"{row['said']:.2f}"]
            + [f"{row['true']:.2f}"]
            for row in one["reliability"]
        ]
        parts.append(table(["confidence", "hits", "in the mean", "show the object"], rows))
        rows = [
            [f"{row['least']:g}", f"{row['kept']:.3f}", f"{row['precision']:.3f}"]
            + [f"{row['alarms']:.2f}", f"{row['silent']:.2f}"]
            for row in one["cut"]
        ]
        heads = ["min_confidence", "true hits kept", "precision", "hits of an absent object"]
        parts.append(table([*heads, "absent objects without a hit"], rows))
    return "\n\n".join([*parts, signature(results)])


def main() -> None:
    """Ask every query of both collections, write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--work", type=Path, required=True, help="for the collections")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    truths = {name: read_ground_truth(options.data / SETS[name][1]) for name in NAMES}
    engines = {name: engine_of(options.data, options.work, name) for name in NAMES}
    results = made_by("benchmarks.confidence DATA --work FOLDER")
    results["sets"] = {}
    for name, other in zip(NAMES, NAMES[::-1]):
        here = ask(engines[name], truths[name], is_here=True)
        nowhere = ask(engines[other], truths[name], is_here=False)
        results["sets"][name] = {
            "queries": len(here),
            "reliability": reliability(here),
            "cut": cut_off(here, nowhere),
        }
        print(name, results["sets"][name], flush=True)
    keep_results("confidence", results)
    write_section("confidence", "Confidence", markdown(results))


if __name__ == "__main__":
    main()
