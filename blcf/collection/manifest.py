"""The manifest: which files belong to a collection, in one file that is swapped in one step.

It carries a digest of itself, and a copy of it is written after every swap: whatever files the
copy names are deleted only once it is renewed, so the copy always opens as well.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from pathlib import Path
from typing import Any

from blcf.errors import CollectionNotFound, FormatError, StorageError
from blcf.storage import read_json, write_json

__all__ = [
    "BACKUP",
    "MANIFEST",
    "OtherVersion",
    "copy_manifest",
    "digest_of",
    "names_file",
    "new_manifest",
    "read_copy",
    "read_manifest",
    "segment_files",
    "swap_manifest",
]

FORMAT, FORMAT_VERSION = "blcf collection", 2
MANIFEST, BACKUP = "manifest.json", "manifest.backup.json"

# What a manifest holds, beside what the engine adds.
_KINDS: dict[str, type | tuple[type, ...]] = {
    "generation": int,
    "settings": dict,
    "extractor": dict,
    "model": (dict, type(None)),
    "roots": list,
    "next_segment": int,
    "segments": list,
    "digest": str,
}
_ENTRY_KINDS: dict[str, type | tuple[type, ...]] = {
    "file": str,
    "n_images": int,
    "bytes": int,
    "digest": str,
    "names_digest": str,
    "deleted": (str, type(None)),
}

logger = logging.getLogger(__name__)


class OtherVersion(FormatError):
    """A collection of another format version, which no copy can mend."""


def new_manifest(description: dict[str, Any]) -> dict[str, Any]:
    """The manifest of an empty collection."""
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "generation": 0,
        **description,
        "model": None,
        "roots": [],
        "next_segment": 1,
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
    plain = {key: value for key, value in manifest.items() if key != "digest"}
    sealed = {**plain, "digest": digest_of(plain)}
    write_json(folder / MANIFEST, sealed)
    return sealed


def copy_manifest(folder: Path, manifest: dict[str, Any]) -> bool:
    """Write the copy of a manifest; False where there is no space for it."""
    try:
        write_json(folder / BACKUP, manifest)
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
    path = folder / MANIFEST
    if not path.is_file():
        if (folder / BACKUP).is_file():
            raise FormatError(f"{path} is missing. {_advice(folder)}")
        hint = "the folder holds no manifest.json" if folder.is_dir() else "there is no such folder"
        raise CollectionNotFound(
            f"No collection at {folder}: {hint}. Make one with `blcf index {folder} FRAMES`."
        )
    return _read(path)


def read_copy(folder: Path) -> dict[str, Any]:
    """The copy of the manifest, which may be one commit old; errors as `read_manifest`."""
    if not (folder / BACKUP).is_file():
        raise FormatError(f"{folder / BACKUP} is missing. The next `blcf add` writes it.")
    return _read(folder / BACKUP)


def _advice(folder: Path) -> str:
    return f"`blcf check {folder} --repair` takes {BACKUP}, the copy of it, where that is sound."


def _read(path: Path) -> dict[str, Any]:
    folder = path.parent
    try:
        manifest = read_json(path)
    except FormatError as error:
        raise FormatError(f"{path} is damaged ({error.__cause__}). {_advice(folder)}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise FormatError(
            f"Expected {path} to be the manifest of a {FORMAT}, it is not. {_advice(folder)}"
        )
    if manifest.get("format_version") != FORMAT_VERSION:
        raise OtherVersion(
            f"Expected {folder} to be of format version {FORMAT_VERSION}, got version "
            f"{manifest.get('format_version')}. Use the blcf that wrote it, or index again."
        )
    missing = _KINDS.keys() - manifest.keys()
    if missing:
        raise FormatError(
            f"{path} is damaged: it lacks {', '.join(sorted(missing))}. {_advice(folder)}"
        )
    plain = {key: value for key, value in manifest.items() if key != "digest"}
    wrong = [key for key, kind in _KINDS.items() if not _is(manifest[key], kind)]
    if not wrong and not all(_is_entry(entry) for entry in manifest["segments"]):
        wrong = ["segments"]
    if not wrong and not all(isinstance(root, str) for root in manifest["roots"]):
        wrong = ["roots"]
    if wrong:
        raise FormatError(
            f"{path} is damaged: its {', '.join(wrong)} are not of the form. {_advice(folder)}"
        )
    if manifest["digest"] != digest_of(plain):
        raise FormatError(f"{path} is damaged: its digest is of another text. {_advice(folder)}")
    return manifest


def _is(value: Any, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and all(_is(entry.get(key, 0.5), kind) for key, kind in _ENTRY_KINDS.items())
        # A name that is a path could name any file of the machine, also for deletion.
        and re.fullmatch(r"\d{8}\.h5", entry["file"]) is not None
        and entry["n_images"] > 0
    )
