"""What `blcf train` brings to the bag of words: with labels of what is searched for, with labels
of other things, and with none.

    python -m benchmarks.learning.bag DATA --work FOLDER [--runs NAME ...] [--epochs N] [--keep N]
        [--others]

DATA holds grocery (train, images, queries, gt.json), logos, natural and the weights (see
`benchmarks.accuracy`). With --others what is kept is kept by the photographs of natural, of which
none shows what is searched for, else by those that are learned from. A class of grocery/train is
the name of a file before its first "_"; names that begin with one of `CARTONS` are those of the
products that are searched for. FOLDER keeps
trainings and collections, so that a run that was stopped goes on. Writes
benchmarks/results/learning_bag.json and a section of benchmarks/learning/README.md; rows that were
not measured this time stay.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.accuracy import NETWORKS, SETS, weights_of
from benchmarks.learning.photographs import CARTONS
from benchmarks.report import (
    keep_results,
    made_by,
    read_results,
    signature,
    table,
    write_section,
)
from blcf import SearchEngine, SearchOptions
from blcf.images import find_images
from blcf.learning.bag_settings import BagSettings
from blcf.learning.train import train_network
from blcf.measuring.evaluator import evaluate
from blcf.teaching import write_neighbours

RUNS = {
    "none": "as it comes",
    "all": "grocery, 81 labels",
    "others": "grocery, 50 labels of fruit and vegetables",
    "logos": "logos, no labels (neighbours)",
}
COLUMNS: dict[str, dict[str, Any]] = {
    "base": {"rerank": False, "scales_by": "alike"},
    "gap": {"rerank": False, "scales_by": "gap"},
    "R": {"expand": "none", "scales_by": "alike"},
}
SHOWN = (
    ("grocery", "GS", "base"),
    ("grocery", "GS", "gap"),
    ("grocery", "GS", "R"),
    ("logos", "LS", "base"),
    ("logos", "LS", "gap"),
    ("logos", "LS", "R"),
    ("logos", "GS", "base"),
    ("logos", "GS", "gap"),
)


SETTINGS = ("epochs", "keep", "blend")  # that are varied
OTHERS = "natural"  # photographs


def label_of(row: dict[str, Any]) -> str:
    """What the files of a row are called."""
    return "-".join(
        [
            *(row["network"], row["run"]),
            *(f"{row[name]:g}" for name in SETTINGS if name in row),
            *([OTHERS] if row.get("others") else []),
        ]
    )


def train(data: Path, work: Path, row: dict[str, Any], settings: BagSettings) -> dict[str, Any]:
    """The weights of a row, trained now or earlier; gives what they cost."""
    network, run, label = row["network"], row["run"], label_of(row)
    out = work / f"{label}.h5"
    begin = {"network": network, "weights": weights_of(data, network)}
    began = time.monotonic()
    if run == "logos":
        source = find_images(data / "logos" / "images")
        labels = write_neighbours(source, work / f"{network}-neighbours", **begin)
    else:
        source = find_images(data / "grocery" / "train")
        labels = work / f"{run}.csv"
        with open(labels, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["name", "label"])
            for name in source.names:
                label = name.split("_")[0]
                if run == "all" or not label.startswith(CARTONS):
                    writer.writerow([name, label])
    others = find_images(data / OTHERS) if row["others"] else None
    report = train_network(source, out, labels, settings=settings, others=others, **begin)
    return {
        "pictures": report.n_pictures,
        "labels": report.n_classes,
        "first loss": round(report.record[0]["loss"], 4),
        "last loss": round(report.record[-1]["loss"], 4),
        "minutes of epochs": round(sum(entry["seconds"] for entry in report.record) / 60, 1),
        "minutes": round((time.monotonic() - began) / 60, 1),
    }


def measure(data: Path, work: Path, row: dict[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    """mAP on each set, with the engine's defaults."""
    network, label = row["network"], label_of(row)
    weights = weights_of(data, network) if row["run"] == "none" else work / f"{label}.h5"
    found: dict[str, Any] = {}
    for name, (folder, truth) in SETS.items():
        if name == "shelves":
            continue
        path = work / f"{name}-{label}.blcf"
        if path.exists():
            engine = SearchEngine.open(path, weights=weights)
        else:
            engine = SearchEngine.create(path, network, weights=weights)
        with engine:
            engine.add(data / folder)
            options = [SearchOptions(**COLUMNS[column]) for column in columns]
            results = evaluate(engine.searcher, data / truth, options)
        for column, modes in zip(columns, results):
            for mode in modes:
                found[f"{name} {mode.mode} {column}"] = round(mode.mean_average_precision, 4)
                overlap = mode.to_dict().get("mean_iou")
                if overlap and column == "R":
                    found[f"{name} {mode.mode} IoU"] = round(overlap, 4)
    return found


def markdown(results: dict[str, Any]) -> str:
    """The section of the page."""
    header = ["network", "learned from", *SETTINGS, "kept by", "minutes"]
    header += [f"{name} {mode} {column}" for name, mode, column in SHOWN] + ["logos LS mean IoU"]
    rows = []
    for row in results["rows"]:
        keys = [" ".join(shown) for shown in SHOWN] + ["logos LS IoU"]
        figures = [f"{row[key]:.3f}".lstrip("0") if key in row else "" for key in keys]
        how = [f"{row[name]:g}" if name in row else "" for name in SETTINGS]
        rows.append(
            [
                row["network"],
                RUNS[row["run"]],
                *how,
                (OTHERS if row.get("others") else "its own") if row["run"] != "none" else "",
                str(row.get("minutes of epochs", "")),
                *figures,
            ]
        )
    return "\n\n".join(
        [
            "mAP: trapezoidal AP, junk dropped, whole ranking, the engine's defaults (side 384). "
            "LS: the cells of the query's box; GS: the whole query picture; gap: sizes of the "
            "query by their gaps (`scales_by`), elsewhere alike; R: reranking. Minutes: of the "
            "epochs alone, beside other work. What is varied: epochs, the weight of what is kept, "
            "the share of what was learned in the weights that are written, and whose photographs "
            "it is kept by.",
            table(header, rows),
            signature(results),
        ]
    )


def main() -> None:
    """Train and measure what is asked for, write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--work", type=Path, required=True, help="for trainings and collections")
    parser.add_argument("--networks", nargs="*", default=["blcf-lite"], choices=NETWORKS)
    parser.add_argument("--runs", nargs="*", default=list(RUNS), choices=RUNS)
    parser.add_argument("--columns", nargs="*", default=list(COLUMNS), choices=COLUMNS)
    for name in SETTINGS:
        default = getattr(BagSettings, name)
        parser.add_argument(f"--{name}", type=type(default), default=default)
    parser.add_argument("--others", action="store_true", help="what is kept is of natural")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    varied = {name: getattr(options, name) for name in SETTINGS}
    rows = {_key(row): row for row in read_results("learning_bag").get("rows", [])}
    for network in options.networks:
        for run in options.runs:
            row: dict[str, Any] = {"network": network, "run": run}
            if run != "none":
                row |= varied | {"others": options.others}
                row |= train(options.data, options.work, row, BagSettings(**varied))
            row |= measure(options.data, options.work, row, options.columns)
            print(row, flush=True)
            rows[_key(row)] = row
            results = made_by("benchmarks.learning.bag DATA --work FOLDER")
            results["rows"] = [rows[key] for key in sorted(rows)]
            keep_results("learning_bag", results)
            write_section("learning", "The bag of words", markdown(results))


def _key(row: dict[str, Any]) -> tuple:
    """What tells rows apart, in their order."""
    place = list(NETWORKS).index(row["network"]), list(RUNS).index(row["run"])
    return (*place, *(row.get(name, 0) for name in SETTINGS), row.get("others", False))


if __name__ == "__main__":
    main()
