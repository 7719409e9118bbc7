"""Images on their way into a segment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from blcf.bags.weighting import dequantise_norms
from blcf.images import PictureFacts

__all__ = ["Batch"]


@dataclass(eq=False)
class Batch:
    """Images on their way into a segment.

    Attributes
    ----------
    names : list of str
    sizes : list of (width, height), pixels of the original images
    maps : list of int (h, w), assignment maps
    norms : list of uint8 (h, w), quantised norms of the raw features (`blcf.bags.weighting`)
    facts : list of `blcf.images.PictureFacts`
    given : list of {column: value}, the caller's own facts, checked (`blcf.collection.facts`)
    """

    names: list[str] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    maps: list[np.ndarray] = field(default_factory=list)
    norms: list[np.ndarray] = field(default_factory=list)
    facts: list[PictureFacts] = field(default_factory=list)
    given: list[Mapping[str, Any]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def relative_norms(self) -> list[np.ndarray]:
        """The norms as `Segment.norms_of` will give them: float32 (h, w) each, 0..1."""
        return [dequantise_norms(one) for one in self.norms]

    def append(
        self,
        name: str,
        size: tuple[int, int],
        words: np.ndarray,
        norms: np.ndarray,
        facts: PictureFacts | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        """Add one image, with what is known of its file and the caller's own facts."""
        self.names.append(name)
        self.sizes.append(size)
        self.maps.append(words)
        self.norms.append(norms)
        self.facts.append(facts or PictureFacts())
        self.given.append(given or {})
