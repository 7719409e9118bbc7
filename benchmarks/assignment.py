"""Assignment of interpolated maps: scores interpolated, beside features interpolated and faiss.

    python -m benchmarks.assignment DATA --work FOLDER

DATA holds logos/images and weights/squeezenet1_1_features.pth; FOLDER keeps the vocabularies.
Needs faiss-cpu. Writes benchmarks/results/assignment.json and the tables of
benchmarks/assignment.md.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks.report import keep_results, made_by, signature, table, write_section
from blcf import ConvFeatures, Vocabulary, Whitening
from blcf.images import read_image
from blcf.vocabulary import interpolate_map

SHAPE, UPSAMPLE = (21, 16), 2
CASES = ((512, 25_000), (128, 11_000))  # components, words: the paper's, the engine's defaults
OURS, LOW, FAISS = "scores interpolated", "scores interpolated, bfloat16", "faiss, search only"
SAMPLED_PER_WORD, N_TRAINED, N_CHECKED = 8, 200, 12
GAP = 1e-5
WARM_SECONDS = 0.06


def feature_maps(data: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Maps to learn from, and maps of `SHAPE` from other pictures, (n, C, h, w)."""
    extractor = ConvFeatures(
        "squeezenet1_1",
        layer="fire9",
        weights=data / "weights" / "squeezenet1_1_features.pth",
        side=16 * max(SHAPE) + 16,
        device="cpu",
    )
    pictures = sorted((data / "logos" / "images").rglob("*.jpg"))
    train = [extractor.extract(read_image(one)) for one in pictures[:N_TRAINED]]
    checked: list[np.ndarray] = []
    for picture in pictures[N_TRAINED:]:
        one = extractor.extract(read_image(picture))
        one = one if one.shape[1] >= one.shape[2] else one.transpose(0, 2, 1)
        if one.shape[1] >= SHAPE[0] and one.shape[2] >= SHAPE[1] and len(checked) < N_CHECKED:
            checked.append(np.ascontiguousarray(one[:, : SHAPE[0], : SHAPE[1]]))
    return train, np.stack(checked)


def learn(
    work: Path, train: list[np.ndarray], n_components: int, n_words: int
) -> tuple[Whitening, Vocabulary]:
    """Whitening and vocabulary, those of an earlier run where there is one."""
    features = np.concatenate([interpolate_map(m, UPSAMPLE).reshape(len(m), -1).T for m in train])
    whitening = Whitening(n_components).fit(features)
    path = work / f"vocabulary-{n_components}-{n_words}.h5"
    if not path.exists():
        Vocabulary(
            n_words, max_features_per_word=SAMPLED_PER_WORD, max_iter=4, device="cpu"
        ).fit(whitening.transform(features)).save(path)
    return whitening, Vocabulary.open(path, device="cpu")


def check(maps: np.ndarray, whitening: Whitening, vocabulary: Vocabulary, precision: str) -> dict:
    """How many words are those of the plain way in double precision."""
    words = vocabulary.assign_maps(
        maps, upsample=UPSAMPLE, whitening=whitening, precision=precision
    )[0]
    centroids = torch.from_numpy(vocabulary.centroids_).double()
    n_equal = n_wrong = 0
    for one, found in zip(maps, words):
        features = interpolate_map(one, UPSAMPLE).reshape(len(one), -1).T.astype(np.float64)
        features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-300)
        features = (features - whitening.mean_) @ whitening.projection_.astype(np.float64)
        features /= np.linalg.norm(features, axis=1, keepdims=True)
        scores = torch.from_numpy(features) @ centroids.T - centroids.square().sum(dim=1) / 2
        top = scores.topk(2, dim=1)
        equal = top.indices[:, 0].numpy() == found.ravel()
        n_equal += int(equal.sum())
        n_wrong += int((~equal & ((top.values[:, 0] - top.values[:, 1]).numpy() > GAP)).sum())
    if precision == "float32" and n_wrong:
        raise SystemExit(f"{n_wrong} words are not the nearest: nothing is timed.")
    return {"cells": words.size, "equal": n_equal / words.size, "wrong": n_wrong}


def ways(
    one: np.ndarray, batch: np.ndarray, whitening: Whitening, vocabulary: Vocabulary
) -> dict[str, tuple[int, Callable[[], object]]]:
    """What is timed: {name: (maps a call, call)}."""
    import faiss

    settings = {"upsample": UPSAMPLE, "whitening": whitening}
    index = faiss.IndexFlatL2(vocabulary.centroids_.shape[1])
    index.add(vocabulary.centroids_)
    centroids = torch.from_numpy(vocabulary.centroids_)
    half_norms = centroids.square().sum(dim=1) / 2

    def interpolated() -> np.ndarray:
        return whitening.transform(interpolate_map(one, UPSAMPLE).reshape(len(one), -1).T)

    def by_mm() -> torch.Tensor:
        return torch.addmm(-half_norms, torch.from_numpy(interpolated()), centroids.T).argmax(1)

    features = interpolated()
    return {
        OURS: (1, lambda: vocabulary.assign(one, **settings)),
        LOW: (1, lambda: vocabulary.assign(one, **settings, precision="bfloat16")),
        f"{OURS}, {len(batch)} maps a call": (
            len(batch),
            lambda: vocabulary.assign_maps(batch, **settings),
        ),
        "features interpolated": (1, lambda: vocabulary.assign_features(interpolated())),
        "features interpolated, torch.addmm": (1, by_mm),
        FAISS: (1, lambda: index.search(features, 1)),
        "faiss, with interpolation and whitening": (1, lambda: index.search(interpolated(), 1)),
    }


def measure(calls: dict[str, tuple[int, Callable[[], object]]], rounds: int) -> dict[str, float]:
    """Median milliseconds a map; the calls take turns, and each is repeated before it is timed."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, (n_maps, call) in calls.items():
            # The threads of the library before (OpenBLAS) spin on for some 30 ms.
            start = time.perf_counter()
            while time.perf_counter() - start < WARM_SECONDS:
                call()
            start = time.perf_counter()
            call()
            times[name].append((time.perf_counter() - start) / n_maps)
    return {name: 1e3 * float(np.median(values)) for name, values in times.items()}


def busy_seconds() -> float:
    """Processor time that other processes have used so far (Linux; 0 elsewhere)."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0
    user, nice, system = (int(field) for field in stat.read_text().split()[1:4])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK") - time.process_time()


def markdown(results: dict) -> str:
    """The section of the page."""
    h, w = SHAPE
    parts = [
        f"One map of {h}x{w} cells (SqueezeNet 1.1 fire9 of a photograph, 512 channels) to "
        f"{UPSAMPLE * h}x{UPSAMPLE * w} words: interpolation, whitening and the nearest word, "
        "except where only the search is timed. Milliseconds a map, and how many times faster "
        "than the search of faiss `IndexFlatL2` (which gets the interpolated whitened features); "
        f"medians of {results['rounds']} rounds in which the ways take turns, each called for "
        f"{WARM_SECONDS * 1e3:.0f} ms before it is timed."
    ]
    for case in results["cases"]:
        threads = sorted(case["milliseconds"])
        header = [f"{case['components']} components, {case['words']:,} words"]
        header += [f"{n} thread{'s' * (n != '1')}" for n in threads]
        rows = []
        for name in case["milliseconds"][threads[0]]:
            row = [name]
            for n in threads:
                taken = case["milliseconds"][n]
                row.append(f"{taken[name]:.1f} ms ({taken[FAISS] / taken[name]:.1f})")
            rows.append(row)
        parts.append(table(header, rows))
        parts.append(
            " ".join(
                f"{precision}: {found['equal']:.3%} of {found['cells']:,} words are those of the "
                f"plain way in float64, {found['wrong']} differ where the two best scores are "
                f"more than {GAP:g} apart."
                for precision, found in case["checked"].items()
            )
        )
    busy = max(max(case["load"]) for case in results["cases"])
    if busy > 0.5:
        parts.append(
            f"Other processes held up to {busy:.1f} cores meanwhile: the figures of 2 threads are "
            "those of a busy machine, where each parallel step waits for the slower thread."
        )
    parts.append(signature(results))
    return "\n\n".join(parts)


def main() -> None:
    """Check the words, take the times, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the sets and weights")
    parser.add_argument("--work", type=Path, required=True, help="folder for the vocabularies")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    import faiss

    options.work.mkdir(parents=True, exist_ok=True)
    train, maps = feature_maps(options.data)
    cases = []
    for n_components, n_words in CASES:
        whitening, vocabulary = learn(options.work, train, n_components, n_words)
        checked = {
            precision: check(maps, whitening, vocabulary, precision)
            for precision in ("float32", "bfloat16")
        }
        taken, load = {}, []
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            faiss.omp_set_num_threads(n_threads)
            with threadpool_limits(n_threads):
                calls = ways(maps[0], maps[:8], whitening, vocabulary)
                before, start = busy_seconds(), time.perf_counter()
                taken[str(n_threads)] = measure(calls, options.rounds)
                load.append((busy_seconds() - before) / (time.perf_counter() - start))
        cases.append(
            {
                "components": n_components,
                "words": n_words,
                "checked": checked,
                "load": load,
                "milliseconds": taken,
            }
        )
    results = {
        **made_by("benchmarks.assignment DATA --work FOLDER"),
        "versions": {"torch": torch.__version__, "faiss": faiss.__version__},
        "rounds": options.rounds,
        "cases": cases,
    }
    keep_results("assignment", results)
    write_section("assignment", "Assignment", markdown(results))


if __name__ == "__main__":
    main()
