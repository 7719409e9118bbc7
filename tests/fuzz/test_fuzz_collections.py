"""Whatever the bytes of a manifest or a segment: it is used, checked and repaired, or refused.

Their digests fit, as a stranger makes them; so do a segment's own sums, where HDF5 still reads it.
Each is used in a process of its own, within a gigabyte and five seconds of the processor.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from damaged import assert_that_it_opens_safely, some_collection, uses
from faults.mutations import seal
from faults.strangers import run_apart
from fuzzing import Target, fuzz

from blcf.errors import BlcfError
from blcf.storage import file_digest

SEGMENT = "segments/00000002.h5"
pytestmark = pytest.mark.skipif(os.name != "posix", reason="processes are forked")


def use(path: Path) -> str:
    """All that can be done with a collection; only an error of ours, in one line, is an answer."""
    for each in uses(path):
        try:
            each()
        except BlcfError as error:
            assert "\n" not in str(error) and len(str(error)) < 2_000, str(error)
    assert_that_it_opens_safely(path)
    return "done"


def used(change: Callable[[Path, bytes], None], data: bytes, folder: Path) -> None:
    """A copy of a sound collection, changed, then used."""
    sound = folder / "sound" / "some.blcf"
    if not sound.exists():
        some_collection(sound.parent)
    path = folder / "some.blcf"
    shutil.copytree(sound, path)
    try:
        change(path, data)
        assert run_apart(use, path) == '"done"'
    finally:
        shutil.rmtree(path)


def put_manifest(path: Path, data: bytes) -> None:
    (path / "manifest.json").write_bytes(data)
    with suppress(ValueError, RecursionError, TypeError, AttributeError):
        seal(path, json.loads(data))


def put_segment(path: Path, data: bytes) -> None:
    (path / SEGMENT).write_bytes(data)
    manifest = json.loads((path / "manifest.json").read_bytes())
    manifest["segments"][1].update(file_digest(path / SEGMENT))
    seal(path, manifest)


def manifest(data: bytes, folder: Path) -> None:
    used(put_manifest, data, folder)


def segment(data: bytes, folder: Path) -> None:
    used(put_segment, data, folder)


def seeds(name: str) -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        return [(some_collection(Path(folder)).path / name).read_bytes()]


TARGETS = [
    Target("manifest", manifest, seeds("manifest.json"), 0.08),
    Target("segment", segment, seeds(SEGMENT), 0.12),
]


@pytest.mark.fuzz
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_collections(target: Target, tmp_path: Path) -> None:
    fuzz(target, tmp_path)
