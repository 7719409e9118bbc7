"""Photographs that installed libraries carry, and what is on them.

Nothing is downloaded and no library is imported: only files that lie in the installed packages
count. scikit-learn, which blcf needs, has two; scikit-image and matplotlib have more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

__all__ = ["GROUNDS", "LIBRARIES", "OBJECTS", "Ground", "Object", "find_photographs"]

Polygon = tuple[tuple[float, float], ...]

LIBRARIES = {
    # module: (name in the package index, folder of its photographs, photographs)
    "sklearn": ("scikit-learn", "datasets/images", ("china.jpg", "flower.jpg")),
    "skimage": (
        "scikit-image",
        "data",
        ("astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "coins.png")
        + ("grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png")
        + ("motorcycle_left.png", "motorcycle_right.png", "rocket.jpg"),
    ),
    "matplotlib": ("matplotlib", "mpl-data/sample_data", ("grace_hopper.jpg",)),
}


@dataclass(frozen=True)
class Object:
    """Something on a photograph, with its outline.

    Attributes
    ----------
    name : what it is
    photograph : name of the file
    outline : polygons around it, xy in pixels of the photograph; where several, their union
    also : (photograph, box) of another photograph of the same thing, box xyxy in its pixels
    """

    name: str
    photograph: str
    outline: tuple[Polygon, ...]
    also: tuple[str, tuple[int, int, int, int]] | None = None

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The box around the outline: xyxy, pixels of the photograph."""
        xs, ys = zip(*(point for polygon in self.outline for point in polygon))
        return math.floor(min(xs)), math.floor(min(ys)), math.ceil(max(xs)), math.ceil(max(ys))


@dataclass(frozen=True)
class Ground:
    """A photograph, or a part of it, that shows none of the objects.

    Attributes
    ----------
    name : what it is
    photograph : name of the file
    part : xyxy, pixels, None for all of it
    tint : factors of red, green and blue, for photographs without colour
    """

    name: str
    photograph: str
    part: tuple[int, int, int, int] | None = None
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)


def _ellipse(x1: float, y1: float, x2: float, y2: float, n_corners: int = 60) -> Polygon:
    """The ellipse within a box."""
    angles = [2 * math.pi * corner / n_corners for corner in range(n_corners)]
    return tuple(
        ((x1 + x2 + (x2 - x1) * math.cos(a)) / 2, (y1 + y2 + (y2 - y1) * math.sin(a)) / 2)
        for a in angles
    )


_TEMPLE = (
    ((197, 32), (213, 32), (218, 50), (235, 82), (265, 102), (318, 120), (318, 130), (297, 140))
    + ((297, 160), (330, 172), (328, 182), (312, 190), (312, 228), (328, 240), (352, 255))
    + ((345, 270), (342, 305), (350, 318), (372, 330), (352, 360), (300, 388), (225, 385))
    + ((170, 350), (90, 338), (70, 330), (82, 320), (80, 285), (64, 275), (66, 265), (95, 245))
    + ((100, 200), (85, 180), (88, 170), (120, 155), (122, 135), (98, 118), (100, 108), (160, 85))
    + ((185, 60),)
)
_CAT = ((90, 1), (270, 1), (330, 25), (360, 80), (361, 150), (335, 235), (262, 292), (150, 298)) + (
    (82, 272),
    (42, 205),
    (28, 120),
    (45, 40),
)
_MOTORCYCLE = (
    ((105, 205), (108, 192), (150, 195), (143, 160), (150, 143), (165, 147), (220, 165))
    + ((285, 185), (345, 180), (385, 160), (340, 125), (345, 112), (440, 112), (500, 78))
    + ((540, 70), (565, 100), (570, 122), (590, 122), (588, 140), (575, 155), (560, 185))
    + ((548, 195), (580, 262), (610, 263), (640, 295), (642, 312), (660, 345), (681, 415))
    + ((670, 447), (640, 451), (600, 430), (560, 390), (520, 350), (450, 378), (350, 382))
    + ((345, 437), (325, 437), (325, 380), (262, 385), (235, 398), (190, 402), (150, 380))
    + ((125, 330), (122, 280), (140, 245), (150, 235), (120, 222))
)
_ASTRONAUT = (
    ((190, 25), (235, 14), (275, 28), (299, 68), (301, 105), (275, 132), (268, 152), (298, 178))
    + ((306, 225), (335, 258), (352, 300), (358, 345), (310, 365), (285, 405), (280, 440))
    + ((30, 440), (24, 400), (32, 330), (58, 270), (115, 225), (110, 200), (130, 165), (180, 150))
    + ((175, 135), (153, 100), (152, 65), (165, 40))
)
_OFFICER = (
    ((245, 22), (290, 28), (350, 65), (371, 90), (368, 150), (376, 210), (366, 270), (350, 300))
    + ((325, 322), (345, 340), (490, 380), (505, 430), (510, 480), (22, 480), (35, 420))
    + ((60, 368), (188, 322), (192, 308), (166, 290), (158, 240), (152, 190), (164, 150))
    + ((164, 110), (172, 80), (205, 35))
)

OBJECTS = (
    Object("temple", "china.jpg", (_TEMPLE,)),
    Object("flower", "flower.jpg", (_ellipse(168, 84, 446, 361),)),
    Object("cat", "chelsea.png", (_CAT,)),
    Object(  # the rim of the cup stands out of the saucer
        "cup", "coffee.png", (_ellipse(77, 62, 480, 388), _ellipse(172, 16, 407, 230))
    ),
    Object(
        "motorcycle",
        "motorcycle_left.png",
        (_MOTORCYCLE,),
        # The right picture of a stereo pair: not composed, another photograph.
        also=("motorcycle_right.png", (46, 70, 627, 451)),
    ),
    Object("astronaut", "astronaut.png", (_ASTRONAUT,)),
    Object("officer", "grace_hopper.jpg", (_OFFICER,)),
)

GROUNDS = (
    Ground("lake", "china.jpg", (378, 40, 640, 390)),
    Ground("leaves", "flower.jpg", (0, 40, 165, 250)),
    Ground("shade", "flower.jpg", (452, 0, 640, 240)),
    Ground("launch pad", "rocket.jpg"),
    Ground("photographer", "camera.png"),
    Ground("coins", "coins.png", tint=(1.1, 1.0, 0.8)),
    Ground("galaxies", "hubble_deep_field.jpg"),
    Ground("tissue", "ihc.png"),
    Ground("brick", "brick.png", tint=(1.3, 0.85, 0.7)),
    Ground("grass", "grass.png", tint=(0.85, 1.15, 0.6)),
    Ground("gravel", "gravel.png", tint=(1.1, 1.0, 0.85)),
    Ground("moon", "moon.png"),
)


def find_photographs() -> dict[str, Path]:
    """The photographs of the libraries that are installed: {name of the file: path}."""
    found: dict[str, Path] = {}
    for module, (_, folder, names) in LIBRARIES.items():
        spec = find_spec(module)
        for place in (spec.submodule_search_locations or ()) if spec is not None else ():
            paths = [Path(place, folder, name) for name in names]
            found |= {path.name: path for path in paths if path.is_file()}
    return found
