"""The picture of README.md: a search drawn by the engine, over photographs that libraries carry.

    pip install scikit-image
    python benchmarks/picture.py --weights squeezenet1_1.pth --work FOLDER

Scenes are composed from photographs of scikit-image, scikit-learn and matplotlib: things cut out
of some are pasted into others, at random sizes and places. The query is the cat's own photograph
with a box around its face.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib
import numpy as np
import skimage
import sklearn
from PIL import Image, ImageEnhance

from blcf import SearchEngine

SKIMAGE = Path(skimage.__file__).parent / "data"
GROUNDS = {
    "temple": Path(sklearn.__file__).parent / "datasets" / "images" / "china.jpg",
    "flower": Path(sklearn.__file__).parent / "datasets" / "images" / "flower.jpg",
    "motorcycle": SKIMAGE / "motorcycle_left.png",
    "brick": SKIMAGE / "brick.png",
    "grass": SKIMAGE / "grass.png",
    "gravel": SKIMAGE / "gravel.png",
    "rocket": SKIMAGE / "rocket.jpg",
    "officer": Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg",
}
CAT = SKIMAGE / "chelsea.png"
CAT_BOX = (60, 20, 340, 270)
THINGS = {
    "cat": (CAT, CAT_BOX),
    "cup": (SKIMAGE / "coffee.png", (150, 40, 480, 340)),
    "astronaut": (SKIMAGE / "astronaut.png", (130, 0, 320, 200)),
}
HERE = Path(__file__).resolve().parent


def compose(folder: Path) -> None:
    """Every ground, bare and with every thing."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(3)
    for ground_name, path in GROUNDS.items():
        ground = Image.open(path).convert("RGB")
        ground.thumbnail((640, 640))
        ground.save(folder / f"{ground_name}.jpg", quality=90)
        for thing_name, (source, box) in THINGS.items():
            thing = Image.open(source).convert("RGB").crop(box)
            height = int(ground.height * rng.uniform(0.35, 0.6))
            thing = thing.resize((round(thing.width * height / thing.height), height))
            thing = ImageEnhance.Brightness(thing).enhance(rng.uniform(0.8, 1.15))
            place = [
                int(rng.integers(0, max(1, whole - part)))
                for whole, part in zip(ground.size, thing.size)
            ]
            scene = ground.copy()
            scene.paste(thing, tuple(place))
            scene.save(folder / f"{ground_name} with {thing_name}.jpg", quality=90)


def main() -> None:
    """Compose the scenes, index them, search, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True, help="of SqueezeNet 1.1")
    parser.add_argument("--work", type=Path, required=True, help="folder for the scenes")
    options = parser.parse_args()
    compose(options.work / "scenes")
    engine = SearchEngine.create(
        options.work / "scenes.blcf", "squeezenet1_1", weights=options.weights
    )
    engine.add(options.work / "scenes")
    hits = engine.search(CAT, box=CAT_BOX, k=9)
    print(hits)
    hits.plot(HERE / "picture.jpg")


if __name__ == "__main__":
    main()
