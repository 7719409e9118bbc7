"""What is sound and what is damaged in the files of a collection; nothing is written here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from blcf.collection.deletions import unpack_live
from blcf.collection.kept_statistics import STATISTICS, read_statistics
from blcf.collection.manifest import (
    BACKUP,
    MANIFEST,
    OtherVersion,
    names_file,
    read_copy,
    read_manifest,
    segment_files,
)
from blcf.collection.names_copy import read_names
from blcf.collection.segment import FORMAT_VERSION, KIND, Segment
from blcf.collection.skipped import read_skipped
from blcf.errors import BlcfError, FormatError
from blcf.storage import file_digest

__all__ = ["CheckReport", "Damage", "Findings", "inspect"]


@dataclass(frozen=True)
class Damage:
    """A damaged file.

    Attributes
    ----------
    file : str, relative to the collection
    reason : str, a sentence
    n_images : how many images are lost with it
    names, paths : names of these images, and where the pictures were when they were indexed; empty
        where they are not known
    listed : the list of the paths that a repair wrote, or None
    n_left_out : how many of the images the list does not hold, because their names are not known
        or cannot stand on a line (new lines)
    """

    file: str
    reason: str
    n_images: int = 0
    names: Sequence[str] = ()
    paths: Sequence[Path] = ()
    listed: Path | None = None
    n_left_out: int = 0


@dataclass(frozen=True)
class CheckReport:
    """What `check_collection` found.

    Attributes
    ----------
    n_images, n_segments : what is sound
    damages : list of `Damage`
    leftovers : files in ``segments`` that belong to nothing; the next writer deletes its own
    repaired : bool, all damages were repaired; what was damaged is still listed
    """

    n_images: int
    n_segments: int
    damages: list[Damage]
    leftovers: list[str]
    repaired: bool = False

    @property
    def is_sound(self) -> bool:
        """Whether no damage was found."""
        return not self.damages


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
    leftovers: list[str] = field(default_factory=list)

    @property
    def report(self) -> CheckReport:
        """What the caller sees."""
        n_doubled = sum(len(positions) for positions in self.doubled.values())
        n_images = sum(segment.n_live for segment in self.sound.values()) - n_doubled
        damages = [*self.damages, *self.lost.values()]
        return CheckReport(n_images, len(self.sound), damages, self.leftovers)

    def is_current(self) -> bool:
        """Whether no writer has swapped the manifest meanwhile."""
        return _read_manifest(self.folder)[0]["generation"] == self.manifest["generation"]


def inspect(folder: Path) -> Findings:
    """Verify all files of a collection; errors as `check_collection`."""
    manifest, damages = _read_manifest(folder)
    is_restored = any(one.file == MANIFEST for one in damages)
    findings = Findings(folder, manifest, is_restored, damages=damages)
    _inspect_segments(findings)
    _inspect_names(findings)
    _inspect_others(findings)
    _inspect_leftovers(findings)
    return findings


def _read_manifest(folder: Path) -> tuple[dict[str, Any], list[Damage]]:
    """The manifest, or its copy, and what is wrong with either."""
    found: dict[str, Any] = {}
    damages = []
    for name, read in ((MANIFEST, read_manifest), (BACKUP, read_copy)):
        try:
            found[name] = read(folder)
        except OtherVersion:
            raise
        except FormatError as error:
            damages.append(Damage(name, str(error)))
    if not found:
        raise FormatError(
            f"{folder / MANIFEST} and {BACKUP}, the copy of it, are both damaged or missing: there "
            "is nothing to restore from here. Restore the folder from a copy, or index again."
        )
    return found.get(MANIFEST) or found[BACKUP], damages


def _inspect_segments(findings: Findings) -> None:
    manifest, folder = findings.manifest, findings.folder / "segments"
    model = manifest["model"] or {}
    n_words = model.get("n_words")
    for place, entry in enumerate(manifest["segments"]):
        path = folder / entry["file"]
        try:
            _compare(path, entry)
            segment = Segment.read(folder, entry, model.get("vocabulary_digest", ""))
            n_words = n_words or segment.postings.n_words
            segment.check(n_words, len(manifest["roots"]))
        except BlcfError as error:
            findings.lost[entry["file"]] = _lost(findings, entry["file"], str(error), entry)
            continue
        findings.sound[place] = segment
        try:
            copy = folder / names_file(entry["file"])
            _compare(copy, {"digest": entry["names_digest"]})
            read_names(copy)
        except BlcfError as error:
            findings.bad_names.append(place)
            findings.damages.append(Damage(f"segments/{copy.name}", str(error)))


def _compare(path: Path, entry: dict[str, Any]) -> None:
    found = file_digest(path)
    for key in ("bytes", "digest"):
        if entry.get(key, found[key]) != found[key]:
            raise FormatError(
                f"{path} is damaged: expected {key} {entry[key]}, got {found[key]}."
            )


def _lost(findings: Findings, file: str, reason: str, entry: dict[str, Any] | None) -> Damage:
    """The damage of a segment, with its pictures where the names are sound in either file."""
    folder, roots = findings.folder / "segments", findings.manifest["roots"]
    n_images, live = 0, None
    if entry is not None:
        n_images = entry["n_images"]
        try:
            live = unpack_live(entry["deleted"], n_images)
        except FormatError:
            pass  # rather a picture too many than one too few
        n_images = n_images if live is None else int(live.sum())
    for path, kind in ((names_file(file), ()), (file, (KIND, FORMAT_VERSION))):
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
        paths = [
            Path(roots[root_id]) / name
            for root_id, name in zip(root_ids[positions], known)
            if 0 <= root_id < len(roots)
        ]
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
    folder, model = findings.folder, findings.manifest["model"]
    if model and "file" in model:
        try:
            _compare(folder / model["file"], model)
        except BlcfError as error:
            what = "It cannot be computed again: restore it from a copy, or index again."
            findings.damages.append(Damage(model["file"], f"{error} {what}"))
    for name, read in (("errors.jsonl", read_skipped), (STATISTICS, _read_statistics)):
        try:
            read(folder / name)
        except BlcfError as error:
            findings.damages.append(Damage(name, str(error)))


def _read_statistics(path: Path) -> None:
    if path.exists():
        read_statistics(path.parent)


def _inspect_leftovers(findings: Findings) -> None:
    folder, named = findings.folder / "segments", segment_files(findings.manifest)
    found = sorted(path.name for path in folder.glob("*") if path.name not in named)
    if findings.is_restored:
        # Perhaps committed after the copy was written; the next writer would delete them.
        for file in [name for name in found if re.fullmatch(r"\d{8}\.h5", name)]:
            reason = f"{folder / file} is not in {BACKUP}, which takes the place of {MANIFEST}."
            findings.lost[file] = _lost(findings, file, reason, None)
            found = [name for name in found if name not in (file, names_file(file))]
    findings.leftovers = [f"segments/{name}" for name in found]
