"""Pictures with texture, and what they look like from elsewhere: keypoints are found again."""

from __future__ import annotations

import numpy as np
from PIL import Image


def blobs(seed: int, size: tuple[int, int] = (256, 192)) -> np.ndarray:
    """Blobs of several sizes: uint8 (height, width, 3)."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)
    fine = np.asarray(Image.fromarray(small).resize(size, Image.Resampling.BICUBIC))
    coarse = Image.fromarray(small[:6, :8]).resize(size, Image.Resampling.BICUBIC)
    return (fine // 2 + np.asarray(coarse) // 2).astype(np.uint8)


def homography_of(box, corners) -> np.ndarray:
    """What carries the corners of a box to four points: float64 (3, 3)."""
    x1, y1, x2, y2 = box
    rows, right = [], []
    for (x, y), (u, v) in zip([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], corners):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    return np.append(np.linalg.solve(rows, right), 1).reshape(3, 3)


def pasted(ground: np.ndarray, picture: np.ndarray, corners) -> np.ndarray:
    """The picture on a ground, its corners at four points."""
    height, width = picture.shape[:2]
    matrix = homography_of((0, 0, width, height), corners)
    back = np.linalg.inv(matrix)
    back /= back[2, 2]
    size = ground.shape[1], ground.shape[0]
    how = Image.Transform.PERSPECTIVE, back.ravel()[:8].tolist(), Image.Resampling.BICUBIC
    seen = Image.fromarray(picture).transform(size, *how)
    there = Image.new("L", (width, height), 255).transform(size, *how)
    return np.asarray(Image.composite(seen, Image.fromarray(ground), there))
