"""Feature maps of whole data sets on disk, for runs that ask for the same maps again and again."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from blcf.bounds import is_integer
from blcf.errors import (
    CollectionLocked,
    FormatError,
    InvalidInput,
    StorageError,
    VocabularyMismatch,
)
from blcf.features.map_file import MapFile
from blcf.features.pipeline import Extracted, Extractor, extract_pictures
from blcf.images import Original, Source, display_name
from blcf.images.films import original_at
from blcf.storage import read_json, refusals, write_json

__all__ = ["FeatureStore", "feature_key"]

_FORMAT_VERSION = 1

Images = Source | tuple[Sequence[str], Sequence[str | os.PathLike[str]]]


def feature_key(extractor: Extractor) -> dict[str, Any]:
    """All that the arrays of an extractor depend on: the key of a `FeatureStore`.

    Network, node, digest of the weights (not their path), preprocessing, size of the pictures,
    arithmetic and kind, as plain values.
    """
    described = dict(extractor.describe())
    described.pop("weights", None)
    described.pop("layer", None)  # a paper's name of the node
    return {**described, "dtype": extractor.dtype_, "kind": extractor.kind}


class FeatureStore:
    """Feature maps (or codes) of pictures by name, in a file that grows: made once, read often.

    Each key has a folder of its own below `folder`, made by the first `extract`. A run that is
    stopped or killed is resumed by calling `extract` again. Values are kept in the arithmetic of
    the network, which loses nothing: half of the bytes with bfloat16.

    Parameters
    ----------
    folder : where stores of any keys are
    key : what the arrays depend on, see `feature_key`; a mapping of plain values with a "dtype"

    Attributes
    ----------
    path : Path, the folder of this key
    skipped : dict, name to reason, of the pictures that gave nothing

    Raises
    ------
    InvalidInput
        No such key.
    FormatError
        The folder of this key holds something else, or another format version.

    Examples
    --------
    >>> key = {"network": "vgg16", "node": "features.25", "side": 336, "dtype": "bfloat16"}
    >>> FeatureStore("maps", key).estimate(5_063, (512, 16, 21))  # Oxford: 1.7 GB
    1741996032
    """

    def __init__(self, folder: str | os.PathLike[str], key: Mapping[str, Any]):
        self.folder = folder
        self.key = key
        try:
            self._key = json.loads(json.dumps(dict(key), sort_keys=True))
        except (TypeError, ValueError) as error:
            raise InvalidInput(
                f"Expected a key of plain values, got {key!r} ({error}). `feature_key` makes one."
            ) from error
        if self._key.get("dtype") not in ("float32", "bfloat16", "float16"):
            raise InvalidInput(
                "Expected a key with dtype float32, bfloat16 or float16, got "
                f"{self._key.get('dtype')!r}. `feature_key` makes one."
            )
        self.path = Path(folder) / _folder_name(self._key)
        self._intact: set[str] = set()  # what was read or written without a fault
        self._open()

    def _open(self) -> None:
        """Read the list; arrays are read when they are asked for."""
        said = self.path / "key.json"
        if os.path.exists(said):
            wanted = {"format_version": _FORMAT_VERSION, "key": self._key}
            if (found := read_json(said)) != wanted:
                raise FormatError(
                    f"Expected {said} to say {wanted}, got {found}. Use another folder, or delete "
                    f"{self.path}."
                )
        elif any(os.path.exists(self.path / name) for name in MapFile.FILES):
            raise FormatError(
                f"{self.path} has maps and no key.json that says of what. Restore it, use another "
                "folder, or delete this one."
            )
        self._file = MapFile(self.path)

    def __len__(self) -> int:
        """The number of pictures whose arrays are kept."""
        return len(self._file.entries) - len(self.skipped)

    @property
    def n_bytes(self) -> int:
        """Length of the file of arrays."""
        return self._file.n_bytes

    @property
    def skipped(self) -> dict[str, str]:
        """Names of the pictures that gave nothing, and why."""
        entries = dict(self._file.entries).items()  # another thread may be extracting
        return {name: str(entry["skipped"]) for name, entry in entries if "skipped" in entry}

    def estimate(self, n_images: int, shape: Sequence[int]) -> int:
        """Bytes that the arrays of so many pictures will need, each of one shape (C, h, w)."""
        sides = (n_images, *shape)
        if not all(is_integer(side) and side >= 0 for side in sides):
            raise InvalidInput(f"Expected whole numbers from 0, got {n_images!r} and {shape!r}.")
        return math.prod(map(int, sides)) * (4 if self._key["dtype"] == "float32" else 2)

    def missing(self, images: Images) -> list[str]:
        """Names of those pictures that `extract` will look at: not kept, or changed since.

        Parameters
        ----------
        images : a source (`find_images` makes one), or names and paths; maps that are damaged are
            found by `extract`
        """
        entries = self._file.entries
        return [
            name
            for name, original in _originals(images).items()
            if name not in entries or original.state() not in (None, entries[name].get("file"))
        ]

    def extract(
        self,
        images: Images,
        extractor: Extractor,
        progress: Callable[[int, int], object] | None = None,
    ) -> None:
        """Keep the arrays of pictures: of those that are not kept, or changed, or are damaged.

        Pictures are read ahead in threads. One that cannot be read, or that the network cannot
        take, is skipped and its reason is kept; it is tried again when its file has changed. What
        is kept of a picture whose file is gone stays.

        Parameters
        ----------
        images : a source (`find_images` makes one), or names and paths
        extractor : of this store's key
        progress : called with how many of the wanted pictures are done, and how many there are

        Raises
        ------
        VocabularyMismatch
            The extractor is of another key.
        CollectionLocked
            Another process is extracting into this store.
        StorageError
            The disk is full; what was kept is.
        """
        given = json.loads(json.dumps(feature_key(extractor)))
        if given != self._key:
            names = sorted(
                name for name in {*given, *self._key} if given.get(name) != self._key.get(name)
            )
            raise VocabularyMismatch(
                f"Expected an extractor of the key of {self.path}, got one with other "
                f"{', '.join(f'{name} ({given.get(name)!r})' for name in names)}. Open the store "
                "with feature_key(extractor)."
            )
        originals = _originals(images)
        with self._writing():
            wanted = [one for one in originals.values() if not self._holds(one)]
            if progress is not None:
                progress(0, len(wanted))
            found: Generator[Extracted[np.ndarray], None, None] = extract_pictures(
                extractor, wanted
            )
            with closing(found):
                for n_done, (original, one) in enumerate(zip(wanted, found), 1):
                    self._keep(original, one)
                    if progress is not None:
                        progress(n_done, len(wanted))

    def _keep(self, original: Original, found: Extracted[np.ndarray]) -> None:
        """Keep an array, or why there is none."""
        content, read = found.content, found.facts
        # As the file was when it was read, where it could be: it may have changed since.
        state = [read.mtime_ns, read.n_bytes] if read.n_bytes >= 0 else original.state()
        facts = {"size": found.size, "file": state}
        with refusals(self.path):
            if isinstance(content, InvalidInput):
                reason = getattr(content, "reason", "") or str(content)
                self._file.note(found.name, skipped=reason, **facts)
            else:
                self._file.append(found.name, content, self._key["dtype"], **facts)
                self._intact.add(found.name)

    def _holds(self, original: Original) -> bool:
        """Whether a picture needs no extraction."""
        name, state = original.name, original.state()
        entry = self._file.entries.get(name)
        if entry is None or state not in (None, entry.get("file")):
            return False
        if "skipped" in entry or name in self._intact:
            return True
        if self._file.read(name) is None:
            return False
        self._intact.add(name)
        return True

    def map(self, name: str) -> np.ndarray:
        """What is kept of a picture: a feature map, float32 (C, h, w); the caller's own.

        Raises
        ------
        InvalidInput
            Nothing is kept of it.
        FormatError
            The file is damaged.
        """
        self._entry(name)
        found = self._file.read(name)
        if found is None:
            self._intact.discard(name)
            raise FormatError(
                f"What {self.path} keeps of {display_name(name)} is damaged. Call extract again, "
                "which makes it anew."
            )
        return found

    def maps(self, names: Iterable[str]) -> Iterator[np.ndarray]:
        """What is kept of pictures, one after the other, in the order of the names."""
        return (self.map(name) for name in names)

    def size(self, name: str) -> tuple[int, int]:
        """The (width, height) of a picture, in pixels, as it is on disk."""
        entry = self._entry(name)
        try:
            width, height = entry["size"]
            return int(width), int(height)
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(
                f"{self.path} is damaged: no size of {display_name(name)}. Delete the folder and "
                "extract again."
            ) from error

    def _entry(self, name: str) -> dict[str, Any]:
        entry = self._file.entries.get(name)
        if entry is None or "skipped" in entry:
            why = f"it was skipped ({entry['skipped']})" if entry else "call extract first"
            raise InvalidInput(f"{self.path} keeps nothing of {display_name(name)}: {why}.")
        return entry

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Be the one process that writes."""
        with refusals(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path / "writer.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise CollectionLocked(
                f"Another process is extracting into {self.path}. Wait for it to end, or stop it."
            ) from error
        except (OSError, NotImplementedError) as error:  # no permission; no locks on this mount
            raise StorageError(f"Could not lock {self.path} for writing: {error}.") from error
        try:
            self._open()  # another process may have written meanwhile
            if not os.path.exists(self.path / "key.json"):
                said = {"format_version": _FORMAT_VERSION, "key": self._key}
                write_json(self.path / "key.json", said)
            yield
        finally:
            lock.release()


def _folder_name(key: Mapping[str, Any]) -> str:
    """Some of a key for those who look, and a digest of all of it."""
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:12]
    shown = [key.get(name) for name in ("network", "node", "side", "input_size", "dtype")]
    text = "-".join(str(value) for value in shown if value is not None)
    return f"{re.sub('[^A-Za-z0-9._-]+', '_', text)[:100]}-{digest}"


def _originals(images: Images) -> dict[str, Original]:
    """Pictures by their names."""
    if not isinstance(images, tuple) and hasattr(images, "original"):
        return {name: images.original(name) for name in images.names}
    try:
        names, paths = images  # type: ignore[misc]
        return {
            str(name): original_at(str(name), Path(path))
            for name, path in zip(names, paths, strict=True)
        }
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            f"Expected an ImageList, or as many names as paths ({error}). find_images makes one."
        ) from error
