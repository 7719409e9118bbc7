"""The photographs of grocery: those with labels, some of them made false, and those to search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from blcf.datasets import GroundTruth, read_ground_truth
from blcf.features.network_file import Preprocessing
from blcf.images import find_images, read_image, resize_image

__all__ = ["Labelled", "Pixels", "Searched", "as_pixels", "falsified", "read_labelled", "searched"]

_AS_IS = Preprocessing().mean, Preprocessing().std

# What names of the cartons begin with; the rest is fruit and vegetables.
CARTONS = ("Alpro", "Arla", "Bravo", "Garant", "God-Morgon", "Oatly", "Tropicana", "Valio", "Yoggi")


@dataclass(frozen=True, eq=False)
class Labelled:
    """Photographs with labels.

    Attributes
    ----------
    pictures : uint8 (height, width, 3) each
    truth, labels : int64 (n,), classes as they are, and as they are said to be
    names : of the classes
    """

    pictures: list[np.ndarray]
    truth: np.ndarray
    labels: np.ndarray
    names: list[str]

    @property
    def is_carton(self) -> np.ndarray:
        """bool (n,), whether the label is that of a carton."""
        of_class = np.array([name.startswith(CARTONS) for name in self.names])
        return of_class[self.labels]


@dataclass(frozen=True, eq=False)
class Searched:
    """Photographs to search, and those to search with; resized."""

    names: list[str]
    pictures: list[np.ndarray]
    queries: list[np.ndarray]
    truth: GroundTruth


def falsified(truth: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Labels of which a share is false, each of another class, all others alike: int64 (n,)."""
    rng = np.random.default_rng(seed)
    n_classes, labels = int(truth.max()) + 1, truth.copy()
    false = rng.permutation(len(truth))[: round(share * len(truth))]
    labels[false] = (truth[false] + rng.integers(1, n_classes, len(false))) % n_classes
    return labels


def read_labelled(folder: Path, share: float, seed: int, most: int | None) -> Labelled:
    """Photographs whose class is their name before its first ``_``; the first `most` of each."""
    names = sorted(find_images(folder).names)
    owners = [Path(name).name.split("_")[0] for name in names]
    known = sorted(set(owners))
    if most is not None:
        places = [row for one in known for row in np.flatnonzero(np.array(owners) == one)[:most]]
        names, owners = [names[row] for row in places], [owners[row] for row in places]
    truth = np.array([known.index(owner) for owner in owners], dtype=np.int64)
    pictures = [read_image(folder / name) for name in names]
    return Labelled(pictures, truth, falsified(truth, share, seed), known)


def searched(folder: Path, side: int) -> Searched:
    """The images and queries of a folder with a ``gt.json``."""
    truth = read_ground_truth(folder / "gt.json")
    names = [f"images/{name}" for name in sorted(find_images(folder / "images").names)]
    pictures = [resize_image(read_image(folder / name), side) for name in names]
    queries = [read_image(query.examples[0].image) for query in truth.queries]
    return Searched(names, pictures, [resize_image(one, side) for one in queries], truth)


def as_pixels(picture: np.ndarray) -> torch.Tensor:
    """A picture as networks take it: float32 (3, h, w)."""
    mean, std = (torch.tensor(one)[:, None, None] for one in _AS_IS)
    return (torch.tensor(picture).permute(2, 0, 1).float() / 255 - mean) / std


class Pixels:
    """Pictures by position, as `blcf.learning.embedding.Pictures` wants them."""

    def __init__(self, pictures: Sequence[np.ndarray]):
        self._pictures = pictures

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, position: int) -> torch.Tensor:
        return as_pixels(self._pictures[position])
