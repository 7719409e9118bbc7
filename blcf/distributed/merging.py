"""`merge`: collections of one model, or shards of one, into one ordinary collection.

No network is needed: what a segment holds is copied. The pictures come in the order of insertion of
all shards, so that the collection ranks as the shards do together, and as one that was built at
once.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import numpy as np

from blcf.adding.writer import keep_statistics
from blcf.collection import Collection, Model
from blcf.collection.joining import Run, Said, add_columns, create_like, join_runs
from blcf.collection.shards import Shards, is_sharded
from blcf.collection.skipped import SKIPPED, add_skipped, read_skipped
from blcf.distributed.names_once import check_names
from blcf.distributed.new_folder import new_folder
from blcf.errors import InvalidInput
from blcf.progress import tqdm

__all__ = ["merge", "runs_in_order"]


def merge(
    out: str | os.PathLike[str],
    collections: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    progress: bool = True,
) -> int:
    """Make one collection of several; gives how many pictures it holds.

    Facts, films, skipped pictures and the like come along; the collections stay as they are.

    Parameters
    ----------
    out : a new folder, which appears whole or not at all
    collections : collections of one model, which come in this order, and sharded collections, whose
        pictures come in their own
    progress : whether to draw a progress bar on stderr

    Raises
    ------
    CollectionExists
        There is something at `out`.
    VocabularyMismatch
        The collections are of different models.
    InvalidInput
        Two pictures have the same name, or there is no collection.
    CollectionNotFound, CollectionLocked, FormatError, StorageError
    """
    given = [collections] if isinstance(collections, (str, os.PathLike)) else list(collections)
    Collection.check_free(out)
    shards = _as_shards(Path(out), given)
    with ExitStack() as stack:
        opened = [stack.enter_context(Collection.open(path)) for path in shards.paths]
        for one in opened:
            shards.check(one)
        check_names(opened)
        n_images = sum(one.n_images for one in opened)
        orders = [shards.order_of(one, number) for number, one in enumerate(opened)]
        with new_folder(out) as folder:
            made = create_like(folder, opened[0])
            bar = tqdm(total=n_images, desc="merging", unit=" picture", disable=not progress)
            with made, made.writing(), bar:
                for n_more in join_runs(made, runs_in_order(opened, orders), Said()):
                    bar.update(n_more)
                for one in opened:
                    add_columns(made, one.facts.columns)
                report = made.file(SKIPPED)
                add_skipped(report, (row for one in opened for row in _skipped(one)))
                keep_statistics(Model(made))
    return n_images


def _as_shards(out: Path, given: Sequence[str | os.PathLike[str]]) -> Shards:
    """Whatever is merged, as shards in their order."""
    listed = [Shards.read(one) if is_sharded(one) else Shards.of(out, [one]) for one in given]
    if not listed:
        raise InvalidInput("Expected collections to merge, got none.")
    if len(listed) == 1:
        return listed[0]
    paths = [path for one in listed for path in one.paths]
    if any(len(one) > 1 for one in listed):
        found, shifts, first = [], [], 0
        for one in listed:  # each whole behind the one before
            for path, shift in zip(one.paths, one.shifts):
                found.append(path)
                shifts.append(first + shift)
            first += _extent(one)
        return Shards(out, listed[0].model, found, shifts)
    return Shards.of(out, paths)


def _extent(shards: Shards) -> int:
    """A number above all places in the order of some shards."""
    most = 0
    for path, shift in zip(shards.paths, shards.shifts):
        with Collection.open(path) as one:
            most = max(most, shift + int(one.manifest["next_id"]))
    return most


def _skipped(collection: Collection) -> Iterator[dict[str, str]]:
    """What was skipped of a collection and is not held by it."""
    rows = read_skipped(collection.file(SKIPPED))
    held = collection.find([row["name"] for row in rows])
    yield from (row for row, place in zip(rows, held.tolist()) if place < 0)


def runs_in_order(collections: Sequence[Collection], orders: Sequence[np.ndarray]) -> Iterator[Run]:
    """All pictures of some collections in a common order, numbered from 0.

    Parameters
    ----------
    orders : int64 (n_images,), ascending, of the pictures of each collection
    """
    order = np.concatenate([np.empty(0, dtype=np.int64), *orders])
    owners = np.repeat(np.arange(len(orders)), [len(one) for one in orders])
    places = np.argsort(order, kind="stable")
    owners = owners[places]
    done = [0] * len(collections)
    bounds = np.flatnonzero(np.diff(owners)) + 1
    for first, last in pairwise([0, *bounds.tolist(), len(owners)]):
        if first == last:
            continue
        number = int(owners[first])
        yield from _stretch(collections[number], done[number], last - first, first)
        done[number] += last - first


def _stretch(source: Collection, first: int, n: int, new_id: int) -> Iterator[Run]:
    """Some pictures of a collection, by their numbers in it, and their first new id."""
    before = 0
    for number, segment in enumerate(source.segments):
        n_live = segment.n_live
        begin, end = max(first, before), min(first + n, before + n_live)
        if begin < end:
            positions = np.flatnonzero(segment.live_mask)[begin - before : end - before]
            ids = np.arange(new_id + begin - first, new_id + end - first, dtype=np.int64)
            yield Run(source, number, positions, ids)
        before += n_live
