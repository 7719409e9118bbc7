"""The channel that a function of the caller's gives of each picture: called, checked, to cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from blcf.bags.weighting import CHANNELS, needs_function, quantise_channel
from blcf.collection.model import Model
from blcf.errors import InvalidInput, UnreadableImage

__all__ = ["GivenChannel", "cell_means", "given_channel"]

_LONGEST = 300  # characters of what a function says


def given_channel(model: Model) -> GivenChannel | None:
    """The channel that has to be made of each picture that is added; None where there is none.

    Raises
    ------
    InvalidInput
        There is one, and the engine was opened without its function.
    """
    weighting = model.settings.weighting
    if not needs_function(weighting):
        return None
    function = model.functions.get(weighting)
    if function is None:
        raise InvalidInput(
            f"{model.collection.path} weighs pictures by their {CHANNELS[weighting].values}, which "
            f"a function of yours gives: to add some, pass {weighting}=function to "
            "SearchEngine.open. The command line cannot."
        )
    return GivenChannel(weighting, function)


@dataclass(frozen=True)
class GivenChannel:
    """A channel whose values come from a function of the picture.

    Attributes
    ----------
    name : of the weighting
    function : gives a map of numbers >= 0, of any size, of a picture, uint8 (h, w, 3)
    """

    name: str
    function: Callable[[np.ndarray], Any]

    def of(self, pixels: np.ndarray) -> np.ndarray:
        """What the function gives of a picture, relative to the largest: float32 (h, w), 0..1.

        It is called with a copy, in the thread that read the picture. A map that is finer than the
        picture is averaged to its pixels, so that those of waiting pictures fit in the memory.

        Raises
        ------
        UnreadableImage
            The function raised an error, or gave no such map; the picture is skipped.
        """
        try:
            values = _checked(self.function(pixels.copy()))
        except Exception as error:
            said = f"{type(error).__name__}: {error}".splitlines()[0][:_LONGEST]
            refusal = UnreadableImage(f"The function for its {self.name} failed ({said}).")
            refusal.reason = str(refusal)
            raise refusal from error
        h, w = (min(sides) for sides in zip(values.shape, pixels.shape))
        if (h, w) != values.shape:
            values = cell_means(values, (h, w))
        return values.astype(np.float32)

    def on_cells(self, values: np.ndarray, shape: tuple[int, int]) -> dict[str, np.ndarray]:
        """The quantised channel of the cells of an assignment map: {name: uint8 (h, w)}."""
        return {self.name: quantise_channel(cell_means(values, shape))}


def _checked(found: Any) -> np.ndarray:
    """A map relative to its largest value, float64 (h, w); ones where all are 0."""
    given = np.asarray(found)
    if given.ndim != 2 or not given.size or given.dtype.kind not in "biuf":
        raise InvalidInput(
            f"expected a map of numbers of shape (h, w), got {given.dtype} of shape {given.shape}"
        )
    values = given.astype(np.float64)
    if not np.isfinite(values).all() or values.min() < 0:
        raise InvalidInput("expected a map of finite numbers >= 0")
    largest = values.max()
    return values / largest if largest > 0 else np.ones(values.shape)


def cell_means(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The mean of a map over the area of each cell of a grid that is laid over it.

    The map may be finer or coarser than the grid; a value that lies in two cells counts in each by
    its share. Sums are numpy's own, one after the other: they know no number of threads.

    Parameters
    ----------
    values : float (height, width), >= 0
    shape : (h, w), cells

    Returns
    -------
    float64 (h, w), >= 0

    Examples
    --------
    >>> cell_means(np.array([[4, 0, 0, 2, 2, 2]]), (1, 2)).round(6).tolist()
    [[1.333333, 2.0]]
    >>> cell_means(np.array([[3, 6, 0]]), (2, 2)).round(6).tolist()
    [[4.0, 2.0], [4.0, 2.0]]
    """
    return _means(_means(values, shape[0]).T, shape[1]).T.clip(0)


def _means(values: np.ndarray, n: int) -> np.ndarray:
    """Means of the rows, in n parts of equal height: float64 (n, width)."""
    height = len(values)
    sums = np.zeros((height + 1, values.shape[1]))
    np.cumsum(values, axis=0, dtype=np.float64, out=sums[1:])
    borders = np.arange(n + 1) * height / n  # in rows
    whole = np.minimum(borders.astype(np.int64), height - 1)
    until = sums[whole] + (borders - whole)[:, None] * values[whole]
    return np.diff(until, axis=0) * (n / height)
