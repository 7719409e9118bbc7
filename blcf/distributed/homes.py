"""Which workers see which shards: all, on a file system that they share, or one machine's."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from blcf.collection.shards import Shards, shard_name
from blcf.distributed.jobs import Job, Work
from blcf.distributed.worker import sees
from blcf.errors import ClusterError

__all__ = ["choose_homes", "find_homes", "n_workers"]


def n_workers(work: Work) -> int:
    """How many workers there are."""
    return max(1, len(work.workers()))


def choose_homes(
    work: Work, here: Path, folder: str | None, n_shards: int
) -> tuple[list[Path], list[list[str] | None]]:
    """Where the shards of a new collection will be: their paths, and who makes them.

    Parameters
    ----------
    here : of the sharded collection
    folder : on the workers' own disks, "{worker}" in it is the worker's name; None: in `here`
    """
    names = [shard_name(number) for number in range(n_shards)]
    if folder is None:
        return [here / name for name in names], [None] * n_shards
    disks: dict[str, tuple[str, list[str]]] = {}
    for address, worker in sorted(work.workers().items()):
        own = folder.replace("{worker}", str(worker.get("name", address)))
        host = str(worker.get("host", address))
        disk = own if "{worker}" in folder else host
        disks.setdefault(disk, (own, []))[1].append(address)
    if not disks:
        raise ClusterError("Expected workers whose disks take the shards, there is none.")
    paths, homes = [], []
    for name, (own, addresses) in zip(names, itertools.cycle(disks.values())):
        paths.append(Path(own) / f"{here.stem}-{name}")
        homes.append(addresses)
    return paths, list(homes)


def find_homes(work: Work, shards: Shards) -> list[list[str] | None]:
    """Which workers see each shard; None for those in the folder of the collection itself.

    Raises
    ------
    ClusterError
        A shard that lies elsewhere is seen by none of the workers.
    """
    elsewhere = [
        number for number, path in enumerate(shards.paths) if not path.is_relative_to(shards.folder)
    ]
    homes: list[list[str] | None] = [None] * len(shards)
    if not elsewhere:
        return homes
    paths = [str(shards.paths[number]) for number in elsewhere]
    found = _seen_by(work, paths)
    for number, addresses in zip(elsewhere, found):
        if not addresses:
            raise ClusterError(
                f"Shard {shards.paths[number]} is on none of the workers. Start the worker whose "
                "disk has it, and run the same again."
            )
        homes[number] = addresses
    return homes


def _seen_by(work: Work, paths: Sequence[str]) -> list[list[str]]:
    found: list[list[str]] = [[] for _ in paths]
    jobs = [
        Job(sees, (list(paths),), what=address, workers=[address]) for address in work.workers()
    ]
    for done in work.run(jobs):
        for number, is_seen in enumerate(done.value or ()):
            if is_seen:
                found[number].append(done.job.what)
    return [sorted(addresses) for addresses in found]
