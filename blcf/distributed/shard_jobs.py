"""What is done to one shard, on a worker that sees its folder: made, looked into, filled, cleared.

Each of these may be done twice: the second time changes nothing.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from blcf.adding.known import count_changed, follow_moves, names_to_index
from blcf.adding.writer import annotate_present, keep_statistics
from blcf.collection import Collection, Model
from blcf.collection.facts import Fact
from blcf.collection.joining import Run, Said, add_columns, join_runs, runs_of
from blcf.collection.manifest_form import MODEL
from blcf.collection.shards import model_digest
from blcf.collection.skipped import SKIPPED, read_skipped
from blcf.distributed.parts import PARTS, part_folder, places_in
from blcf.errors import CollectionExists, CollectionLocked, CollectionNotFound
from blcf.images import Source, film_of
from blcf.storage import Member, refusals, write_file

__all__ = [
    "Filled",
    "Seen",
    "Tried",
    "begin_shard",
    "clear_shard",
    "create_shard",
    "fill_shard",
    "look_up",
]

_WAIT = 120.0  # s, for a job of a program that has ended and still holds the lock


@dataclass(frozen=True, eq=False)
class Seen:
    """What a shard knows of the pictures of a source.

    Attributes
    ----------
    held, skipped, dropped : int64, places in the source: of pictures that it holds, that could not
        be read before, of frames of one colour
    n_images, next_id : of the shard
    n_changed, n_gone : see `blcf.adding.AddReport`
    """

    held: np.ndarray
    skipped: np.ndarray
    dropped: np.ndarray
    n_images: int
    next_id: int
    n_changed: int = 0
    n_gone: int = 0


@dataclass(frozen=True)
class Tried:
    """Names of pictures that were looked at, and the folder that they are relative to."""

    root: str
    prefix: str
    names: list[str]


@dataclass(frozen=True)
class Filled:
    """What a shard took in now: how many pictures, and how many of these were there before."""

    n_images: int
    n_replaced: int


@contextmanager
def _writing(path: str) -> Iterator[Collection]:
    """A shard, opened to be written; waits for its lock for a while."""
    deadline = time.monotonic() + _WAIT
    while True:
        with Collection.open(path) as shard:
            try:
                with shard.writing():
                    yield shard
                    return
            except CollectionLocked:
                if time.monotonic() > deadline:
                    raise
        time.sleep(0.5)


def create_shard(
    path: str, description: Mapping[str, Any], learned: Mapping[str, Any], model: bytes
) -> None:
    """Make an empty shard, unless it is there.

    Parameters
    ----------
    description : settings and extractor, as a manifest has them
    learned, model : what the manifest says of whitening and vocabulary, and their file

    Raises
    ------
    CollectionExists
        Something else is there.
    StorageError
    """
    folder = Path(path)
    with refusals(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        Collection.open(folder).close()
    except CollectionNotFound:
        Collection.create(folder, dict(description)).close()
    with _writing(path) as shard:
        if shard.manifest["model"] is None:
            write_file(shard.file(MODEL), model)
            shard.commit(model=dict(learned))
        if model_digest(shard.manifest) != model_digest({**description, "model": dict(learned)}):
            raise CollectionExists(
                f"{path} is a collection of another model. Choose another path, or move it away."
            )


def begin_shard(path: str, lane: int) -> int:
    """Let ids of pictures that are added to a shard alone begin at a number; gives the next id.

    It is a larger one where pictures were added so meanwhile.
    """
    with _writing(path) as shard:
        if int(shard.manifest["next_id"]) < lane:
            shard.commit(next_id=lane)
        return int(shard.manifest["next_id"])


def look_up(path: str, images: Source, given: Mapping[str, Mapping[str, Fact]]) -> Seen:
    """What a shard knows of the pictures of a source; what is said of those it holds is written.

    Raises
    ------
    InvalidInput
        It holds another picture of the same name.
    """
    with _writing(path) as shard:
        places = np.arange(len(images))
        skipped = _among(images.names, shard.skipped())
        dropped = _among(images.names, shard.dropped())
        held = ~dropped & ~_among(images.names, names_to_index(shard, images, replace=False))
        follow_moves(shard, images)
        others = [name for name, is_held in zip(images.names, held.tolist()) if not is_held]
        annotate_present(shard, images, given, others)
        n_changed, n_gone = count_changed(shard, images, others)
        return Seen(
            places[held],
            places[skipped & ~held],
            places[dropped & ~held],
            shard.n_images,
            int(shard.manifest["next_id"]),
            n_changed,
            n_gone,
        )


def _among(names: Sequence[str], some: Iterable[str]) -> np.ndarray:
    chosen = set(some)
    return np.fromiter((name in chosen for name in names), dtype=bool, count=len(names))


def fill_shard(
    path: str,
    numbers: Sequence[int],
    firsts: Sequence[int],
    tried: Tried | None,
    failed: Mapping[str, str],
    columns: Sequence[str],
) -> Filled:
    """Put the finished parts of a shard into it, in their order.

    What an earlier call put there, which was stopped, stays there and is not put there again.

    Parameters
    ----------
    numbers : of the parts
    firsts : see `blcf.distributed.dealing.Plan`
    tried : the pictures of all parts of the shard; None: it is not known
    failed : {name: reason} of pictures that are in no part
    columns : of facts that every shard has
    """
    with _writing(path) as shard:
        there = np.concatenate(
            [np.empty(0, dtype=np.int64), *(one.columns["ids"] for one in shard.segments)]
        )
        n_before, n_taken, reports = shard.n_images, 0, dict[str, str]()

        def runs() -> Iterator[Run]:
            for number in numbers:
                folder = part_folder(path, number)
                part = Collection.open(folder)
                reports.update({row["name"]: row["reason"] for row in read_skipped(_report(part))})
                places = places_in(folder, part.n_images)
                for run in runs_of(part, places + firsts[-1]):
                    back = [run.ids - firsts[-1] + first for first in firsts]
                    left = ~np.any([np.isin(ids, there) for ids in back], axis=0)
                    if left.any():
                        yield Run(run.source, run.number, run.positions[left], run.ids[left])

        for n_more in join_runs(shard, runs(), Said()):
            n_taken += n_more
        add_columns(shard, columns)
        if tried is not None:
            films = {film_of(name) for name in tried.names} - {""}
            gone = shard.skipped_and_gone(tried.root, tried.prefix)
            settled = [*tried.names, *films, *gone]
            shard.record_skipped({**reports, **failed}, settled, tried.root, tried.prefix)
        keep_statistics(Model(shard))
        return Filled(n_taken, n_taken - (shard.n_images - n_before))


def _report(collection: Collection) -> Member:
    return collection.file(SKIPPED)


def clear_shard(path: str) -> None:
    """Delete the parts of a shard, once they are in it."""
    with suppress(FileNotFoundError):
        shutil.rmtree(Path(path) / PARTS)
