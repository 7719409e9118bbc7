"""What each setting of a collection is worth: one changes, the others are the engine's defaults.

    python -m benchmarks.ablations DATA --work FOLDER

DATA holds the sets and weights as in accuracy.py. FOLDER keeps the figures that were measured, so
that a run that was stopped goes on. Writes benchmarks/results/ablations.json, and the tables of
benchmarks/ablations/README.md and a plot for each setting beside them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from pathlib import Path
from typing import Any

from benchmarks.ablations.plots import plot_ablation
from benchmarks.accuracy import SETS, weights_of
from benchmarks.report import keep_results, made_by, signature, table, write_section
from blcf import SearchEngine, SearchOptions
from blcf.collection.settings import Settings
from blcf.errors import BlcfError
from blcf.measuring.evaluator import evaluate

# The values of each setting, by network; the default is among them, or is measured beside them.
ABLATIONS: dict[str, dict[str, tuple]] = {
    "squeezenet1_1": {
        "n_words": (128, 500, 2_000, 8_000, 25_000),
        "side": (192, 256, 384, 512, 768),
        "upsample": (1, 2, 3),
        "n_components": (32, 64, 128, 256, None),
        "weighting": ("uniform", "center", "linear", "norm"),
        "idf": (True, False),
        "sqrt": (True, False),
        "layer": ("fire4", "fire5", "fire6", "fire7", "fire8", "fire9"),
    },
    "blcf-lite": {
        "side": (256, 384, 512),
        "layer": ("conv3_3", "conv4_4", "conv5"),
        "n_components": (64, 128, 256),
    },
    "mobilenet_v2": {
        "side": (256, 384, 512),
        "layer": (
            "features.11.conv.0",
            "features.14.conv.0",
            "features.17.conv.0",
            "features.18",
        ),
    },
}
# What takes long on the largest set; the others show where it leads.
LEFT_OUT = {
    "squeezenet1_1": ({"side": 768}, {"upsample": 3}, {"n_components": None})
    + tuple({"layer": f"fire{number}"} for number in (4, 5, 6, 7)),
    "mobilenet_v2": ({"side": 512}, {"layer": "features.11.conv.0"}),
}
# The representation alone: the query in one size, nothing reranked or expanded.
SEARCH = SearchOptions(rerank=False, query_scales=(1.0,))
HERE = Path(__file__).resolve().parent


def measure(data: Path, work: Path, network: str, name: str, changed: dict[str, Any]) -> dict:
    """Index a set with some settings and evaluate it: one row, or why there is none."""
    path = work / "collection.blcf"
    shutil.rmtree(path, ignore_errors=True)
    start = time.perf_counter()
    row: dict[str, Any] = {"network": network, "set": name, "changed": changed}
    weights = weights_of(data, network)
    try:
        engine = SearchEngine.create(path, network, weights=weights, vocabulary="own", **changed)
        engine.add(data / SETS[name][0], progress=False)
        (modes,) = evaluate(engine.searcher, data / SETS[name][1], [SEARCH], progress=False)
    except BlcfError as error:  # more words than local features, for one
        return {**row, "error": str(error)}
    row["words"] = engine.model.n_words
    row["bytes"] = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    for mode in modes:
        row[mode.mode] = round(mode.mean_average_precision, 4)
    row["seconds"] = round(time.perf_counter() - start, 1)
    return row


def all_conditions(networks: list[str], sets: list[str]) -> list[tuple[str, str, dict]]:
    """(network, set, what is changed) of every measurement, each once."""
    found = []
    for network in networks:
        for name in sets:
            found.append((network, name, {}))
            for setting, values in ABLATIONS[network].items():
                default = getattr(Settings(), setting)
                found += [(network, name, {setting: one}) for one in values if one != default]
    return [one for one in found if one[1] != "grocery" or one[2] not in LEFT_OUT.get(one[0], ())]


def figures(rows: list[dict], network: str, setting: str, name: str) -> list[tuple[Any, dict]]:
    """(value, row) of a setting on a set, the default's row at its own value."""
    chosen = []
    for value in ABLATIONS[network][setting]:
        changed = {} if value == getattr(Settings(), setting) else {setting: value}
        chosen += [
            (value, row)
            for row in rows
            if (row["network"], row["set"], row["changed"]) == (network, name, changed)
            and "error" not in row
        ]
    return chosen


def mode_of(row: dict) -> str:
    """LS where the set has boxes, else GS."""
    return "LS" if "LS" in row else "GS"


def markdown(results: dict) -> str:
    """The section of the page: a table and a plot for each setting."""
    rows = results["rows"]
    networks = [one for one in ABLATIONS if any(row["network"] == one for row in rows)]
    sets = [one for one in SETS if any(row["set"] == one for row in rows)]
    parts = [
        "mAP of the ranking by bags alone: the query in one size (LS on logos, whole pictures on "
        "the others), no reranking, no expansion; all other settings are the defaults. Shelves has "
        "7 queries: a seed alone moves it by .05."
    ]
    settings = list(dict.fromkeys(one for network in networks for one in ABLATIONS[network]))
    for setting in settings:
        lines = []
        for network in networks:
            for name in sets:
                if setting not in ABLATIONS[network]:
                    continue
                found = figures(rows, network, setting, name)
                cells = [f"{_show(value)}: {row[mode_of(row)]:.3f}" for value, row in found]
                lines.append([network, name, ", ".join(cells)])
        parts.append(f"**{setting}**")
        parts.append(table(["network", "set", "mAP by value"], lines))
        parts.append(f"![{setting}]({setting}.png)")
    return "\n\n".join([*parts, signature(results)])


def _show(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "all" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def main() -> None:
    """Measure what is not measured yet, write table and plots."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the sets and weights")
    parser.add_argument("--work", type=Path, required=True, help="folder for what was measured")
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=SETS)
    parser.add_argument("--networks", nargs="*", default=list(ABLATIONS), choices=ABLATIONS)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    kept = options.work / "ablations.jsonl"
    lines = kept.read_text().splitlines() if kept.exists() else []
    rows = [json.loads(line) for line in lines]
    done = {json.dumps([row["network"], row["set"], row["changed"]]) for row in rows}
    for network, name, changed in all_conditions(options.networks, options.sets):
        if json.dumps([network, name, changed]) in done:
            continue
        row = measure(options.data, options.work, network, name, changed)
        print(json.dumps(row), flush=True)
        with open(kept, "a") as file:
            file.write(json.dumps(row) + "\n")
        rows.append(row)
    results = {**made_by("benchmarks.ablations DATA --work FOLDER"), "rows": rows}
    keep_results("ablations", results)
    for setting in {one for network in options.networks for one in ABLATIONS[network]}:
        lines_of = {
            (network, name): [
                (_show(value), row[mode_of(row)])
                for value, row in figures(rows, network, setting, name)
            ]
            for network in options.networks
            if setting in ABLATIONS[network]
            for name in options.sets
        }
        plot_ablation(setting, lines_of, HERE / f"{setting}.png")
    write_section("ablations", "Ablations", markdown(results))


if __name__ == "__main__":
    main()
