"""What is run: data sets, tasks, and what they need."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Container
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reproduce.conditions import System
from blcf.datasets import KINDS, GroundTruth, read_dataset
from blcf.errors import DatasetNotFound, InvalidInput
from blcf.images import ImageList, find_images, read_image

__all__ = [
    "KNOWN",
    "WITH_DISTRACTORS",
    "DataSet",
    "Needs",
    "Task",
    "learned_on",
    "missing",
    "open_set",
    "time_of",
]

PAIRS = {"oxford": "paris6k", "paris": "oxford5k"}  # whose whitening is learned on which
WITH_DISTRACTORS = {"oxford5k": "oxford105k", "paris6k": "paris106k", "ilias": "ilias5m"}
# The kind of data set that a name stands for.
KNOWN = {name: name for name in KINDS if name != "gt.json"} | {"ins23k": "trecvid"}
KNOWN |= {larger: smaller for smaller, larger in WITH_DISTRACTORS.items()}


@dataclass(frozen=True)
class DataSet:
    """Pictures, and the truth about them (None where they are only learned from)."""

    name: str
    images: tuple[ImageList, ...]
    truth: GroundTruth | None = None

    @property
    def paths(self) -> dict[str, Path]:
        """{name: file} of all pictures."""
        return {name: one.path(name) for one in self.images for name in one.names}

    @property
    def query_paths(self) -> dict[str, Path]:
        """{name of its own: file} of the pictures of all queries that have positives."""
        queries = self.truth.queries if self.truth else []
        measured = [query for query in queries if query.positives]
        paths = dict.fromkeys(one.image for query in measured for one in query.examples)
        return {f"{_digest(str(path))}-{path.name}": path for path in paths}

    def digest_pictures(self) -> str:
        """Of the names of the pictures, and the sizes and times of their files."""
        return _digest(_states(self.paths))

    def digest_truth(self) -> str:
        """Of all queries, their pictures and masks, and how they are measured."""
        if self.truth is None:
            return ""
        facts: list[Any] = [self.truth.protocol, sorted(self.truth.shots.items())]
        for query in self.truth.queries:
            boxes = [None if one.box is None else one.box.tolist() for one in query.examples]
            files = {f"{number}": one.image for number, one in enumerate(query.examples)}
            masks = {f"{n}": one.mask for n, one in enumerate(query.examples) if one.mask}
            facts += [query.name, boxes, _states(files), _states(masks)]
            facts += [sorted(names) for names in (query.positives, query.junk, query.hard)]
            facts += [[group, sorted(names)] for group, names in sorted(query.groups.items())]
        return _digest(json.dumps(facts))

    @property
    def has_boxes(self) -> bool:
        """Whether some query has a box."""
        queries = self.truth.queries if self.truth else []
        return any(query.box is not None for query in queries)


@dataclass(frozen=True)
class Needs:
    """What a run takes: pictures through the network, seconds, bytes of disk, and of memory."""

    pictures: int = 0
    seconds: float = 0.0
    bytes: int = 0
    memory: int = 0

    def __add__(self, other: Needs) -> Needs:
        return Needs(
            self.pictures + other.pictures,
            self.seconds + other.seconds,
            self.bytes + other.bytes,
            max(self.memory, other.memory),
        )


@dataclass(frozen=True)
class Task:
    """One figure: a system on a data set, with a kind of query and a search."""

    system: System
    set: str
    queries: str
    search: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """A name for the file of its result: everything that the figure depends on."""
        facts = {**asdict(self.system), "on": {}, "set": self.set}
        facts |= {"queries": self.queries, "task_search": self.search}
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]
        return f"{self.system.name}-{self.system.network}-{self.set}-{self.queries}-{digest}"


def learned_on(task: Task, stand_in: str) -> str:
    """Name of the set that a whitening is learned on; `stand_in`: of sets that have no pair."""
    wanted = task.system.learned_on
    if wanted == "itself" or task.system.kind == "blcf":
        return task.set
    if wanted != "other":
        return wanted
    pairs = [other for prefix, other in PAIRS.items() if task.set.startswith(prefix)]
    return (pairs or [stand_in or task.set])[0]


def missing(task: Task, given: Container[str], stand_in: str) -> str:
    """Which set is not given and must be, or ""."""
    if task.set not in given:
        return "no data"
    other = learned_on(task, stand_in)
    return "" if other in given else f"no data: {other}, to learn the whitening on"


def time_of(extractor: Any, data: DataSet) -> tuple[float, tuple[int, ...]]:
    """Seconds a picture and the shape of its array, from a few of the set."""
    images: list[np.ndarray] = []
    shape: tuple[int, ...] = (0,)
    for path in list(data.paths.values())[:5]:
        try:
            images.append(read_image(path))
        except InvalidInput:
            continue
    if not images:
        return 0.0, shape
    seconds = []
    for image in images:
        extractor.extract(image)  # the first call of a shape is slow
        start = time.perf_counter()
        shape = extractor.extract(image).shape
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds)), shape


def open_set(name: str, paths: list[str], distractors: str | None = None) -> DataSet:
    """A data set, or folders of pictures that are only learned from."""
    if len(paths) > 1:
        root = os.path.commonpath([os.path.abspath(path) for path in paths])
        return DataSet(name, tuple(find_images(path, root) for path in paths))
    (path,) = paths
    try:
        options = {} if distractors is None else {"distractors": distractors}
        truth = read_dataset(path, kind=KNOWN.get(name), **options)
    except DatasetNotFound:
        if distractors is not None or name in KNOWN:
            raise
        return DataSet(name, (find_images(path),))
    if truth.images:
        return DataSet(name, truth.images, truth)
    folder = truth.path.parent
    images = folder / "images"
    return DataSet(name, (find_images(images if images.is_dir() else folder),), truth)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _states(paths: dict[str, Path]) -> str:
    """Names, sizes and times of files."""
    lines = []
    for name, path in paths.items():
        try:
            state = os.stat(path)
            lines.append(f"{name} {state.st_size} {state.st_mtime_ns}")
        except OSError:
            lines.append(f"{name} missing")
    return "\n".join(lines)
