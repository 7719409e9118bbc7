"""Feature maps of the training pictures, kept on disk until these are indexed.

A first `add` looks at its pictures twice: for the training sample, and for their words. The second
time the network has nothing to do, which with VGG16 saves nearly half of the time.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["KeptMaps"]

logger = logging.getLogger(__name__)

# No more than this is kept (10,000 pictures of side 384 with 512 channels in bfloat16), and not the
# last of a disk.
MOST_BYTES, LEFT_FREE = 4 << 30, 2 << 30


class KeptMaps:
    """Feature maps by the names of their pictures, in a file that grows and a list of its content.

    What cannot be written is not kept, what cannot be read, or is of a picture that has changed
    since, is not there: the picture goes through the network then.

    Parameters
    ----------
    folder : where the two files are, or will be
    dtype : arithmetic of the network: its maps are kept in it, which loses nothing
    """

    FILES = ("maps.raw", "maps.jsonl")

    def __init__(self, folder: Path, dtype: str = "float32"):
        self._maps, self._list = (folder / name for name in self.FILES)
        self._dtype = dtype
        self._n_bytes = 0
        self._is_full = False
        self._entries: dict[str, dict[str, Any]] = {}
        with suppress(OSError, ValueError):
            for line in self._list.read_text("utf-8").splitlines():
                with suppress(ValueError, KeyError, TypeError):  # a line cut short
                    entry = json.loads(line)
                    self._entries[entry["name"]] = entry
            self._n_bytes = self._maps.stat().st_size

    def __len__(self) -> int:
        return len(self._entries)

    def put(
        self, name: str, path: Path, size: tuple[int, int], feature_map: np.ndarray
    ) -> None:
        """Keep a map, float32 (C, h, w), of a picture of (width, height) pixels."""
        if self._is_full or name in self._entries:
            return
        content = _pack(feature_map, self._dtype)
        try:
            free = shutil.disk_usage(self._maps.parent).free
            if self._n_bytes + len(content) > MOST_BYTES or free < LEFT_FREE:
                self._is_full = True
                return
            with open(self._maps, "ab") as file:
                start = file.tell()
                file.write(content)
            entry = {
                "name": name,
                "start": start,
                "shape": feature_map.shape,
                "dtype": self._dtype,
                "size": size,
                "file": _state_of(path),
                "crc": zlib.crc32(content),
            }
            with open(self._list, "a", encoding="utf-8") as lines:
                lines.write("\n" + json.dumps(entry))  # the line before may have been cut short
        except OSError as error:
            logger.info("feature maps are kept no further: %s", error)
            self._is_full = True
            return
        self._entries[name] = entry
        self._n_bytes = start + len(content)

    def get(self, name: str, path: Path) -> tuple[np.ndarray, tuple[int, int]] | None:
        """The map, float32 (C, h, w), and the (width, height) of a picture; None where not kept."""
        entry = self._entries.get(name)
        if entry is None:
            return None
        try:
            if tuple(entry["file"]) != _state_of(path):
                return None
            shape = tuple(entry["shape"])
            n_bytes = int(np.prod(shape)) * (4 if entry["dtype"] == "float32" else 2)
            with open(self._maps, "rb") as file:
                file.seek(entry["start"])
                content = file.read(n_bytes)
            if len(content) < n_bytes or zlib.crc32(content) != entry["crc"]:
                return None
            width, height = entry["size"]
            return _unpack(content, entry["dtype"]).reshape(shape), (width, height)
        except (OSError, KeyError, TypeError, ValueError):
            return None


def _state_of(path: Path) -> tuple[int, int]:
    """What tells whether a file has changed."""
    state = os.stat(path)
    return state.st_mtime_ns, state.st_size


def _pack(feature_map: np.ndarray, dtype: str) -> bytes:
    """The bytes of a float32 map whose values are of another arithmetic."""
    if dtype == "bfloat16":  # the upper half of a float32
        bits = np.ascontiguousarray(feature_map, np.float32).view(np.uint32)
        return (bits >> 16).astype(np.uint16).tobytes()
    return feature_map.astype(np.float16 if dtype == "float16" else np.float32).tobytes()


def _unpack(content: bytes, dtype: str) -> np.ndarray:
    if dtype == "bfloat16":
        return (np.frombuffer(content, np.uint16).astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(content, np.float16 if dtype == "float16" else np.float32).astype(
        np.float32
    )
