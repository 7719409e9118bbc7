"""A sharded collection: a folder that lists its shards, each an ordinary collection of one model.

::

    shards.json          which collections are its shards, and the digest of their model
    shard-0000.blcf      a shard; others may lie elsewhere, also on the disk of another machine
    model.blcf           a collection without pictures, of the shards' model: where words are made
    indexing.json        what is to be done yet, while `Cluster.index` is under way

**Order.** A picture keeps the id that it gets for ever, and ids ascend in the order in which the
pictures of a collection were inserted. Shards that were made together draw their ids from one
range: the id of a picture is its place in the order of insertion of all of them. Whoever adds a
picture to one shard alone, or replaces one there, gets ids of a lane that belongs to that shard,
behind all that were given before: such pictures come last, by shard, then in their order. Removing,
merging and compacting change no id. Collections that were not made together are put one behind the
other by a shift that is added to their ids.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from blcf.bounds import BOUNDS
from blcf.collection import Collection
from blcf.collection.manifest import digest_of
from blcf.collection.network import IDENTITY
from blcf.collection.snapshot import Snapshot
from blcf.errors import CollectionNotFound, FormatError, InvalidInput, VocabularyMismatch
from blcf.storage import Member, read_json, reading, write_json

__all__ = [
    "TEMPLATE",
    "LANE",
    "Shards",
    "first_free",
    "is_sharded",
    "lanes_after",
    "model_digest",
    "shard_name",
]

SHARDS, TEMPLATE = "shards.json", "model.blcf"
FORMAT, FORMAT_VERSION = "blcf shards", 1
MOST_SHARDS = int(BOUNDS["n_shards"].most)
LONGEST_PATH = 32_767

# Pictures that can be added to one shard alone before shards are made together again. Ids go to
# 1 << 60: with 1,000 shards there are lanes for 260,000 times.
LANE = 1 << 32

_SETTINGS = ("upsample", "weighting", "idf", "sqrt")
_LEARNED = ("n_words", "n_components", "whitening_digest", "vocabulary_digest")


def is_sharded(path: str | os.PathLike[str]) -> bool:
    """Whether a folder is a sharded collection: whether it has the list of its shards."""
    try:
        return os.path.isfile(Path(path) / SHARDS)
    except ValueError:  # no name that a file can have
        return False


def model_digest(manifest: dict[str, Any]) -> str:
    """Digest of all that scores depend on beside the pictures: hex, 32 digits.

    That is network, whitening, vocabulary, and the settings of bags. Where weights lie, and how the
    model came about, is no part of it.

    Parameters
    ----------
    manifest : of a collection that has a model

    Raises
    ------
    InvalidInput
        It has none yet.
    """
    if manifest["model"] is None:
        raise InvalidInput("Expected a collection that has learned its words, it has none yet.")
    of_tiles = [[name, manifest["settings"].get(name)] for name in ("tiles", "tile_side")]
    return digest_of(
        [
            [manifest["extractor"].get(name) for name in IDENTITY],
            [manifest["settings"].get(name) for name in _SETTINGS],
            [manifest["model"].get(name) for name in _LEARNED],
            *(one for one in of_tiles if one[1]),  # without, the digest is that of before
        ]
    )


def shard_name(number: int) -> str:
    """The name of a shard's folder."""
    return f"shard-{number:04d}.blcf"


def first_free(collections: Sequence[Snapshot]) -> int:
    """The first id that is behind all that some collections have given."""
    return max((int(one.manifest["next_id"]) for one in collections), default=0)


def lanes_after(first: int, n_shards: int) -> list[int]:
    """Where the lane of each shard begins when all ids below the first are given, or promised."""
    return [first + number * LANE for number in range(n_shards)]


@dataclass(frozen=True)
class Shards:
    """The shards of a collection, and where they are.

    Attributes
    ----------
    folder : of the sharded collection
    model : `model_digest` of every shard
    paths : the folders of the shards; those that lie elsewhere may be on other machines
    shifts : what is added to the ids of each shard's pictures, 0 of shards that were made together
    """

    folder: Path
    model: str
    paths: list[Path]
    shifts: list[int]

    def __len__(self) -> int:
        """How many shards there are."""
        return len(self.paths)

    @classmethod
    def of(cls, folder: str | os.PathLike[str], paths: Sequence[str | os.PathLike[str]]) -> Shards:
        """Collections of one model, that were not made together, as shards; `write` lists them.

        Raises
        ------
        VocabularyMismatch
            They are of different models.
        CollectionNotFound, FormatError, InvalidInput
        """
        here = Path(folder)
        if not paths:
            raise InvalidInput("Expected one collection or more as shards, got none.")
        found = [Path(os.path.abspath(one)) for one in paths]
        model, shifts, first = "", [], 0
        for path in found:
            with Collection.open(path) as one:
                model = model or model_digest(one.manifest)
                cls(here, model, found, []).check(one)
                shifts.append(first)
                first += max(LANE, int(one.manifest["next_id"])) + LANE
        return cls(here, model, found, shifts)

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> Shards:
        """The shards of a sharded collection; none of them is opened.

        Raises
        ------
        CollectionNotFound
            The folder has no list of shards.
        FormatError
            The list is damaged, of another version, or leads where it may not.
        """
        here = Path(folder)
        path = Member(here, SHARDS)
        if not is_sharded(here):
            raise CollectionNotFound(
                f"No sharded collection at {here}: it holds no {SHARDS}. Make one with `blcf index "
                f"{here} FRAMES --shards N`, or of a collection with `blcf split`."
            )
        stored = read_json(path)
        if not isinstance(stored, dict) or stored.get("format") != FORMAT:
            raise FormatError(f"Expected {path} to list the shards of a collection, it does not.")
        version = stored.get("format_version")
        if type(version) is not int or version != FORMAT_VERSION:
            raise FormatError(
                f"Expected {path} to be of format version {FORMAT_VERSION}, got version "
                f"{str(version)[:20]}. Use the blcf that wrote it."
            )
        wrong = [key for key, is_right in _FORM.items() if not is_right(stored.get(key))]
        if wrong or stored["digest"] != _digest_without(stored):
            what = f"its {', '.join(wrong)} are not of the form" if wrong else "its digest differs"
            raise FormatError(f"{path} is damaged: {what}. Restore it from a copy.")
        paths = [_place(here, entry) for entry in stored["shards"]]
        if len(set(paths)) < len(paths):
            raise FormatError(f"{path} is damaged: a shard stands in it twice.")
        return cls(here, stored["model"], paths, [entry["shift"] for entry in stored["shards"]])

    @property
    def template(self) -> Path:
        """A collection of their model, which may hold no pictures: it makes words of queries.

        It lies in the folder itself where the shards may lie elsewhere.
        """
        own = self.folder / TEMPLATE
        return own if own.is_dir() or not self.paths else self.paths[0]

    def write(self) -> None:
        """Make this the list of the folder's shards, in one step.

        Shards within the folder are listed relative to it: all can be moved together.
        """
        here = Path(os.path.abspath(self.folder))
        entries = [
            {**_entry(here, Path(os.path.abspath(path))), "shift": shift}
            for path, shift in zip(self.paths, self.shifts)
        ]
        stored = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "model": self.model,
            "shards": entries,
        }
        write_json(Member(self.folder, SHARDS), {**stored, "digest": _digest_without(stored)})

    def check(self, shard: Snapshot) -> None:
        """Raise `VocabularyMismatch` where a collection is not of the model of these shards."""
        found = model_digest(shard.manifest)
        if found != self.model:
            raise VocabularyMismatch(
                f"Expected the shards of {self.folder} to be of one network, vocabulary and "
                f"weighting (model {self.model[:8]}), {shard.path} is of others (model "
                f"{found[:8]}). Put the shard back that was there, or index again."
            )

    def number_of(self, shard: Snapshot) -> int:
        """Which of the shards an opened collection is, by its path.

        Raises
        ------
        InvalidInput
            It is none of them.
        """
        mine = os.path.abspath(shard.path)
        for number, path in enumerate(self.paths):
            if mine == os.path.abspath(path):
                return number
        raise InvalidInput(f"Expected a shard of {self.folder}, got {shard.path}.")

    def order_of(self, shard: Snapshot, number: int | None = None) -> np.ndarray:
        """The place of each live picture of a shard in the order of insertion of all shards.

        It never descends within a shard, and no two pictures of different shards have the same.
        Only where `blcf check --repair` has moved pictures several of a shard may have the same:
        these are in the order of the shard.

        Parameters
        ----------
        shard : the collection, opened, or a snapshot of it
        number : which of the shards it is; None where its path tells

        Returns
        -------
        int64 (n_pictures,), >= 0; with gaps where pictures went, or wait
        """
        number = self.number_of(shard) if number is None else number
        return np.maximum.accumulate(shard.column("ids")) + np.int64(self.shifts[number])


def _digest_without(stored: dict[str, Any]) -> str:
    return digest_of({key: value for key, value in stored.items() if key != "digest"})


def _entry(here: Path, path: Path) -> dict[str, str]:
    if path.is_relative_to(here) and path != here:
        return {"path": path.relative_to(here).as_posix()}
    return {"elsewhere": os.fspath(path)}


def _place(here: Path, entry: dict[str, Any]) -> Path:
    """The folder of a shard; one that is listed as below the folder has no link on its way."""
    if "elsewhere" in entry:
        path = Path(entry["elsewhere"])
        if not path.is_absolute() or ".." in path.parts:
            raise FormatError(
                f"{here / SHARDS} is damaged: expected the absolute path of a shard that lies "
                f"elsewhere, got {str(path)[:200]!r}."
            )
        return path
    member = Member(here, entry["path"])
    with reading(member):
        member.check("a folder")
    return Path(member)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_PATH and "\0" not in value


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{32}", value) is not None


def _is_entry(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and len({"path", "elsewhere"} & set(value)) == 1
        and _is_text(value.get("path", value.get("elsewhere")))
        and type(value.get("shift")) is int
        and 0 <= value["shift"] <= 1 << 61
    )


_FORM: dict[str, Callable[[Any], bool]] = {
    "model": _is_digest,
    "shards": lambda value: (
        isinstance(value, list) and 0 < len(value) <= MOST_SHARDS and all(map(_is_entry, value))
    ),
    "digest": _is_digest,
}
