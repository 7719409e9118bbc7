"""BLCF beside every global descriptor at its best layer, side and whitening, on the sets at hand.

    python benchmarks/descriptors.py DATA --work FOLDER

DATA holds the sets and weights as in accuracy.py, whose figures of BLCF stand beside these: run it
first. Each descriptor is tried on every layer and side of `GRID`, unwhitened, with 64 and 256
components learned on 1,000 other photographs and with 32 learned on the set itself, and shown at
the best of them for each set: an upper figure, chosen on the queries that it is measured with.
FOLDER keeps what was measured. Writes benchmarks/results/descriptors.json and the section "Global
descriptors" of benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from accuracy import SETS, weights_of
from conditions import System
from report import machine, table, write_section
from reproduce_data import DataSet, Task
from reproduce_systems import Laboratory

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
HERE = Path(__file__).resolve().parent


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
        "mAP": round(result["figure"], 4),
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


def best_of(found: list[tuple], name: str, descriptor: str, queries: tuple[str, ...]) -> tuple:
    """The best (task, result) of a descriptor on a set."""
    mine = [
        (task, result)
        for task, result in found
        if task.set == name
        and (task.system.descriptor or task.system.kind) == descriptor
        and task.queries in queries
    ]
    return max(mine, key=lambda pair: pair[1]["figure"])


def expand(laboratory: Laboratory, best: tuple) -> dict[str, tuple[Task, dict]]:
    """The best condition with expansion, and of R-MAC with reranking too."""
    task, _ = best
    if task.system.kind == "crops":
        return {}
    searches = {"QE": EXPANSION}
    if task.system.descriptor == "RMAC":
        searches["R + QE"] = RERANKING
    tasks = {label: replace(task, search=search) for label, search in searches.items()}
    results = laboratory.run(list(tasks.values()), lambda text: None)
    return {label: (one, results[one.key]) for label, one in tasks.items()}


def blcf_rows(name: str) -> list[dict[str, Any]]:
    """BLCF on a set, from accuracy.py: at the defaults, and at the settings of the paper."""
    path = HERE / "results" / "accuracy.json"
    if not path.exists():
        return []
    content, rows = json.loads(path.read_text()), []
    for part, label in (("sets", "BLCF, defaults"), ("paper", "BLCF, the paper's settings")):
        for row in content[part]:
            if row["set"] != name:
                continue
            for mode in ("LS", "GS"):
                if f"{mode} base" in row:
                    figures = {
                        stage: row[f"{mode} {stage}"]["mAP"] for stage in ("base", "R", "R+LQE")
                    }
                    rows.append({"label": label, **row, "mode": mode, "figures": figures})
    return rows


def markdown(names: list[str], best: dict, expanded: dict) -> str:
    """The section for benchmarks/README.md."""
    parts = [
        "mAP on whole rankings (trapezoidal). Descriptors: the best layer, side, network and "
        "whitening of each on each set, chosen with the same queries, so an upper figure; "
        "whitenings of 64 and 256 components are learned on 1,000 other photographs, those of 32 "
        "on the set. LS: the cells under the box, or the "
        "picture cut along it, whichever is better (said so). QE: 5 hits. BLCF: figures of "
        "accuracy.py, nothing chosen here; its whitening and vocabulary are of the set itself."
    ]
    for name in names:
        lines = []
        for (owner, descriptor, kind), (task, result) in best.items():
            if owner != name:
                continue
            row = row_of(task, result)
            extra = expanded[owner, descriptor, kind]
            cells = [f"{result['figure']:.3f}"]
            cells += [
                f"{extra[label][1]['figure']:.3f}" if label in extra else ""
                for label in ("R + QE", "QE")
            ]
            how = f"{row['network']} {row['layer']}, {row['side']}, {row['components']}"
            lines.append([TITLES.get(descriptor, descriptor), task.queries, how, *cells])
        for row in blcf_rows(name):
            how = f"{row['network']}, {row['side']} ({row['query side']}), {row['words']:,} words"
            cells = [f"{row['figures'][stage]:.3f}" for stage in ("base", "R+LQE", "R")]
            lines.append([row["label"], row["mode"], how, cells[0], cells[1], f"R {cells[2]}"])
        header = ["system", "query", "network, layer, side, components", "base", "R + QE", "QE"]
        parts += [f"**{name}**", table(header, lines)]
    parts.append(
        f"`python benchmarks/descriptors.py DATA --work FOLDER`, {time.strftime('%Y-%m-%d')}, "
        f"{machine()}"
    )
    return "\n\n".join(parts)


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
    best, expanded = {}, {}
    kinds = [*DESCRIPTORS, *(["codes", "crops"] if "mobilenet_v2" in options.networks else [])]
    for name in options.sets:
        for descriptor in kinds:
            for kind in (("LS", "crop"), ("GS",)):
                if kind == ("GS",) or tasks_for(found[0][0].system, laboratory.sets[name])[1:]:
                    key = (name, descriptor, kind[0])
                    best[key] = best_of(found, name, descriptor, kind)
                    expanded[key] = expand(laboratory, best[key])
    rows = [row_of(*pair) for pair in found]
    rows += [row_of(*pair) for extra in expanded.values() for pair in extra.values()]
    (HERE / "results" / "descriptors.json").write_text(json.dumps(rows, indent=0) + "\n")
    section = markdown(options.sets, best, expanded)
    write_section(HERE / "README.md", "Global descriptors", section)
    if not options.keep_features:
        shutil.rmtree(options.work / "features", ignore_errors=True)


if __name__ == "__main__":
    main()
