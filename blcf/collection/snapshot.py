"""What a collection holds as of one manifest: its images by number, by name and by path."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from blcf.collection.numbered import NumberedImages
from blcf.collection.places import known_prefixes
from blcf.index.names import hash_names

__all__ = ["Snapshot"]


class Snapshot(NumberedImages):
    """The images of a collection; `blcf.collection.Collection` adds where they come from."""

    def follow(self) -> None:
        """Take what a search must not pass over: nothing, but of shards."""

    def check_grows(self) -> None:
        """Raise `InvalidInput` where no picture can be added; to a collection one can."""

    def names_of(self, image_ids: Iterable[int]) -> list[str]:
        """The names of some images."""
        return [self.name(image_id) for image_id in image_ids]

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
            ids = segment.column("root_ids")
            ids = ids if segment.live is None else ids[segment.live]
            counts += np.bincount(ids[(ids >= 0) & (ids < n_roots)], minlength=n_roots)
        found: dict[str, int] = {}
        for root, count in zip(self.manifest["roots"], counts):
            if count:
                found[root] = found.get(root, 0) + int(count)
        return found

    def names_under(self, root: str) -> Iterator[str]:
        """Names of the images of a root, in order of insertion, whatever stands before them."""
        root_ids = [i for i, one in enumerate(self.manifest["roots"]) if one == root]
        for segment in self.segments:
            wanted = np.isin(segment.column("root_ids"), root_ids)
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

    def _found(self, names: Sequence[str], ids_in: Callable[[int, Any], Any]) -> np.ndarray:
        """What a segment, by its number, says of the positions that have the names; else -1."""
        parts, positions = self._find(names)
        ids = np.full(len(names), -1, dtype=np.int64)
        for number in np.unique(parts[parts >= 0]).tolist():
            rows = parts == number
            ids[rows] = ids_in(number, positions[rows])
        return ids

    def find(self, names: Sequence[str]) -> np.ndarray:
        """Ids of images by name: int64 (n,), -1 where no image has the name."""
        return self._found(names, self._numbering.ids)

    def ids_of(self, names: Sequence[str]) -> np.ndarray:
        """The ids that images keep for ever, by name: int64 (n,), -1 where no image has the name.

        Unlike numbers, which follow from the order of insertion, they change with no removal.
        """
        return self._found(names, lambda number, at: self.segments[number].column("ids")[at])

    def find_paths(self, paths: Sequence[Path]) -> np.ndarray:
        """Ids of images by the path that they had when they were indexed: int64 (n,), or -1."""
        ids = np.full(len(paths), -1, dtype=np.int64)
        texts = [path.as_posix() for path in paths]
        for root in dict.fromkeys(filter(None, self.manifest["roots"])):
            folder = Path(root).as_posix().rstrip("/") + "/"
            below = [row for row, text in enumerate(texts) if text.startswith(folder)]
            for prefix in ("", *known_prefixes(self.manifest, root)):
                before = f"{prefix}/" if prefix else ""
                found = self.find([before + texts[row][len(folder) :] for row in below])
                for row, image_id in zip(below, found):
                    if image_id >= 0 and self.image_path(int(image_id)) == paths[row]:
                        ids[row] = image_id
        return ids
