"""What a collection holds as of one manifest: its images by number, by name and by path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from blcf.collection.segment import Segment
from blcf.errors import FormatError, InvalidInput
from blcf.index.names import Names, hash_names
from blcf.index.numbering import Numbering
from blcf.index.postings import Postings
from blcf.storage import Member

__all__ = ["Snapshot"]

Self = TypeVar("Self", bound="Snapshot")


@dataclass(frozen=True, eq=False)
class _Opened:
    """What is open: replaced as a whole, so that threads see one state or the next."""

    manifest: dict[str, Any]
    segments: list[Segment]
    numbering: Numbering


class Snapshot:
    """The images of a collection; `blcf.collection.Collection` adds where they come from.

    Images are numbered by insertion, 0 .. n_images - 1; a removed image has no number. What is
    open stays usable while a writer merges and deletes the files, until `close`. No file is held
    open: they are mapped.

    Attributes
    ----------
    path : the folder
    """

    def __init__(self, path: Path):
        self.path = path
        self._now: _Opened | None = None

    @property
    def _opened(self) -> _Opened:
        if self._now is None:
            raise InvalidInput(
                f"{self.path} was closed, and what was found in it before cannot be looked up any "
                "more. Open it again with SearchEngine.open."
            )
        return self._now

    @property
    def manifest(self) -> dict[str, Any]:
        """See `blcf.collection.manifest`."""
        return self._opened.manifest

    @property
    def segments(self) -> list[Segment]:
        """In order of insertion."""
        return self._opened.segments

    @property
    def _numbering(self) -> Numbering:
        return self._opened.numbering

    def _take(self, manifest: dict[str, Any]) -> None:
        """Become the state of a manifest; segments that are open stay open."""
        model = manifest["model"] or {}
        vocabulary, n_words = model.get("vocabulary_digest", ""), model.get("n_words")
        before = {}
        if self._now is not None:
            before = {
                (entry["file"], entry["digest"]): (entry["deleted"], segment)
                for entry, segment in zip(self.manifest["segments"], self.segments)
            }
        segments = []
        for entry in manifest["segments"]:
            deleted, segment = before.get((entry["file"], entry["digest"]), (None, None))
            if segment is None:
                segment = Segment.read(self.file("segments"), entry, vocabulary)
            elif deleted != entry["deleted"]:
                segment = segment.marked(entry)
            if n_words not in (None, segment.postings.n_words):
                raise FormatError(
                    f"{segment.path} is damaged: expected posting lists of {n_words} words, got "
                    f"{segment.postings.n_words}. Run `blcf check` on the collection."
                )
            segments.append(segment)
        numbering = Numbering([(segment.n_images, segment.live) for segment in segments])
        self._now = _Opened(manifest, segments, numbering)

    def close(self) -> None:
        """Let go of the segments; whatever is asked of the snapshot then is an `InvalidInput`.

        Their maps go with the last array that lies over them: an index or hits that are still in
        use stay usable. `Collection.refresh` opens the segments again.
        """
        self._now = None

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def file(self, name: str) -> Member:
        """A file or folder of the collection."""
        return Member(self.path, name)

    def segment_file(self, number: int) -> Member:
        """The file of a segment."""
        return self.file(f"segments/{number:08d}.h5")

    @property
    def vocabulary_digest(self) -> str:
        """Digest of the vocabulary that the segments are made with."""
        return (self.manifest["model"] or {}).get("vocabulary_digest", "")

    @property
    def n_images(self) -> int:
        """How many images live."""
        return self._numbering.n_images

    @property
    def parts(self) -> list[tuple[Names, Postings, np.ndarray | None]]:
        """Per segment names, posting lists and the mask of live images (None: all live)."""
        return [(one.names, one.postings, one.live) for one in self.segments]

    def _place(self, image_id: int) -> tuple[Segment, int]:
        number, position = self._numbering.locate(image_id)
        return self.segments[number], position

    def name(self, image_id: int) -> str:
        """The name of an image."""
        segment, position = self._place(image_id)
        return segment.names[position]

    def size(self, image_id: int) -> tuple[int, int]:
        """Width and height of an original image, pixels."""
        segment, position = self._place(image_id)
        return segment.size_of(position)

    def words(self, image_id: int) -> np.ndarray:
        """The assignment map of an image: uint16 or int32 (h, w)."""
        segment, position = self._place(image_id)
        return segment.words_of(position)

    def norms(self, image_id: int) -> np.ndarray:
        """The norms of an image's raw features, relative to the largest: float32 (h, w), 0..1."""
        segment, position = self._place(image_id)
        return segment.norms_of(position)

    def root_of(self, image_id: int) -> str:
        """The folder that an image's name is relative to."""
        segment, position = self._place(image_id)
        return self._root(segment, position)

    def _root(self, segment: Segment, position: int) -> str:
        root_id, roots = segment.root_id_of(position), self.manifest["roots"]
        if not 0 <= root_id < len(roots):
            raise FormatError(
                f"{segment.path} is damaged: image {position} is of a folder that the manifest "
                "has not. Run `blcf check` on the collection."
            )
        return roots[root_id]

    def image_path(self, image_id: int) -> Path:
        """Where an image was when it was indexed."""
        segment, position = self._place(image_id)
        return Path(self._root(segment, position)) / segment.names[position]

    def names(self) -> Iterator[str]:
        """All names, in order of insertion."""
        for segment in self.segments:
            yield from segment.live_names

    @property
    def roots(self) -> dict[str, int]:
        """The folders that names are relative to, each with its number of images."""
        n_roots = len(self.manifest["roots"])
        counts = np.zeros(n_roots, dtype=np.int64)
        for segment in self.segments:
            ids = segment.all_root_ids()
            ids = ids if segment.live is None else ids[segment.live]
            counts += np.bincount(ids[(ids >= 0) & (ids < n_roots)], minlength=n_roots)
        found: dict[str, int] = {}
        for root, count in zip(self.manifest["roots"], counts):
            if count:
                found[root] = found.get(root, 0) + int(count)
        return found

    def names_under(self, root: str) -> Iterator[str]:
        """Names of the images of a root, in order of insertion."""
        root_ids = [i for i, one in enumerate(self.manifest["roots"]) if one == root]
        for segment in self.segments:
            wanted = np.isin(segment.all_root_ids(), root_ids)
            if segment.live is not None:
                wanted &= segment.live
            for position in np.flatnonzero(wanted):
                yield segment.names[int(position)]

    def _find(self, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Segment and position of live images by name: int64 (n,) each, -1 where there is none."""
        parts = np.full(len(names), -1, dtype=np.int64)
        found = np.full(len(names), -1, dtype=np.int64)
        hashes = hash_names(names)
        for number, segment in enumerate(self.segments):
            positions, rows = segment.names.find(names, hashes)
            if segment.live is not None:
                positions, rows = positions[segment.live[positions]], rows[segment.live[positions]]
            parts[rows], found[rows] = number, positions
        return parts, found

    def find(self, names: Sequence[str]) -> np.ndarray:
        """Ids of images by name: int64 (n,), -1 where no image has the name."""
        parts, positions = self._find(names)
        ids = np.full(len(names), -1, dtype=np.int64)
        for number in np.unique(parts[parts >= 0]):
            rows = parts == number
            ids[rows] = self._numbering.ids(int(number), positions[rows])
        return ids

    def find_paths(self, paths: Sequence[Path]) -> np.ndarray:
        """Ids of images by the path that they had when they were indexed: int64 (n,), or -1."""
        ids = np.full(len(paths), -1, dtype=np.int64)
        texts = [path.as_posix() for path in paths]
        for root in dict.fromkeys(self.manifest["roots"]):
            folder = Path(root).as_posix().rstrip("/") + "/"
            below = [row for row, text in enumerate(texts) if text.startswith(folder)]
            found = self.find([texts[row][len(folder) :] for row in below])
            for row, image_id in zip(below, found):
                if image_id >= 0 and self.root_of(int(image_id)) == root:
                    ids[row] = image_id
        return ids
