"""The bounds of every number that a caller may give: checks, help and docs read them here.

They keep out what nobody means or can wait for: a search for 10**22 hits, a window that is one
part in 999,999,999 of a picture. A bound that needs more than the number (a box inside its
picture, more words than there are features) is checked where that is known.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import Any

import numpy as np

from blcf.errors import InvalidInput

__all__ = ["BOUNDS", "Bounds", "check_bounds", "is_integer", "is_number"]


@dataclass(frozen=True)
class Bounds:
    """What a number may be.

    Attributes
    ----------
    least, most : both are allowed
    whole : whether it is an integer
    above : whether `least` itself is too little
    row : how many there may be, where it is a row of numbers; None for one number
    also : what may stand in place of a number
    """

    least: float
    most: float
    whole: bool = True
    above: bool = False
    row: int | None = None
    also: tuple[str | int | None, ...] = ()

    @property
    def span(self) -> str:
        """In words, for a person.

        Examples
        --------
        >>> Bounds(1, 20_000).span, Bounds(0.1, 4, whole=False, row=16).span
        ('from 1 to 20,000', 'from 0.1 to 4, at most 16')
        >>> Bounds(0, 1, whole=False, above=True).span
        'above 0, at most 1'
        """
        least, most = (f"{one:,}" if one >= 10_000 else str(one) for one in (self.least, self.most))
        span = f"above {least}, at most {most}" if self.above else f"from {least} to {most}"
        return span if self.row is None else f"{span}, at most {self.row}"

    def hold(self, value: Any) -> bool:
        """Whether they allow a value."""
        if any(value is one or (isinstance(value, str) and value == one) for one in self.also):
            return True
        if self.row is None:
            return self._hold_one(value)
        is_row = isinstance(value, (tuple, list)) and 1 <= len(value) <= self.row
        return is_row and all(map(self._hold_one, value))

    def _hold_one(self, value: Any) -> bool:
        if self.whole and not is_integer(value):
            return False
        try:
            number = value if self.whole else float(value)  # a large integer has no float
        except (TypeError, ValueError, OverflowError):
            return False
        if isinstance(value, (bool, str)) or not self.least <= number <= self.most:
            return False  # NaN is neither
        return not (self.above and number == self.least)

    def expected(self) -> str:
        """What a message says that a value is to be."""
        kind = "integer" if self.whole else "number"
        one = f"an {kind}" if self.whole else f"a {kind}"
        words = f"{one if self.row is None else f'{kind}s'} {self.span}"
        return words + "".join(f", or {one!r}" for one in self.also)


_SIDE = 32, 8192

BOUNDS = {
    # Of a search, see `blcf.SearchOptions`.
    "k": Bounds(1, 1_000_000_000),
    "depth": Bounds(1, 1_000_000),  # 3 ms each
    "shares": Bounds(1, 32, row=8),
    "min_side": Bounds(1, 1024),  # cells: of a picture of 8192 pixels, at stride 16, upsampled
    "n_boxes": Bounds(1, 100),
    "n_refine": Bounds(1, 10_000),  # some 50 ms each
    "n_neighbours": Bounds(0, 100),
    "n_expand": Bounds(1, 1000),
    "alpha": Bounds(0, 100, whole=False),
    "rounds": Bounds(1, 20),
    "query_side": Bounds(*_SIDE, also=(None,)),
    "query_scales": Bounds(0.1, 4, whole=False, row=16),
    "min_confidence": Bounds(0, 1, whole=False),
    "gamma": Bounds(0, 100, whole=False),
    "approximate": Bounds(0, 1, whole=False, above=True, also=(None,)),
    "time_limit": Bounds(0.1, 86_400, whole=False),  # seconds until a shard must have answered
    "similarity": Bounds(0, 1, whole=False),  # of near-duplicates among hits
    # Of a collection, see `blcf.Settings`.
    "side": Bounds(*_SIDE),
    "tiles": Bounds(2, 7, also=(0,)),  # of a row and of a column
    "tile_side": Bounds(*_SIDE, also=(None,)),
    "upsample": Bounds(1, 8),
    "n_components": Bounds(1, 16_384, also=(None,)),
    "n_words": Bounds(1, 10_000_000, also=("auto",)),
    "random_state": Bounds(0, 2**32 - 1),  # numpy's and torch's
    # Of a training, see `blcf.learning.bag_settings`.
    "epochs": Bounds(1, 10_000),
    "rate": Bounds(0, 1, whole=False, above=True),
    "held_out": Bounds(0, 0.5, whole=False),
    "blend": Bounds(0, 1, whole=False, above=True),
    "seed": Bounds(0, 2**32 - 1),
    # Of the frames of a film: seconds from one to the next, and where a shot begins.
    "every": Bounds(0.001, 86_400, whole=False),
    "shot_threshold": Bounds(1, 100, whole=False),
    "margin": Bounds(0, 3600, whole=False),  # s before and behind a moment
    # Of an evaluation.
    "keep": Bounds(0, 1_000_000_000),
    "year": Bounds(2013, 2015),  # of TRECVID's topics that are read
    "worst": Bounds(1, 100),  # a picture of matplotlib has 65,536 pixels a side at most
    # Of a cluster.
    "n_shards": Bounds(1, 10_000),
    "n_workers": Bounds(1, 10_000),
    # Of a server.
    "port": Bounds(0, 65_535),
    # Of the command line.
    "explain_rank": Bounds(1, 1_000_000_000),
}
"""By the name of the parameter; sides are in pixels."""


def check_bounds(name: str, value: Any, shown: str = "") -> None:
    """Raise `InvalidInput` unless a parameter is within its bounds.

    Parameters
    ----------
    name : of the parameter, one of `BOUNDS`
    value : that was given
    shown : what a message calls it; "" for its name
    """
    if not BOUNDS[name].hold(value):
        raise InvalidInput(
            f"Expected {shown or name} to be {BOUNDS[name].expected()}, got {_shown(value)}."
        )


def is_integer(value: Any) -> bool:
    """Whether a value is an integer of any kind, and no truth value."""
    try:
        operator.index(value)
    except TypeError:
        return False
    return not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether a value is a real number of Python or numpy, and no truth value."""
    kinds = (int, float, np.integer, np.floating)
    return isinstance(value, kinds) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python refuses to write an integer of more than 4,300 digits
        return f"an integer of {math.floor(value.bit_length() * math.log10(2)):,} digits"
    return text if len(text) <= 80 else f"{text[:80]} ..."
