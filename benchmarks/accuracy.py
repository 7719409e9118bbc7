"""Accuracy on image sets with a ``gt.json``: every stage of the search, beside plain settings.

    python -m benchmarks.accuracy DATA --work FOLDER

DATA holds the sets and weights (see `SETS` and `NETWORKS`); FOLDER keeps the collections, so that
a run that was stopped goes on. Writes benchmarks/results/accuracy.json and the table of
benchmarks/accuracy.md.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import keep_rows, made_by, read_results, table, write_section
from blcf import SearchEngine, SearchOptions
from blcf.datasets import GroundTruth
from blcf.measuring.evaluator import evaluate

SETS = {
    "logos": ("logos/images", "logos/gt.json"),
    "grocery": ("grocery/images", "grocery/gt.json"),
    "shelves": ("shelves/images", "shelves/gt.json"),
}
NETWORKS = {
    "blcf-lite": None,  # in the package
    "squeezenet1_1": "weights/squeezenet1_1_features.pth",
    "mobilenet_v2": "weights/mobilenet_v2.pth",
    "timm:tf_efficientnet_lite2": "weights/tf_efficientnet_lite2.pth",
}
# Table 1 of the paper: base, R, GQE, R+GQE, R+LQE. R: reranking; after an expansion the defaults
# rerank once more, the paper does not. Before them what a search does that is told nothing.
DEFAULT = "default"
COLUMNS: dict[str, dict] = {
    DEFAULT: {},
    "base": {"rerank": False},
    "R": {"expand": "none"},
    "GQE": {"rerank": False, "expand": "global"},
    "R+GQE": {"expand": "global"},
    "R+LQE": {"expand": "local"},
}
PAPER_COLLECTION = {"weighting": "uniform", "idf": False, "sqrt": False, "n_components": None}
# The paper takes what is behind the ReLU, as the plain implementation does.
BEHIND_RELU = {"blcf-lite": "conv5", "squeezenet1_1": "fire9"}
PAPER_SEARCH = {
    "query_scales": (1.0,),
    "windows": "grid",
    "shares": (1, 2, 4),
    "pyramid": True,
    "keep_whole": False,
    "n_neighbours": 0,
    "guard": "none",
    "rerank_again": False,
}
# Table 1 as published, in the same columns.
PUBLISHED = {
    ("Oxford5k", "GS"): (0.653, 0.701, 0.702, 0.771, 0.782),
    ("Oxford5k", "LS"): (0.738, 0.734, 0.773, 0.769, 0.788),
    ("Paris6k", "GS"): (0.699, 0.719, 0.774, 0.801, 0.835),
    ("Paris6k", "LS"): (0.820, 0.815, 0.814, 0.807, 0.848),
}
# The independent plain implementation that the engine is held to: count bags of side 480, upsampled
# twice, no idf, no weights, no reranking; figures of logos with SqueezeNet 1.1, LS and GS.
PLAIN = {"side": 480, "idf": False, "weighting": "uniform"}
AGREEMENT = {
    (2_000, 128, False): (0.391, 0.321),
    (2_000, 128, True): (0.433, 0.369),
    (13_760, 256, False): (0.416, 0.354),
    (13_760, 256, True): (0.456, 0.396),
}


def weights_of(data: Path, network: str) -> Path | None:
    """The file of a network's weights."""
    file = NETWORKS[network]
    return None if file is None else data / file


def collection(data: Path, work: Path, name: str, network: str, **settings) -> SearchEngine:
    """The collection of a set with some settings, indexed now or in an earlier run."""
    label = "-".join([name, network, *(f"{key}_{value}" for key, value in settings.items())])
    path = work / f"{label}.blcf"
    weights = weights_of(data, network)
    if path.exists():
        engine = SearchEngine.open(path, weights=weights)
    else:
        engine = SearchEngine.create(path, network, weights=weights, **settings)
    engine.add(data / SETS[name][0])
    return engine


def renamed(engine: SearchEngine, truth: GroundTruth) -> GroundTruth:
    """The truth under the names of the collection."""
    snapshot = engine.searcher.searchable.snapshot
    return truth.renamed(engine.names, {one: snapshot.names_under(one) for one in snapshot.roots})


def measure_set(
    data: Path, work: Path, name: str, network: str, search: dict, query_side=None, **settings
) -> dict:
    """All columns for one set and network."""
    start = time.perf_counter()
    engine = collection(data, work, name, network, **settings)
    columns = {one: given for one, given in COLUMNS.items() if not search or one != DEFAULT}
    options = [
        SearchOptions(**{**search, **given, "query_side": query_side}) for given in columns.values()
    ]
    results = evaluate(engine.searcher, data / SETS[name][1], options)
    row = {
        "set": name,
        "network": network,
        "side": engine.settings.side,
        "tile side": engine.settings.tile_side,
        "query side": query_side or engine.settings.side,
        "words": engine.model.n_words,
        "images": len(engine),
        "seconds": round(time.perf_counter() - start),
    }
    for column, modes in zip(columns, results):
        for mode in modes:
            row[f"{mode.mode} {column}"] = {
                key: value
                for key, value in mode.to_dict().items()
                if key != "per_query" and value not in (None, {})
            }
    print(json.dumps({key: row[key] for key in ("set", "network", "side", "seconds")}), flush=True)
    return row


def measure_agreement(data: Path, work: Path) -> list[dict]:
    """The engine at the settings of the independent plain implementation."""
    rows = []
    for (n_words, n_components, sqrt), expected in AGREEMENT.items():
        settings = {**PLAIN, "n_words": n_words, "n_components": n_components, "sqrt": sqrt}
        settings["layer"] = BEHIND_RELU["squeezenet1_1"]
        engine = collection(data, work, "logos", "squeezenet1_1", **settings)
        options = SearchOptions(rerank=False, query_scales=(1.0,))
        modes = evaluate(engine.searcher, data / SETS["logos"][1], [options])[0]
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


def _rows(results: list[dict], columns: Sequence[str], boxes: bool) -> list[list[str]]:
    rows = []
    for row in results:
        for mode in ("GS", "LS"):
            if f"{mode} base" not in row:
                continue
            side = f"{row['side']}, {row['tile side']}" if row.get("tile side") else row["side"]
            cells = [row["set"], row["network"], f"{side} ({row['query side']})"]
            cells += [f"{row['words']:,}", mode]
            cells += [_value(row, f"{mode} {column}", "mAP") for column in columns]
            if boxes:
                measures = ("mean_iou", "corloc", "mean_iou_whole_image")
                cells += [_value(row, f"{mode} R", measure) for measure in measures]
            rows.append(cells)
    return rows


def _published() -> list[list[str]]:
    return [
        [name, "VGG16 (published)", "1/3 of the original", "25,000", mode]
        + [f"{value:.3f}".lstrip("0") for value in values]
        for (name, mode), values in PUBLISHED.items()
    ]


def markdown(results: dict) -> str:
    """The section of the page."""
    header = ["set", "network", "side (query)", "words", "query"]
    ours, paper = list(COLUMNS), [one for one in COLUMNS if one != DEFAULT]
    boxes = ["mean IoU", "IoU >= .5", "whole image"]
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
            "GS: the whole query picture. Default: what a search does that is told nothing, R with "
            '`expand="auto"`. R: the best windows of the first 100; GQE, LQE: 10 hits. '
            'Mean IoU, share of IoU >= .5 and the answer "the whole image" over the true hits '
            "among the 100 that R localised.",
            "**The engine's defaults**, except where the side differs; they were tuned on these "
            "sets (see below).",
            table(header + ours + boxes, _rows(results["sets"], ours, boxes=True)),
            "**With tiles of a larger copy of each picture** (`tiles=3`, `tile_side=768`; the "
            "whole of side 384), else the defaults:",
            table(header + ours + boxes, _rows(results["tiled"], ours, boxes=True)),
            "**Table 1 of the paper on these sets**: its collection (uniform weights, counts, no "
            "idf, all components; side 384) and its search (one view, the grid of 121 windows, "
            "spatial pyramid, no guard, no reranking after the expansion).",
            table(header + paper, [*_rows(results["paper"], paper, boxes=False), *_published()]),
            "At the settings of an independent plain implementation (logos, SqueezeNet 1.1 fire9, "
            "side 480, 2x upsampling, no idf, no weights, no reranking):",
            table(names, agreement),
            f"`{results['command']}`. "
            + "; ".join(f"{network}: {when}" for network, when in results["made"].items()),
        ]
    )


def main() -> None:
    """Measure what is not measured yet, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the sets and weights")
    parser.add_argument("--work", type=Path, required=True, help="folder for the collections")
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=SETS)
    parser.add_argument(
        "--paper", nargs="*", default=list(SETS), choices=SETS, help="at the paper's settings"
    )
    parser.add_argument(
        "--tiled", nargs="*", default=[], choices=SETS, help="with tiles of larger copies"
    )
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), choices=NETWORKS)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    sets, paper, tiled = [], [], []
    for network in options.networks:
        for name in SETS:
            where = options.data, options.work, name, network
            if name in options.sets:
                sets.append(measure_set(*where, {}))
                if name == "shelves":
                    # A pack fills the query and is a small part of a shelf: the sizes must meet.
                    sets.append(measure_set(*where, {}, query_side=384, side=768))
                if name in options.paper:
                    settings = {**PAPER_COLLECTION, "layer": BEHIND_RELU.get(network)}
                    paper.append(measure_set(*where, PAPER_SEARCH, **settings))
            if name in options.tiled:
                tiled.append(measure_set(*where, {}, tiles=3, tile_side=768))
    if "squeezenet1_1" in options.networks:
        agreement = measure_agreement(options.data, options.work)
    else:
        agreement = read_results("accuracy")["agreement"]
    results = {
        **made_by("benchmarks.accuracy DATA --work FOLDER"),
        "sets": sets,
        "paper": paper,
        "tiled": tiled,
        "agreement": agreement,
    }
    keep_rows("accuracy", results, options.networks)
    write_section("accuracy", "Accuracy", markdown(results))


if __name__ == "__main__":
    main()
