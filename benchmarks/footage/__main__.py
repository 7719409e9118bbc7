"""Footage: times, cuts, memory, speed, and objects found in films put together from known pictures.

    python -m benchmarks.footage --work FOLDER [--parts times shots memory speed search]

Films are made in FOLDER, of the scenes of `blcf demo`. What is not among the parts stays as it was
measured. Writes benchmarks/results/footage.json and the tables of benchmarks/footage/README.md.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.footage.films import FADE, RATE, Composed, compose, write_long
from benchmarks.footage.speed import rows_of_speed
from benchmarks.report import keep_results, made_by, read_results, signature, table, write_section
from blcf import SearchEngine
from blcf.boxes import iou
from blcf.demo import write_scenes
from blcf.images import FrameChoice, find_images, read_ahead

EVERY = Fraction(1, 2)
N_LONG = 100_000


def scenes_of(work: Path) -> Any:
    """The scenes, written once, and their truth."""
    from blcf.datasets import read_ground_truth

    folder = work / "scenes"
    return read_ground_truth(folder / "gt.json") if folder.exists() else write_scenes(folder)


def _paths(work: Path) -> list[Path]:
    return sorted((work / "scenes" / "images").iterdir())


def measure_times(work: Path) -> list[dict[str, Any]]:
    """Whether every frame has exactly the time that it was written with."""
    rows = []
    paths = _paths(work)[:6]
    for name, how in (
        ("constant.mp4", {}),
        ("variable.mp4", {"irregular": True}),
        ("late.mp4", {"irregular": True, "start": Fraction(50)}),
        ("variable.ts", {"irregular": True}),
        ("variable.mkv", {"irregular": True}),
    ):
        film = compose(work / "times" / name, paths, 0, **how)
        images = find_images(film.path, choice=FrameChoice("0.001"))
        found = [images.original(one).resized(64).facts.time for one in images.names]
        wrong = [abs(a - float(b)) for a, b in zip(found, film.times, strict=True)]
        rows.append({"film": name, "frames": len(found), "largest_error_s": max(wrong)})
    return rows


def _matched(found: list[float], film: Composed) -> int:
    """How many cuts were found: to half a frame, gradual ones to the length of the fade."""
    left, n = list(found), 0
    for cut, gradual in zip(film.cuts, film.gradual):
        near = (FADE / RATE if gradual else 0.5 / RATE) + 1e-6
        hit = next((one for one in left if abs(one - float(cut)) <= near), None)
        if hit is not None:
            left.remove(hit)
            n += 1
    return n


def measure_shots(work: Path) -> list[dict[str, Any]]:
    """F1 of cuts."""
    rows, paths = [], _paths(work)
    for between in ("cut", "fade", "dissolve"):
        n_found = n_true = n_right = 0
        for seed in range(3):
            order = np.random.default_rng(seed).permutation(len(paths)).tolist()
            chosen = [paths[n] for n in order[:20]]
            name = work / "shots" / f"{between}{seed}.mp4"
            film = compose(name, chosen, seed, between=between)
            images = find_images(name, choice=FrameChoice(1, "shots"))
            (listed,) = images.films.values()
            shots, timeline = listed.reader._shots, listed.timeline
            assert shots is not None and timeline is not None
            found = [float((cut - timeline.start) * timeline.time_base) for cut in shots.cuts]
            n_found, n_true = n_found + len(found), n_true + len(film.cuts)
            n_right += _matched(found, film)
        precision, recall = n_right / max(n_found, 1), n_right / n_true
        f1 = 2 * precision * recall / max(precision + recall, 1e-9)
        rows.append(
            {"between": between, "cuts": n_true, "precision": precision, "recall": recall, "F1": f1}
        )
    return rows


def _resident() -> float:
    """Memory of this process now, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def measure_memory(work: Path) -> dict[str, Any]:
    """Growth over a long film, every frame of which is read, with its shot."""
    path = work / "long.mp4"
    if not path.exists():
        write_long(path, N_LONG)
    images = find_images(path, choice=FrameChoice("0.04"))
    originals = (images.original(name) for name in images.names)
    before, largest, began = 0.0, 0.0, time.perf_counter()
    for number, _ in read_ahead(originals, lambda one: one.resized(64), ahead=128):
        if number == 5_000:
            before = _resident()
        elif number > 5_000 and number % 1_000 == 0:
            largest = max(largest, _resident())
    seconds = time.perf_counter() - began
    return {
        "frames": len(images),
        "growth_mb": largest - before,
        "frames_per_s": len(images) / seconds,
    }


def measure_speed(work: Path) -> list[dict[str, Any]]:
    """Frames a second on their way through the network, beside decoding and the network alone."""
    film = work / "speed" / "film.mp4"  # long enough that it matters little when the network begins
    return rows_of_speed(compose(film, 4 * _paths(work)[:20], 0).path)


def _average_precision(right: list[bool], n_true: int) -> float:
    found = [rank for rank, one in enumerate(right, start=1) if one]
    return sum(n / rank for n, rank in enumerate(found, start=1)) / n_true


def measure_search(work: Path) -> dict[str, Any]:
    """A small instance search: mAP by shot, recall of moments, errors of times and boxes."""
    truth, paths = scenes_of(work), _paths(work)
    order = np.random.default_rng(0).permutation(len(paths)).tolist()
    films = {}
    for number in range(4):
        chosen = [paths[n] for n in order[number::4]]
        film = compose(work / "search" / f"{number}.mp4", chosen, number, irregular=number % 2 == 1)
        films[film.path.name] = film
    shutil.rmtree(work / "search.blcf", ignore_errors=True)
    engine = SearchEngine.create(work / "search.blcf")
    engine.add(work / "search", every=EVERY, progress=False)
    precisions, recalls, errors, overlaps = [], [], [], []
    for query in truth.queries:
        if query.box is None:
            continue
        wanted = {
            (name, number): shot
            for name, film in films.items()
            for number, shot in enumerate(film.shots)
            if f"images/{shot.scene}" in query.positives or shot.scene in query.positives
        }
        hits = engine.search(query.image, box=query.box, k=1_000)
        moments = hits.group("shot")
        keys = [(one.name, one.shot) for one in moments]
        precisions.append(_average_precision([key in wanted for key in keys], len(wanted)))
        top = dict(zip(keys[: len(wanted)], moments))
        recalls.append(sum(key in top for key in wanted) / len(wanted))
        for key, shot in wanted.items():
            if key not in top:
                continue
            moment = top[key]
            ends = float(shot.times[0]), float(shot.times[-1])
            errors += [abs(moment.first - ends[0]), abs(moment.last - ends[1])]
            true = query.boxes.get(f"images/{shot.scene}", query.boxes.get(shot.scene))
            if true is None or moment.box is None:
                continue
            frame = min(range(len(shot.times)), key=lambda n: abs(shot.times[n] - moment.best.time))
            overlaps.append(_overlap(moment.box, np.asarray(true), shot.views[frame]))
    return {
        "frames": len(engine),
        "shots": sum(len(film.shots) for film in films.values()),
        "queries": len(precisions),
        "mAP": float(np.mean(precisions)),
        "recall": float(np.mean(recalls)),
        "median_error_s": float(np.median(errors)),
        "largest_error_s": float(np.max(errors)),
        "mean_iou": float(np.mean(overlaps)),
    }


def _overlap(box: np.ndarray, true: np.ndarray, view: np.ndarray) -> float:
    """IoU of a box with the nearest true box of a scene, as it is seen in a view."""
    from benchmarks.footage.films import SIZE

    scale = SIZE[0] / (view[2] - view[0])
    rows = (np.reshape(true, (-1, 4)) - np.tile(view[:2], 2)) * scale
    rows = np.clip(rows, 0, np.tile(SIZE, 2))
    return float(iou(np.reshape(box, (1, 4)), rows).max())


PARTS = {
    "times": measure_times,
    "shots": measure_shots,
    "memory": measure_memory,
    "speed": measure_speed,
    "search": measure_search,
}


def markdown(results: dict[str, Any]) -> str:
    """The tables of the page."""
    parts = []
    if "times" in results:
        rows = [
            [row["film"], f"{row['frames']:,}", f"{1000 * row['largest_error_s']:.3f}"]
            for row in results["times"]
        ]
        parts.append("**Times**, beside those that the frames were written with")
        parts.append(table(["film", "frames", "largest error, ms"], rows))
    if "shots" in results:
        rows = [
            [
                row["between"],
                f"{row['cuts']}",
                *(f"{row[n]:.3f}" for n in ("precision", "recall", "F1")),
            ]
            for row in results["shots"]
        ]
        parts.append("**Cuts**, in films of 20 shots with a moving camera and noise")
        parts.append(table(["between shots", "cuts", "precision", "recall", "F1"], rows))
    if "search" in results:
        one = results["search"]
        parts.append(
            f"**Objects**: {one['queries']} queries with a box in {one['frames']} frames of "
            f"{one['shots']} shots, one each {float(EVERY):g} s, default settings"
        )
        parts.append(
            table(
                [
                    "mAP by shot",
                    "recall of moments",
                    "error of times, s (median, largest)",
                    "mean IoU",
                ],
                [
                    [
                        f"{one['mAP']:.3f}",
                        f"{one['recall']:.3f}",
                        f"{one['median_error_s']:.2f}, {one['largest_error_s']:.2f}",
                        f"{one['mean_iou']:.3f}",
                    ]
                ],
            )
        )
    if "memory" in results:
        one = results["memory"]
        parts.append(
            f"**Memory**: over {one['frames']:,} frames, each read with its shot, it grew by "
            f"{one['growth_mb']:.0f} MB ({one['frames_per_s']:.0f} frames a second)."
        )
    if "speed" in results:
        rows = [
            [f"{row['every_s']:g}", row.get("each_has", "all cores")]
            + [f"{row[n]:.1f}" for n in ("whole", "network", "decoding")]
            + [f"{row['ratio']:.2f}"]
            for row in results["speed"]
        ]
        parts.append(
            "**Speed**, blcf-lite, frames a second that are taken. Of a core of its own: decoding "
            "and the network alone have one each, indexing has two."
        )
        heads = [
            "every, s",
            "each part alone has",
            "indexing",
            "network alone",
            "decoding alone",
            "of the smaller",
        ]
        parts.append(table(heads, rows))
    return "\n\n".join([*parts, signature(results)])


def main() -> None:
    """Measure some parts, write tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for the films")
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=PARTS)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    scenes_of(options.work)
    results = {**read_results("footage"), **made_by("benchmarks.footage --work FOLDER")}
    for part in options.parts:
        results[part] = PARTS[part](options.work)
        print(part, results[part], flush=True)
        keep_results("footage", results)
    write_section("footage", "Footage", markdown(results))


if __name__ == "__main__":
    main()
