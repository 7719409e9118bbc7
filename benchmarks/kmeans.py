"""k-means for vocabularies beside faiss and scikit-learn: inertia and time on the same sample.

    python -m benchmarks.kmeans DATA [--work FOLDER]

DATA holds real pictures and weights: local features of SqueezeNet 1.1 (fire9, interpolated maps),
whitened to 128 dimensions (500,000 features, 10,000 words) and to 512 (200,000 and 5,000). Inertia
is the mean squared distance of a feature to its nearest word, computed afterwards in the same
exact way for all. Needs faiss-cpu, which runs its 25 iterations. Writes
benchmarks/results/kmeans.json and the tables of benchmarks/kmeans.md.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.cluster import MiniBatchKMeans

from benchmarks.report import keep_results, made_by, signature, table, write_section
from blcf.adding.stream import stream_pictures
from blcf.features import ConvFeatures, Whitening
from blcf.images import find_images
from blcf.vocabulary import interpolate_map
from blcf.vocabulary import kmeans as kmeans_module
from blcf.vocabulary.assignment import nearest_words, squared_distances_to
from blcf.vocabulary.kmeans import MAX_ITER, kmeans

FOLDERS = ("grocery/train", "natural", "logos/images")

# Dimensions: features, words.
CASES = {128: (500_000, 10_000), 512: (200_000, 5_000)}
N_DRAWN = 500_000


def sample_features(data: Path, n_components: int, work: Path) -> np.ndarray:
    """Whitened real local features, the same number of each picture: float32 (n, n_components)."""
    path = work / f"features-{n_components}.npy"
    if path.exists():
        return np.load(path)[: CASES[n_components][0]]
    weights = data / "weights" / "squeezenet1_1_features.pth"
    extractor = ConvFeatures("squeezenet1_1", layer="fire9", weights=weights, side=384)
    rng = np.random.default_rng(0)
    lists = [find_images(data / folder) for folder in FOLDERS]
    n_each = N_DRAWN // sum(len(images) for images in lists) + 40  # small pictures have fewer
    parts = []
    for images in lists:
        for picture in stream_pictures(extractor, images, images.names, list, "features", True):
            if not isinstance(picture.content, Exception):
                cells = interpolate_map(picture.content, 2).reshape(extractor.n_channels_, -1).T
                parts.append(cells[rng.permutation(len(cells))[:n_each]].astype(np.float16))
    raw = np.concatenate(parts)
    raw = raw[rng.permutation(len(raw))[:N_DRAWN]]
    for wanted in CASES:
        whitened = Whitening(wanted).fit(raw).transform(raw)
        np.save(work / f"features-{wanted}.npy", whitened)
    return np.load(path)[: CASES[n_components][0]]


def inertia_of(features: np.ndarray, centroids: np.ndarray) -> float:
    """Mean squared distance to the nearest word, exactly."""
    rows, total = torch.from_numpy(features), 0.0
    for first in range(0, len(rows), 65_536):
        part = rows[first : first + 65_536]
        _, scores = nearest_words(part, torch.from_numpy(centroids))
        total += float(squared_distances_to(part, scores).sum(dtype=torch.float64))
    return total / len(rows)


def ours(features: np.ndarray, n_words: int, checkpoint: Path, **options: Any) -> np.ndarray:
    """As the engine calls it: with a checkpoint after each iteration."""
    checkpoint.unlink(missing_ok=True)
    return kmeans(features, n_words, checkpoint=checkpoint, **options).centroids


def by_faiss(features: np.ndarray, n_words: int) -> np.ndarray:
    """faiss.Kmeans as it comes, on all of the sample."""
    import faiss

    clustering = faiss.Kmeans(
        features.shape[1], n_words, niter=25, seed=1, max_points_per_centroid=len(features)
    )
    clustering.train(features)
    return clustering.centroids


def by_sklearn(features: np.ndarray, n_words: int) -> np.ndarray:
    """MiniBatchKMeans, from random features as the others, five times over the sample."""
    clustering = MiniBatchKMeans(
        n_words, init="random", n_init=1, batch_size=16_384, max_iter=5, random_state=0
    )
    return clustering.fit(features).cluster_centers_.astype(np.float32)


def without(name: str, value: Any, run: Callable[[], np.ndarray]) -> np.ndarray:
    """A run with one of the constants of k-means changed."""
    before = getattr(kmeans_module, name)
    setattr(kmeans_module, name, value)
    try:
        return run()
    finally:
        setattr(kmeans_module, name, before)


def measure(features: np.ndarray, n_words: int, work: Path) -> list[dict[str, Any]]:
    """Seconds and inertia of each way."""
    checkpoint = work / "k-means.h5"

    def plain() -> np.ndarray:  # every look exact
        return without(
            "_N_BETWEEN", 0, lambda: ours(features, n_words, checkpoint, max_iter=6)
        )

    def to_the_mean() -> np.ndarray:
        return without("_PAST", 0.0, lambda: ours(features, n_words, checkpoint))

    ways: dict[str, Callable[[], np.ndarray]] = {
        "blcf": lambda: ours(features, n_words, checkpoint),
        "blcf, float32": lambda: ours(features, n_words, checkpoint, precision="float32"),
        "blcf, exact looks only, 6 iterations": plain,
        "blcf, words at the means": to_the_mean,
        "scikit-learn MiniBatchKMeans, 5 epochs": lambda: by_sklearn(features, n_words),
        "faiss.Kmeans, 25 iterations": lambda: by_faiss(features, n_words),
    }
    ours(features[:4_000], 1_100, checkpoint, max_iter=3)  # compiles
    rows = []
    for way, run in ways.items():
        start = time.perf_counter()
        centroids = run()
        seconds = time.perf_counter() - start
        rows.append({"way": way, "seconds": seconds, "inertia": inertia_of(features, centroids)})
        print(f"{way}: {seconds:.1f} s, {rows[-1]['inertia']:.5f}", flush=True)
    return rows


def main() -> None:
    """Measure, write the results."""
    logging.getLogger("blcf").setLevel(logging.ERROR)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, help="where features are kept between runs")
    options = parser.parse_args()
    cases = {}
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        for n_components, (_, n_words) in CASES.items():
            features = sample_features(options.data, n_components, work)
            cases[str(n_components)] = measure(features, n_words, work)
    results = {**made_by("benchmarks.kmeans DATA"), "rows": cases}
    keep_results("kmeans", results)
    write_section("kmeans", "k-means", markdown(results))


def markdown(results: dict[str, Any]) -> str:
    """The section of the page."""
    parts = [
        "Words from real local features (SqueezeNet 1.1 fire9, interpolated maps, whitened). "
        "Inertia: mean squared distance of a feature to its nearest word, exact for every row. "
        f"blcf: {MAX_ITER} iterations, a checkpoint after each."
    ]
    for n_components, rows in results["rows"].items():
        rival, (n, n_words) = rows[-1], CASES[int(n_components)]
        lines = [
            [
                row["way"],
                f"{row['seconds']:.1f}",
                f"{row['inertia']:.5f}",
                f"{100 * (row['inertia'] / rival['inertia'] - 1):+.2f} %",
                f"{rival['seconds'] / row['seconds']:.1f}x",
            ]
            for row in rows
        ]
        heads = ["way", "seconds", "inertia", "inertia beside faiss", "faiss takes"]
        title = f"{n_components} dimensions, {n:,} features, {n_words:,} words:"
        parts.append(f"{title}\n\n{table(heads, lines)}")
    return "\n\n".join([*parts, signature(results)])


if __name__ == "__main__":
    main()
