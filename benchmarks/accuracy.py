"""Accuracy on image sets with a ``gt.json``: every stage of the search, beside plain settings.

    python benchmarks/accuracy.py DATA --work FOLDER

DATA holds the sets and weights (see `SETS` and `NETWORKS`); FOLDER keeps the collections, so that
a run that was stopped goes on. Writes benchmarks/results/accuracy.json and the section "Accuracy"
of benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

from report import machine, table, write_section

from blcf import SearchEngine, SearchOptions
from blcf.engine.evaluating import evaluate

SETS = {
    "logos": ("logos/images", "logos/gt.json"),
    "grocery": ("grocery/images", "grocery/gt.json"),
    "shelves": ("shelves/images", "shelves/gt.json"),
}
NETWORKS = {
    "squeezenet1_1": "weights/squeezenet1_1_features.pth",
    "mobilenet_v2": "weights/mobilenet_v2.pth",
}
COLUMNS = {
    "base": SearchOptions(rerank=False),
    "R": SearchOptions(),
    "GQE": SearchOptions(rerank=False, expand="global"),
    "R+LQE": SearchOptions(expand="local"),
}
# The independent plain implementation that the engine is held to: count bags of side 480, upsampled
# twice, no idf, no weights, no reranking; figures of logos with SqueezeNet 1.1, LS and GS.
PLAIN = {"side": 480, "idf": False, "sqrt": False, "weighting": "uniform"}
AGREEMENT = {
    (2_000, 128, False): (0.391, 0.321),
    (2_000, 128, True): (0.433, 0.369),
    (13_760, 256, False): (0.416, 0.354),
    (13_760, 256, True): (0.456, 0.396),
}
HERE = Path(__file__).resolve().parent


def collection(data: Path, work: Path, name: str, network: str, **settings) -> SearchEngine:
    """The collection of a set with some settings, indexed now or in an earlier run."""
    label = "-".join([name, network, *(f"{key}_{value}" for key, value in settings.items())])
    path = work / f"{label}.blcf"
    weights = data / NETWORKS[network]
    if path.exists():
        engine = SearchEngine.open(path, weights=weights)
    else:
        engine = SearchEngine.create(path, network, weights=weights, **settings)
    engine.add(data / SETS[name][0])
    return engine


def measure_set(data: Path, work: Path, name: str, network: str, **settings) -> dict:
    """All columns for one set and network."""
    start = time.perf_counter()
    query_side = settings.pop("query_side", None)
    engine = collection(data, work, name, network, **settings)
    options = [replace(one, query_side=query_side) for one in COLUMNS.values()]
    results = evaluate(engine, data / SETS[name][1], options)
    row = {
        "set": name,
        "network": network,
        "side": engine.settings.side,
        "query side": query_side or engine.settings.side,
        "words": engine.model.n_words,
        "images": len(engine),
        "seconds": round(time.perf_counter() - start),
    }
    for column, modes in zip(COLUMNS, results):
        for mode in modes:
            row[f"{mode.mode} {column}"] = mode.to_dict()
    return row


def measure_agreement(data: Path, work: Path) -> list[dict]:
    """The engine at the settings of the independent plain implementation."""
    rows = []
    for (n_words, n_components, sqrt), expected in AGREEMENT.items():
        engine = collection(
            data,
            work,
            "logos",
            "squeezenet1_1",
            n_words=n_words,
            n_components=n_components,
            **PLAIN,
        )
        engine.settings = replace(engine.settings, sqrt=sqrt)  # a root is taken at search time
        modes = evaluate(engine, data / SETS["logos"][1], [SearchOptions(rerank=False)])[0]
        found = {mode.mode: mode.mean_average_precision for mode in modes}
        rows.append(
            {
                "words": n_words,
                "components": n_components,
                "sqrt": sqrt,
                "LS": found["LS"],
                "LS expected": expected[0],
                "GS": found["GS"],
                "GS expected": expected[1],
            }
        )
    return rows


def _value(row: dict, key: str, measure: str) -> str:
    value = row.get(key, {}).get(measure)
    return "" if value is None else f"{value:.3f}".lstrip("0")


def markdown(results: dict) -> str:
    """The section for benchmarks/README.md."""
    header = ["set", "network", "side (query)", "words", "GS", "GS+R", "LS", "LS+R", "LS+GQE"]
    header += ["LS+R+LQE", "mean IoU", "IoU >= .5", "whole image"]
    rows = []
    for row in results["sets"]:
        # A whole-picture query has one mode: its figures stand in the columns of both.
        mode = "LS" if "LS base" in row else "GS"
        cells = [row["set"], row["network"], f"{row['side']} ({row['query side']})"]
        cells += [f"{row['words']:,}", _value(row, "GS base", "mAP"), _value(row, "GS R", "mAP")]
        cells += [_value(row, f"{mode} {column}", "mAP") for column in COLUMNS]
        boxes = ("mean_iou", "corloc", "mean_iou_whole_image")
        cells += [_value(row, f"{mode} R", measure) for measure in boxes]
        rows.append(cells)
    agreement = [
        [
            f"{row['words']:,}",
            str(row["components"]),
            "sqrt" if row["sqrt"] else "counts",
            f"{row['LS']:.3f}",
            f"{row['LS expected']:.3f}",
            f"{row['GS']:.3f}",
            f"{row['GS expected']:.3f}",
        ]
        for row in results["agreement"]
    ]
    names = ["words", "components", "bags", "LS", "LS plain", "GS", "GS plain"]
    return "\n\n".join(
        [
            "mAP: trapezoidal AP, junk dropped, whole ranking. LS: the cells of the query's box; "
            "GS: the whole query picture (sets without boxes have one kind, shown in both). "
            "R: the best window, T = 100; GQE, LQE: N = 10. Mean IoU, share of IoU >= .5 and the "
            "answer \"the whole image\" over the true hits that LS+R localised. Defaults of the "
            "engine, except where the side differs; they were tuned on these sets (see below).",
            table(header, rows),
            "At the settings of an independent plain implementation (logos, SqueezeNet 1.1 fire9, "
            "side 480, 2x upsampling, no idf, no weights, no reranking):",
            table(names, agreement),
            f"{results['command']}, {results['date']}, {results['machine']}",
        ]
    )


def main() -> None:
    """Measure what is not measured yet, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the sets and weights")
    parser.add_argument("--work", type=Path, required=True, help="folder for the collections")
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=SETS)
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), choices=NETWORKS)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    sets = []
    for network in options.networks:
        for name in options.sets:
            sets.append(measure_set(options.data, options.work, name, network))
            if name == "shelves":
                # A pack fills the query and is a small part of a shelf: the sizes must meet.
                sides = {"side": 768, "query_side": 256}
                sets.append(measure_set(options.data, options.work, name, network, **sides))
    results = {
        "command": "`python benchmarks/accuracy.py DATA --work FOLDER`",
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "sets": sets,
        "agreement": measure_agreement(options.data, options.work),
    }
    (HERE / "results" / "accuracy.json").write_text(json.dumps(results, indent=1) + "\n")
    write_section(HERE / "README.md", "Accuracy", markdown(results))


if __name__ == "__main__":
    main()
