"""The rows: each checks that results are equal, then times ours and a plain way."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from PIL import Image

from benchmarks.gpu.sizes import Sizes
from benchmarks.search.data import RandomWords
from blcf import SearchEngine
from blcf.features import ConvFeatures, Whitening
from blcf.features.pipeline import extract_pictures
from blcf.images import GivenPictures, find_images, read_ahead
from blcf.index import InvertedFile
from blcf.vocabulary import Vocabulary
from blcf.vocabulary.kmeans import kmeans

__all__ = ["ROWS", "Row"]

Row = dict[str, Any]
VGG_LAYER = "features.25"  # conv5_1 behind its ReLU


def synchronise(device: str) -> None:
    """Wait for what a device was given to do."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def timed(call: Callable[[], Any], device: str, repeats: int) -> tuple[float, Any]:
    """Median seconds of a call, and what it gave; once before, for what is made when first used."""
    found, seconds = call(), []
    for _ in range(repeats):
        synchronise(device)
        began = time.perf_counter()
        found = call()
        synchronise(device)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds), found


def unit_rows(n: int, d: int, seed: int) -> np.ndarray:
    """Features of length 1 around a tenth as many centres: float32 (n, d)."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((max(1, n // 50), d), dtype=np.float32)
    rows = centres[rng.integers(0, len(centres), n)]
    rows += rng.standard_normal((n, d), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def plain_kmeans(sample: np.ndarray, n_words: int, n_iterations: int, device: str) -> float:
    """Lloyd's algorithm in a dozen lines; the mean squared distance before the last move."""
    low = torch.bfloat16 if device.startswith("cuda") else torch.float32
    features = torch.from_numpy(sample).to(device)
    few = features.to(low)
    drawn = torch.from_numpy(np.random.default_rng(0).permutation(len(sample))[:n_words])
    words = features[drawn.to(device)].clone()
    n_rows = max(1, (1 << 29) // n_words)
    for _ in range(n_iterations):
        half = (words.square().sum(1) / 2).to(low)
        at = torch.cat([(part @ words.to(low).T - half).argmax(1) for part in few.split(n_rows)])
        sums = torch.zeros_like(words).index_add_(0, at, features)
        counts = torch.bincount(at, minlength=n_words)[:, None]
        distance = (features - words[at]).square().sum(1).mean()
        words = torch.where(counts > 0, sums / counts.clamp(min=1), words)
    return float(distance)


def kmeans_rows(sizes: Sizes, device: str) -> Iterator[Row]:
    """k-means, whole, from a sample in memory."""
    for n, d, n_words in sizes.samples:
        sample, n_iterations = unit_rows(n, d, 0), sizes.iterations
        ours, found = timed(
            lambda: kmeans(sample, n_words, max_iter=n_iterations, tol=0.0, device=device),
            device,
            1,
        )
        plain, distance = timed(
            lambda: plain_kmeans(sample, n_words, n_iterations, device), device, 1
        )
        assert found.inertia_history[-1] <= 1.05 * distance, (found.inertia_history, distance)
        yield {
            "work": f"k-means {n:,} x {d}, {n_words:,} words, {n_iterations} iterations",
            "ours": ours,
            "plain": plain,
            "unit": "s",
            "said": f"inertia {found.inertia_history[-1]:.4f}, plain {distance:.4f}",
        }


def assignment_rows(sizes: Sizes, device: str) -> Iterator[Row]:
    """Words of maps that are enlarged twice; the plain way makes every score."""
    h, w = sizes.cells
    rng = np.random.default_rng(1)
    maps = np.maximum(rng.standard_normal((sizes.maps, sizes.channels, h, w)), 0)
    maps = maps.astype(np.float32)
    cells = maps.transpose(0, 2, 3, 1).reshape(-1, sizes.channels)
    whitening = Whitening(sizes.channels).fit(cells[:20_000])
    words = unit_rows(sizes.words, sizes.channels, 2)
    there, here = (Vocabulary.from_parts(words, device=one) for one in (device, "cpu"))
    given = torch.from_numpy(maps).to(device)
    mean, projection = (
        torch.from_numpy(np.asarray(one, np.float32)).to(device)
        for one in (whitening.mean_, whitening.projection_)
    )
    centroids = torch.from_numpy(words).to(device)

    def plain() -> torch.Tensor:
        found, half = [], centroids.square().sum(1) / 2
        for part in given.split(8):
            large = torch.nn.functional.interpolate(
                part, scale_factor=2, mode="bilinear", align_corners=False
            )
            rows = torch.nn.functional.normalize(large.permute(0, 2, 3, 1).flatten(0, 2))
            rows = torch.nn.functional.normalize((rows - mean) @ projection)
            found.append((rows @ centroids.T - half).argmax(1))
        return torch.cat(found)

    wanted = here.assign_maps(maps[:2], upsample=2, whitening=whitening)[0]
    plainly, _ = timed(plain, device, sizes.repeats)
    for precision in ("float32", "bfloat16"):
        seconds, found = timed(
            lambda: there.assign_maps(given, upsample=2, whitening=whitening, precision=precision),
            device,
            sizes.repeats,
        )
        same = float(np.mean(found[0][:2] == wanted))
        assert same > (0.999 if precision == "float32" else 0.98), same
        yield {
            "work": f"assignment {h}x{w} -> {2 * h}x{2 * w}, {sizes.channels}-d, {sizes.words:,} "
            f"words, {precision}, a map",
            "ours": 1e3 * seconds / sizes.maps,
            "plain": 1e3 * plainly / sizes.maps,
            "unit": "ms",
            "said": f"{same:.4%} of the words of the CPU in float32",
        }


def search_rows(sizes: Sizes, device: str) -> Iterator[Row]:
    """A batch of queries of whole pictures, beside the posting lists on all cores."""
    workload = RandomWords()
    index = InvertedFile(workload.n_words, idf=True, sqrt=True)
    bags = workload.bags(sizes.images, 0)
    index.add([str(number) for number in range(sizes.images)], bags)
    queries = workload.queries(sizes.queries)["global"]
    lists, wanted = timed(lambda: index.search_many(queries, sizes.k), device, 1)
    seconds, found = timed(
        lambda: index.search_many(queries, sizes.k, device=device), device, sizes.repeats
    )
    for ours, theirs in zip(found, wanted, strict=True):
        assert np.abs(ours.scores - theirs.scores).max() <= 1e-6
        assert len(set(ours.names) ^ set(theirs.names)) <= 2  # a last one that float32 ties
    yield {
        "work": f"search_many, {sizes.images:,} pictures, {sizes.queries} whole-picture queries, "
        "a query",
        "ours": 1e3 * seconds / sizes.queries,
        "plain": 1e3 * lists / sizes.queries,
        "unit": "ms",
        "said": "the same ranking; plain: the posting lists, on all cores",
    }


def extractors(sizes: Sizes, device: str) -> dict[str, ConvFeatures]:
    """blcf-lite, and VGG16 with random weights: time does not depend on them."""
    torch.manual_seed(0)
    vgg = torchvision.models.vgg16()
    how: dict[str, Any] = {"side": sizes.side, "device": device}
    return {
        "blcf-lite": ConvFeatures(**how),
        "VGG16 conv5_1": ConvFeatures(vgg, layer=VGG_LAYER, **how),
    }


def network_alone(extractor: ConvFeatures, picture: np.ndarray, n: int, device: str) -> float:
    """Pictures a second of the network, on pictures of one shape that lie on the device."""
    n_batch = 32 if device.startswith("cuda") else extractor.n_together(*picture.shape[:2])
    inputs = extractor._inputs([picture] * n_batch)
    with torch.inference_mode():
        seconds, _ = timed(
            lambda: [extractor._part(inputs)["map"] for _ in range(max(1, n // n_batch))], device, 1
        )
    return max(1, n // n_batch) * n_batch / seconds


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    """Of two arrays of one shape, each as a vector."""
    return float((one * other).sum() / np.linalg.norm(one) / np.linalg.norm(other))


def feature_rows(sizes: Sizes, device: str) -> Iterator[Row]:
    """Pictures in memory to maps, beside the network alone."""
    rng = np.random.default_rng(3)
    height, width = sizes.side * 3 // 4, sizes.side
    pictures = {
        f"{n:06d}": rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        for n in range(sizes.pictures)
    }
    given = GivenPictures(pictures)
    one = [pictures["000000"]]
    wanted = {name: each.extract_many(one)[0] for name, each in extractors(sizes, "cpu").items()}
    for name, extractor in extractors(sizes, device).items():
        rounded = cosine(extractor.extract_on_device(one)[0].cpu().numpy(), wanted[name])
        assert rounded > 0.99, rounded  # bfloat16 on either

        def through() -> int:
            found = extract_pictures(
                extractor, map(given.original, given.names), lambda maps: [0] * len(maps),
                on_device=True,
            )  # fmt: skip
            return sum(1 for _ in found)

        seconds, n = timed(through, device, 1)
        assert n == sizes.pictures
        alone = network_alone(extractor, pictures["000000"], sizes.pictures, device)
        yield {
            "work": f"features {name}, side {sizes.side}, pictures in memory",
            "ours": n / seconds,
            "plain": alone,
            "unit": "/s",
            "said": f"{n / seconds / alone:.2f} of the network alone; cosine with the CPU's map "
            f"{rounded:.4f}",
        }


def _write_files(folder: Path, sizes: Sizes) -> None:
    rng = np.random.default_rng(4)
    for number in range(sizes.files):
        small = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        size = (sizes.file_side, sizes.file_side * 3 // 4)
        Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(
            folder / f"{number:04d}.jpg", quality=90
        )


def indexing_rows(sizes: Sizes, device: str) -> Iterator[Row]:
    """`engine.add` of JPEG files behind a learned vocabulary, beside the slower of its parts; and
    one search."""
    torch.manual_seed(0)
    vgg = torchvision.models.vgg16()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "files").mkdir()
        _write_files(folder / "files", sizes)
        images = find_images(folder / "files")
        n_threads = max(2, torch.get_num_threads())
        reading, _ = timed(
            lambda: sum(
                1
                for _ in read_ahead(
                    map(images.original, images.names),
                    lambda one: one.resized(sizes.side),
                    n_workers=n_threads,
                    ahead=2 * n_threads,
                )
            ),
            device,
            1,
        )
        for (label, extractor), n_words in zip(
            extractors(sizes, device).items(), sizes.words_of, strict=True
        ):
            how: dict[str, Any] = {"n_words": n_words, "side": sizes.side, "device": device}
            if label != "blcf-lite":
                how |= {"network": vgg, "layer": VGG_LAYER}
            with SearchEngine.create(folder / f"{label}.blcf", **how) as engine:
                engine.add(folder / "files", progress=False)  # learns
                began = time.perf_counter()
                engine.add(folder / "files", replace=True, progress=False)
                seconds = time.perf_counter() - began
                height = sizes.side * 3 // 4
                picture = np.zeros((height, sizes.side, 3), np.uint8)
                parts = {
                    "reading": len(images) / reading,
                    "network": network_alone(extractor, picture, sizes.pictures, device),
                }
                slower = min(parts.values())
                yield {
                    "work": f"engine.add, {len(images):,} JPEG of {sizes.file_side} pixels, "
                    f"{label}, {n_words:,} words",
                    "ours": len(images) / seconds,
                    "plain": slower,
                    "unit": "/s",
                    "said": f"{len(images) / seconds / slower:.2f} of the slower of "
                    + ", ".join(f"{part} {rate:.0f}" for part, rate in parts.items()),
                }
                if label == "blcf-lite":
                    query = folder / "files" / "0000.jpg"
                    seconds, hits = timed(lambda: engine.search(query, k=10), device, sizes.repeats)
                    bare, _ = timed(
                        lambda: engine.search(query, k=10, rerank=False), device, sizes.repeats
                    )
                    assert len(hits) == min(10, len(engine))
                    yield {
                        "work": f"one search, {len(engine):,} pictures, 100 reranked, all defaults",
                        "ours": 1e3 * seconds,
                        "plain": 1e3 * bare,
                        "unit": "ms",
                        "said": "plain: without reranking",
                    }


ROWS: dict[str, Callable[[Sizes, str], Iterator[Row]]] = {
    "kmeans": kmeans_rows,
    "assignment": assignment_rows,
    "search": search_rows,
    "features": feature_rows,
    "indexing": indexing_rows,
}
