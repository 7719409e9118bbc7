"""BLCF beside every global descriptor at its best layer, side and whitening, on the sets at hand.

    python -m benchmarks.descriptors DATA --work FOLDER

DATA holds the sets and weights as in accuracy.py, whose figures of BLCF stand beside these: run it
first. Each descriptor is tried on every layer and side of `GRID`, unwhitened, with 64 and 256
components learned on 1,000 other photographs and with 32 learned on the set itself, and shown at
the best of them for each set: an upper figure, chosen on the queries that it is measured with.
FOLDER keeps what was measured. Writes benchmarks/results/descriptors.json, a line for each
condition that was tried, and the tables of benchmarks/descriptors.md.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy import SETS, weights_of
from benchmarks.report import (
    keep_results,
    made_by,
    read_results,
    signature,
    table,
    write_section,
)
from benchmarks.reproduce.conditions import System
from benchmarks.reproduce.data import DataSet, Task
from benchmarks.reproduce.systems import Laboratory
from blcf.datasets import read_ground_truth
from blcf.images import ImageList, find_images

# Layers and sides by network; stride 16, and 32 where the name is of a later block.
GRID: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    "squeezenet1_1": (("fire9", "fire8"), (384, 512)),
    "mobilenet_v2": (("features.14.conv.0", "features.18"), (384, 512)),
}
DESCRIPTORS = ("SumPooling", "SPoC", "MAC", "RMAC", "CroW", "GeM", "VLAD")
# Learned on other photographs, or on the set itself, which has too few pictures for more.
WHITENINGS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("itself", {"whiten": False}),
    ("photos", {"n_components": 64}),
    ("photos", {"n_components": 256}),
    ("itself", {"n_components": 32}),
)
PHOTOS = ("natural/imagenet", "natural/bsds", "grocery/train")
N_PHOTOS = 1_000
EXPANSION = {"expand": 5}
RERANKING = {"rerank": 100, "expand": 5}
TITLES = {
    "SumPooling": "sum pooling",
    "RMAC": "R-MAC",
    "codes": "neural codes",
    "crops": "off-the-shelf crops",
}


def open_sets(data: Path, names: list[str]) -> dict[str, DataSet]:
    """The sets, and the photographs that whitenings are learned on."""
    sets = {}
    for name in names:
        folder, truth = SETS[name]
        sets[name] = DataSet(name, (find_images(data / folder),), read_ground_truth(data / truth))
    photos = [f"{folder}/{one}" for folder in PHOTOS for one in find_images(data / folder).names]
    chosen = np.random.default_rng(0).choice(len(photos), N_PHOTOS, replace=False)
    images = ImageList(data, [photos[row] for row in sorted(chosen)])
    sets["photos"] = DataSet("photos", (images,))
    return sets


def systems_at(network: str, layer: str, side: int) -> list[System]:
    """Every descriptor with every whitening."""
    return [
        System(
            name=f"{descriptor}-{learned_on}-{'-'.join(map(str, options.values()))}",
            kind="descriptor",
            network=network,
            layer=layer,
            side=side,
            descriptor=descriptor,
            options=options,
            learned_on=learned_on,
        )
        for descriptor in DESCRIPTORS
        for learned_on, options in WHITENINGS
    ]


def codes_of(network: str) -> list[System]:
    """Neural codes, and the crops of Razavian et al."""
    common: dict[str, Any] = {"network": network, "layer": "flatten", "learned_on": "photos"}
    crops = {"n_components": 128, "n_levels": 3, "n_query_levels": 2}
    return [
        System(name="codes", kind="codes", options={"whiten": False}, **common),
        System(name="codes-64", kind="codes", options={"n_components": 64}, **common),
        System(name="codes-256", kind="codes", options={"n_components": 256}, **common),
        # Learned on the set itself: 14 crops of 1,000 other photographs would take long.
        System(name="crops", kind="crops", options=crops, **{**common, "learned_on": "itself"}),
    ]


def tasks_for(system: System, data: DataSet) -> list[Task]:
    """Whole pictures; with boxes also the cells under them, and the pictures cut along them."""
    assert data.truth is not None
    has_boxes = any(query.box is not None for query in data.truth.queries)
    kinds = ("GS", "LS", "crop") if has_boxes else ("GS",)
    return [Task(system, data.name, one) for one in kinds]


def row_of(task: Task, result: dict[str, Any]) -> dict[str, Any]:
    """A figure and how it was come by, as plain values."""
    system = task.system
    return {
        "set": task.set,
        "descriptor": system.descriptor or system.kind,
        "network": system.network,
        "layer": system.layer,
        "side": system.side,
        "components": result["components"] if system.options.get("whiten", True) else "none",
        "learned on": result["learned on"],
        "queries": task.queries,
        "search": task.search,
        "mAP": round(result["figure"], 6),
    }


def measure(laboratory: Laboratory, names: list[str], networks: list[str]) -> list[tuple]:
    """(task, result) of every condition."""
    found = []
    for network in networks:
        layers, sides = GRID[network]
        groups = [systems_at(network, layer, side) for layer in layers for side in sides]
        if network == "mobilenet_v2":  # the file of SqueezeNet has no layers behind the maps
            groups.append(codes_of(network))
        for systems in groups:
            for system in systems:
                for name in names:
                    tasks = tasks_for(system, laboratory.sets[name])
                    results = laboratory.run(tasks, lambda text: None)
                    found += [(task, results[task.key]) for task in tasks]
            say(f"{network} {systems[0].layer} {systems[0].side}: {len(found)} figures")
    return found


def best_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each descriptor on each set the best condition: with the box, and of whole pictures."""
    found: dict[tuple, dict[str, Any]] = {}
    for row in rows:
        key = (row["set"], row["descriptor"], row["queries"] == "GS")
        if not row["search"] and row["mAP"] > found.get(key, {"mAP": -1.0})["mAP"]:
            found[key] = row
    kinds = list(dict.fromkeys([*DESCRIPTORS, *(row["descriptor"] for row in rows)]))
    return sorted(found.values(), key=lambda row: (kinds.index(row["descriptor"]), _is_whole(row)))


def _is_whole(row: dict[str, Any]) -> bool:
    return row["queries"] == "GS"


def expand(laboratory: Laboratory, task: Task) -> list[tuple]:
    """(task, result) of a condition with expansion, and of R-MAC with reranking too."""
    if task.system.kind == "crops":
        return []
    searches = [EXPANSION, *([RERANKING] if task.system.descriptor == "RMAC" else [])]
    tasks = [replace(task, search=search) for search in searches]
    results = laboratory.run(tasks, lambda text: None)
    return [(one, results[one.key]) for one in tasks]


def blcf_rows(name: str) -> list[dict[str, Any]]:
    """BLCF on a set, from accuracy.py: at the defaults, and at the settings of the paper."""
    content, rows = read_results("accuracy"), []
    for part, label in (("sets", "BLCF, defaults"), ("paper", "BLCF, the paper's settings")):
        for row in content.get(part, []):
            if row["set"] != name or row["network"] not in GRID:  # like beside like
                continue
            for mode in ("LS", "GS"):
                if f"{mode} base" in row:
                    figures = {
                        stage: row[f"{mode} {stage}"]["mAP"] for stage in ("base", "R", "R+LQE")
                    }
                    rows.append({"label": label, **row, "mode": mode, "figures": figures})
    return rows


def markdown(results: dict[str, Any]) -> str:
    """The section of the page."""
    rows = [dict(zip(results["columns"], values)) for values in results["rows"]]
    parts = [
        "mAP on whole rankings (trapezoidal). Descriptors: the best layer, side, network and "
        "whitening of each on each set, chosen with the same queries, so an upper figure; "
        "whitenings of 64 and 256 components are learned on 1,000 other photographs, those of 32 "
        "on the set. LS: the cells under the box, or the "
        "picture cut along it, whichever is better (said so). QE: 5 hits. BLCF: figures of "
        "accuracy.py, nothing chosen here; its whitening and vocabulary are of the set itself."
    ]
    best = best_rows(rows)
    for name in dict.fromkeys(row["set"] for row in rows):
        lines = []
        for row in best:
            if row["set"] != name:
                continue
            figures = [row["mAP"]]
            figures += [figure_of(rows, {**row, "search": how}) for how in (RERANKING, EXPANSION)]
            how = f"{row['network']} {row['layer']}, {row['side']}, {row['components']}"
            cells = ["" if one is None else f"{one:.3f}" for one in figures]
            title = TITLES.get(row["descriptor"], row["descriptor"])
            lines.append([title, row["queries"], how, *cells])
        for row in blcf_rows(name):
            how = f"{row['network']}, {row['side']} ({row['query side']}), {row['words']:,} words"
            cells = [f"{row['figures'][stage]:.3f}" for stage in ("base", "R+LQE", "R")]
            lines.append([row["label"], row["mode"], how, cells[0], cells[1], f"R {cells[2]}"])
        header = ["system", "query", "network, layer, side, components", "base", "R + QE", "QE"]
        parts += [f"**{name}**", table(header, lines)]
    return "\n\n".join([*parts, signature(results)])


def figure_of(rows: list[dict[str, Any]], condition: dict[str, Any]) -> float | None:
    """The figure of a condition, if it was measured."""
    wanted = {key: value for key, value in condition.items() if key != "mAP"}
    found = [row["mAP"] for row in rows if wanted.items() <= row.items()]
    return found[0] if found else None


def say(text: str) -> None:
    """A message on stderr."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Measure what is not measured yet, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the sets and weights")
    parser.add_argument("--work", type=Path, required=True, help="folder for what was measured")
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=SETS)
    parser.add_argument("--networks", nargs="*", default=list(GRID), choices=GRID)
    parser.add_argument("--keep-features", action="store_true", help="some 40 GB")
    options = parser.parse_args()
    weights = {name: weights_of(options.data, name) for name in GRID}
    laboratory = Laboratory(options.work, open_sets(options.data, options.sets), weights)
    found = measure(laboratory, options.sets, options.networks)
    rows = [row_of(*pair) for pair in found]
    best = [found[rows.index(row)] for row in best_rows(rows)]
    rows += [row_of(*pair) for task, _ in best for pair in expand(laboratory, task)]
    results = {
        **made_by("benchmarks.descriptors DATA --work FOLDER"),
        "columns": list(rows[0]),
        "rows": [list(row.values()) for row in rows],
    }
    keep_results("descriptors", results)
    write_section("descriptors", "Global descriptors", markdown(results))
    if not options.keep_features:
        shutil.rmtree(options.work / "features", ignore_errors=True)


if __name__ == "__main__":
    main()
