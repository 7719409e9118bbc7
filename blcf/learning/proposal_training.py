"""A region proposal network learns where things are: boxes on frozen feature maps, seeded."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from blcf.bounds import is_number
from blcf.checks import check_integer
from blcf.errors import Diverged, InvalidInput
from blcf.learning.proposals import RegionProposals

__all__ = ["learn_proposals"]


def learn_proposals(
    proposals: RegionProposals,
    maps: Sequence[torch.Tensor],
    boxes: np.ndarray,
    sizes: np.ndarray,
    *,
    epochs: int = 10,
    rate: float = 1e-3,
    batch: int = 8,
    seed: int = 0,
    bar: Callable[[Any], Any] = iter,
) -> list[float]:
    """Learn from boxes; gives the mean loss of each epoch.

    Parameters
    ----------
    proposals : changed in place
    maps : float (C, h, w) each, of frozen convolutions, of any sizes
    boxes : float (n, 4), xyxy, pixels of the picture: one of each
    sizes : int (n, 2), (width, height) of the pictures, pixels
    epochs : passes over the maps
    rate : of Adam, which falls to 0 in a straight line
    batch : maps a step
    seed : of the order, and of the anchors that the losses are taken at
    bar : wraps the iteration over epochs

    Raises
    ------
    InvalidInput
        Not one finite box a map; numbers that cannot be.
    Diverged
        A loss that is not finite.
    """
    check_integer("epochs", epochs, 1)
    check_integer("batch", batch, 1)
    check_integer("seed", seed, 0)
    if not is_number(rate) or not 0 < rate < math.inf:
        raise InvalidInput(f"Expected rate to be a number above 0, got {rate!r}.")
    boxes, sizes = np.asarray(boxes, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    shapes = len(maps), boxes.shape, sizes.shape
    if not len(maps) or shapes[1:] != ((len(maps), 4), (len(maps), 2)):
        raise InvalidInput(
            f"Expected a box (n, 4) and a size (n, 2) for each of {len(maps)} maps, got shapes "
            f"{boxes.shape} and {sizes.shape}."
        )
    if not (np.isfinite(boxes).all() and (boxes[:, :2] < boxes[:, 2:]).all()):
        raise InvalidInput("Expected finite boxes x1 < x2, y1 < y2, got others. Leave them out.")
    learned = list(proposals.network.parameters())
    optimiser = torch.optim.Adam(learned, lr=rate)
    rng, losses = np.random.default_rng(seed), []
    n_steps, step = epochs * -(-len(maps) // batch), 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for epoch in bar(range(epochs)):
            total, order = 0.0, rng.permutation(len(maps))
            for first in range(0, len(maps), batch):
                optimiser.param_groups[0]["lr"] = rate * (1 - step / n_steps)
                rows, step = order[first : first + batch].tolist(), step + 1
                optimiser.zero_grad(set_to_none=True)
                loss = _loss_of(proposals, maps, boxes, sizes, rows)
                if not bool(loss.isfinite()):
                    raise Diverged(
                        f"Expected a finite loss, got {float(loss)} in epoch {epoch}. Take a rate "
                        f"less than {rate:g}."
                    )
                loss.backward()
                optimiser.step()
                total += float(loss.detach()) * len(rows)
            losses.append(total / len(maps))
    optimiser.zero_grad(set_to_none=True)
    return losses


def _loss_of(
    proposals: RegionProposals,
    maps: Sequence[torch.Tensor],
    boxes: np.ndarray,
    sizes: np.ndarray,
    rows: list[int],
) -> torch.Tensor:
    """The mean loss of some maps; those of one shape go together."""
    groups: dict[tuple, list[int]] = {}
    for row in rows:
        groups.setdefault(tuple(maps[row].shape), []).append(row)
    total = torch.zeros(())
    for (_, h, w), members in groups.items():
        cells = [torch.tensor(boxes[m] * np.tile((w, h) / sizes[m], 2))[None] for m in members]
        stacked = torch.stack([maps[member] for member in members]).float()
        total = total + proposals.losses(stacked, cells) * len(members)
    return total / len(rows)
