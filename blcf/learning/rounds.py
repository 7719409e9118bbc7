"""A round of training: canvases of photographs, and what the teachers say of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from blcf.errors import InvalidInput
from blcf.features.network_file import Preprocessing
from blcf.learning.distillation import Batch
from blcf.learning.teachers import Targets, Taught, Teachers
from blcf.learning.views import disturb, make_canvas

__all__ = [
    "MARGIN",
    "SIDE",
    "Round",
    "batched",
    "draw_photographs",
    "learn_targets",
    "make_round",
]

SIDE, MARGIN = 224, 16  # pixels that the student sees, and what the teachers see around them
_EMBLEMS = 0.3  # of the other pictures on a canvas; photographs show few flat shapes and letters
_AT_ONCE = 32  # canvases that the teachers look at together

# Sides of what the student sees, drawn for a batch: what the teachers say at one size shall hold
# at others.
_SIDES = (160, 192, 224, 224, 224, 224, 256, 288)

_MEAN, _STD = (
    torch.tensor(values).view(1, 3, 1, 1) * 255
    for values in (Preprocessing().mean, Preprocessing().std)
)


@dataclass
class Round:
    """Canvases and targets.

    Attributes
    ----------
    canvases : uint8 (n, SIDE, SIDE, 3)
    directions : {name: float16 (n, n_components, h, w)}, of length 1
    norms : {name: float16 (n, h, w)}, relative to the mean
    """

    canvases: np.ndarray
    directions: dict[str, np.ndarray]
    norms: dict[str, np.ndarray]

    def batch(
        self, numbers: np.ndarray, taught: Sequence[Taught], rng: np.random.Generator
    ) -> Batch:
        """Some of it: disturbed, perhaps mirrored, perhaps of another size; targets follow."""
        pixels = np.stack([disturb(self.canvases[number], rng) for number in numbers])
        mirrored = torch.from_numpy(rng.random(len(numbers)) < 0.5)
        side = int(rng.choice(_SIDES))
        images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
        images[mirrored] = images[mirrored].flip(-1)
        if side != SIDE:
            images = functional.interpolate(
                images, (side, side), mode="bilinear", antialias=True, align_corners=False
            )
        images = ((images - _MEAN) / _STD).contiguous(memory_format=torch.channels_last)
        directions: dict[str, torch.Tensor] = {}
        norms: dict[str, torch.Tensor] = {}
        for each in taught:
            for arrays, found in ((self.directions, directions), (self.norms, norms)):
                maps = torch.from_numpy(arrays[each.name][numbers]).float()
                maps[mirrored] = maps[mirrored].flip(-1)
                if side != SIDE:
                    maps = _resized(maps, side // each.stride)
                found[each.name] = maps
        return Batch(images, directions, norms)


def _resized(maps: torch.Tensor, n_cells: int) -> torch.Tensor:
    """Maps (n, h, w) or (n, C, h, w) with another number of cells."""
    size = (n_cells, n_cells)
    if maps.ndim == 3:
        return functional.interpolate(maps[:, None], size, mode="bilinear")[:, 0]
    return functional.interpolate(maps, size, mode="bilinear")


def learn_targets(photographs: Sequence[np.ndarray], teachers: Teachers, seed: int) -> Targets:
    """Whitening and mean norm of every teacher, from one canvas of every fourth photograph."""
    maps: dict[str, list[torch.Tensor]] = {}
    for numbers in batched(np.arange(0, len(photographs), 4), _AT_ONCE):
        canvases = _canvases(photographs, numbers, numbers, [seed, 0])
        for name, values in teachers(canvases).items():
            maps.setdefault(name, []).append(values[:, :, ::2, ::2])  # neighbours say the same
    return Targets().fit({name: torch.cat(values).cpu() for name, values in maps.items()})


def draw_photographs(
    n_in_folders: Sequence[int], n_of_each: int, number: int, seed: int
) -> np.ndarray:
    """The photographs of a round, by the seed: int (n,), numbers in all folders together.

    In pairs of neighbours, which often show one thing, as many of every folder that has them.

    Parameters
    ----------
    n_in_folders : photographs of each folder, which follow one another
    n_of_each : photographs of a folder that are drawn, at most, an odd one less; 0 takes all, in
        their order
    number : of the round

    Raises
    ------
    InvalidInput
        Less than a pair.
    """
    if n_of_each < 0 or n_of_each == 1:
        raise InvalidInput(f"Expected 2 photographs of a folder or more, or 0, got {n_of_each}.")
    if not n_of_each:
        return np.arange(sum(n_in_folders))
    rng = np.random.default_rng([seed, 99, number])
    pairs, first = [], 0
    for n in n_in_folders:
        pairs.append(first + 2 * rng.permutation(n // 2)[: n_of_each // 2])
        first += n
    drawn = rng.permutation(np.concatenate(pairs))
    return np.column_stack([drawn, drawn + 1]).ravel()


def make_round(
    photographs: Sequence[np.ndarray],
    teachers: Teachers,
    targets: Targets,
    number: int,
    seed: int,
    *,
    chosen: np.ndarray | None = None,
    views: int = 1,
    bar=iter,
) -> Round:
    """The round of a number, by the seed; `bar` wraps the iteration over its parts.

    Canvas ``views * i + j`` is the view j of the photograph ``chosen[i]`` (int (n,); None: all, in
    their order); what else is on it may be of any photograph.
    """
    chosen = np.arange(len(photographs)) if chosen is None else chosen
    n = views * len(chosen)
    made = Round(np.empty((n, SIDE, SIDE, 3), np.uint8), {}, {})
    for numbers in bar(list(batched(np.arange(n), _AT_ONCE))):
        canvases = _canvases(photographs, chosen[numbers // views], numbers, [seed, number + 1])
        made.canvases[numbers] = canvases[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
        for name, values in teachers(canvases).items():
            found = targets.transform(name, values)
            for part, arrays in zip(found, (made.directions, made.norms)):
                if name not in arrays:
                    arrays[name] = np.empty((n, *part.shape[1:]), np.float16)
                arrays[name][numbers] = part
    return made


def _canvases(
    photographs: Sequence[np.ndarray], chosen: np.ndarray, numbers: np.ndarray, seeds: list[int]
) -> np.ndarray:
    """Canvases of some photographs, each by a generator of its own number."""
    side = SIDE + 2 * MARGIN
    canvases = []
    for one, each in zip(chosen, numbers):
        rng = np.random.default_rng([*seeds, int(each)])
        canvases.append(make_canvas(photographs, int(one), side, rng, _EMBLEMS))
    return np.stack(canvases)


def batched(numbers: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Parts of some numbers, the last one perhaps smaller."""
    for first in range(0, len(numbers), size):
        yield numbers[first : first + size]
