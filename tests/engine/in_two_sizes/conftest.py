"""Pictures, and tiles that count enough for some of them to be their best part."""

from __future__ import annotations

import pytest
import tiles
from two_maps import PLACE, PLANTED, scene

from blcf.collection import settings as collection_settings


@pytest.fixture(autouse=True)
def many_tiles(monkeypatch):
    """The best part of more of these pictures is a tile, so that both maps are looked into."""
    monkeypatch.setattr(collection_settings, "FAR_SHARE", 0.7)


@pytest.fixture
def folder(tmp_path):
    """Small pictures, some with the object; and a large one, which has it small."""
    folder = tmp_path / "pictures"
    for number, one in enumerate(tiles.planted_scenes()[0]):
        tiles.save(folder / f"{number:02d}.png", one)
    large = scene(5, 16)
    x1, y1, x2, y2 = PLACE
    large[y1:y2, x1:x2] = PLANTED
    tiles.save(folder / "large.png", large)
    return folder
