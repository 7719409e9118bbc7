"""How fast pictures become feature maps and words, and what bounds it.

    python benchmarks/extraction.py DATA [--pictures 96]

DATA holds real pictures and weights. First the same maps (cosine of the maps of both ways), then
pictures a second: the plain loop (one picture at a time, float32, eager torchvision), and the
engine's way (read ahead in threads, batches of like shapes, channels last), in float32 and in the
arithmetic that the device has. VGG16 gets random weights: time does not depend on them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from report import machine, table, write_section

from blcf.engine.pictures import stream_maps
from blcf.features import ConvFeatures
from blcf.images import ImageList, find_images, read_image, resize_image

RESULTS = Path(__file__).parent / "results" / "extraction.json"
SIDE, N_RUNS = 384, 3


def plain_loop(part: torch.nn.Module, extractor: ConvFeatures, images: ImageList) -> list:
    """One picture at a time, as a newcomer would write it."""
    mean = torch.tensor(extractor.preprocessing_.mean).view(3, 1, 1)
    std = torch.tensor(extractor.preprocessing_.std).view(3, 1, 1)
    maps = []
    with torch.no_grad():
        for name in images.names:
            image = resize_image(read_image(images.path(name)), SIDE)
            pixels = torch.from_numpy(image).permute(2, 0, 1).float() / 255
            maps.append(part(((pixels - mean) / std)[None])[0].numpy())
    return maps


def engine_way(extractor: ConvFeatures, images: ImageList) -> list:
    """The stream that the engine indexes from."""
    stream = stream_maps(extractor, images, images.names, "", False)
    return [picture.feature_map for _, picture in stream]  # type: ignore[union-attr]


def seconds_of(run: Callable[[], Any]) -> float:
    """Median of a few runs."""
    taken = []
    for _ in range(N_RUNS):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def measure(
    network: str, layer: str, weights: Path, cut: int, images: ImageList
) -> dict[str, Any]:
    """Pictures a second of each way for one network."""
    options: dict[str, Any] = {"layer": layer, "weights": weights, "side": SIDE}
    full = ConvFeatures(network, dtype="float32", **options)
    chosen = ConvFeatures(network, dtype="auto", **options)
    module = torchvision.models.get_model(network, weights=None).eval()
    module.load_state_dict(torch.load(weights, weights_only=True), strict=False)
    part = module.features[:cut]
    plain = plain_loop(part, full, images)
    same = [cosine(a, b) for a, b in zip(plain, engine_way(full, images))]
    assert min(same) > 0.9999, f"the two ways give other maps: {min(same)}"
    close = [cosine(a, b) for a, b in zip(plain, engine_way(chosen, images))]
    ways = {
        "plain": lambda: plain_loop(part, full, images),
        "float32": lambda: engine_way(full, images),
        "auto": lambda: engine_way(chosen, images),
        "read": lambda: [resize_image(read_image(images.path(n)), SIDE) for n in images.names],
    }
    return {
        "network": f"{network} {layer}",
        "arithmetic": chosen.dtype_,
        "cosine": float(np.mean(close)),
        **{way: len(images) / seconds_of(run) for way, run in ways.items()},
    }


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    """Of two maps as vectors."""
    return float((one * other).sum() / np.linalg.norm(one) / np.linalg.norm(other))


def main() -> None:
    """Measure and write the section of the README."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--pictures", type=int, default=96)
    options = parser.parse_args()
    found = find_images(options.data / "grocery" / "images")
    chosen = [found.path(name) for name in found.names[:: len(found) // options.pictures]]
    images = find_images(chosen[: options.pictures], root=options.data / "grocery" / "images")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        random = Path(folder) / "vgg16.pth"
        torch.save(torchvision.models.vgg16(weights=None).state_dict(), random)
        squeezenet = options.data / "weights" / "squeezenet1_1_features.pth"
        rows.append(measure("vgg16", "conv5_1", random, 26, images))
        rows.append(measure("squeezenet1_1", "fire9", squeezenet, 13, images))
    about = f"`python benchmarks/extraction.py DATA`, {time.strftime('%Y-%m-%d')}, {machine()}"
    RESULTS.write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n", "utf-8")
    text = f"{section(rows, len(images))}\n\n{about}"
    write_section(Path(__file__).parent / "README.md", "Extraction", text)


def section(rows: list[dict[str, Any]], n_images: int) -> str:
    """The tables, as Markdown."""
    lines = [
        [
            row["network"],
            *(f"{row[way]:.1f}" for way in ("plain", "float32", "auto")),
            f"{row['auto'] / row['plain']:.1f}x",
            row["arithmetic"],
            f"{row['cosine']:.4f}",
            f"{row['read']:.0f}",
        ]
        for row in rows
    ]
    heads = ["network", "plain loop", "engine, float32", "engine, auto", "auto / plain"]
    heads += ["auto is", "cosine of the maps", "reading alone"]
    return (
        f"Pictures a second, {n_images} photographs, longer side {SIDE}, median of {N_RUNS} runs. "
        "The plain loop takes one picture at a time, float32, eager torchvision; the engine reads "
        "ahead, makes batches of like shapes and keeps channels last. Reading alone is decoding "
        "and resizing in one thread.\n\n" + table(heads, lines)
    )


if __name__ == "__main__":
    main()
