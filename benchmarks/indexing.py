"""The whole of `blcf index` on a folder of photographs: time by stage, pictures a second, memory.

    python -m benchmarks.indexing DATA

DATA holds real pictures and weights: the 2,640 photographs of ``grocery/train``, SqueezeNet 1.1,
defaults. The command runs in a process of its own, whose stages are timed from within. Writes
benchmarks/results/indexing.json and the table of benchmarks/indexing.md.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.report import keep_results, made_by, signature, table, write_section

# What is timed, in the order in which it happens.
STAGES = {
    "sample: decoding, network": "blcf.adding.training.draw_sample",
    "whitening": "blcf.adding.training.Whitening.fit",
    "whitened sample": "blcf.adding.training._whiten",
    "k-means": "blcf.vocabulary.Vocabulary.fit",
    "indexing": "blcf.adding.writer.index_images",
}


def run_timed(arguments: list[str]) -> None:
    """The command, with its stages timed; prints a line of JSON behind its own output."""
    import blcf.adding.training as training
    import blcf.adding.writer as writer
    from blcf.cli import main as blcf
    from blcf.features import Whitening
    from blcf.vocabulary import Vocabulary

    homes: list[tuple[Any, str]] = [
        (training, "draw_sample"),
        (Whitening, "fit"),
        (training, "_whiten"),
        (Vocabulary, "fit"),
        (writer, "index_images"),
    ]
    seconds = dict.fromkeys(STAGES, 0.0)

    def timed(stage: str, call: Any) -> Any:
        def run(*args: Any, **options: Any) -> Any:
            start = time.perf_counter()
            try:
                return call(*args, **options)
            finally:
                seconds[stage] += time.perf_counter() - start

        return run

    for stage, (home, name) in zip(STAGES, homes):
        setattr(home, name, timed(stage, getattr(home, name)))
    start = time.perf_counter()
    code = blcf(arguments)
    seconds["all"] = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2  # GB on Linux
    print(json.dumps({"code": code, "seconds": seconds, "peak_gb": peak}))


def measure(data: Path, work: Path) -> dict[str, Any]:
    """Index, and see what came of it."""
    weights = data / "weights" / "squeezenet1_1_features.pth"
    collection = work / "train.blcf"
    command = [sys.executable, "-m", "benchmarks.indexing", "--run", "index", str(collection)]
    command += [str(data / "grocery" / "train"), "--quiet"]
    command += ["--network", "squeezenet1_1", "--weights", str(weights)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    command = [sys.executable, "-m", "blcf", "info", str(collection), "--json"]
    facts = subprocess.run(command, capture_output=True, text=True, check=True)
    return {**found, "facts": json.loads(facts.stdout)}


def main() -> None:
    """Measure, write the results."""
    if sys.argv[1:2] == ["--run"]:
        run_timed(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(options.data, Path(folder))
    results = {**made_by("benchmarks.indexing DATA"), **found}
    keep_results("indexing", results)
    write_section("indexing", "Indexing", markdown(results))


def markdown(results: dict[str, Any]) -> str:
    """The section of the page."""
    seconds, facts = dict(results["seconds"]), results["facts"]
    n_images, n_words = facts["n_images"], facts["n_words"]
    whole = seconds["all"]
    seconds["the rest (imports, listing, files)"] = whole - sum(seconds[stage] for stage in STAGES)
    rows = [
        [stage, f"{taken:.1f}", f"{100 * taken / whole:.0f} %", f"{1000 * taken / n_images:.1f}"]
        for stage, taken in seconds.items()
        if stage != "all"
    ]
    rows.append(["all", f"{whole:.1f}", "", f"{1000 * whole / n_images:.1f}"])
    heads = ["stage", "seconds", "share", "ms a picture"]
    return (
        f"`blcf index grocery/train`: {n_images:,} photographs, SqueezeNet 1.1, defaults, "
        f"{n_words:,} words: {n_images / whole:.1f} pictures a second in all, "
        f"{n_images / seconds['indexing']:.1f} in the pass that indexes; peak memory "
        f"{results['peak_gb']:.1f} GB.\n\n{table(heads, rows)}\n\n{signature(results)}"
    )


if __name__ == "__main__":
    main()
