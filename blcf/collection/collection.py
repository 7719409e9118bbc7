"""A collection on disk: a folder with a manifest, a model file and immutable segments.

::

    manifest.json         what the collection was made with, and which files belong to it
    manifest.backup.json  a copy of it
    model.h5              whitening and vocabulary
    segments/*.h5         names, sizes, assignment maps, norms, posting lists of many images each
    facts.sqlite          what a caller said of pictures, once something was said
    statistics.h5         document frequencies and norms of the live images
    errors.jsonl          pictures that were skipped, each with its reason
    training/             the sample and k-means, while they are under way
    writer.lock           held by the one process that writes; writer.json says which

A file belongs to the collection only once the manifest names it, and the manifest is swapped in
one step: whoever opens the collection sees the state before or after a commit, never between.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import scipy.sparse as sp

from blcf.collection import facts_changes
from blcf.collection.batch import Batch
from blcf.collection.columns import make_columns, with_videos
from blcf.collection.facts_table import rows_of
from blcf.collection.film_choices import with_choices
from blcf.collection.leftovers import find_leftovers
from blcf.collection.lock import writer_lock
from blcf.collection.manifest import (
    copy_manifest,
    is_of_before,
    new_manifest,
    read_manifest,
    segment_files,
    swap_manifest,
)
from blcf.collection.manifest_form import MODEL
from blcf.collection.places import with_prefix
from blcf.collection.renaming import plan_renaming
from blcf.collection.rewriting import due_compaction, due_merge, join_segments, mark_removed
from blcf.collection.segment import Segment
from blcf.collection.side_files import TRAINING, SideFiles
from blcf.errors import CollectionExists, FormatError, StorageError
from blcf.storage import Member, file_digest, reading

__all__ = ["TRAINING", "Collection"]

logger = logging.getLogger(__name__)

ATTEMPTS = 10  # to open what a writer merges in the same moment


class Collection(SideFiles):
    """The images of a collection, as files: made, opened, and changed by one writer.

    An open collection is a snapshot: `refresh` takes what was committed since.
    """

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
            folder.mkdir(parents=True, exist_ok=True)
            Member(folder, "segments").make_folder()
        except OSError as error:
            raise StorageError(f"Could not make {folder}: {error.strerror}.") from error
        copy_manifest(folder, swap_manifest(folder, new_manifest(description)))
        return cls.open(folder)

    @staticmethod
    def check_free(path: str | os.PathLike[str]) -> None:
        """Raise `CollectionExists` unless a collection can be made there.

        The empty ``segments`` that a `create` on a full disk leaves behind is no obstacle.
        """
        folder = Path(path)
        if not folder.exists():
            return
        if folder.is_dir():
            segments = Member(folder, "segments")
            with reading(folder):
                left = {one.name for one in folder.iterdir() if not one.name.startswith(".")}
                if not left or left == {"segments"} and not segments.names():
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
        collection = cls(Path(path))
        collection.refresh()
        return collection

    def reopening(self) -> tuple[Callable[..., Collection], tuple[Any, ...]]:
        """A function and its arguments that open the same again, in another process as well."""
        return Collection.open, (self.path.absolute(),)

    def refresh(self) -> None:
        """Take what was committed since the collection was opened; a failure changes nothing."""
        manifest = read_manifest(self.path)
        segments = self.file("segments")
        with reading(segments):
            segments.check("a folder")
        for attempt in range(ATTEMPTS):
            try:
                return self._take(manifest)
            except (FormatError, StorageError):
                # A writer may have merged, and deleted, what this manifest names.
                newer = read_manifest(self.path)
                if newer["generation"] == manifest["generation"] or attempt == ATTEMPTS - 1:
                    raise
                manifest = newer

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the one writer; `CollectionLocked` where another process is."""
        with writer_lock(self.path):
            self.refresh()
            self._tidy()
            facts_changes.tidy_facts(self.facts)
            yield

    def _tidy(self) -> None:
        """Delete what writers that were killed left behind."""
        for path in find_leftovers(self.path, self.manifest):
            with suppress(OSError):
                path.unlink()

    def append(self, batch: Batch, bags: sp.csr_matrix, root: str, prefix: str = "") -> None:
        """Commit a batch (the caller is the writer); images of the same names are replaced.

        Parameters
        ----------
        batch : images, at most 65,536, of different names
        bags : CSR (n_images, n_words), raw term frequencies
        root : the folder that the names are relative to; "" of images in none
        prefix : what stands before their paths in the names, and a "/"
        """
        assert len(batch), "an empty batch is never committed"
        assert len(set(batch.names)) == len(batch), "a name stands twice in a batch"
        self.refresh()  # an interrupt may have come between a swap and this object
        roots, number = list(self.manifest["roots"]), self.manifest["next_segment"]
        if root not in roots:
            roots.append(root)
        first_id = self.manifest["next_id"]
        videos = with_videos(self.manifest["videos"], batch.facts)
        columns = make_columns(batch.sizes, batch.facts, roots.index(root), first_id, videos)
        path = self.segment_file(number)
        entry = Segment.write(path, batch, bags, self.vocabulary_digest, columns)
        replaced = self.ids_of(batch.names)
        entries, _ = self._removed(batch.names)
        rows = rows_of(batch.names, columns, videos)
        ids = columns["ids"].tolist()
        new_of_old = {old: new for old, new in zip(replaced.tolist(), ids) if old >= 0}
        given = dict(zip(ids, batch.given))
        facts_changes.add_rows(self.facts, first_id, rows, new_of_old, given, make=bool(videos))
        self.commit(
            segments=[*entries, entry],
            roots=roots,
            prefixes=with_prefix(self.manifest, root, prefix),
            videos=videos,
            choices=with_choices(self.manifest, batch.choices),
            next_segment=number + 1,
            next_id=first_id + len(batch),
        )
        facts_changes.forget_rows(self.facts, new_of_old)
        self.merge()

    def remove(self, names: Sequence[str]) -> int:
        """Remove images by name (the caller is the writer); gives how many there were."""
        self.refresh()
        entries, n_removed = self._removed(names)
        if n_removed:
            ids = self.ids_of(names)
            self.commit(segments=entries)
            facts_changes.forget_rows(self.facts, ids[ids >= 0].tolist())
            self.merge()
        return n_removed

    def _removed(self, names: Sequence[str]) -> tuple[list[dict[str, Any]], int]:
        """The entries of the segments with some more images marked, and how many."""
        return mark_removed(self.manifest["segments"], self.segments, *self._find(names))

    def annotate(self, facts: Mapping[str | int, Mapping[str, Any]]) -> None:
        """Write what the caller says of pictures, all of it or nothing (the caller is the writer).

        Parameters
        ----------
        facts : {name, or id: {column: value}}; a value is None, bool, int, float or str

        Raises
        ------
        InvalidInput
            A picture is not here, or a column or value cannot be stored; nothing is written.
        FormatError
            The file of facts is damaged.
        """
        self.refresh()
        checked = facts_changes.facts_by_id(self, facts)
        if checked:
            if is_of_before(self.path):
                self.commit()  # from now on the ids are written
            facts_changes.annotate_rows(self.facts, checked)

    def rename(self, moves: Mapping[str, str], root: str | None = None, prefix: str = "") -> int:
        """Give images other names in one commit (the caller is the writer); gives how many.

        They count as added last, in their order, with new ids; what is known of them is kept.

        Parameters
        ----------
        moves : {name: new name}
        root : the folder that the new names are relative to; None keeps each image's
        prefix : what stands before their paths in the new names, and a "/"

        Raises
        ------
        InvalidInput
            A name is not here, or a new one would stand for two images.
        """
        self.refresh()
        plan = plan_renaming(self, moves, root)
        if plan is None:
            return 0
        facts_changes.add_rows(self.facts, self.manifest["next_id"], plan.rows, plan.new_of_old, {})
        entries, _ = self._removed(list(moves))
        prefixes = with_prefix(self.manifest, root or "", prefix)
        self.commit(**plan.changes, prefixes=prefixes, segments=[*entries, *plan.entries])
        facts_changes.forget_rows(self.facts, plan.new_of_old)
        self.merge()
        return len(plan.new_of_old)

    def merge(self) -> None:
        """Make small segments into larger ones until none is due; `append` and `remove` do so.

        A merge can wait: where there is no space for it, or a segment is damaged, it is put off.
        """
        while (span := due_merge(self.segments)) is not None:
            try:
                self._join(*span)
            except (StorageError, FormatError, MemoryError) as error:
                logger.warning(
                    "small segments were not merged now, only searches suffer: %s", error
                )
                return

    def compact(self) -> tuple[int, int]:
        """Drop removed images from the files and join small segments (the caller is the writer).

        Returns
        -------
        before, after : bytes of the segments
        """
        self.refresh()
        before = self._n_bytes()
        while (span := due_compaction(self.segments)) is not None:
            self._join(*span)
        return before, self._n_bytes()

    def _n_bytes(self) -> int:
        return sum(path.lstat().st_size for path in (self.path / "segments").glob("*.h5"))

    def _join(self, first: int, last: int) -> None:
        """Put one segment, or none where no image lives, in the place of a span of them."""
        entries, number = self.manifest["segments"], self.manifest["next_segment"]
        joined = join_segments(
            self.segment_file(number),
            self.segments[first:last],
            entries[first:last],
            self.vocabulary_digest,
            self.path,
        )
        self.commit(segments=[*entries[:first], *joined, *entries[last:]], next_segment=number + 1)

    def relocate(self, moved: dict[str, str]) -> None:
        """Change roots whose pictures have moved: {old root: new root}."""
        prefixes = {
            moved.get(root, root): them for root, them in self.manifest.get("prefixes", {}).items()
        }
        roots = [moved.get(root, root) for root in self.manifest["roots"]]
        self.commit(roots=roots, prefixes=prefixes)

    def commit(self, **changes: Any) -> None:
        """Swap the manifest for one with some values changed, and delete what it names no more."""
        before = segment_files(self.manifest)
        manifest = {**self.manifest, **changes, "generation": self.manifest["generation"] + 1}
        if changes.get("model"):
            manifest["model"] = {**changes["model"], **file_digest(self.file(MODEL))}
        manifest = swap_manifest(self.path, manifest)
        is_copied = copy_manifest(self.path, manifest)
        self._take(manifest)
        if is_copied:  # the older copy still names them
            for name in before - segment_files(manifest):
                with suppress(OSError):
                    self.file(f"segments/{name}").unlink()
