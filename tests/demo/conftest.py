"""A demo of composed scenes, run once with the network of coloured tiles."""

from __future__ import annotations

import pytest
import tiles

from blcf.demo import run_demo, running
from blcf.demo.photographs import LIBRARIES, find_photographs


@pytest.fixture(scope="session")
def tile_demo():
    """A demo with that network: tile_demo(out, pictures=None, **settings)."""

    def run_with_tiles(out, pictures=None, **settings):
        how = {**tiles.SETTINGS, "dtype": "float32", "progress": False, **settings}
        return run_demo(out, pictures, network=tiles.TileNetwork(), **how)

    return run_with_tiles


@pytest.fixture(scope="session")
def composed_demo(tile_demo, tmp_path_factory):
    """That of scikit-learn's two photographs; for reading only."""
    own = LIBRARIES["sklearn"][2]
    found = {name: path for name, path in find_photographs().items() if name in own}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "find_photographs", lambda: found)
        return tile_demo(tmp_path_factory.mktemp("demo") / "out", n_words=60)
