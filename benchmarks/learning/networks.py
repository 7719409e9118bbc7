"""blcf-lite with a head on it: off the shelf, and fine-tuned by classification."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from benchmarks.learning.photographs import as_pixels
from blcf.errors import Diverged
from blcf.features.lite import LITE, LiteNetwork, read_lite
from blcf.features.network_file import NetworkFile
from blcf.features.part import choose_dtype
from blcf.features.whitening import Whitening
from blcf.learning.descriptor_file import write_descriptor
from blcf.learning.heads import Head, RMACHead

__all__ = [
    "ClassifierSettings",
    "Network",
    "export",
    "learn_classes",
    "off_the_shelf",
    "region_vectors",
]


class Network(nn.Module):
    """Convolutions of blcf-lite and a head.

    The convolutions compute in bfloat16 where the processor multiplies it.
    """

    def __init__(self, head: Head):
        super().__init__()
        self.convolutions = LiteNetwork()
        self.convolutions.load_state_dict(read_lite())
        self.head = head
        self._is_half = choose_dtype(torch.device("cpu")) == "bfloat16"

    def maps(self, pixels: torch.Tensor) -> torch.Tensor:
        """Feature maps float32 (n, 512, h, w) of pixels float32 (n, 3, height, width)."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self._is_half):
            return self.convolutions(pixels).float()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:  # noqa: D102 (torch's own contract)
        return self.head(self.maps(pixels))


@torch.no_grad()
def region_vectors(network: Network, pictures: Sequence[np.ndarray]) -> np.ndarray:
    """The vectors of R-MAC's regions of all pictures, of length 1: float32 (n, 512)."""
    grid = RMACHead()
    rows = [grid._pool(network.maps(as_pixels(one)[None]))[0] for one in pictures]
    return functional.normalize(torch.cat(rows), dim=1).numpy()


def off_the_shelf(pictures: Sequence[np.ndarray], n_components: int) -> Network:
    """R-MAC of blcf-lite as it comes, with the PCA whitening of some pictures' regions."""
    sample = region_vectors(Network(RMACHead()), pictures)
    return Network(RMACHead(Whitening(n_components).fit(sample)))


def export(network: Network, path: Path, side: int, facts: dict[str, str]) -> None:
    """Write a network as a file of a descriptor, which `benchmarks.reproduce` takes."""
    state = network.convolutions.state_dict()
    content = NetworkFile(LITE, state, "conv5", facts={**facts, "side": str(side)})
    write_descriptor(path, content, network.head)


@dataclass(frozen=True)
class ClassifierSettings:
    """How classification fine-tunes: a softmax over cosines, with a margin.

    Attributes
    ----------
    steps, batch : of AdamW
    rate : falls to 0 in a straight line after a tenth of the steps, up to 100, of warming up; ten
        times as much for the vectors of the classes
    scale, margin : of the cosines; the margin is taken off that of the right class
    sides : of pictures, one of them a step
    seed : of every choice
    """

    steps: int = 800
    batch: int = 16
    rate: float = 1e-3
    scale: float = 16.0
    margin: float = 0.1
    sides: tuple[int, ...] = (192, 224, 256)
    seed: int = 0


def learn_classes(
    network: Network,
    pictures: Sequence[np.ndarray],
    labels: np.ndarray,
    vectors: np.ndarray,
    settings: ClassifierSettings,
    bar: Callable[[Any], Any] = iter,
) -> list[float]:
    """Fine-tune by classification of the descriptors; gives the loss of every step.

    Parameters
    ----------
    network : changed in place
    pictures, labels : int64 (n,)
    vectors : float32 (n, d), the descriptors to begin with: their means begin as the classes

    Notes
    -----
    Source of the margin: Wang et al., CVPR 2018 (CosFace). Gordo et al. fine-tune the layers of
    the classifier that comes with VGG16; blcf-lite has none.
    """
    rng, labels = np.random.default_rng(settings.seed), np.unique(labels, return_inverse=True)[1]
    means = np.stack([vectors[labels == one].mean(axis=0) for one in range(labels.max() + 1)])
    classes = nn.Parameter(functional.normalize(torch.from_numpy(means), dim=1))
    optimiser = torch.optim.AdamW(
        [{"params": network.parameters(), "factor": 1}, {"params": [classes], "factor": 10}],
        lr=settings.rate,
        weight_decay=0.01,
    )
    network.train()
    warm, losses, queue = min(100, settings.steps // 10 + 1), list[float](), list[int]()
    for step in bar(range(settings.steps)):
        while len(queue) < settings.batch:
            queue += rng.permutation(len(pictures)).tolist()
        rows, queue = queue[: settings.batch], queue[settings.batch :]
        side = int(rng.choice(settings.sides))
        pixels = torch.stack([as_pixels(_crop(pictures[row], side, rng)) for row in rows])
        contrast = torch.from_numpy(rng.uniform(0.8, 1.2, (len(rows), 1, 1, 1))).float()
        its = torch.from_numpy(labels[rows])
        share = min(1.0, (step + 1) / warm) * (1 - step / settings.steps)
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * share * group["factor"]
        cosines = network(pixels * contrast) @ functional.normalize(classes, dim=1).T
        margins = settings.margin * functional.one_hot(its, cosines.shape[1])
        loss = functional.cross_entropy(settings.scale * (cosines - margins), its)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1]):
            raise Diverged(f"Expected a finite loss, got {losses[-1]} in step {step}.")
    network.eval()
    return losses


def _crop(picture: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """A part of a picture, .6 to 1 of its sides, resized to a square of a side."""
    share = rng.uniform(0.6, 1)
    height, width = (length * share for length in picture.shape[:2])
    y, x = rng.uniform(0, picture.shape[0] - height), rng.uniform(0, picture.shape[1] - width)
    image = Image.fromarray(picture)
    box = (x, y, x + width, y + height)
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR, box=box))
