"""The manifest: which files belong to a collection, in one file that is swapped in one step.

It carries a digest of itself, and a copy of it is written after every swap: whatever files the
copy names are deleted only once it is renewed, so the copy always opens as well.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

from blcf.collection.manifest_form import wrong_values
from blcf.errors import CollectionNotFound, FormatError, StorageError
from blcf.storage import Member, read_json, reading, write_json

__all__ = [
    "BACKUP",
    "MANIFEST",
    "OtherVersion",
    "copy_manifest",
    "digest_of",
    "has_no_copy_yet",
    "is_of_before",
    "names_file",
    "new_manifest",
    "read_copy",
    "read_manifest",
    "segment_files",
    "swap_manifest",
]

FORMAT, FORMAT_VERSION = "blcf collection", 3
BEFORE = 2  # without ids and videos
TWO_MAPS = 4  # of each picture: an earlier blcf would drop the second
MANIFEST, BACKUP = "manifest.json", "manifest.backup.json"

logger = logging.getLogger(__name__)


class OtherVersion(FormatError):
    """A collection of another format version, which no copy can mend."""


def new_manifest(description: dict[str, Any]) -> dict[str, Any]:
    """The manifest of an empty collection."""
    settings = description.get("settings", {})
    twice = settings.get("tile_side") not in (None, settings.get("side"))
    return {
        "format": FORMAT,
        "format_version": TWO_MAPS if twice else FORMAT_VERSION,
        "generation": 0,
        **description,
        "model": None,
        "roots": [],
        "videos": [],
        "next_segment": 1,
        "next_id": 0,
        "segments": [],
    }


def digest_of(value: Any) -> str:
    """Digest of plain values: hex, BLAKE2b of 16 bytes of their canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode("ascii"), digest_size=16).hexdigest()


def names_file(file: str) -> str:
    """The name of the second copy of a segment's names."""
    return file.removesuffix(".h5") + ".names.h5"


def segment_files(manifest: dict[str, Any]) -> set[str]:
    """Names of the files in ``segments`` that belong to a collection."""
    files = {entry["file"] for entry in manifest["segments"]}
    return files | {names_file(file) for file in files}


def swap_manifest(folder: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """Make a manifest the collection's; gives it with its digest. The copy is not written yet."""
    sealed = {**manifest, "digest": _digest_without(manifest)}
    write_json(Member(folder, MANIFEST), sealed)
    return sealed


def copy_manifest(folder: Path, manifest: dict[str, Any]) -> bool:
    """Write the copy of a manifest; False where there is no space for it."""
    try:
        write_json(Member(folder, BACKUP), manifest)
    except StorageError as error:
        # The collection itself is as it should be, and the older copy is sound.
        logger.warning("the copy of the manifest was not renewed: %s", error)
        return False
    return True


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a collection.

    Raises
    ------
    CollectionNotFound, FormatError, StorageError
    """
    path = Member(folder, MANIFEST)
    if not _is_there(path):
        if _is_there(Member(folder, BACKUP)):
            raise FormatError(f"{path} is missing. {_advice(folder)}")
        hint = "the folder holds no manifest.json" if folder.is_dir() else "there is no such folder"
        raise CollectionNotFound(
            f"No collection at {folder}: {hint}. Make one with `blcf index {folder} FRAMES`."
        )
    return _read(path)


def read_copy(folder: Path) -> dict[str, Any]:
    """The copy of the manifest, which may be one commit old; errors as `read_manifest`."""
    path = Member(folder, BACKUP)
    if not _is_there(path):
        raise FormatError(f"{path} is missing. The next `blcf add` writes it.")
    return _read(path)


def has_no_copy_yet(folder: Path, manifest: dict[str, Any]) -> bool:
    """Whether a collection was made a moment ago, by a process that was killed before the copy."""
    return manifest["generation"] == 0 and not _is_there(Member(folder, BACKUP))


def _is_there(path: Member) -> bool:
    with reading(path):
        return path.exists()


def _advice(folder: Path) -> str:
    return f"`blcf check {folder} --repair` takes {BACKUP}, the copy of it, where that is sound."


def _read(path: Member) -> dict[str, Any]:
    folder = path.folder
    try:
        manifest = read_json(path)
    except FormatError as error:
        reason = error.__cause__ or error
        raise FormatError(f"{path} is damaged ({reason}). {_advice(folder)}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise FormatError(
            f"Expected {path} to be the manifest of a {FORMAT}, it is not. {_advice(folder)}"
        )
    version = manifest.get("format_version")
    if type(version) is not int or version not in (BEFORE, FORMAT_VERSION, TWO_MAPS):
        raise OtherVersion(
            f"Expected {folder} to be of format version {FORMAT_VERSION} or {TWO_MAPS}, got "
            f"version {str(version)[:20]}. Use the blcf that wrote it, or index again."
        )
    wrong = wrong_values(manifest, with_ids=version > BEFORE)
    missing = [key for key in wrong if key not in manifest]
    if missing:
        raise FormatError(f"{path} is damaged: it lacks {', '.join(missing)}. {_advice(folder)}")
    if wrong:
        raise FormatError(
            f"{path} is damaged: its {', '.join(wrong)} are not of the form. {_advice(folder)}"
        )
    if manifest["digest"] != _digest_without(manifest):
        raise FormatError(f"{path} is damaged: its digest is of another text. {_advice(folder)}")
    return manifest if version > BEFORE else _with_ids(manifest)


def _with_ids(manifest: dict[str, Any]) -> dict[str, Any]:
    """A manifest of before as one of now: its images have the ids of their order, removed or not.

    Until it is swapped, whoever reads the file gives them the same ids.
    """
    entries, next_id = [], 0
    for entry in manifest["segments"]:
        entries.append({**entry, "first_id": next_id})
        next_id += entry["n_images"]
    now = {
        **manifest,
        "format_version": FORMAT_VERSION,
        "segments": entries,
        "videos": [],
        "next_id": next_id,
    }
    return {**now, "digest": _digest_without(now)}


def is_of_before(folder: Path) -> bool:
    """Whether the manifest that is on the disk is of the version before."""
    stored = read_json(Member(folder, MANIFEST))
    return isinstance(stored, dict) and stored.get("format_version") == BEFORE


def _digest_without(manifest: dict[str, Any]) -> str:
    """Digest of a manifest, which is not of itself; "" where something in it has no end."""
    try:
        return digest_of({key: value for key, value in manifest.items() if key != "digest"})
    except RecursionError:  # deeper than what reading it takes
        return ""
