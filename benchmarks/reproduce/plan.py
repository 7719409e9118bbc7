"""What a run would do and need, from the tables alone: no network is built, no data set is opened.

A folder that is given is only looked for. Pictures are counted for published sets, whose sizes are
known; a set of one's own counts as its folder's pictures, however many these are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import read_results
from benchmarks.reproduce.conditions import System
from benchmarks.reproduce.data import Task, learned_on, missing
from blcf.errors import DatasetNotFound, WeightsError

__all__ = ["say_plan"]

# Pictures to be indexed, and query pictures, as published.
PICTURES = {
    "oxford5k": (5_063, 55),
    "oxford105k": (105_134, 55),
    "paris6k": (6_392, 55),
    "paris106k": (106_463, 55),
    "holidays": (1_491, 500),
    "ins23k": (23_614, 120),
}
SIDE = 384  # of the pictures whose time is known
CHANNELS, STRIDE, ASPECT = 512, 16, 0.75  # of most layers and pictures


@dataclass(frozen=True)
class Estimate:
    """Pictures through the network (None: not known), seconds (None: not known), bytes of disk."""

    pictures: int | None
    seconds: float | None
    bytes: int

    def __str__(self) -> str:
        if self.pictures is None:
            return "the pictures of its folder"
        if not self.pictures:
            return "features of a system before"
        parts = [f"{self.pictures:,} pictures"]
        if self.seconds is not None:
            parts.append(f"about {self.seconds / 3600:.1f} hours")
        return ", ".join([*parts, f"{self.bytes / 2**30:.1f} GB of disk"])


def say_plan(
    groups: dict[tuple, list[Task]],
    given: dict[str, list[Path]],
    weights: dict[str, Path],
    stand_in: str,
    say: Callable[[str], None],
) -> None:
    """Say what each system needs on each data set.

    Parameters
    ----------
    groups : tasks of one system on one set, by system, set and what tells features apart
    given : {data set: its folders}
    weights : {network: file}
    stand_in : the set that "other" means where a set has no pair

    Raises
    ------
    DatasetNotFound, WeightsError
        A folder or a file that is given is not there.
    """
    for name, folders in given.items():
        for folder in folders:
            if not folder.exists():
                raise DatasetNotFound(f"Expected {name} in {folder}: there is no such folder.")
    for network, file in weights.items():
        if not file.is_file():
            raise WeightsError(f"Expected weights of {network} in {file}: there is no such file.")
    seconds = _seconds_of_networks()
    say("what a run does (system, data set: pictures through the network, time, disk):")
    counted: set[tuple] = set()
    wanted: dict[str, None] = {}
    total, is_whole = Estimate(0, 0.0, 0), True
    for (label, name, *_), tasks in groups.items():
        system = tasks[0].system
        reason = missing(tasks[0], given, stand_in)
        if reason:
            if reason != "no data":
                say(f"  {label}, {name}: {reason}")
            continue
        wanted[system.network] = None
        need = _estimate(tasks[0], stand_in, seconds, counted)
        if need.pictures is None or need.seconds is None:
            is_whole = False
        total = Estimate(
            (total.pictures or 0) + (need.pictures or 0),
            (total.seconds or 0.0) + (need.seconds or 0.0),
            total.bytes + need.bytes,
        )
        say(f"  {label}, {name}: {need}; {len(tasks)} figure{'s' * (len(tasks) > 1)}")
    say(f"in all {total}{'' if is_whole else ', and what is not known here'}")
    for network in wanted:
        where = weights.get(network, "torchvision's, looked for when a run begins")
        say(f"weights of {network}: {where}")
    say("a run measures time, disk and memory on some pictures, and says them before it goes on")


def _seconds_of_networks() -> dict[str, float]:
    """{network: seconds to index a picture}, as extraction.py found them."""
    profiles = read_results("extraction").get("profiles", [])
    return {row["of"].split()[0]: row["indexing"] / 1000 for row in profiles}


def _estimate(
    task: Task, stand_in: str, seconds: dict[str, float], counted: set[tuple]
) -> Estimate:
    """Of a system on a set, but for the features that a system before has made."""
    system, n_pictures, is_known = task.system, 0, True
    # Collections are of one set and one system; features are shared, those of queries lie apart.
    settings = str(system.settings) if system.kind == "blcf" else ""
    features = (system.kind, system.network, system.layer, system.side, settings)
    other = learned_on(task, stand_in)
    for name, part in ((task.set, "images"), (task.set, "queries"), (other, "images")):
        if (name, part, features) in counted:
            continue
        counted.add((name, part, features))
        is_known &= name in PICTURES
        n_pictures += PICTURES.get(name, (0, 0))[part == "queries"]
    if not is_known:
        return Estimate(None, None, 0)
    each = seconds.get(system.network)
    size = _n_crops(system) * (system.side / SIDE) ** 2
    took = None if each is None else n_pictures * each * size
    return Estimate(n_pictures, took, n_pictures * _bytes_of(system))


def _n_crops(system: System) -> int:
    n_levels = system.options.get("n_levels", 4) if system.kind == "crops" else 1
    return sum((level + 1) ** 2 for level in range(n_levels))


def _bytes_of(system: System) -> int:
    """What is kept of a picture: words and postings, a map, or codes."""
    n_cells = int((system.side / STRIDE) ** 2 * ASPECT)
    if system.kind == "blcf":
        return 3 * n_cells * int(system.settings.get("upsample", 2)) ** 2
    if system.kind == "descriptor":
        # Behind the last pooling a map has a quarter of the cells.
        return 2 * CHANNELS * n_cells // (4 if system.layer == "pool5" else 1)
    return 4 * 4_096 * _n_crops(system)
