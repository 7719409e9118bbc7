"""Spatial weights: how much each cell of an assignment map counts in its bag."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from blcf.errors import InvalidInput

__all__ = [
    "CHANNELS",
    "WEIGHTINGS",
    "Channel",
    "check_functions",
    "check_weighting",
    "dequantise_channel",
    "needs_function",
    "quantise_channel",
    "spatial_weights",
    "weighting_of_parts",
    "weights_of_each",
]


@dataclass(frozen=True)
class Channel:
    """What a weighting needs to know of each cell: a float map >= 0 under the weighting's name.

    Whole images are weighted by it, relative to its largest value.

    Attributes
    ----------
    values : what its values are called, in messages and in the file of a segment
    parts : the weighting of queries and windows
    is_given : whether a function of the caller's makes it of a picture, in place of the network
    """

    values: str
    parts: str
    is_given: bool = False


CHANNELS: Mapping[str, Channel] = MappingProxyType(
    {
        "norm": Channel("norms", parts="norm"),  # they count everywhere alike
        # What strikes the eye in a picture says nothing of what is asked for in it.
        "saliency": Channel("saliency", parts="uniform", is_given=True),
    }
)
WEIGHTINGS = ("uniform", "center", "linear", *CHANNELS)


def check_weighting(weighting: str) -> str:
    """Give back a known name of spatial weights, or raise `InvalidInput` with the near ones."""
    if weighting not in WEIGHTINGS:
        near = difflib.get_close_matches(str(weighting), WEIGHTINGS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise InvalidInput(f"Expected a weighting of {WEIGHTINGS}, got {weighting!r}.{hint}")
    return weighting


def needs_function(weighting: str) -> bool:
    """Whether a function of the caller's makes what a weighting needs of pictures."""
    return weighting in CHANNELS and CHANNELS[weighting].is_given


def check_functions(weighting: str, functions: Mapping[str, Any], needed: bool = False) -> None:
    """Raise `InvalidInput` for functions of pictures that a collection has no use for, or lacks.

    Parameters
    ----------
    weighting : of the collection
    functions : {weighting: function, or None where none was given}
    needed : whether its own function has to be there
    """
    for name, function in functions.items():
        if function is not None and not callable(function):
            kind = type(function).__name__
            raise InvalidInput(f"Expected {name} to be a function of a picture, got {kind}.")
        if function is not None and name != weighting:
            raise InvalidInput(
                f"A function for {name} was given, and the collection's weighting is "
                f"{weighting!r}: leave it out, or make a collection with weighting={name!r}."
            )
    if needed and needs_function(weighting) and functions.get(weighting) is None:
        raise InvalidInput(
            f"Weighting {weighting!r} needs a function of the picture: pass "
            f"{weighting}=function to SearchEngine.create."
        )


def spatial_weights(
    weighting: str, shape: tuple[int, int], channel: np.ndarray | None = None
) -> np.ndarray:
    """Weights of the cells of a map.

    - ``uniform``: 1.
    - ``center``: Gaussian, ``exp(-(x^2 + y^2) / (2 sigma^2))`` with x, y the distance of the
      cell's centre from the map's, in cells, and ``sigma = min(h, w) / 3`` (Babenko & Lempitsky,
      ICCV 2015, section 3, the centre prior that the ICMR 2016 paper names as its inspiration).
    - ``linear``: ``1 - d / d_max``, d the same distance, ``d_max`` the largest of the map; the
      farthest cells weigh 0 (the code released with Mohedano et al., ICMR 2016). Where all cells
      are equally far (maps of up to 2 x 2) each weighs 1.
    - ``norm``: L2 norm of the raw feature over the largest of the map (SalBoW, 2017).
    - ``saliency``: of the picture, over the largest of the map (Mohedano et al., "Saliency weighted
      convolutional features for instance search", CBMI 2018: SalBoW).

    Parameters
    ----------
    weighting : one of `WEIGHTINGS`
    shape : (h, w), cells
    channel : float (h, w), >= 0, what `CHANNELS` has under the name of the weighting; others look
        at none

    Returns
    -------
    float32 (h, w), >= 0

    Raises
    ------
    InvalidInput
        Unknown weighting; one of `CHANNELS` without a channel of the map's shape.
    """
    check_weighting(weighting)
    if weighting == "uniform":
        return np.ones(shape, dtype=np.float32)
    if weighting in CHANNELS:
        values = CHANNELS[weighting].values
        if channel is None or channel.shape != tuple(shape):
            came = "none" if channel is None else f"shape {channel.shape}"
            raise InvalidInput(
                f"Expected {values} of shape {tuple(shape)} for weighting {weighting!r}, got "
                f"{came}. Pass the {values} of the picture that the assignment map was made from."
            )
        if not np.isfinite(channel).all() or channel.min(initial=0) < 0:
            raise InvalidInput(f"Expected {values} to be finite and >= 0.")
        largest = float(channel.max(initial=0))
        return (channel / largest if largest > 0 else np.ones(shape)).astype(np.float32)
    h, w = shape
    y = np.arange(h) + 0.5 - h / 2
    x = np.arange(w) + 0.5 - w / 2
    squared = y[:, None] ** 2 + x[None, :] ** 2  # (h, w)
    if weighting == "center":
        sigma = min(h, w) / 3
        return np.exp(-squared / (2 * sigma**2)).astype(np.float32)
    distances = np.sqrt(squared)
    if distances.min() == distances.max():
        return np.ones(shape, dtype=np.float32)
    return (1 - distances / distances.max()).astype(np.float32)


def weights_of_each(
    weighting: str, quantised: np.ndarray | None, starts: np.ndarray, n_cells: int
) -> np.ndarray:
    """`spatial_weights` of the cells of several maps, which lie one behind the other.

    Parameters
    ----------
    weighting : of queries and windows, see `weighting_of_parts`
    quantised : uint8 (n_cells,), the channel where the weighting is one of `CHANNELS`, from
        `quantise_channel`
    starts : int64 (n,), the first cell of each map; none is empty
    n_cells : of all maps

    Returns
    -------
    float32 (n_cells,), >= 0
    """
    if quantised is None or not n_cells:
        return np.ones(n_cells, dtype=np.float32)
    largest = dequantise_channel(np.maximum.reduceat(quantised, starts))
    sizes = np.diff(starts, append=n_cells)
    values, over = dequantise_channel(quantised), np.repeat(largest, sizes)
    return np.divide(values, over, out=np.ones_like(values), where=over > 0)


def weighting_of_parts(weighting: str) -> str:
    """The weighting of queries and windows, where whole images have `weighting`.

    `CHANNELS` says it of some; a prior on the place of the object in the whole picture means
    nothing in a query or inside a window.
    """
    return CHANNELS[weighting].parts if weighting in CHANNELS else "uniform"


def quantise_channel(channel: np.ndarray) -> np.ndarray:
    """A channel in 255 steps of its largest: uint8 (h, w), error of a weight <= 1 / 510."""
    largest = float(channel.max(initial=0))
    if largest <= 0:
        return np.zeros(channel.shape, dtype=np.uint8)
    return np.round(channel * (255 / largest)).astype(np.uint8)


def dequantise_channel(quantised: np.ndarray) -> np.ndarray:
    """A channel relative to its largest: float32 (h, w), 0..1."""
    return quantised.astype(np.float32) / 255
