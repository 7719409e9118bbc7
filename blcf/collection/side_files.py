"""What lies beside the segments: kept statistics, pictures that were skipped, a training sample.

No manifest names these files: each says itself what it is of, and the collection is whole without.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from blcf.collection import skipped as report
from blcf.collection.facts_file import FACTS_FILES
from blcf.collection.kept_statistics import STATISTICS, read_statistics, write_statistics
from blcf.collection.lock import LOCK_FILES
from blcf.collection.manifest import BACKUP, MANIFEST, digest_of
from blcf.collection.manifest_form import MODEL
from blcf.collection.skipped import SKIPPED
from blcf.collection.snapshot import Snapshot
from blcf.errors import FormatError, StorageError, UniformFrame
from blcf.storage import Member, plain_layout, reading

__all__ = ["TRAINING", "SideFiles"]

TRAINING = "training"


class SideFiles(Snapshot):
    """A snapshot and the files beside it."""

    @property
    def _state(self) -> str:
        """Digest of what the statistics follow from."""
        entries = [  # ids that were given to a collection of before change nothing
            {key: value for key, value in entry.items() if key != "first_id"}
            for entry in self.manifest["segments"]
        ]
        return digest_of([self.manifest["settings"], entries])

    def write_statistics(self, df: np.ndarray, norms: np.ndarray, of_tiles: Any = ()) -> None:
        """Keep df, int64 (n_words,), and norms of the live images and of their tiles, float64."""
        layouts = {
            entry["file"]: (entry["digest"], plain_layout(segment.layout))
            for entry, segment in zip(self.manifest["segments"], self.segments)
            if segment.layout is not None
        }
        norms = np.concatenate([norms, of_tiles])
        write_statistics(self.path, self._state, df, norms, layouts)

    def read_statistics(self) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """What was kept, df and norms, or None where it is of another state or damaged."""
        try:
            state, df, norms = read_statistics(self.path)
        except (FormatError, StorageError):
            return None
        n_words = [segment.postings.n_words for segment in self.segments[:1]]
        n, tiles = self.n_images, [one.tiles.n_tiles for one in self.segments[:1] if one.tiles]
        sizes = n + n * sum(tiles), n_words
        is_right = state == self._state and (norms.size, [df.size]) == sizes
        return (df, norms[:n], norms[n:]) if is_right else None

    def discard(self) -> None:
        """Remove a collection that holds no pictures yet, and no other file of its folder."""
        assert not self.manifest["segments"], "a collection with pictures is never removed"
        for name in (MANIFEST, BACKUP, MODEL, SKIPPED, STATISTICS, *FACTS_FILES, *LOCK_FILES):
            self.file(name).unlink()
        self.drop_training()
        for folder in (self.path / "segments", self.path):
            with suppress(OSError):  # not empty: somebody else's files
                folder.rmdir()

    def skipped(self) -> dict[str, str]:
        """Pictures that were skipped: {name: reason}."""
        return {row["name"]: row["reason"] for row in report.read_skipped(self._report)}

    def dropped(self) -> set[str]:
        """Frames that were looked at and left out, as they are of one colour."""
        return {name for name, reason in self.skipped().items() if reason == UniformFrame.reason}

    def skipped_and_gone(self, root: str, prefix: str = "") -> list[str]:
        """Names of skipped pictures that are no longer in a folder."""
        return report.skipped_and_gone(self._report, root, prefix)

    def record_skipped(
        self, skipped: dict[str, str], settled: Iterable[str], root: str, prefix: str = ""
    ) -> None:
        """Replace what ``errors.jsonl`` says of pictures of a folder; see `skipped.py`."""
        report.record_skipped(self._report, skipped, settled, root, prefix)

    @property
    def _report(self) -> Member:
        return self.file(report.SKIPPED)

    def training_folder(self) -> Path:
        """Where the training sample lies; `FormatError` where anything there is no plain file."""
        folder = self.file(TRAINING)
        with reading(folder):
            for name in folder.names():
                (folder / name).check("a file")
        return self.path / TRAINING

    def drop_training(self) -> None:
        """Delete the training sample, if there is one."""
        with reading(self.file(TRAINING)):
            self.file(TRAINING).remove_folder()
