"""A set of flat things with exact truth: photographs hung in others, under known homographies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from blcf.rerank.transforms import opencv

__all__ = ["N_PAINTINGS", "make_scenes"]

N_PAINTINGS, N_EACH = 40, 2
SIDE = 640  # pixels, the longer side of a scene


def make_scenes(data: Path, folder: Path, seed: int = 0) -> tuple[Path, list[dict[str, Any]]]:
    """Write the scenes, and give their folder and a query for each painting.

    Paintings are photographs of natural/imagenet, grounds of natural/bsds. Each is seen with 25 to
    60 % of the sides of the scene, turned by up to 15 degrees, its corners moved by up to 12 % of
    its sides (normal views of something on a wall); the light is .65 to 1.15 times as strong and
    falls off to one side, the noise has a sigma of 5.
    """
    rng = np.random.default_rng(seed)
    paintings = sorted((data / "natural" / "imagenet").iterdir())
    grounds = sorted((data / "natural" / "bsds").iterdir())
    chosen = rng.choice(len(paintings), N_PAINTINGS, replace=False)
    walls = rng.choice(len(grounds), N_PAINTINGS * N_EACH, replace=False).tolist()
    folder.mkdir(parents=True, exist_ok=True)
    queries = []
    for number, each in enumerate(chosen.tolist()):
        painting = np.asarray(Image.open(paintings[each]).convert("RGB"))
        true = {}
        for seen in range(N_EACH):
            ground = Image.open(grounds[walls.pop()]).convert("RGB")
            scale = SIDE / max(ground.size)
            size = round(ground.width * scale), round(ground.height * scale)
            ground = ground.resize(size, Image.Resampling.BICUBIC)
            corners = _corners(rng, painting.shape[1] / painting.shape[0], size)
            scene = _hung(rng, painting, np.asarray(ground), corners)
            name = f"{number:02d}-{seen}.jpg"
            Image.fromarray(scene).save(folder / name, quality=88)
            true[name] = corners[None]
        queries.append({"image": paintings[each], "box": None, "junk": set(), "true": true})
    return folder, queries


def _corners(rng: np.random.Generator, aspect: float, size: tuple[int, int]) -> np.ndarray:
    """Where the corners are, all of them in the scene: float64 (4, 2)."""
    while True:
        height = rng.uniform(0.25, 0.6) * min(size[1], size[0] / aspect)
        sides = np.array([height * aspect, height])
        square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) / 2
        corners = (square + rng.uniform(-0.12, 0.12, (4, 2))) * sides
        turn = np.radians(rng.uniform(-15, 15))
        turned = corners @ np.array(
            [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]], dtype=np.float64
        )
        placed = turned + rng.uniform(0, 1, 2) * size
        if (placed > 2).all() and (placed < np.array(size) - 2).all():
            return placed


def _hung(
    rng: np.random.Generator, painting: np.ndarray, ground: np.ndarray, corners: np.ndarray
) -> np.ndarray:
    cv2 = opencv()
    height, width = painting.shape[:2]
    box = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform(box, corners.astype(np.float32))
    size = ground.shape[1], ground.shape[0]
    how = {"flags": cv2.INTER_AREA}
    seen = cv2.warpPerspective(painting, matrix, size, **how).astype(np.float64)
    there = cv2.warpPerspective(np.full((height, width), 255, np.uint8), matrix, size, **how)
    falls = np.linspace(1, rng.uniform(0.6, 1), size[0])[None, :, None]
    seen *= rng.uniform(0.65, 1.15) * (falls if rng.random() < 0.5 else falls[:, ::-1])
    share = there[..., None] / 255
    scene = seen * share + ground * (1 - share) + rng.normal(0, 5, ground.shape)
    return np.clip(scene, 0, 255).astype(np.uint8)
