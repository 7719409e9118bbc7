"""`split`: one collection into the shards of a sharded one, without the network."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from blcf.adding.writer import keep_statistics
from blcf.bounds import check_bounds
from blcf.collection import Collection, Model
from blcf.collection.joining import Said, add_columns, create_like, join_runs, runs_of
from blcf.collection.shards import Shards, lanes_after, model_digest, shard_name
from blcf.collection.skipped import SKIPPED, add_skipped, read_skipped
from blcf.distributed.new_folder import new_folder
from blcf.progress import tqdm

__all__ = ["split"]


def split(
    collection: str | os.PathLike[str],
    out: str | os.PathLike[str],
    n_shards: int,
    *,
    progress: bool = True,
) -> Shards:
    """Make a sharded collection of an ordinary one, which stays as it is.

    Each shard takes as many pictures as the others, neighbours in the order of insertion, which
    stays the order of all of them.

    Parameters
    ----------
    out : a new folder, which appears whole or not at all
    n_shards : from 1 to 10,000; with more than there are pictures some are empty
    progress : whether to draw a progress bar on stderr

    Raises
    ------
    CollectionExists
        There is something at `out`.
    InvalidInput
        Another number of shards, or a collection that has learned no words yet.
    CollectionNotFound, CollectionLocked, FormatError, StorageError
    """
    check_bounds("n_shards", n_shards)
    Collection.check_free(out)
    with Collection.open(collection) as source:
        model = model_digest(source.manifest)
        ids = source.column("ids")
        if not source.facts.ascends:  # a repair has moved pictures: their order is that of now
            ids = np.arange(len(ids), dtype=np.int64)
        bounds = [len(ids) * number // n_shards for number in range(n_shards + 1)]
        lanes = lanes_after(int(source.manifest["next_id"]), n_shards)
        runs = runs_of(source, ids)
        said = Said()
        bar = tqdm(total=len(ids), desc="splitting", unit=" picture", disable=not progress)
        with new_folder(out) as folder, bar:
            paths = [folder / shard_name(number) for number in range(n_shards)]
            for number, path in enumerate(paths):
                shard = create_like(path, source, next_id=lanes[number])
                with shard, shard.writing():
                    first, last = _ids_between(ids, bounds[number], bounds[number + 1])
                    mine = (one.cut(*np.searchsorted(one.ids, (first, last))) for one in runs)
                    for n_more in join_runs(shard, (one for one in mine if len(one)), said):
                        bar.update(n_more)
                    add_columns(shard, source.facts.columns)
                    if number == 0:  # of no picture: any shard can tell it
                        add_skipped(shard.file(SKIPPED), read_skipped(source.file(SKIPPED)))
                    keep_statistics(Model(shard))
            Shards(folder, model, paths, [0] * n_shards).write()
    return Shards.read(Path(out))


def _ids_between(ids: np.ndarray, first: int, last: int) -> tuple[int, int]:
    """The first id of some pictures, and one above the last; (0, 0) of none."""
    if first == last:
        return 0, 0
    return int(ids[first]), int(ids[last - 1]) + 1
