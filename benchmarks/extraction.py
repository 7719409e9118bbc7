"""How fast pictures become feature maps and words, and what bounds it.

    python -m benchmarks.extraction DATA [--pictures 96]

DATA holds real pictures and weights. First the same maps (cosine of the maps of both ways), then
pictures a second: the plain loop (one picture at a time, float32, eager torchvision), and the
engine's way (read ahead in threads, batches of like shapes, channels last, fused convolutions), in
float32 and in the arithmetic that the device has. Then the whole of indexing, stage by stage. VGG16
gets random weights: time does not depend on them. Writes benchmarks/results/extraction.json and the
tables of benchmarks/extraction.md.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
import torchvision

from benchmarks.report import keep_results, made_by, signature, table, write_section
from blcf import SearchEngine
from blcf.adding.pictures import stream_maps
from blcf.bags import BagOfWords
from blcf.collection import Collection
from blcf.features import ConvFeatures
from blcf.features.lite import LITE, LiteNetwork, read_lite
from blcf.images import ImageList, find_images, read_ahead, read_image, resize_image

SIDE, N_RUNS, N_WORDS = 384, 3, 11_000
STAGES = ("decode and resize", "network", "assignment", "bags and write")


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


def seconds_of(ways: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Medians of a few rounds in which the ways take turns; all of them have run before."""
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(N_RUNS):
        for way, run in ways.items():
            start = time.perf_counter()
            run()
            taken[way].append(time.perf_counter() - start)
    return {way: float(np.median(seconds)) for way, seconds in taken.items()}


def measure(
    network: str, layer: str, weights: Path | None, cut: int, images: ImageList
) -> dict[str, Any]:
    """Pictures a second of each way for one network."""
    options: dict[str, Any] = {"layer": layer, "weights": weights, "side": SIDE}
    full = ConvFeatures(network, dtype="float32", **options)
    chosen = ConvFeatures(network, dtype="auto", **options)
    if weights is None:
        module = LiteNetwork().eval()
        module.load_state_dict(read_lite())
    else:
        module = torchvision.models.get_model(network, weights=None).eval()
        module.load_state_dict(torch.load(weights, weights_only=True), strict=False)
    part = module.features[:cut]
    plain = plain_loop(part, full, images)
    same = [cosine(a, b) for a, b in zip(plain, engine_way(full, images))]
    assert min(same) > 0.9999, f"the two ways give other maps: {min(same)}"
    close = [cosine(a, b) for a, b in zip(plain, engine_way(chosen, images))]
    del plain
    seconds = seconds_of(
        {
            "plain": lambda: plain_loop(part, full, images),
            "float32": lambda: engine_way(full, images),
            "auto": lambda: engine_way(chosen, images),
            "read": lambda: [load(images.path(name)) for name in images.names],
        }
    )
    return {
        "network": f"{network} {layer}",
        "arithmetic": chosen.dtype_,
        "cosine": float(np.mean(close)),
        "pictures": len(images),
        "shapes": len({load(images.path(name)).shape for name in images.names}),
        **{way: len(images) / taken for way, taken in seconds.items()},
    }


def load(path: Path) -> np.ndarray:
    """A picture as the network takes it."""
    return resize_image(read_image(path), SIDE)


def profile(
    network: str, layer: str, weights: Path | None, images: ImageList, folder: Path
) -> dict[str, Any]:
    """Milliseconds a picture: each stage of indexing alone, and all of them as the engine runs."""
    engine = SearchEngine.create(
        folder / f"{network}.blcf",
        network,
        layer=layer,
        weights=weights,
        side=SIDE,
        n_words=N_WORDS,
    )
    paths = [images.path(name) for name in images.names]
    engine.add(paths, root=images.root, progress=False)  # learns the vocabulary
    extractor, model = engine.model.extractor, engine.model
    resized = [load(path) for path in paths]
    batches = [[resized[i] for i in batch] for batch in extractor.batches(resized)]
    maps = [extractor.extract_batch(batch) for batch in batches]
    writing: list[float] = []

    def timed(function: Callable) -> Callable:
        def run(*arguments: Any) -> Any:
            start = time.perf_counter()
            result = function(*arguments)
            writing[-1] += time.perf_counter() - start
            return result

        return run

    def index() -> None:
        engine.remove(list(images.names))
        writing.append(0.0)
        start = time.perf_counter()
        engine.add(paths, root=images.root, progress=False)
        whole.append(time.perf_counter() - start)

    whole: list[float] = []
    with mock.patch.object(Collection, "append", timed(Collection.append)), mock.patch.object(
        BagOfWords, "encode_many", timed(BagOfWords.encode_many)
    ):
        seconds = seconds_of(
            {
                "decode and resize": lambda: list(read_ahead(paths, load, n_workers=2)),
                "network": lambda: [extractor.extract_batch(batch) for batch in batches],
                "assignment": lambda: [model.encode_many(each) for each in maps],
                "": index,
            }
        )
    seconds["bags and write"] = float(np.median(writing))
    seconds["indexing"] = float(np.median(whole))
    n = len(paths)
    return {
        "of": f"{network} {layer}",
        "arithmetic": extractor.dtype_,
        **{stage: 1000 * seconds[stage] / n for stage in (*STAGES, "indexing")},
    }


def peak_memory(network: str, layer: str, weights: Path | None, images: ImageList) -> float:
    """Largest resident set, MB, of a process of its own that extracts the maps of the pictures."""
    paths = [str(images.path(name)) for name in images.names]
    code = (
        "from pathlib import Path\n"
        "from blcf.features import ConvFeatures\n"
        "from blcf.images import read_image\n"
        f"extractor = ConvFeatures({network!r}, layer={layer!r}, side={SIDE}, "
        f"weights={None if weights is None else str(weights)!r})\n"
        f"for path in {paths!r}:\n"
        "    extractor.extract(read_image(path))\n"
        "lines = Path('/proc/self/status').read_text().splitlines()\n"
        "print(*(line.split()[1] for line in lines if line.startswith('VmHWM')))\n"
    )
    # Not ru_maxrss, which a child has of its parent.
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(said.stdout) / 1024


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    """Of two maps as vectors."""
    return float((one * other).sum() / np.linalg.norm(one) / np.linalg.norm(other))


def main() -> None:
    """Measure, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--pictures", type=int, default=96)
    options = parser.parse_args()
    sets, n = {}, options.pictures // 2
    for name in ("grocery", "logos"):
        found = find_images(options.data / name / "images")
        chosen = [found.path(each) for each in found.names[:: len(found) // n]][:n]
        sets[name] = find_images(chosen, root=options.data)
    images = find_images(
        [each.path(name) for each in sets.values() for name in each.names], root=options.data
    )
    rows, profiles = [], []
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        random = Path(folder) / "vgg16.pth"
        torch.save(torchvision.models.vgg16(weights=None).state_dict(), random)
        squeezenet = options.data / "weights" / "squeezenet1_1_features.pth"
        for network, layer, weights, cut in (
            ("vgg16", "conv5_1", random, 26),
            ("squeezenet1_1", "fire9", squeezenet, 13),
            (LITE, "conv5", None, 11),
        ):
            for name, each in sets.items():
                rows.append({"set": name, **measure(network, layer, weights, cut, each)})
                print(rows[-1], flush=True)
            profiles.append(profile(network, layer, weights, images, Path(folder)))
            profiles[-1]["peak"] = peak_memory(network, layer, weights, images)
            print(profiles[-1], flush=True)
    results = {**made_by("benchmarks.extraction DATA"), "rows": rows, "profiles": profiles}
    keep_results("extraction", results)
    write_section("extraction", "Extraction", markdown(results))


def markdown(results: dict[str, Any]) -> str:
    """The section of the page."""
    parts = section(results["rows"]), profile_section(results["profiles"]), signature(results)
    return "\n\n".join(parts)


def section(rows: list[dict[str, Any]]) -> str:
    """The table of the ways, as Markdown."""
    lines = [
        [
            row["network"],
            f"{row['set']}, {row['shapes']}",
            *(f"{row[way]:.1f}" for way in ("plain", "float32", "auto")),
            f"{row['auto'] / row['plain']:.1f}x",
            row["arithmetic"],
            f"{row['cosine']:.4f}",
            f"{row['read']:.0f}",
        ]
        for row in rows
    ]
    heads = ["network", "set, shapes", "plain loop", "engine, float32", "engine, auto"]
    heads += ["auto / plain", "auto is", "cosine of the maps", "reading alone"]
    vgg = [row for row in rows if row["network"].startswith("vgg16")]
    seconds = [sum(row["pictures"] / row[way] for row in vgg) for way in ("plain", "auto")]
    ratio = seconds[0] / seconds[1]
    lite = [row for row in rows if row["network"].startswith(LITE)]
    faster = seconds[1] / sum(row["pictures"] / row["auto"] for row in lite)
    return (
        f"Pictures a second, {rows[0]['pictures']} photographs of each set, longer side {SIDE}, "
        f"median of {N_RUNS} rounds in which the ways take turns. The plain loop takes one picture "
        "at a time, float32, eager torchvision; the engine reads ahead, makes batches of like "
        "shapes, keeps channels last and fuses convolutions. Reading alone is decoding and "
        "resizing in one thread.\n\n"
        + table(heads, lines)
        + f"\n\nOver both sets VGG16 is {ratio:.2f} times as fast as in the plain loop, {LITE} "
        f"{faster:.1f} times as fast as VGG16."
    )


def profile_section(profiles: list[dict[str, Any]]) -> str:
    """The table of the stages and what bounds them, as Markdown."""
    lines, bounds = [], []
    for row in profiles:
        total = sum(row[stage] for stage in STAGES)
        cells = [f"{row[stage]:.1f} ({row[stage] / total:.0%})" for stage in STAGES]
        lines.append(
            [row["of"], *cells, f"{total:.1f}", f"{row['indexing']:.1f}"]
            + [f"{1000 / row['indexing']:.1f}", f"{row['peak']:.0f} MB"]
        )
        largest = max(STAGES, key=lambda stage: row[stage])
        bounds.append(
            f"indexing with {row['of']} is bound by the {largest} "
            f"({row[largest] / total:.0%} of the time)"
        )
    heads = ["network", *STAGES, "sum", "indexing", "pictures/s", "peak"]
    text = "; ".join(bounds)
    return (
        f"The whole of indexing, {N_WORDS:,} words of 128 components: milliseconds a picture of "
        "each stage alone with the whole machine (share of their sum), and of the engine, in which "
        "the stages overlap. Decoding has two threads; the network is in "
        f"{profiles[0]['arithmetic']}. Peak: resident memory of a process that extracts maps, "
        f"torch and all libraries included.\n\n{table(heads, lines)}\n\n"
        f"{text[0].upper()}{text[1:]}."
    )


if __name__ == "__main__":
    main()
