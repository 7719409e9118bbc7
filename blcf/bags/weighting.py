"""Spatial weights: how much each cell of an assignment map counts in its bag."""

from __future__ import annotations

import difflib

import numpy as np

from blcf.errors import InvalidInput

__all__ = [
    "WEIGHTINGS",
    "check_weighting",
    "dequantise_norms",
    "quantise_norms",
    "spatial_weights",
    "weighting_of_parts",
]

WEIGHTINGS = ("uniform", "center", "linear", "norm")


def check_weighting(weighting: str) -> str:
    """Give back a known name of spatial weights, or raise `InvalidInput` with the near ones."""
    if weighting not in WEIGHTINGS:
        near = difflib.get_close_matches(str(weighting), WEIGHTINGS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise InvalidInput(f"Expected a weighting of {WEIGHTINGS}, got {weighting!r}.{hint}")
    return weighting


def spatial_weights(
    weighting: str, shape: tuple[int, int], norms: np.ndarray | None = None
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

    Parameters
    ----------
    weighting : one of `WEIGHTINGS`
    shape : (h, w), cells
    norms : float (h, w), L2 norms of the raw local features, for ``norm`` only

    Returns
    -------
    float32 (h, w), >= 0

    Raises
    ------
    InvalidInput
        Unknown weighting; ``norm`` without norms of the map's shape.
    """
    check_weighting(weighting)
    if weighting == "uniform":
        return np.ones(shape, dtype=np.float32)
    if weighting == "norm":
        if norms is None or norms.shape != tuple(shape):
            came = "none" if norms is None else f"shape {norms.shape}"
            raise InvalidInput(
                f"Expected norms of shape {tuple(shape)} for weighting 'norm', got {came}. "
                "Pass the norms of the feature map that the assignment map was made from."
            )
        if not np.isfinite(norms).all() or norms.min(initial=0) < 0:
            raise InvalidInput("Expected norms to be finite and >= 0.")
        largest = float(norms.max(initial=0))
        return (norms / largest if largest > 0 else np.ones(shape)).astype(np.float32)
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


def weighting_of_parts(weighting: str) -> str:
    """The weighting of queries and windows, where whole images have `weighting`.

    Norms count everywhere alike; a prior on the place of the object in the whole picture means
    nothing in a query or inside a window.
    """
    return "norm" if weighting == "norm" else "uniform"


def quantise_norms(norms: np.ndarray) -> np.ndarray:
    """Norms of a map in 255 steps of the largest: uint8 (h, w), error of a weight <= 1 / 510."""
    largest = float(norms.max(initial=0))
    if largest <= 0:
        return np.zeros(norms.shape, dtype=np.uint8)
    return np.round(norms * (255 / largest)).astype(np.uint8)


def dequantise_norms(quantised: np.ndarray) -> np.ndarray:
    """Norms relative to the largest of the map: float32 (h, w), 0..1."""
    return quantised.astype(np.float32) / 255
