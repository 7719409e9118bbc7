"""Learn the generic vocabulary that the package carries with blcf-lite.

    python -m benchmarks.training.generic PHOTOGRAPHS ... --work FOLDER [--words 10000]

The photographs are those that the network was trained on. They are small (256 to 350 pixels), so
each is shown twice: as it is, enlarged to the side at which collections are indexed, and among
others in a mosaic, where it is as sharp as a large picture would be. Writes blcf/adding/generic.h5.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from blcf import ConvFeatures
from blcf.adding.generic import PACKAGED, write_generic
from blcf.adding.training import learn_model
from blcf.collection.settings import Settings
from blcf.images import find_images, read_image
from blcf.learning.views import make_mosaic


def main() -> None:
    """Compose, learn, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photographs", nargs="+", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="for the mosaics and the sample")
    parser.add_argument("--words", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=PACKAGED)
    parser.add_argument("--weights", type=Path, help="of blcf-lite, if not the package's")
    options = parser.parse_args()
    settings = Settings(n_words=options.words, vocabulary="own")
    pictures = options.work / "pictures"
    if not pictures.is_dir():
        compose(options.photographs, pictures, settings.side)
    extractor = ConvFeatures(weights=options.weights, side=settings.side)
    learned = learn_model(extractor, find_images(pictures), settings, options.work / "t", True)
    write_generic(options.out, extractor, *learned)
    print(f"{options.out}: {options.out.stat().st_size:,} bytes")


def compose(roots: list[Path], folder: Path, side: int) -> None:
    """Every second photograph as it is, and as many mosaics."""
    images = [find_images(root) for root in roots]
    paths = [each.path(name) for each in images for name in each.names]
    photographs = [read_image(path) for path in tqdm(paths, desc="reading")]
    folder.mkdir(parents=True)
    for number, photograph in enumerate(tqdm(photographs, desc="composing")):
        if number % 2:
            mosaic = make_mosaic(photographs, number, side, np.random.default_rng([0, number]))
            photograph = np.array(mosaic)
        Image.fromarray(photograph).save(folder / f"{number:05d}.png")


if __name__ == "__main__":
    main()
