"""A collection on disk: a folder with a manifest, a model file and immutable segments.

::

    manifest.json      what the collection was made with, and which files belong to it
    model.h5           whitening and vocabulary
    segments/*.h5      names, sizes, assignment maps, norms, posting lists of a batch each
    errors.jsonl       pictures that were skipped, each with its reason
    writer.lock        held by the one process that adds

A file belongs to the collection only once the manifest names it, and the manifest is swapped in
one step: whoever opens the collection sees the state before or after a commit, never between.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from filelock import FileLock, Timeout

from blcf.errors import (
    CollectionExists,
    CollectionLocked,
    CollectionNotFound,
    FormatError,
    StorageError,
)
from blcf.index.segment import Batch, Segment
from blcf.storage import read_json, replace_file, write_json

__all__ = ["Collection"]

FORMAT, FORMAT_VERSION = "blcf collection", 1
MANIFEST = "manifest.json"


class Collection:
    """The images of a collection, as files.

    Images are numbered by insertion, 0 .. n_images - 1, as in the inverted file made of the
    segments' postings. An open collection is a snapshot: `refresh` takes what was committed since.
    """

    def __init__(self, path: Path, manifest: dict[str, Any]):
        self.path = path
        self.manifest = manifest
        self.segments: list[Segment] = []
        self._starts = [0]
        self._open_segments()

    @classmethod
    def create(cls, path: str | os.PathLike[str], description: dict[str, Any]) -> Collection:
        """Make an empty collection in a new (or empty) folder.

        Parameters
        ----------
        path : the folder
        description : plain values (settings, extractor) kept in the manifest
        """
        folder = Path(path)
        cls.check_free(folder)
        try:
            (folder / "segments").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"Could not make {folder}: {error.strerror}.") from error
        manifest = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "generation": 0,
            **description,
            "model": None,
            "segments": [],
        }
        write_json(folder / MANIFEST, manifest)
        return cls(folder, manifest)

    @staticmethod
    def check_free(path: str | os.PathLike[str]) -> None:
        """Raise `CollectionExists` unless a collection can be made there.

        The empty ``segments`` that a `create` on a full disk leaves behind is no obstacle.
        """
        folder = Path(path)
        if not folder.exists():
            return
        if folder.is_dir():
            left = [one for one in folder.iterdir() if not one.name.startswith(".")]
            if all(one.name == "segments" and not any(one.iterdir()) for one in left):
                return
        raise CollectionExists(
            f"{folder} exists and is not an empty folder. Choose another path for the "
            "collection, or open the collection that is there."
        )

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Collection:
        """Open a collection.

        Raises
        ------
        CollectionNotFound, FormatError
            No collection there; of another version, damaged or cut short.
        """
        folder = Path(path)
        return cls(folder, _read_manifest(folder))

    def refresh(self) -> None:
        """Take what was committed since the collection was opened."""
        self.manifest = _read_manifest(self.path)
        self._open_segments()

    def _open_segments(self) -> None:
        entries = self.manifest["segments"]
        for entry in entries[len(self.segments) :]:
            path = self.path / "segments" / entry["file"]
            self._take(Segment.read(path, entry["n_images"], self._vocabulary))

    @property
    def _vocabulary(self) -> str:
        """Digest of the vocabulary that the segments are made with."""
        return (self.manifest["model"] or {}).get("vocabulary_digest", "")

    def _take(self, segment: Segment) -> None:
        self.segments.append(segment)
        self._starts.append(self._starts[-1] + len(segment.names))

    @property
    def n_images(self) -> int:
        """How many images are committed."""
        return self._starts[-1]

    def _place(self, image_id: int) -> tuple[int, int]:
        number = int(np.searchsorted(self._starts, image_id, side="right")) - 1
        return number, int(image_id) - self._starts[number]

    def size(self, image_id: int) -> tuple[int, int]:
        """Width and height of an original image, pixels."""
        number, position = self._place(image_id)
        width, height = self.segments[number].sizes[position]
        return int(width), int(height)

    def words(self, image_id: int) -> np.ndarray:
        """The assignment map of an image: uint16 or int32 (h, w)."""
        number, position = self._place(image_id)
        return self.segments[number].words_of(position)

    def norms(self, image_id: int) -> np.ndarray:
        """The quantised norms of an image's raw features: uint8 (h, w)."""
        number, position = self._place(image_id)
        return self.segments[number].norms_of(position)

    def image_path(self, image_id: int) -> Path:
        """Where an image was when it was indexed."""
        number, position = self._place(image_id)
        root = Path(self.manifest["segments"][number]["root"])
        return root / self.segments[number].names[position]

    def names(self) -> Iterator[str]:
        """All names, in order of insertion."""
        for segment in self.segments:
            yield from segment.names[:]

    def paths_by_name(self) -> dict[str, Path]:
        """Where every image was when it was indexed, by name."""
        return {
            name: Path(entry["root"]) / name
            for entry, segment in zip(self.manifest["segments"], self.segments)
            for name in segment.names[:]
        }

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the one writer; `CollectionLocked` where another process is.

        The operating system holds the lock for a process: a dead owner holds none.
        """
        lock = FileLock(self.path / "writer.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise CollectionLocked(
                f"Another process is writing to {self.path}. Wait for it to end, or stop it."
            ) from error
        except (OSError, NotImplementedError) as error:  # no permission; no locks on this mount
            reason = getattr(error, "strerror", None) or error
            raise StorageError(f"Could not lock {self.path} for writing: {reason}.") from error
        try:
            for leftover in [*self.path.glob(".*.tmp"), *self.path.glob("segments/.*.tmp")]:
                leftover.unlink(missing_ok=True)
            self.refresh()
            yield
        finally:
            lock.release()

    def append(self, batch: Batch, bags: sp.csr_matrix, root: str) -> Segment:
        """Commit a batch as one segment (the caller is the writer).

        Parameters
        ----------
        batch : images
        bags : CSR (n_images, n_words), raw term frequencies
        root : the folder that the names are relative to
        """
        assert len(batch), "an empty batch is never committed"
        entries = self.manifest["segments"]
        number = 1 + max((int(entry["file"].split(".")[0]) for entry in entries), default=0)
        path = self.path / "segments" / f"{number:08d}.h5"
        Segment.write(path, batch, bags, self._vocabulary)
        self.commit(segments=[*entries, {"file": path.name, "n_images": len(batch), "root": root}])
        segment = Segment.read(path, len(batch), self._vocabulary)
        self._take(segment)
        return segment

    def commit(self, **changes: Any) -> None:
        """Swap the manifest for one with some values changed."""
        manifest = {**self.manifest, **changes, "generation": self.manifest["generation"] + 1}
        write_json(self.path / MANIFEST, manifest)
        self.manifest = manifest

    def discard(self) -> None:
        """Remove a collection that holds no pictures yet, and no other file of its folder."""
        assert not self.manifest["segments"], "a collection with pictures is never removed"
        for name in (MANIFEST, "model.h5", "training.npz", "errors.jsonl", "writer.lock"):
            (self.path / name).unlink(missing_ok=True)
        for folder in (self.path / "segments", self.path):
            with suppress(OSError):  # not empty: somebody else's files
                folder.rmdir()

    def skipped(self) -> dict[str, str]:
        """Pictures that were skipped: {name: reason}."""
        return {row["name"]: row["reason"] for row in self._skipped_rows()}

    def skipped_and_gone(self, root: str) -> list[str]:
        """Names of skipped pictures that are no longer in a folder."""
        return [
            row["name"]
            for row in self._skipped_rows()
            if row["path"] == os.path.join(root, row["name"]) and not os.path.lexists(row["path"])
        ]

    def _skipped_rows(self) -> list[dict[str, str]]:
        """The rows of ``errors.jsonl``: name, reason, path."""
        path = self.path / "errors.jsonl"
        if not path.exists():
            return []
        try:
            rows = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line]
            return [{key: row[key] for key in ("name", "reason", "path")} for row in rows]
        except (ValueError, KeyError, TypeError) as error:
            raise FormatError(f"{path} is damaged ({error}). Delete it: it is a report.") from error

    def relocate(self, moved: dict[str, str]) -> None:
        """Change the root of segments whose pictures have moved: {segment file: new root}."""
        entries = self.manifest["segments"]
        self.commit(
            segments=[{**one, "root": moved.get(one["file"], one["root"])} for one in entries]
        )

    def record_skipped(self, skipped: dict[str, str], settled: Iterable[str], root: str) -> None:
        """Replace what ``errors.jsonl`` says of pictures of a folder.

        Parameters
        ----------
        skipped : {name: reason}
        settled : names of pictures that were tried again or are gone
        root : the folder that the names are relative to
        """
        before = self._skipped_rows()
        settled_paths = {os.path.join(root, name) for name in (*settled, *skipped)}
        rows = [row for row in before if row["path"] not in settled_paths]
        for name, reason in skipped.items():
            rows.append({"name": name, "reason": reason, "path": os.path.join(root, name)})
        rows.sort(key=lambda row: row["path"])
        if rows != before:
            with replace_file(self.path / "errors.jsonl") as temporary:
                temporary.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        hint = "the folder holds no manifest.json" if folder.is_dir() else "there is no such folder"
        raise CollectionNotFound(
            f"No collection at {folder}: {hint}. Make one with `blcf index FRAMES {folder}`."
        )
    manifest = read_json(path)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise FormatError(f"Expected {path} to be the manifest of a {FORMAT}, it is not.")
    if manifest.get("format_version") != FORMAT_VERSION:
        raise FormatError(
            f"Expected {folder} to be of format version {FORMAT_VERSION}, got version "
            f"{manifest.get('format_version')}. Use the blcf that wrote it, or index again."
        )
    missing = {"generation", "settings", "extractor", "model", "segments"} - manifest.keys()
    if missing:
        raise FormatError(f"{path} is damaged: it lacks {', '.join(sorted(missing))}.")
    segments = manifest["segments"]
    if not isinstance(segments, list) or not all(_is_entry(entry) for entry in segments):
        raise FormatError(f"{path} is damaged: its list of segments is not of the form.")
    return manifest


def _is_entry(entry: Any) -> bool:
    kinds = {"file": str, "n_images": int, "root": str}
    return isinstance(entry, dict) and all(
        isinstance(entry.get(key), kind) for key, kind in kinds.items()
    )
