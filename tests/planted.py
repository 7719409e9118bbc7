"""Twelve scenes with a planted object, and engines of them: what tests of several folders share.

tests/conftest.py offers the fixtures to every folder, whichever are named and in what order; what
they need (torch, after all) is imported by who asks for one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from blcf import SearchEngine

__all__ = ["ONE_SIZE", "Planted", "planted", "scenes"]

# A tile is a cell at one size only: exact answers.
ONE_SIZE = {"query_scales": (1,), "k": 12}


@pytest.fixture
def scenes(tmp_path):
    """A folder of twelve pictures."""
    import tiles

    for number, one in enumerate(tiles.planted_scenes()[0]):
        tiles.save(tmp_path / "scenes" / f"{number:02d}.png", one)
    return tmp_path / "scenes"


@dataclass(frozen=True)
class Planted:
    """Twelve scenes, an object in the first six, and engines of them; for searches only.

    Attributes
    ----------
    folder : of the scenes, 00.png to 11.png
    maps : int (8, 8), the colours of each scene
    object : int (4, 4), the colours of the object
    places : its cells (x1, y1, x2, y2) in each scene, or None
    picture : uint8 (128, 128, 3), the object alone, in its middle
    box : xyxy, pixels, around it
    engines : by their settings, see `engine`
    """

    folder: Path
    maps: list[np.ndarray]
    object: np.ndarray
    places: list
    picture: np.ndarray
    box: tuple[int, int, int, int]
    engines: dict

    def engine(self, **settings) -> SearchEngine:
        """An engine of other settings than those of `tiles`; made once."""
        import tiles

        key = tuple(sorted(settings.items()))
        if key not in self.engines:
            path = self.folder.parent / f"{len(self.engines)}.blcf"
            made = tiles.create(path, **settings)
            made.add(self.folder, progress=False)
            self.engines[key] = made
        return self.engines[key]

    def path(self, number: int) -> Path:
        """The file of a scene."""
        return self.folder / f"{number:02d}.png"


@pytest.fixture(scope="session")
def planted(tmp_path_factory):
    import tiles

    folder = tmp_path_factory.mktemp("planted") / "scenes"
    maps, tiles_of_object, places = tiles.planted_scenes()
    for number, one in enumerate(maps):
        tiles.save(folder / f"{number:02d}.png", one)
    query = np.full((8, 8), 8)
    query[2:6, 2:6] = tiles_of_object
    return Planted(
        folder, maps, tiles_of_object, places, tiles.paint(query), (32, 32, 96, 96), {}
    )
