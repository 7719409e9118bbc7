"""Feature maps kept between the training and the indexing of the same pictures."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from blcf.adding import kept_maps
from blcf.adding.kept_maps import KeptMaps


def map_of(seed: int, shape: tuple[int, ...] = (4, 3, 5), dtype: str = "float32") -> np.ndarray:
    """A map whose values are of an arithmetic."""
    values = torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).float()
    return values.to(getattr(torch, dtype)).float().numpy()


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for i, path in enumerate(paths):
        path.write_bytes(b"x" * (i + 1))
    return paths


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_what_is_kept_is_there_again(tmp_path: Path, pictures: list[Path], dtype: str) -> None:
    maps = [map_of(i, (4, 3, 5 + i), dtype) for i in range(3)]
    kept = KeptMaps(tmp_path, dtype)
    for path, each in zip(pictures, maps):
        kept.put(path.name, path, (70, 50), each)
    for found in (kept, KeptMaps(tmp_path, "float32")):  # each entry knows its own arithmetic
        assert len(found) == 3
        for path, each in zip(pictures, maps):
            feature_map, size = found.get(path.name, path)
            assert size == (70, 50) and feature_map.dtype == np.float32
            np.testing.assert_array_equal(feature_map, each)
    assert kept.get("other.png", pictures[0]) is None


def test_a_picture_that_changed_is_not_there(tmp_path: Path, pictures: list[Path]) -> None:
    kept = KeptMaps(tmp_path, "float32")
    for path in pictures:
        kept.put(path.name, path, (7, 5), map_of(0))
    pictures[0].write_bytes(b"longer than before")
    state = pictures[1].stat()
    os.utime(pictures[1], ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    pictures[2].unlink()
    assert [kept.get(path.name, path) for path in pictures] == [None] * 3


def test_damage_is_seen(tmp_path: Path, pictures: list[Path]) -> None:
    kept = KeptMaps(tmp_path, "float32")
    for i, path in enumerate(pictures):
        kept.put(path.name, path, (7, 5), map_of(i))
    raw = tmp_path / "maps.raw"
    content = bytearray(raw.read_bytes())
    content[5] ^= 1
    raw.write_bytes(content[:-1])  # the last one is cut short
    assert [kept.get(path.name, path) is None for path in pictures] == [True, False, True]
    lines = tmp_path / "maps.jsonl"
    lines.write_text(lines.read_text()[:-20])
    again = KeptMaps(tmp_path, "float32")
    assert len(again) == 2
    again.put(pictures[2].name, pictures[2], (7, 5), map_of(2))
    np.testing.assert_array_equal(again.get("2.png", pictures[2])[0], map_of(2))


def test_it_keeps_so_much_and_no_more(
    tmp_path: Path, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_maps, "MOST_BYTES", 2 * map_of(0).nbytes)
    kept = KeptMaps(tmp_path, "float32")
    for path in pictures:
        kept.put(path.name, path, (7, 5), map_of(0))
    assert len(kept) == 2
    monkeypatch.setattr(kept_maps, "LEFT_FREE", 1 << 60)
    other = KeptMaps(tmp_path / "sub", "float32")
    other.put("0.png", pictures[0], (7, 5), map_of(0))
    assert len(other) == 0


def test_a_folder_that_cannot_be_written_keeps_nothing(
    tmp_path: Path, pictures: list[Path]
) -> None:
    kept = KeptMaps(tmp_path / "nowhere", "float32")
    kept.put("0.png", pictures[0], (7, 5), map_of(0))
    assert kept.get("0.png", pictures[0]) is None
