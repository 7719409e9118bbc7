"""What is sound and what is damaged in the files of a collection; nothing is written here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from blcf.collection.check_report import CheckReport, Damage, Unreadable
from blcf.collection.deletions import unpack_live
from blcf.collection.facts_changes import rows_that_differ
from blcf.collection.facts_file import FACTS
from blcf.collection.facts_view import FactsView
from blcf.collection.kept_statistics import STATISTICS, read_statistics
from blcf.collection.manifest import (
    BACKUP,
    MANIFEST,
    OtherVersion,
    has_no_copy_yet,
    names_file,
    read_copy,
    read_manifest,
    segment_files,
)
from blcf.collection.manifest_form import is_segment_file
from blcf.collection.names_copy import read_names
from blcf.collection.places import path_of
from blcf.collection.segment import BEFORE, FORMAT_VERSION, KIND, Segment
from blcf.collection.segment_tiles import wrong_tiles
from blcf.collection.settings import Settings
from blcf.collection.skipped import SKIPPED, read_skipped
from blcf.errors import BlcfError, FormatError, InvalidInput, StorageError
from blcf.storage import Member, Place, file_digest, reading

__all__ = ["Findings", "UnreadableManifest", "inspect"]


class UnreadableManifest(StorageError):
    """The manifest cannot be read."""


@dataclass(eq=False)
class Findings:
    """A check in progress, with what a repair needs.

    Attributes
    ----------
    manifest : that of the collection, or its copy
    is_restored : bool, it is the copy
    sound : segments by the place of their entry
    lost : damages by the segment file that they take out
    bad_names : places of sound segments whose copy of the names is damaged
    doubled : {place: positions} of live images whose name lives in a later place too
    """

    folder: Path
    manifest: dict[str, Any]
    is_restored: bool
    sound: dict[int, Segment] = field(default_factory=dict)
    lost: dict[str, Damage] = field(default_factory=dict)
    bad_names: list[int] = field(default_factory=list)
    doubled: dict[int, list[int]] = field(default_factory=dict)
    damages: list[Damage] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    has_copy: bool = True

    @property
    def facts(self) -> FactsView:
        """What is known of the images of the sound segments."""
        return FactsView(self.folder, list(self.sound.values()), self.manifest["videos"])

    @property
    def report(self) -> CheckReport:
        """What the caller sees."""
        n_doubled = sum(len(positions) for positions in self.doubled.values())
        n_images = sum(segment.n_live for segment in self.sound.values()) - n_doubled
        damages = [*self.damages, *self.lost.values()]
        return CheckReport(
            n_images,
            len(self.sound),
            damages,
            self.leftovers,
            unreadable=self.unreadable,
            has_copy=self.has_copy,
        )

    def is_current(self) -> bool:
        """Whether no writer has swapped the manifest meanwhile."""
        return _read_manifest(self.folder).manifest["generation"] == self.manifest["generation"]


def inspect(folder: Path) -> Findings:
    """Verify all files of a collection; errors as `check_collection`."""
    findings = _read_manifest(folder)
    segments = Member(folder, "segments")
    try:
        with reading(segments):
            segments.check("a folder")
            found = segments.names()
    except StorageError as error:
        findings.unreadable.append(Unreadable("segments", str(error)))
        found = []
    _inspect_segments(findings)
    _inspect_names(findings)
    _inspect_others(findings)
    _inspect_leftovers(findings, found)
    return findings


def _read_manifest(folder: Path) -> Findings:
    """The manifest, or its copy, and what is wrong with either."""
    found: dict[str, Any] = {}
    damages, unreadable, has_copy = [], [], True
    for name, read in ((MANIFEST, read_manifest), (BACKUP, read_copy)):
        try:
            found[name] = read(folder)
        except OtherVersion:
            raise
        except FormatError as error:
            if name == BACKUP and MANIFEST in found and has_no_copy_yet(folder, found[MANIFEST]):
                has_copy = False
            else:
                damages.append(Damage(name, str(error)))
        except StorageError as error:
            if name == MANIFEST:  # its copy may be older: it takes the place of damage only
                raise UnreadableManifest(str(error)) from error
            unreadable.append(Unreadable(name, str(error)))
    if not found:
        raise FormatError(
            f"{folder / MANIFEST} and {BACKUP}, the copy of it, are both damaged or missing: there "
            "is nothing to restore from here. Restore the folder from a copy, or index again."
        )
    is_restored = MANIFEST not in found
    return Findings(
        folder,
        found[BACKUP if is_restored else MANIFEST],
        is_restored,
        damages=damages,
        unreadable=unreadable,
        has_copy=has_copy,
    )


def _inspect_segments(findings: Findings) -> None:
    manifest, folder = findings.manifest, Member(findings.folder, "segments")
    model = manifest["model"] or {}
    n_words, settings = model.get("n_words"), _settings_of(manifest)
    for place, entry in enumerate(manifest["segments"]):
        path = folder / entry["file"]
        try:
            _compare(path, entry)
            segment = Segment.read(folder, entry, model.get("vocabulary_digest", ""))
            n_words = n_words or segment.postings.n_words
            counts = n_words, len(manifest["roots"]), len(manifest["videos"])
            segment.check(*counts, manifest["next_id"])
            segment.maps.check_channel(str(manifest["settings"].get("weighting")))
            if wrong := "" if settings is None else wrong_tiles(segment, settings):
                raise FormatError(f"It is not of this collection: {wrong}.")
        except (StorageError, MemoryError) as error:
            findings.unreadable.append(Unreadable(path.below, str(error) or "No memory is left."))
            continue
        except BlcfError as error:
            findings.lost[entry["file"]] = _lost(findings, entry["file"], str(error), entry)
            continue
        findings.sound[place] = segment
        copy = folder / names_file(entry["file"])
        try:
            # All that it holds, the segment holds as well: it is never longer.
            _compare(copy, {"digest": entry["names_digest"]}, entry["bytes"])
            read_names(copy)
        except StorageError as error:
            findings.unreadable.append(Unreadable(copy.below, str(error)))
        except BlcfError as error:
            findings.bad_names.append(place)
            findings.damages.append(Damage(copy.below, str(error)))


def _settings_of(manifest: dict[str, Any]) -> Settings | None:
    """Those of a manifest; None where they are none, which the engine says."""
    try:
        return Settings.from_dict(manifest["settings"])
    except (InvalidInput, TypeError):
        return None


def _compare(path: Place, entry: dict[str, Any], at_most: int | None = None) -> None:
    found = file_digest(path, entry.get("bytes", at_most))
    for key in ("bytes", "digest"):
        if entry.get(key, found[key]) != found[key]:
            raise FormatError(f"{path} is damaged: expected {key} {entry[key]}, got {found[key]}.")


def _lost(findings: Findings, file: str, reason: str, entry: dict[str, Any] | None) -> Damage:
    """The damage of a segment, with its pictures where the names are sound in either file."""
    folder = Member(findings.folder, "segments")
    n_images, live = 0, None
    if entry is not None:
        n_images = entry["n_images"]
        try:
            live = unpack_live(entry["deleted"], n_images)
        except FormatError:
            pass  # rather a picture too many than one too few
        n_images = n_images if live is None else int(live.sum())
    for path, kind in ((names_file(file), ()), (file, (KIND, FORMAT_VERSION, BEFORE))):
        try:
            names, root_ids = read_names(folder / path, *kind)
        except BlcfError:
            continue
        if entry is not None and len(names) != entry["n_images"]:
            continue
        positions = np.arange(len(names)) if live is None else np.flatnonzero(live)
        if entry is None:  # named by no manifest: perhaps merged into a segment that is
            positions = _not_live(findings.sound.values(), names[:])
        known = [names[int(position)] for position in positions]
        places = (
            path_of(findings.manifest, root_id, name)
            for root_id, name in zip(root_ids[positions].tolist(), known)
        )
        paths = [path for path in places if path is not None]
        return Damage(f"segments/{file}", reason, len(known), known, paths)
    return Damage(f"segments/{file}", reason, n_images)


def _not_live(segments: Iterable[Segment], names: list[str]) -> np.ndarray:
    """Positions of the names that no sound segment holds."""
    is_live = np.zeros(len(names), dtype=bool)
    for segment in segments:
        positions, rows = segment.names.find(names)
        is_live[rows if segment.live is None else rows[segment.live[positions]]] = True
    return np.flatnonzero(~is_live)


def _inspect_names(findings: Findings) -> None:
    """Names must be unique among the live: of equal ones, the last place counts."""
    hashes = []
    for segment in findings.sound.values():
        own = segment.names.hashes
        hashes.append(own if segment.live is None else own[segment.live])
    all_hashes = np.concatenate([*hashes, np.empty(0, np.uint64)])
    values, counts = np.unique(all_hashes, return_counts=True)
    suspects = values[counts > 1]
    if not suspects.size:
        return
    seen: set[str] = set()
    doubled: set[str] = set()
    for place, segment in reversed(findings.sound.items()):
        suspect = np.isin(segment.names.hashes, suspects)
        if segment.live is not None:
            suspect &= segment.live
        for position in np.flatnonzero(suspect)[::-1]:
            name = segment.names[int(position)]
            if name in seen:
                findings.doubled.setdefault(place, []).append(int(position))
                doubled.add(name)
            seen.add(name)
    if doubled:
        reason = f"Expected every name once, {len(doubled)} stand for several images."
        findings.damages.append(Damage(MANIFEST, reason, 0, sorted(doubled)))


def _inspect_others(findings: Findings) -> None:
    model = findings.manifest["model"]
    looks: list[tuple[str, Callable[[Member], Any]]] = [
        (SKIPPED, read_skipped),
        (STATISTICS, _read_statistics),
        (FACTS, lambda path: _check_facts(findings)),
    ]
    if model:
        looks.insert(0, (model["file"], lambda path: _compare(path, model)))
    for name, look in looks:
        try:
            look(Member(findings.folder, name))
        except StorageError as error:
            findings.unreadable.append(Unreadable(name, str(error)))
        except BlcfError as error:
            what = " It cannot be computed again: restore it from a copy, or index again."
            reason = f"{error}{what if model and name == model['file'] else ''}"
            findings.damages.append(Damage(name, reason))


def _check_facts(findings: Findings) -> None:
    view = findings.facts
    if view.file.exists():
        with view.file.reading() as table:
            try:
                table.check()
            except FormatError as error:
                raise FormatError(f"{view.file.path} is damaged: {error}") from error
            if n_wrong := rows_that_differ(table, view):
                raise FormatError(
                    f"Expected {view.file.path} to hold what is known of every image, of "
                    f"{n_wrong:,} it does not."
                )


def _read_statistics(path: Member) -> None:
    if path.exists():
        read_statistics(path.folder)


def _inspect_leftovers(findings: Findings, in_segments: list[str]) -> None:
    folder, named = Member(findings.folder, "segments"), segment_files(findings.manifest)
    found = [name for name in in_segments if name not in named]
    if findings.is_restored:
        # Perhaps committed after the copy was written; the next writer would delete them.
        for file in filter(is_segment_file, list(found)):
            reason = f"{folder / file} is not in {BACKUP}, which takes the place of {MANIFEST}."
            findings.lost[file] = _lost(findings, file, reason, None)
            found = [name for name in found if name not in (file, names_file(file))]
    findings.leftovers = [f"segments/{name}" for name in found]
