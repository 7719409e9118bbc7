"""Photographs to learn from, read when it is their turn, and what is cut out of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from blcf.errors import UnreadableImage
from blcf.images import Source
from blcf.learning.views import disturb, make_canvas, make_view

__all__ = ["Batch", "Photographs"]

_AHEAD = 2  # batches
_LARGER = 1.5  # the longer side of a photograph that is read, over the side of a view


@dataclass(frozen=True, eq=False)
class Batch:
    """What is cut out of some photographs.

    Attributes
    ----------
    positions : int64 (n,), of those that can be read
    views : uint8 (n, 3, side, side), of each a part, turned a little, in other light
    canvases : uint8 (n_canvases, 3, side, side), put together of parts of several, in any colours:
        what nobody photographed, see `blcf.learning.views`
    """

    positions: np.ndarray
    views: np.ndarray
    canvases: np.ndarray


class Photographs:
    """Views of photographs: parts of them, turned a little, in other light.

    Nothing of a photograph is kept: a collection of any size takes the memory of a few batches.

    Parameters
    ----------
    source : the photographs
    names : which of them, in the order of their positions
    side : of a view, pixels
    others : what canvases are made of; None: of these

    Attributes
    ----------
    skipped : {name: reason} of photographs that could not be read, so far
    """

    def __init__(
        self,
        source: Source,
        names: Sequence[str],
        side: int,
        others: Photographs | None = None,
    ):
        self.source, self.names, self.side = source, list(names), side
        self.others = others
        self.skipped: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self.names)

    def _photograph(self, position: int) -> np.ndarray | None:
        """A photograph, uint8 (height, width, 3), or None of one that cannot be read."""
        name = self.names[position]
        try:
            return self.source.original(name).resized(round(_LARGER * self.side)).content
        except UnreadableImage as error:
            self.skipped[name] = error.reason
            return None

    def batches(
        self, batches: Sequence[np.ndarray], seeds: Sequence[int] | None, n_canvases: int = 0
    ) -> Iterator[Batch]:
        """Views of some batches of positions, the next ones made while one is learned from.

        Parameters
        ----------
        batches : of each the positions
        seeds : of the views, which depend on nothing else but their place; None: see `view`
        n_canvases : of each batch, see `Batch`
        """
        made = partial(self._batch, seeds=seeds, n_canvases=n_canvases)
        with ThreadPoolExecutor(1, "blcf-views") as pool:
            waiting: list[Future[Batch]] = []
            try:
                for number, positions in enumerate(batches):
                    waiting.append(pool.submit(made, positions, number))
                    if len(waiting) > _AHEAD:
                        yield waiting.pop(0).result()
                while waiting:
                    yield waiting.pop(0).result()
            finally:
                for one in waiting:
                    one.cancel()

    def _batch(
        self, positions: np.ndarray, number: int, seeds: Sequence[int] | None, n_canvases: int
    ) -> Batch:
        kept, views, photographs = [], [], []
        for place, position in enumerate(positions.tolist()):
            photograph = self._photograph(position)
            if photograph is not None:
                rng = None if seeds is None else np.random.default_rng([*seeds, number, place])
                canvas = make_view(photograph, self.side, rng)
                views.append(canvas if rng is None else disturb(canvas, rng))
                kept.append(position)
                photographs.append(photograph)
        rng = np.random.default_rng([*(seeds or ()), number, len(positions)])
        if self.others is not None:
            photographs = self.others.drawn(n_canvases, rng)
        canvases = [
            make_canvas(photographs, int(each), self.side, rng)
            for each in rng.integers(len(photographs), size=n_canvases if photographs else 0)
        ]
        return Batch(np.array(kept, np.int64), self._stacked(views), self._stacked(canvases))

    def drawn(self, n: int, rng: np.random.Generator) -> list[np.ndarray]:
        """Up to n photographs drawn at random, those that can be read: uint8 (height, width, 3)."""
        read = (self._photograph(int(one)) for one in rng.integers(len(self), size=n))
        return [one for one in read if one is not None]

    def _stacked(self, pictures: list[np.ndarray]) -> np.ndarray:
        made = np.stack(pictures) if pictures else np.empty((0, self.side, self.side, 3), np.uint8)
        return np.ascontiguousarray(made.transpose(0, 3, 1, 2))
