"""Pictures to learn from, made of photographs: crops, mosaics and composed scenes, and their looks.

A view is made in two steps. The canvas is what the teachers see: a crop with a little perspective,
four crops side by side, or a crop with patches of other photographs and of emblems pasted on it.
`disturb` makes of it what the student sees: other light, blur, noise, JPEG. The student learns to
see through them.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from blcf.learning.emblems import make_emblem

__all__ = ["disturb", "make_canvas", "make_mosaic", "make_view"]

_LARGEST_STEP = 1.25  # source pixels a canvas pixel beyond which the source is shrunk first


def make_canvas(
    photographs: Sequence[np.ndarray],
    number: int,
    side: int,
    rng: np.random.Generator,
    emblems: float = 0.0,
) -> np.ndarray:
    """A canvas of one photograph and others drawn at random: uint8 (side, side, 3).

    Parameters
    ----------
    photographs : uint8 (height, width, 3)
    number : of the photograph that the canvas is made of
    side : pixels
    rng : source of every choice
    emblems : chance of each of the others to be a made-up emblem
    """
    kind = rng.random()
    # Photographs of 256 to 384 pixels: a crop of one enlarges it, only the parts of mosaics and the
    # patches of scenes are as sharp as what is searched.
    if kind < 0.35:
        canvas = _crop(photographs[number], (side, side), rng, (0.55, 1.0))
    elif kind < 0.65:
        canvas = make_mosaic(photographs, number, side, rng, emblems)
    else:
        canvas = _scene(photographs, number, side, rng, emblems)
    if rng.random() < 0.3:
        canvas = _other_colours(canvas, rng)
    if rng.random() < 0.5:
        canvas = canvas.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.array(canvas)


def make_view(photograph: np.ndarray, side: int, rng: np.random.Generator | None) -> np.ndarray:
    """A square part of a photograph, turned a little: uint8 (side, side, 3).

    Half its longer side or more, so that what it is labelled for is still there; beside an oblong
    one its mirror image stands.

    Parameters
    ----------
    photograph : uint8 (height, width, 3)
    side : pixels
    rng : source of every choice; None takes all of it, upright
    """
    height, width = photograph.shape[:2]
    longer = max(height, width)
    around = [((longer - n) // 2, longer - n - (longer - n) // 2) for n in (height, width)]
    square = np.pad(photograph, (*around, (0, 0)), mode="symmetric")
    if rng is None:
        whole = Image.fromarray(square).resize((side, side), Image.Resampling.BILINEAR)
        return np.array(whole)
    return np.array(_crop(square, (side, side), rng, (0.5, 1.0)))


def _any(photographs: Sequence[np.ndarray], rng: np.random.Generator, emblems: float) -> np.ndarray:
    """A photograph, or a made-up emblem with the given chance."""
    if emblems and rng.random() < emblems:
        return make_emblem(rng)
    return photographs[int(rng.integers(len(photographs)))]


def _crop(
    photograph: np.ndarray,
    size: tuple[int, int],
    rng: np.random.Generator,
    shares: tuple[float, float],
) -> Image.Image:
    """A part of a photograph under a little perspective.

    Parameters
    ----------
    size : width, height of what is made, pixels
    shares : least and largest size of the part, of the largest that fits
    """
    width, height = size
    whole_height, whole_width = photograph.shape[:2]
    largest = min(whole_width / width, whole_height / height)
    step = largest * np.exp(rng.uniform(np.log(shares[0]), np.log(shares[1])))
    part = np.array([width, height]) * step
    corner = rng.random(2) * (np.array([whole_width, whole_height]) - part)
    source = Image.fromarray(photograph)
    if step > _LARGEST_STEP:
        shrunk = (max(1, round(whole_width / step)), max(1, round(whole_height / step)))
        source = source.resize(shrunk, Image.Resampling.BILINEAR, reducing_gap=2.0)
        corner, part = corner / step, part / step
    corners = corner + part * np.array([[0, 0], [0, 1], [1, 1], [1, 0]])
    if rng.random() < 0.5:
        middle = corner + part / 2
        turn = rng.normal(0, 0.12)
        turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        corners = (corners - middle) @ turned.T + middle + rng.normal(0, 0.04, (4, 2)) * part
        corners = np.clip(corners, 0, [source.width, source.height])
    return source.transform(
        size, Image.Transform.QUAD, tuple(corners.ravel()), Image.Resampling.BICUBIC
    )


def make_mosaic(
    photographs: Sequence[np.ndarray],
    number: int,
    side: int,
    rng: np.random.Generator,
    emblems: float = 0.0,
) -> Image.Image:
    """Four crops that meet at a random point: small, sharp things side by side.

    Parameters
    ----------
    emblems : chance of each part but the first to be a made-up emblem
    """
    canvas = Image.new("RGB", (side, side))
    x, y = (int(side * rng.uniform(0.3, 0.7)) for _ in range(2))
    boxes = [(0, 0, x, y), (x, 0, side, y), (0, y, x, side), (x, y, side, side)]
    for turn, box in enumerate(boxes):
        photograph = photographs[number] if turn == 0 else _any(photographs, rng, emblems)
        size = (box[2] - box[0], box[3] - box[1])
        canvas.paste(_crop(photograph, size, rng, (0.5, 1.0)), box[:2])
    return canvas


def _scene(
    photographs: Sequence[np.ndarray],
    number: int,
    side: int,
    rng: np.random.Generator,
    emblems: float,
) -> Image.Image:
    """A crop with one to four patches of other photographs, of soft or hard outline."""
    canvas = _crop(photographs[number], (side, side), rng, (0.6, 1.0))
    for _ in range(int(rng.integers(1, 5))):
        width, height = (int(side * np.exp(rng.uniform(np.log(0.12), np.log(0.5)))) for _ in "xy")
        patch = _crop(_any(photographs, rng, emblems), (width, height), rng, (0.3, 1.0))
        outline = Image.new("L", (width, height))
        draw = ImageDraw.Draw(outline)
        if rng.random() < 0.5:
            draw.rectangle((0, 0, width, height), fill=255)
        else:
            draw.ellipse((0, 0, width - 1, height - 1), fill=255)
        turn = rng.uniform(-30, 30) if rng.random() < 0.5 else 0.0
        if turn:
            outline = outline.rotate(turn, Image.Resampling.BILINEAR, expand=True)
            patch = patch.rotate(turn, Image.Resampling.BICUBIC, expand=True)
        if rng.random() < 0.5:
            outline = outline.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 2))))
        x, y = (int(rng.integers(-length // 4, side - length // 2)) for length in patch.size)
        canvas.paste(patch, (x, y), outline)
    return canvas


def _other_colours(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """What the teachers shall judge too: other light, no colours, or other ones."""
    kind = rng.random()
    if kind < 0.2:
        return image.convert("L").convert("RGB")
    if kind < 0.4:
        bands = image.split()
        return Image.merge("RGB", [bands[int(band)] for band in rng.permutation(3)])
    if kind < 0.5:
        return Image.fromarray(255 - np.asarray(image))
    gamma = np.exp(rng.normal(0, 0.3, 3) * 0.5 + rng.normal(0, 0.3))
    levels = np.linspace(0, 1, 256)[:, None] ** gamma * 255
    return image.point(levels.round().astype(int).T.ravel().tolist())


def disturb(canvas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same picture under other light, blurred, noisy or compressed: uint8, same shape."""
    image = Image.fromarray(canvas)
    for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        if rng.random() < 0.5:
            image = change(image).enhance(float(np.exp(rng.normal(0, 0.18))))
    if rng.random() < 0.2:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.3))))
    if rng.random() < 0.15:
        noise = rng.normal(0, rng.uniform(2, 10), canvas.shape)
        image = Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))
    if rng.random() < 0.3:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=int(rng.integers(30, 91)))
        image = Image.open(file).convert("RGB")
    return np.array(image)
