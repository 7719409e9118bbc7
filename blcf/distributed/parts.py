"""A part of the pictures of a shard, indexed by a worker into a small collection of its own.

::

    shard-0000.blcf/parts/00000012/             a part: a collection without a model of its own
    shard-0000.blcf/parts/00000012/part.json    which places its pictures have in the source
    shard-0000.blcf/parts/.00000012.*.tmp/      on its way there

It is written beside and renamed: a part is there whole, or not. Who does it a second time finds it
there, or finds that another was faster, and what it did itself goes.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from blcf.adding.indexer import index_images
from blcf.collection import Collection, DecodingNotes
from blcf.collection.facts import Fact
from blcf.collection.lock import LOCK_FILES
from blcf.collection.manifest_form import MODEL
from blcf.distributed.worker import How, Own, model_of
from blcf.errors import FormatError
from blcf.images import Source
from blcf.storage import Member, read_json, refusals, write_json

__all__ = [
    "PARTS",
    "Part",
    "PartReport",
    "finished_parts",
    "index_part",
    "part_folder",
    "places_in",
]

PARTS, PLACES = "parts", "part.json"
_NOTES = "decoding"


@dataclass(frozen=True)
class Part:
    """A part of the pictures that go into a shard.

    Attributes
    ----------
    shard : path of its folder
    number : of the part in it
    images : the pictures
    places : int64 (n,), ascending, the places of the pictures in the source
    given : what the caller says of them, by name
    is_second : whether an earlier attempt killed its worker: large pictures that were being decoded
        then are passed over
    """

    shard: str
    number: int
    images: Source
    places: np.ndarray
    given: Mapping[str, Mapping[str, Fact]] = field(default_factory=dict)
    is_second: bool = False


@dataclass(frozen=True)
class PartReport:
    """What a part holds.

    Attributes
    ----------
    n_images : that were indexed
    skipped : {name: reason}
    dropped : names of frames of one colour
    is_new : whether it was done now, and not by an earlier run
    """

    n_images: int
    skipped: dict[str, str]
    dropped: list[str]
    is_new: bool = True


def part_folder(shard: str | os.PathLike[str], number: int) -> Path:
    """Where a part is, once it is done."""
    return Path(shard) / PARTS / f"{number:08d}"


def finished_parts(shard: str) -> list[int]:
    """The numbers of the parts of a shard that are done, ascending."""
    names = Member(Path(shard), PARTS).names()
    return sorted(int(name) for name in names if name.isdecimal())


def index_part(how: How, own: Own, part: Part) -> PartReport:
    """Index a part (on a worker), unless it is done.

    Raises
    ------
    ClusterError, VocabularyMismatch, WeightsError
        This worker has another blcf, or another network.
    StorageError
    """
    how.check()
    final = part_folder(part.shard, part.number)
    if final.is_dir():
        return _report(final, is_new=False)
    temporary = final.with_name(f".{final.name}.{secrets.token_hex(8)}.tmp")
    with refusals(final):
        final.parent.mkdir(exist_ok=True)
    try:
        _make(how, own, part, temporary)
        with refusals(final):
            try:
                os.rename(temporary, final)
            except OSError:
                if not final.is_dir():  # else another was faster
                    raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return _report(final, is_new=True)


def _make(how: How, own: Own, part: Part, folder: Path) -> None:
    with Collection.open(part.shard) as shard:
        description = {name: shard.manifest[name] for name in ("settings", "extractor")}
        learned, model = shard.manifest["model"], shard.file(MODEL)
        made = Collection.create(folder, description)
        with refusals(folder):
            try:
                os.link(model, made.file(MODEL))
            except OSError:  # a file system without links
                shutil.copyfile(model, made.file(MODEL))
    notes = made.file(_NOTES)
    if part.is_second:
        _take_notes(folder, notes)
    with made, made.writing():
        made.commit(model=learned)
        with DecodingNotes(notes) as large:
            report = index_images(
                model_of(how, own, made),
                part.images,
                list(part.images.names),
                progress=False,
                large=large,
                given=part.given,
            )
        place_of = dict(zip(part.images.names, part.places.tolist()))
        places = np.array([place_of[name] for name in made.names()], dtype=np.int64)
        content = {
            "runs": _runs(places),
            "skipped": report.skipped,
            "dropped": report.dropped,
        }
        write_json(made.file(PLACES), content)
    for name in (MODEL, *LOCK_FILES):
        with suppress(OSError):
            os.unlink(folder / name)


def _take_notes(folder: Path, notes: Member) -> None:
    """Take over what earlier attempts, whose workers died, were decoding."""
    number = folder.name.split(".")[1]
    for other in folder.parent.glob(f".{number}.*.tmp/{_NOTES}/*"):
        with suppress(OSError):
            os.makedirs(notes, exist_ok=True)
            shutil.copyfile(other, os.path.join(notes, other.name))


def _runs(places: np.ndarray) -> list[list[int]]:
    """Ascending numbers as [first, how many] of each stretch without a gap."""
    starts = np.flatnonzero(np.diff(places, prepend=-2) != 1)
    lengths = np.diff(np.append(starts, len(places)))
    return [[int(places[start]), int(n)] for start, n in zip(starts, lengths)]


def places_in(folder: Path, n_images: int) -> np.ndarray:
    """The places in the source of the pictures of a part, int64 (n_images,), ascending.

    Raises
    ------
    FormatError
        What the part says of them is damaged.
    """
    runs = _content(folder)["runs"]
    parts = [np.arange(first, first + n, dtype=np.int64) for first, n in runs]
    places = np.concatenate([np.empty(0, dtype=np.int64), *parts])
    if len(places) != n_images or (np.diff(places) <= 0).any():
        raise _damaged(folder)
    return places


def _report(folder: Path, is_new: bool) -> PartReport:
    content = _content(folder)
    n_images = sum(n for _, n in content["runs"])
    return PartReport(n_images, content["skipped"], content["dropped"], is_new)


def _content(folder: Path) -> dict[str, Any]:
    found = read_json(Member(folder, PLACES))
    try:
        runs = [(int(first), int(n)) for first, n in found["runs"]]
        skipped = {str(name): str(reason) for name, reason in found["skipped"].items()}
        dropped = [str(name) for name in found["dropped"]]
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise _damaged(folder) from error
    if sum(n for _, n in runs) > 1 << 24 or any(n < 0 or first < 0 for first, n in runs):
        raise _damaged(folder)
    return {"runs": runs, "skipped": skipped, "dropped": dropped}


def _damaged(folder: Path) -> FormatError:
    return FormatError(
        f"{folder} is damaged: it does not say which pictures it holds. Delete it, and run the "
        "same again: they are indexed anew."
    )
