"""The scenes of the demo as a small data set of their own, to try things on."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from blcf.datasets import GroundTruth, read_ground_truth
from blcf.demo.photographs import find_photographs
from blcf.demo.scenes import SIZES, compose
from blcf.errors import InvalidInput
from blcf.images import display_name
from blcf.storage import refusals

__all__ = ["write_scenes"]

LEAST, MOST = 0.05, 0.8  # an object of SIDE * LEAST pixels is two cells; one of MOST has room


def write_scenes(
    folder: str | os.PathLike[str],
    *,
    sizes: tuple[float, float] = SIZES,
    random_state: int = 0,
) -> GroundTruth:
    """Write the scenes of `blcf demo` into a folder, with queries and their truth.

    The folder gets ``images``, which are to be indexed, ``queries``, the whole photograph of each
    object, and ``gt.json``. How many there are follows from the libraries that are installed:
    scikit-learn has two photographs, scikit-image and matplotlib more.

    Parameters
    ----------
    folder : a new one, or an empty one
    sizes : of the objects, least and most, .05 to .8: their longer side as a share of the shorter
        side of the scene. Small ones are harder: with (.15, .4) the mAP of box queries is .95,
        with (.12, .3) .63, with the default 1 (all photographs, default settings, float32).
    random_state : seed of places, sizes, rotations and lights

    Returns
    -------
    GroundTruth, as `blcf.datasets.read_ground_truth` reads ``gt.json``

    Raises
    ------
    InvalidInput
        The folder holds something; sizes that cannot be; no photographs are installed.
    StorageError

    Examples
    --------
    >>> truth = write_scenes("scenes")  # doctest: +SKIP
    >>> truth.queries[0].object, truth.queries[0].image, truth.queries[0].box  # doctest: +SKIP
    """
    numbers = isinstance(sizes, (tuple, list)) and all(
        isinstance(size, (int, float, np.number)) for size in sizes
    )
    if not numbers or len(sizes) != 2 or not LEAST <= sizes[0] <= sizes[1] <= MOST:
        raise InvalidInput(
            f"Expected sizes as (least, most), from {LEAST} to {MOST} of the side of a scene, got "
            f"{sizes!r}."
        )
    place = Path(os.path.abspath(folder))
    if os.path.lexists(place) and not place.is_dir():
        raise InvalidInput(f"Expected {display_name(place)} to be a folder, it is a file.")
    with refusals(place):
        place.mkdir(parents=True, exist_ok=True)
        there = sorted(os.listdir(place))
    if there:
        raise InvalidInput(
            f"Expected a new folder or an empty one, {display_name(place)} holds "
            f"{display_name(there[0])!r}: nothing was changed."
        )
    compose(place, find_photographs(), random_state, sizes)
    return read_ground_truth(place / "gt.json")
