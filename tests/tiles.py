"""Pictures of coloured tiles and a network that sees one tile per cell: exact answers end to end.

Every tile is 16 x 16 pixels of one colour of a palette; the network averages a tile and maps its
colour to a feature of its own. With a vocabulary of as many words as colours and no interpolation
the assignment map is the picture's tiles, up to a renaming of the words.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from blcf import SearchEngine

TILE = 16
N_COLOURS = 24


def palette() -> np.ndarray:
    """Colours that lie apart: uint8 (N_COLOURS, 3)."""
    levels = np.array([0, 127, 255])
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    return grid[:N_COLOURS].astype(np.uint8)


class TileNetwork(torch.nn.Module):
    """A map of 64 channels at stride 16; seeded weights."""

    def __init__(self):
        super().__init__()
        rng = np.random.default_rng(7)
        self.pool = torch.nn.AvgPool2d(TILE)
        self.mix = torch.nn.Conv2d(3, 64, 1)
        self.relu = torch.nn.ReLU()
        with torch.no_grad():
            weight = rng.standard_normal((64, 3, 1, 1)).astype(np.float32)
            self.mix.weight.copy_(torch.from_numpy(weight))
            self.mix.bias.copy_(torch.from_numpy(rng.standard_normal(64).astype(np.float32)))

    def forward(self, x):
        """Rounded: tiles of one colour have one feature wherever they lie, on every processor."""
        return self.relu(torch.round(self.mix(self.pool(x)), decimals=3))


SETTINGS = {
    "layer": "relu",
    "side": 128,
    "upsample": 1,
    "n_components": 8,
    "n_words": N_COLOURS,
    "weighting": "uniform",
}


def paint(tiles: np.ndarray) -> np.ndarray:
    """The picture of a map of colour numbers: uint8 (16 h, 16 w, 3)."""
    return palette()[tiles].repeat(TILE, axis=0).repeat(TILE, axis=1)


def save(path: Path, tiles: np.ndarray) -> Path:
    """Write the picture of a map, without loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(paint(tiles)).save(path)
    return path


def planted_scenes(n: int = 12, seed: int = 0) -> tuple[list[np.ndarray], np.ndarray, list]:
    """Maps of 8 x 8 tiles; in the first half an object of 4 x 4 tiles at a window of the grid.

    Returns
    -------
    maps, the object's tiles, and the object's cells (x1, y1, x2, y2) in each map or None
    """
    rng = np.random.default_rng(seed)
    planted = rng.permutation(16).reshape(4, 4) % 8  # colours 0..7 are the object's
    maps, places = [], []
    for number in range(n):
        tiles = rng.integers(8, N_COLOURS, (8, 8))
        place = None
        if number < n // 2:
            x, y = (int(edge) for edge in rng.choice([0, 2, 4], 2))
            tiles[y : y + 4, x : x + 4] = planted
            place = (x, y, x + 4, y + 4)
        maps.append(tiles)
        places.append(place)
    return maps, planted, places


def create(path, **changes) -> SearchEngine:
    return SearchEngine.create(path, TileNetwork(), dtype="float32", **{**SETTINGS, **changes})


def reopen(path, **options) -> SearchEngine:
    return SearchEngine.open(path, network=TileNetwork(), dtype="float32", **options)


def redness(pixels: np.ndarray) -> np.ndarray:
    """How red each pixel is: what a made-up saliency is; of a tile 0, 127 or 255."""
    return pixels[..., 0]


def rankings(engine, folder) -> list:
    """Names and scores of a search with every picture of a folder."""
    found = []
    for path in sorted(folder.iterdir()):
        options = {"windows": "grid", "query_scales": (1,), "expand": "local", "guard": "none"}
        hits = engine.search(path, box=(16, 16, 96, 80), n_expand=3, **options)
        found.append([(hit.name, round(hit.score, 6), str(hit.box)) for hit in hits])
    return found
