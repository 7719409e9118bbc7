"""Pictures of other collections of the same model, put into one without the network.

Posting lists, maps, channels, sizes and facts of files are copied as they are; folders and films
get the numbers of the collection that takes them. One segment is committed at a time.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from blcf.collection import facts_changes
from blcf.collection.collection import Collection
from blcf.collection.facts import Fact
from blcf.collection.facts_table import rows_of
from blcf.collection.manifest_form import MODEL
from blcf.collection.rewriting import check_source, mark_removed
from blcf.collection.segment import Segment
from blcf.collection.snapshot import Snapshot
from blcf.errors import FormatError
from blcf.index import merging
from blcf.storage import file_digest, replace_file

__all__ = ["Run", "Said", "add_columns", "create_like", "join_runs", "runs_of"]

MOST_RUNS = 64  # of a segment: each copies the marks of its source


@dataclass(frozen=True, eq=False)
class Run:
    """Live pictures of one segment of a collection, in its order, and the ids that they get.

    Attributes
    ----------
    source : the collection
    number : of its segment
    positions : int64 (n,), ascending
    ids : int64 (n,), ascending
    """

    source: Snapshot
    number: int
    positions: np.ndarray
    ids: np.ndarray

    def __len__(self) -> int:
        return len(self.positions)

    def cut(self, first: int, last: int | None = None) -> Run:
        """A part of it, half-open."""
        return replace(self, positions=self.positions[first:last], ids=self.ids[first:last])


def runs_of(source: Snapshot, ids: np.ndarray) -> list[Run]:
    """All live pictures of a collection, a run per segment.

    Parameters
    ----------
    ids : int64 (n_images,), ascending, that they get
    """
    runs, first = [], 0
    for number, segment in enumerate(source.segments):
        positions = np.flatnonzero(segment.live_mask)
        if len(positions):
            runs.append(Run(source, number, positions, ids[first : first + len(positions)]))
        first += len(positions)
    return runs


def add_columns(target: Collection, names: Sequence[str]) -> None:
    """Give a collection columns of facts, empty (the caller is the writer): conditions name them.

    Of a shard no picture of which has a fact, a condition over it chooses none.
    """
    if set(names) - set(target.facts.columns):
        with target.facts.file.writing(target.facts.rows) as table:
            table.add_columns(names)


class Said:
    """What callers said of the pictures of collections; each file of facts is read once."""

    def __init__(self) -> None:
        self._of: dict[Path, dict[int, dict[str, Fact]]] = {}

    def of(self, source: Snapshot) -> dict[int, dict[str, Fact]]:
        """What was said of a collection's pictures, by their ids in it."""
        if source.path not in self._of:
            said: dict[int, dict[str, Fact]] = {}
            if source.facts.file.exists():
                with source.facts.file.reading() as table:
                    said = table.said()
            self._of[source.path] = said
        return self._of[source.path]


def create_like(path: Path, like: Snapshot, *, next_id: int = 0) -> Collection:
    """Make an empty collection of the model of another one (and be done with writing to it).

    Raises
    ------
    CollectionExists, StorageError
    FormatError
        The model of the other one is damaged.
    """
    model, made = like.file(MODEL), like.manifest["model"]
    if file_digest(model)["digest"] != made["digest"]:
        raise FormatError(
            f"{model} is damaged: its digest is of other bytes. Restore it from a copy."
        )
    description = {name: like.manifest[name] for name in ("settings", "extractor")}
    collection = Collection.create(path, description)
    with collection.writing():
        with replace_file(Path(collection.file(MODEL))) as temporary:
            shutil.copyfile(model, temporary)
        collection.commit(model=made, next_id=next_id)
    return collection


def join_runs(target: Collection, runs: Iterable[Run], said: Said) -> Iterator[int]:
    """Commit pictures of other collections, a segment at a time (the caller is the writer).

    Pictures of the same names are replaced, as by `Collection.append`. Nothing is done before the
    result is iterated over.

    Parameters
    ----------
    runs : in the order in which their pictures are inserted; ids ascend, and are above all that
        the collection has

    Yields
    ------
    int, how many pictures were committed

    Raises
    ------
    FormatError
        A source is damaged: what was committed before stands.
    StorageError
    """
    checked: set[tuple[Path, str]] = set()
    for span in _spans(runs):
        for run in span:
            entry = run.source.manifest["segments"][run.number]
            if (run.source.path, entry["file"]) not in checked:
                check_source(run.source.segments[run.number], entry, run.source.path)
                checked.add((run.source.path, entry["file"]))
        yield _commit(target, span, said)


def _spans(runs: Iterable[Run]) -> Iterator[list[Run]]:
    """Runs that become a segment, cut where it is full."""
    span: list[Run] = []
    n_left = merging.LARGEST
    for run in runs:
        while len(run):
            if not n_left or len(span) == MOST_RUNS:
                yield span
                span, n_left = [], merging.LARGEST
            span.append(run.cut(0, n_left))
            n_left -= len(span[-1])
            run = run.cut(len(span[-1]))
    if span:
        yield span


def _commit(target: Collection, span: Sequence[Run], said: Said) -> int:
    target.refresh()
    manifest = target.manifest
    path = target.segment_file(manifest["next_segment"])
    joined = Segment.joined(path, [_chosen(run) for run in span])
    ids = np.concatenate([run.ids for run in span])
    names = joined.names[:]
    of_manifest = _Numbers(manifest)
    old_ids, roots, videos = [], [], []
    first = 0
    for run in span:
        part = slice(first, first + len(run))
        old_ids.append(joined.columns["ids"][part])
        roots.append(of_manifest.roots_of(run.source, joined.columns["root_ids"][part]))
        videos.append(of_manifest.videos_of(run.source, joined.columns["videos"][part]))
        first += len(run)
    columns = {
        **joined.columns,
        "ids": ids,
        "root_ids": np.concatenate(roots),
        "videos": np.concatenate(videos),
    }
    given = {
        int(new): facts
        for run, old in zip(span, old_ids)
        if (known := said.of(run.source))
        for new, number in zip(run.ids.tolist(), old.tolist())
        if (facts := known.get(number))
    }
    entry = replace(joined, columns=columns).save(target.vocabulary_digest)
    replaced = target.ids_of(names)
    entries, _ = mark_removed(manifest["segments"], target.segments, *target._find(names))
    new_of_old = {old: new for old, new in zip(replaced.tolist(), ids.tolist()) if old >= 0}
    rows = rows_of(names, columns, of_manifest.videos)
    is_film = bool(of_manifest.videos)
    facts_changes.add_rows(target.facts, int(ids[0]), rows, new_of_old, given, make=is_film)
    target.commit(
        segments=[*entries, entry],
        roots=of_manifest.roots,
        videos=of_manifest.videos,
        prefixes=of_manifest.prefixes,
        choices=of_manifest.choices,
        next_segment=manifest["next_segment"] + 1,
        next_id=max(manifest["next_id"], int(ids[-1]) + 1),
    )
    facts_changes.forget_rows(target.facts, new_of_old)
    target.merge()
    return len(ids)


def _chosen(run: Run) -> Segment:
    segment = run.source.segments[run.number]
    live = np.zeros(segment.n_images, dtype=bool)
    live[run.positions] = True
    return replace(segment, live=live)


class _Numbers:
    """The folders and films of a manifest, and those of other collections among them."""

    def __init__(self, manifest: dict[str, Any]):
        self.roots: list[str] = list(manifest["roots"])
        self.videos: list[str] = list(manifest["videos"])
        self.prefixes: dict[str, list[str]] = {
            root: list(them) for root, them in manifest.get("prefixes", {}).items()
        }
        self.choices: dict[str, list[Any]] = dict(manifest.get("choices", {}))

    def roots_of(self, source: Snapshot, numbers: np.ndarray) -> np.ndarray:
        """The numbers of folders of a source as those of the manifest: int32."""
        theirs = source.manifest["roots"]
        if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(theirs):
            raise FormatError(
                f"{source.path} is damaged: pictures are of a folder that its manifest has not. "
                f"Run `blcf check {source.path} --repair`."
            )
        for number in np.unique(numbers).tolist():
            for prefix in source.manifest.get("prefixes", {}).get(theirs[number], ()):
                mine = self.prefixes.setdefault(theirs[number], [])
                mine += [prefix] * (prefix not in mine)
        return _renumbered(theirs, self.roots, numbers)

    def videos_of(self, source: Snapshot, numbers: np.ndarray) -> np.ndarray:
        """The numbers of films of a source as those of the manifest: int32, -1 for none."""
        theirs = source.manifest["videos"]
        known = np.where((numbers >= 0) & (numbers < len(theirs)), numbers, -1)
        for number in np.unique(known[known >= 0]).tolist():
            choice = source.manifest.get("choices", {}).get(theirs[number])
            if choice is not None:
                self.choices[theirs[number]] = choice
        return _renumbered(theirs, self.videos, known)


def _renumbered(theirs: Sequence[str], mine: list[str], numbers: np.ndarray) -> np.ndarray:
    """Numbers of one list as those of another, which gets what it lacks; -1 stays."""
    table = np.full(len(theirs) + 1, -1, dtype=np.int32)  # the last is that of -1
    places = {name: place for place, name in enumerate(mine)}
    for number in np.unique(numbers[numbers >= 0]).tolist():
        name = theirs[number]
        if name not in places:
            places[name] = len(mine)
            mine.append(name)
        table[number] = places[name]
    return table[numbers]
