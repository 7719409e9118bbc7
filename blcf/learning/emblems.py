"""Made-up emblems: flat shapes and letters, as on labels and signs; photographs show few."""

from __future__ import annotations

import string

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

__all__ = ["make_emblem"]

_LETTERS = string.ascii_uppercase * 2 + string.ascii_lowercase + string.digits
_SIZES = (24, 40, 64)  # of letters, pixels
# Of the shapes' sides, so that none is too small to be seen: pixels.
_LEAST, _LEAST_RING = 4, 8
_SHAPES = ("disc", "ring", "polygon", "bar", *("word",) * 4)


def make_emblem(rng: np.random.Generator) -> np.ndarray:
    """A small picture of three to eight shapes and words in four colours: uint8 (height, width, 3).

    Parameters
    ----------
    rng : source of every choice
    """
    side = int(rng.integers(96, 200))
    width, height = side, int(side * rng.uniform(0.4, 1.2))
    colours = [tuple(int(value) for value in rng.integers(0, 256, 3)) for _ in range(4)]
    if rng.random() < 0.4:
        colours[1] = (255, 255, 255)
    if rng.random() < 0.25:
        colours[0] = (0, 0, 0)
    image = Image.new("RGB", (width, height), colours[0])
    for _ in range(int(rng.integers(3, 9))):
        colour = colours[int(rng.integers(1, 4))]
        x, y = rng.uniform(0.15 * width, 0.85 * width), rng.uniform(0.15 * height, 0.85 * height)
        across, along = rng.uniform(0.06, 0.35, 2) * side
        along = across if rng.random() < 0.4 else along
        box = (x - across, y - along, x + across, y + along)
        _draw(image, _SHAPES[int(rng.integers(len(_SHAPES)))], box, colour, rng)
    if rng.random() < 0.5:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.5))))
    return np.array(image)


def _draw(
    image: Image.Image,
    shape: str,
    box: tuple[float, float, float, float],
    colour: tuple[int, ...],
    rng: np.random.Generator,
) -> None:
    """A shape in a box, or a word anywhere."""
    draw, (left, top, right, bottom) = ImageDraw.Draw(image), box
    if shape == "disc":
        draw.ellipse((left, top, right + _LEAST, bottom + _LEAST), fill=colour)
    elif shape == "ring":
        wide = int(rng.integers(3, 14))
        edges = (left, top, right + _LEAST_RING, bottom + _LEAST_RING)
        draw.ellipse(edges, outline=colour, width=wide)
    elif shape == "polygon":
        xs = rng.uniform(left, right, int(rng.integers(3, 6)))
        corners = list(zip(xs.tolist(), rng.uniform(top, bottom, 6).tolist()))
        draw.polygon(corners, fill=colour)
    elif shape == "bar":
        draw.rectangle((left, top, right + _LEAST, bottom + _LEAST), fill=colour)
    else:
        n = int(rng.integers(1, 8))
        word = "".join(_LETTERS[int(place)] for place in rng.integers(len(_LETTERS), size=n))
        size = _SIZES[int(rng.integers(len(_SIZES)))]
        place = (
            image.width * 0.05 + rng.uniform(0, image.width * 0.3),
            rng.uniform(0, image.height * 0.6),
        )
        wide = int(rng.integers(0, 4))
        font = ImageFont.load_default(size=size)
        draw.text(place, word, fill=colour, font=font, stroke_width=wide, stroke_fill=colour)
