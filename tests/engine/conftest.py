"""What the tests of the engine share."""

from __future__ import annotations

import pytest
import tiles


@pytest.fixture
def scenes(tmp_path):
    """A folder of twelve pictures."""
    for number, one in enumerate(tiles.planted_scenes()[0]):
        tiles.save(tmp_path / "scenes" / f"{number:02d}.png", one)
    return tmp_path / "scenes"
