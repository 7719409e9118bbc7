"""Settings of learning to rank, checked when they are made."""

from __future__ import annotations

import math
from dataclasses import dataclass

from blcf.bounds import is_number
from blcf.checks import check_choice, check_integer
from blcf.errors import InvalidInput
from blcf.learning.tuple_losses import TUPLE_LOSSES

__all__ = ["RankingSettings"]


@dataclass(frozen=True)
class RankingSettings:
    """How a network learns to rank; the defaults are the recipe of cirtorch for large networks.

    Attributes
    ----------
    loss : of `TUPLE_LOSSES`; its margin
    epochs, n_queries, n_pool : queries and pool are drawn anew each epoch
    n_negatives : of each query
    n_positives : matches of each query that are looked at, of which the one least like it is
        learned from; 1: any
    batch : tuples a step
    rate, decay : of Adam, ``rate * exp(-decay * epoch)``. Small networks and sets stand 1e-5 to
        1e-4: choose on a validation part.
    weight_decay : not of GeM's power
    seed : of every choice

    Notes
    -----
    Source: Radenovic, Tolias & Chum, TPAMI 2019; cirtorch, ``examples/train.py``.
    """

    loss: str = "contrastive"
    margin: float = 0.7
    epochs: int = 100
    n_queries: int = 2_000
    n_pool: int = 22_000
    n_negatives: int = 5
    n_positives: int = 1
    batch: int = 5
    rate: float = 5e-7
    decay: float = 0.01
    weight_decay: float = 1e-6
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("loss", self.loss, tuple(TUPLE_LOSSES))
        for name in ("epochs", "n_queries", "n_pool", "n_negatives", "n_positives", "batch"):
            check_integer(name, getattr(self, name), 1)
        check_integer("seed", self.seed, 0)
        for name in ("margin", "rate", "decay", "weight_decay"):
            value, may_be_0 = getattr(self, name), name in ("decay", "weight_decay")
            if not is_number(value) or not 0 <= value < math.inf or not (value or may_be_0):
                wanted = "0 or more" if may_be_0 else "above 0"
                raise InvalidInput(f"Expected {name} to be a number {wanted}, got {value!r}.")
