"""The numbers of the live images: positions in the order of insertion, past what was removed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["Numbering"]


class Numbering:
    """Ids 0 .. n_images - 1 of the images that live in several parts, one behind the other.

    A removed image has no id: ids are those of an index built afresh from the survivors.

    Parameters
    ----------
    parts : per part its number of images and a mask, bool (n_images,), of those that live, or
        None where all do
    """

    def __init__(self, parts: Sequence[tuple[int, np.ndarray | None]]):
        self._live = [None if mask is None else np.flatnonzero(mask) for _, mask in parts]
        counts = [n if live is None else live.size for (n, _), live in zip(parts, self._live)]
        self.starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])  # (n_parts + 1,)

    @property
    def n_images(self) -> int:
        """How many images live."""
        return int(self.starts[-1])

    def locate(self, image_id: int) -> tuple[int, int]:
        """The part of an image and its position in it, removed ones counted."""
        part = int(np.searchsorted(self.starts, image_id, side="right")) - 1
        position, live = int(image_id) - int(self.starts[part]), self._live[part]
        return part, position if live is None else int(live[position])

    def chosen(self, part: int, mask: np.ndarray) -> np.ndarray:
        """The positions in a part, removed ones counted, of the images that a mask chooses.

        ``mask`` is bool (n_images,), by id; the answer int64, ascending.
        """
        positions = np.flatnonzero(mask[self.starts[part] : self.starts[part + 1]])
        live = self._live[part]
        return positions if live is None else live[positions]

    def ids(self, part: int, positions: np.ndarray) -> np.ndarray:
        """The ids of live images of a part by their positions: int64."""
        live = self._live[part]
        if live is not None:
            positions = np.searchsorted(live, positions)
        return self.starts[part] + positions
