"""Scenes composed from photographs: objects cut out of some, pasted into others at known boxes.

Each object gets a size, a rotation, a perspective, a light and a shadow of its own, each scene a
JPEG quality; all from one seed. An object never lies on a part of the photograph it comes from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from blcf.boxes import iou
from blcf.demo.photographs import GROUNDS, OBJECTS, Ground, Object
from blcf.errors import InvalidInput
from blcf.images import as_image
from blcf.storage import refusals, write_json

__all__ = ["Composed", "Placed", "compose", "paste"]

SIDE = 640  # longer side of a scene, pixels
OBJECTS_OF_SCENES = (2, 2, 1)  # for each ground; one more scene of it shows none
SIZES = (0.35, 0.6)  # longer side of an object, of the shorter side of its scene
TURN, SLANT = 14.0, 0.07  # most degrees; most that a corner moves, of the object's sides
LIGHT = (0.75, 1.25)
QUALITIES = (70, 92)


@dataclass(frozen=True, eq=False)
class Placed:
    """An object in a scene: its name, and the box around what is seen of it, xyxy, pixels."""

    name: str
    box: tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Composed:
    """What was composed.

    Attributes
    ----------
    objects : those that are searched for
    scenes : {name of the file in the folder ``images``: the objects in it}
    sizes : {the same: (width, height), pixels}
    photographs : how many photographs took part
    """

    objects: list[Object] = field(default_factory=list)
    scenes: dict[str, list[Placed]] = field(default_factory=dict)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    photographs: set[str] = field(default_factory=set)

    def true_boxes(self, name: str) -> dict[str, np.ndarray]:
        """Where an object is: {scene: float32 (n, 4), xyxy, pixels}."""
        boxes = {
            scene: [one.box for one in placed if one.name == name]
            for scene, placed in self.scenes.items()
        }
        return {scene: np.array(some, np.float32) for scene, some in boxes.items() if some}


def compose(
    folder: Path,
    photographs: Mapping[str, Path],
    random_state: int = 0,
    sizes: tuple[float, float] = SIZES,
) -> Composed:
    """Write scenes to ``folder/images``, whole photographs to search with to ``folder/queries``.

    The ground truth is written to ``folder/gt.json``.

    Parameters
    ----------
    folder : an existing one
    photographs : from `blcf.demo.photographs.find_photographs`
    random_state : seed
    sizes : of the objects, least and most: longer side, as a share of the shorter of the scene

    Raises
    ------
    InvalidInput
        There are no photographs of objects.
    StorageError
    """
    rng = np.random.default_rng(random_state)
    composed = Composed([one for one in OBJECTS if one.photograph in photographs])
    if not composed.objects:
        raise InvalidInput(
            "Expected photographs in the installed scikit-learn, found none. Give a folder of "
            "pictures (blcf demo FOLDER), or install scikit-learn from its wheel."
        )
    with refusals(folder):
        for name in ("images", "queries"):
            (folder / name).mkdir()
        for one in composed.objects:
            _save(_open(photographs, one.photograph), folder / "queries" / f"{one.name}.jpg", 95)
            if one.also is not None and one.also[0] in photographs:
                name, box = f"{one.name} again.jpg", one.also[1]
                scene = _open(photographs, one.also[0])
                _keep(composed, folder, name, scene, [Placed(one.name, box)], 90)
                composed.photographs.add(one.also[0])
        for ground in GROUNDS:
            if ground.photograph in photographs:
                _compose_on(ground, composed, photographs, folder, rng, sizes)
        composed.photographs.update(one.photograph for one in composed.objects)
        write_json(folder / "gt.json", _truth(composed))
    return composed


def _compose_on(
    ground: Ground,
    composed: Composed,
    photographs: Mapping[str, Path],
    folder: Path,
    rng: np.random.Generator,
    sizes: tuple[float, float],
) -> None:
    """A ground alone, and with objects of other photographs."""
    composed.photographs.add(ground.photograph)
    picture = _ground(_open(photographs, ground.photograph), ground)
    _keep(composed, folder, f"{ground.name}.jpg", picture, [], 90)
    others = [one for one in composed.objects if one.photograph != ground.photograph]
    shuffled = cycle(others[place] for place in rng.permutation(len(others)))
    for number, n_objects in enumerate(OBJECTS_OF_SCENES, start=1):
        scene = ImageOps.mirror(picture) if rng.random() < 0.5 else picture.copy()
        placed: list[Placed] = []
        for one in islice(shuffled, min(n_objects, len(others))):
            box = paste(scene, _open(photographs, one.photograph), one, placed, rng, sizes)
            if box is not None:
                placed.append(Placed(one.name, box))
        quality = int(rng.integers(*QUALITIES))
        _keep(composed, folder, f"{ground.name} {number}.jpg", scene, placed, quality)


def paste(
    scene: Image.Image,
    photograph: Image.Image,
    what: Object,
    placed: Sequence[Placed],
    rng: np.random.Generator,
    sizes: tuple[float, float] = SIZES,
) -> tuple[int, int, int, int] | None:
    """Paste an object into a scene, clear of those that are there; None where it finds no room.

    Parameters
    ----------
    scene : RGB, changed
    photograph : that of the object, RGB
    what : the object, its outline in pixels of the photograph
    placed : what is in the scene already
    rng : size, place, rotation, perspective and light are drawn from it
    sizes : see `compose`

    Returns
    -------
    The box around the pixels of the object, xyxy, pixels of the scene
    """
    x1, y1, x2, y2 = what.box
    mask = Image.new("L", photograph.size)
    for polygon in what.outline:
        ImageDraw.Draw(mask).polygon(polygon, fill=255)
    cut, mask = photograph.crop(what.box), mask.crop(what.box)
    there = np.array([one.box for one in placed], dtype=np.float64).reshape(-1, 4)
    for _ in range(100):
        longer = rng.uniform(*sizes) * min(scene.size)
        size = np.array(cut.size) * longer / max(cut.size)
        corners = _corners(size, rng)
        low, high = corners.min(axis=0), corners.max(axis=0)
        room = np.array(scene.size) - (high - low)
        if room.min() < 1:
            continue
        corners += rng.uniform(0, room) - low
        around = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
        if iou(around, there).sum() == 0:
            break
    else:
        return None
    small = (max(1, round(size[0])), max(1, round(size[1])))
    # The warp does not average pixels: the reduction comes before it.
    cut, mask = cut.resize(small, Image.Resampling.LANCZOS), mask.resize(small)
    mask = mask.filter(ImageFilter.GaussianBlur(1))  # a soft edge
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast):
        cut = enhance(cut).enhance(rng.uniform(*LIGHT))
    warp = (Image.Transform.PERSPECTIVE, _perspective(corners, small))
    mask = mask.transform(scene.size, *warp, Image.Resampling.BILINEAR)
    shadow = mask.filter(ImageFilter.GaussianBlur(longer / 25)).point(lambda value: value * 0.5)
    shadow = ImageChops.offset(shadow, round(longer / 40), round(longer / 30))
    scene.paste((0, 0, 0), mask=shadow)
    scene.paste(cut.transform(scene.size, *warp, Image.Resampling.BICUBIC), mask=mask)
    return mask.point(lambda value: 255 * (value >= 128)).getbbox()


def _corners(size: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The corners of a rectangle, turned and slanted: (4, 2), clockwise from the upper left."""
    angle = np.radians(rng.uniform(-TURN, TURN))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float64)
    return (unit + rng.uniform(-SLANT, SLANT, (4, 2))) * size @ turn


def _perspective(corners: np.ndarray, size: tuple[int, int]) -> list[float]:
    """Pillow's eight coefficients of the projection that takes `corners` to those of `size`.

    x' = (a x + b y + c) / (g x + h y + 1) and y' = (d x + e y + f) / (g x + h y + 1).
    """
    ends = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * size
    rows = []
    for (x, y), (u, v) in zip(corners, ends):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    return np.linalg.solve(np.array(rows), ends.ravel().astype(np.float64)).tolist()


def _ground(photograph: Image.Image, ground: Ground) -> Image.Image:
    """A ground at the size of a scene."""
    picture = photograph if ground.part is None else photograph.crop(ground.part)
    scale = SIDE / max(picture.size)
    size = (round(picture.width * scale), round(picture.height * scale))
    tinted = np.asarray(picture.resize(size, Image.Resampling.LANCZOS)) * np.array(ground.tint)
    return Image.fromarray(np.clip(tinted, 0, 255).astype(np.uint8))


def _open(photographs: Mapping[str, Path], name: str) -> Image.Image:
    return Image.fromarray(as_image(photographs[name]))


def _keep(
    composed: Composed,
    folder: Path,
    name: str,
    scene: Image.Image,
    placed: list[Placed],
    quality: int,
) -> None:
    name = name.replace(" ", "-")
    _save(scene, folder / "images" / name, quality)
    composed.scenes[name], composed.sizes[name] = placed, scene.size


def _save(picture: Image.Image, path: Path, quality: int) -> None:
    picture.save(path, quality=quality)


def _truth(composed: Composed) -> dict:
    """The form of `blcf.datasets.ground_truth`."""
    queries = []
    for one in composed.objects:
        boxes = composed.true_boxes(one.name)
        queries.append(
            {
                "query": f"queries/{one.name}.jpg",
                "object": one.name,
                "box": list(one.box),
                "positives": list(boxes),
                "junk": [],
                "boxes": {scene: some.astype(int).tolist() for scene, some in boxes.items()},
            }
        )
    images = [{"name": name, "size": list(size)} for name, size in composed.sizes.items()]
    return {"images": images, "queries": queries}
