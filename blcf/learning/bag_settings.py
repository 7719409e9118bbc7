"""Settings of learning for a bag of words, checked when they are made."""

from __future__ import annotations

import math
from dataclasses import dataclass

from blcf.bounds import check_bounds, is_number
from blcf.checks import check_integer
from blcf.errors import InvalidInput

__all__ = ["BagSettings"]


@dataclass(frozen=True)
class BagSettings:
    """How a network learns local features for a bag of words.

    Attributes
    ----------
    epochs : an epoch looks at every photograph once
    side : of what is cut out of the photographs, pixels; a photograph's longer side is half as
        much again
    n_groups, n_each : of a batch, groups of pictures of one class, and pictures of a group
    n_cells : of each picture, drawn at random, that are compared with those of the others
    n_components : of the whitening, as in a collection
    width : of the kernel in place of words, see `blcf.learning.bag_losses`
    temperature : of the loss, see there
    rate : of AdamW, after a warm-up of `warm_up` steps; it falls to 3 % as a cosine
    weight_decay, warm_up : see above
    keep, n_canvases : weight of a second loss, and pictures of a batch that it is of: canvases put
        together of parts of photographs, in any colours, of which the network shall say what it
        said before
    blend : share of what was learned in the weights that are written, beside those it began with:
        most of what was gained stays, and so does what the network knew of other things
        (Wortsman et al., CVPR 2022; figures in benchmarks/learning). 1: only what was learned
    held_out : share of the classes that are not learned from, by which it is measured how well the
        others teach; 0: none
    seed : of every choice
    """

    epochs: int = 6
    side: int = 256
    n_groups: int = 10
    n_each: int = 4
    n_cells: int = 96
    n_components: int = 128
    width: float = 0.1
    temperature: float = 0.05
    rate: float = 1e-4
    weight_decay: float = 1e-4
    warm_up: int = 50
    keep: float = 2.0
    n_canvases: int = 8
    blend: float = 1.0
    held_out: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "side", "rate", "blend", "held_out", "seed"):
            check_bounds(name, getattr(self, name))
        least = {"n_groups": 2, "n_each": 2, "warm_up": 0, "n_canvases": 0}
        for name in ("n_cells", "n_components", *least):
            check_integer(name, getattr(self, name), least.get(name, 1))
        for name in ("width", "temperature", "weight_decay", "keep"):
            value, may_be_0 = getattr(self, name), name in ("weight_decay", "keep")
            if not is_number(value) or not 0 <= value < math.inf or not (value or may_be_0):
                wanted = "0 or more" if may_be_0 else "above 0"
                raise InvalidInput(f"Expected {name} to be a number {wanted}, got {value!r}.")
