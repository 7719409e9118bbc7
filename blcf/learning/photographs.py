"""Photographs to learn from, read when it is their turn, and what is cut out of them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Iterator

import numpy as np

from blcf.errors import UnreadableImage
from blcf.images import Source
from blcf.learning.views import disturb, make_view

__all__ = ["Photographs"]

_LARGER = 1.5  # the longer side of a photograph that is read, over the side of a view


class Photographs:
    """Views of photographs: parts of them, turned a little, in other light.

    Nothing of a photograph is kept: a collection of any size takes the memory of a few batches.

    Parameters
    ----------
    source : the photographs
    names : which of them, in the order of their positions
    side : of a view, pixels

    Attributes
    ----------
    skipped : {name: reason} of photographs that could not be read, so far
    """

    def __init__(self, source: Source, names: Sequence[str], side: int):
        self.source, self.names, self.side = source, list(names), side
        self.skipped: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self.names)

    def view(self, position: int, rng: np.random.Generator | None) -> np.ndarray | None:
        """A view, uint8 (side, side, 3), or None of a photograph that cannot be read.

        Without a generator it is the middle of the photograph, as it is.
        """
        name = self.names[position]
        try:
            loaded = self.source.original(name).resized(round(_LARGER * self.side))
        except UnreadableImage as error:
            self.skipped[name] = error.reason
            return None
        canvas = make_view(loaded.content, self.side, rng)
        return canvas if rng is None else disturb(canvas, rng)

    def batches(
        self, batches: Sequence[np.ndarray], seeds: Sequence[int] | None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Views of some batches of positions, the next ones made while one is learned from.

        Parameters
        ----------
        batches : of each the positions
        seeds : of the views, which depend on nothing else but their place; None: see `view`

        Yields
        ------
        positions int64 (n,) of those that can be read; views uint8 (n, 3, side, side)
        """
        with ThreadPoolExecutor(1, "blcf-views") as pool:
            waiting: list[Future] = []
            try:
                for number in range(min(2, len(batches))):
                    waiting.append(pool.submit(self._batch, batches[number], seeds, number))
                for number in range(len(batches)):
                    made = waiting.pop(0).result()
                    if number + 2 < len(batches):
                        place = number + 2
                        waiting.append(pool.submit(self._batch, batches[place], seeds, place))
                    yield made
            finally:
                for one in waiting:
                    one.cancel()

    def _batch(
        self, positions: np.ndarray, seeds: Sequence[int] | None, number: int
    ) -> tuple[np.ndarray, np.ndarray]:
        made, kept = [], []
        for place, position in enumerate(positions.tolist()):
            rng = None if seeds is None else np.random.default_rng([*seeds, number, place])
            view = self.view(position, rng)
            if view is not None:
                made.append(view)
                kept.append(position)
        views = np.stack(made) if made else np.empty((0, self.side, self.side, 3), np.uint8)
        return np.array(kept, dtype=np.int64), np.ascontiguousarray(views.transpose(0, 3, 1, 2))
