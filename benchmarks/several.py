"""Two networks together: their maps as one before whitening, or the scores of two collections.

    python -m benchmarks.several DATA --work FOLDER

DATA holds the sets and weights of `benchmarks.accuracy`; FOLDER keeps feature maps and the scores
of every query with every picture, so that a run that was stopped goes on. Writes
benchmarks/results/several.json and the table of benchmarks/several.md.
"""

from __future__ import annotations

import argparse
import hashlib
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import interpolate

from benchmarks.accuracy import BEHIND_RELU, SETS, weights_of
from benchmarks.report import keep_results, made_by, read_results, signature, table, write_section
from blcf import SearchEngine, SearchOptions
from blcf.collection import Collection
from blcf.collection.model import Model
from blcf.collection.settings import Settings
from blcf.datasets import GroundTruth, read_dataset
from blcf.evaluation import PROTOCOLS
from blcf.expansion import fuse_by_name
from blcf.features import ConvFeatures
from blcf.features.map_file import MapFile
from blcf.images import resize_image
from blcf.measuring.evaluator import evaluate
from blcf.records import Ranking

NAMES = {
    "lite": "blcf-lite",
    "sq": "squeezenet1_1",
    "mob": "mobilenet_v2",
    "eff": "timm:tf_efficientnet_lite2",
}
PAIRS = {  # and the sets they are measured on
    "eff+lite": ("logos", "grocery"),
    "eff+sq": ("logos",),
    "eff+mob": ("logos",),
    "mob+lite": ("logos",),
    "mob+sq": ("logos",),
}
JOINED = ("eff+lite",)
FUSED: dict[str, dict[str, Any]] = {
    "sum": {},
    "product": {"how": "product"},
    "sum, .7 and .3": {"weights": (0.7, 0.3)},
    "sum, .3 and .7": {"weights": (0.3, 0.7)},
}
AGREES = 0.01  # with what other benchmarks measured, learned from maps in bfloat16 perhaps

Scores = dict[str, np.ndarray]


class Kept:
    """The maps of one network, by their pictures' pixels, in float16 on disk."""

    def __init__(self, data: Path, folder: Path, key: str):
        network = NAMES[key]
        # Behind the ReLU, as the figures that are checked against are; measure query_scales anew
        # where the weights of blcf-lite are others by now.
        self.network = ConvFeatures(
            network,
            layer=BEHIND_RELU.get(network),
            weights=weights_of(data, network),
            dtype="float32",
        )
        folder.mkdir(parents=True, exist_ok=True)
        self._file, self._lock = MapFile(folder), threading.Lock()

    def maps(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Float32 (C, h, w) of resized pictures."""
        with self._lock:
            return [self._of(image) for image in images]

    def _of(self, image: np.ndarray) -> np.ndarray:
        said = image.tobytes() + str(image.shape).encode()
        name = hashlib.blake2b(said, digest_size=12).hexdigest()
        found = self._file.read(name) if name in self._file.entries else None
        if found is None:
            found = self.network.extract_resized([image])[0].astype(np.float16).astype(np.float32)
            self._file.append(name, found, "float16")
        return found


class Joined(ConvFeatures):
    """Maps of several networks as one: on one grid, each cell of each of length 1, times the
    geometric mean of the lengths, by which cells are weighed. Of one network they are its own."""

    def __init__(self, parts: Sequence[Kept]):
        self._parts = list(parts)
        self.__dict__.update(self._parts[0].network.__dict__)
        self.n_channels_ = sum(part.network.n_channels_ for part in parts)

    def extract_resized(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """As of `ConvFeatures`."""
        found = zip(*(part.maps(images) for part in self._parts))
        return [join(maps) if len(maps) > 1 else maps[0] for maps in found]

    def extract_batch(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """As of `ConvFeatures`."""
        return np.stack(self.extract_resized([resize_image(one, self.side) for one in images]))

    def describe(self) -> dict[str, Any]:
        """As of `ConvFeatures`."""
        return super().describe() | {"n_channels": self.n_channels_}


def join(maps: Sequence[np.ndarray]) -> np.ndarray:
    """Maps float32 (C, h, w) of one picture as one, on the grid of the first."""
    shape = maps[0].shape[1:]
    rows = [
        interpolate(torch.from_numpy(one)[None], size=shape, mode="bilinear", align_corners=False)
        for one in maps
    ]
    lengths = torch.stack([one[0].norm(dim=0) for one in rows])  # (n, h, w)
    units = torch.cat([one[0] / its.clamp_min(1e-12) for one, its in zip(rows, lengths)])
    return (units * lengths.prod(dim=0) ** (1 / len(maps))).contiguous().numpy()


def scores_of(data: Path, work: Path, name: str, keys: str) -> tuple[list[str], Scores]:
    """Names of the pictures; of every query its cosine with each, (n_queries, n_images)."""
    path = work / "out" / (f"{name}-{keys}" + ("-cell" * ("+" in keys)) + ".npz")
    if not path.exists():
        _measure(data, work, name, keys, path)
    with np.load(path) as kept:
        return kept["names"].tolist(), {mode: kept[mode] for mode in ("LS", "GS") if mode in kept}


def _measure(data: Path, work: Path, name: str, keys: str, path: Path) -> None:
    """A collection of the engine's defaults with these networks, and its scores."""
    parts = [Kept(data, work / "maps" / f"{name}-{key}", key) for key in keys.split("+")]
    extractor, rows = Joined(parts), dict[str, list[np.ndarray]]()
    folder = work / "coll" / f"{path.stem}-{time.time_ns()}.blcf"
    folder.parent.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    made = {"settings": Settings(network="module").to_dict(), "extractor": extractor.describe()}
    model = Model(Collection.create(folder, made), device="cpu", extractor=extractor)
    with SearchEngine(model) as engine:
        engine.add(data / SETS[name][0], progress=False)

        def take(mode: str, _: Any, ranking: Any) -> None:
            row = np.zeros(len(engine), np.float32)
            row[ranking.ids] = ranking.scores
            rows.setdefault(mode, []).append(row)

        evaluate(
            engine.searcher,
            data / SETS[name][1],
            [SearchOptions(rerank=False)],
            sink=take,
            progress=False,
        )
        arrays = {mode: np.stack(one) for mode, one in rows.items()}
        np.savez(path, names=np.array(list(engine.names)), **arrays)


def rankings_of(names: list[str], scores: np.ndarray) -> list[Ranking]:
    """Whole rankings of scores (n_queries, n_images)."""
    orders = [np.lexsort((np.arange(len(row)), -row)) for row in scores]
    return [
        Ranking([names[image] for image in order], row[order], order)
        for row, order in zip(scores, orders)
    ]


def map_of(truth: GroundTruth, rankings: Sequence[Ranking]) -> float:
    """mAP of whole rankings, by the protocol of the set."""
    rule, found = PROTOCOLS[truth.protocol], []
    for query, one in zip((one for one in truth.queries if one.positives), rankings, strict=True):
        measured = rule.measure(one.names, query.positives, query.junk, query.hard, query.groups)
        found.append(measured["AP"])
    return round(float(np.mean(found)), 4)


def measure(data: Path, work: Path, name: str, pair: str) -> list[dict[str, Any]]:
    """Rows of a pair on a set: each alone, their scores together, their maps together."""
    keys = [*pair.split("+"), *([pair] if pair in JOINED else [])]
    found = [scores_of(data, work, name, key) for key in keys]
    truth = read_dataset(data / SETS[name][1]).renamed(found[0][0], {})
    rows = []
    for mode in found[0][1]:
        first, second, *joint = (rankings_of(names, scores[mode]) for names, scores in found)
        row: dict[str, Any] = {"pair": " + ".join(NAMES[key] for key in keys[:2])}
        row |= {"set": name, "query": mode}
        row |= {"first": map_of(truth, first), "second": map_of(truth, second)}
        for column, how in FUSED.items():
            fused = [fuse_by_name(both, **how) for both in zip(first, second)]
            row[column] = map_of(truth, fused)
        row |= {"one map": map_of(truth, one) for one in joint}
        rows.append(row)
    check(name, pair, rows)
    return rows


def check(name: str, pair: str, rows: Sequence[dict[str, Any]]) -> None:
    """Each network alone has the figure of the engine."""
    for row in rows:
        for key, of in zip(pair.split("+"), ("first", "second")):
            network = NAMES[key]
            known = [  # sizes of the query alike, as here
                one["alike"]
                for one in read_results("query_scales")["rows"]
                if (one["set"], one["query"], one["network"]) == (name, row["query"], network)
            ] or [
                one[f"{row['query']} base"]["mAP"]
                for one in read_results("accuracy")["sets"]
                if (one["set"], one["network"], one["side"]) == (name, network, 384)
            ]
            assert abs(known[0] - row[of]) <= AGREES, (name, key, known[0], row[of])


def markdown(results: dict[str, Any]) -> str:
    """The section of the page."""
    columns = ["first", "second", *FUSED, "one map"]

    def shown(row: dict[str, Any], column: str) -> str:
        if column not in row:
            return ""
        text = f"{row[column]:.3f}".lstrip("0")
        is_loss = row[column] < max(row["first"], row["second"])
        return f"**{text}**" if column in columns[2:] and is_loss else text

    rows = [
        [row["pair"], row["set"], row["query"], *(shown(row, column) for column in columns)]
        for row in results["rows"]
    ]
    return "\n\n".join(
        [
            "mAP: trapezoidal AP, junk dropped, whole ranking, not reranked, the engine's "
            "defaults, float32. Behind the two networks alone: the rankings of their two "
            "collections as one (`blcf.expansion.fuse_by_name`), and one collection of both maps "
            "(on one grid, each cell of each of length 1, one behind the other, times the "
            "geometric mean of their lengths; one whitening to 128 components, one vocabulary). "
            "What is less than the better network alone is bold.",
            table(["networks", "set", "query", *columns], rows),
            signature(results),
        ]
    )


def main() -> None:
    """Measure, write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--work", type=Path, required=True, help="for maps and scores")
    options = parser.parse_args()
    results = made_by("benchmarks.several DATA --work FOLDER")
    results["rows"] = [
        row
        for pair, names in PAIRS.items()
        for name in names
        for row in measure(options.data, options.work, name, pair)
    ]
    keep_results("several", results)
    write_section("several", "Several networks", markdown(results))


if __name__ == "__main__":
    main()
