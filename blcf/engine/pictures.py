"""Pictures of a collection on their way through the network: read ahead, resized, in batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from blcf.errors import InvalidInput, UnreadableImage
from blcf.images import ImageList, read_ahead, read_image, resize_image

if TYPE_CHECKING:
    from blcf.features import ConvFeatures

__all__ = ["Picture", "stream_maps"]

# How many pictures of side 384 are looked at together for batches of equal shape: 64 resized
# pictures are 20 MB and, with 512 channels, 44 MB of maps.
_LOOKED_AT = 64


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture behind the network.

    Attributes
    ----------
    size : (width, height) of the original, pixels
    feature_map : float32 (C, h, w)
    """

    size: tuple[int, int]
    feature_map: np.ndarray


def stream_maps(
    extractor: ConvFeatures,
    images: ImageList,
    names: list[str],
    description: str,
    progress: bool,
) -> Iterator[tuple[str, Picture | UnreadableImage]]:
    """Feature maps of pictures, in order; a picture that cannot be read gives its error."""
    load = partial(_load, side=extractor.side)
    paths = (images.path(name) for name in names)
    n_waiting = max(1, min(_LOOKED_AT, int(_LOOKED_AT * (384 / extractor.side) ** 2)))
    waiting: list[tuple[str, tuple[np.ndarray, tuple[int, int]] | UnreadableImage]] = []
    with tqdm(
        total=len(names), desc=description, unit="image", disable=not progress, mininterval=0.5
    ) as bar:
        for index, result in read_ahead(paths, load, ahead=8):
            waiting.append((names[index], result))
            if len(waiting) == n_waiting or index == len(names) - 1:
                yield from _through(extractor, waiting, bar)
                waiting = []


def _load(path: Path, side: int) -> tuple[np.ndarray, tuple[int, int]]:
    """A picture resized for the network, and its original size."""
    image = read_image(path)
    return resize_image(image, side), (image.shape[1], image.shape[0])


def _through(extractor, waiting, bar):
    good = [result[0] for _, result in waiting if not isinstance(result, Exception)]
    maps = iter(_extract(extractor, good))
    for name, result in waiting:
        bar.update()
        if isinstance(result, UnreadableImage):
            yield name, result
            continue
        feature_map = next(maps)
        if isinstance(feature_map, UnreadableImage):
            yield name, feature_map
        else:
            yield name, Picture(result[1], feature_map)


def _extract(
    extractor: ConvFeatures, images: list[np.ndarray]
) -> list[np.ndarray | UnreadableImage]:
    """Feature maps; a picture that the network cannot take gives an error in its place."""
    try:
        return list(extractor.extract_many(images))
    except InvalidInput:
        maps: list[np.ndarray | UnreadableImage] = []
        for image in images:
            try:
                maps.append(extractor.extract(image))
            except InvalidInput as error:
                refusal = UnreadableImage(str(error))
                refusal.reason = str(error)
                maps.append(refusal)
        return maps
