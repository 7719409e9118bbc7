"""Images on their way into a segment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from blcf.bags.weighting import CHANNELS, dequantise_channel
from blcf.images import FrameChoice, PictureFacts
from blcf.index.tiles import TileLists

__all__ = ["Batch"]


@dataclass(eq=False)
class Batch:
    """Images on their way into a segment.

    Attributes
    ----------
    names : list of str
    sizes : list of (width, height), pixels of the original images
    maps : list of int (h, w), assignment maps
    channels : {name: list of uint8 (h, w)}, quantised (`blcf.bags.weighting`): the norms of the raw
        features as "norm", and others
    facts : list of `blcf.images.PictureFacts`
    given : list of {column: value}, the caller's own facts, checked (`blcf.collection.facts`)
    choices : {film: by what its frames were taken}, of films some frames of which are here
    tile_maps, tile_norms : as `maps` and the norms, of the pictures in the size in which their
        tiles are looked at; empty where that is no other
    tiles : posting lists of the images' tiles, once it is complete; None where they have none
    """

    names: list[str] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    maps: list[np.ndarray] = field(default_factory=list)
    channels: dict[str, list[np.ndarray]] = field(default_factory=lambda: {"norm": []})
    facts: list[PictureFacts] = field(default_factory=list)
    given: list[Mapping[str, Any]] = field(default_factory=list)
    choices: dict[str, FrameChoice] = field(default_factory=dict)
    tile_maps: list[np.ndarray] = field(default_factory=list)
    tile_norms: list[np.ndarray] = field(default_factory=list)
    tiles: TileLists | None = None

    def __len__(self) -> int:
        return len(self.names)

    def channel(self, name: str) -> list[np.ndarray] | None:
        """A channel as `Segment.channel_of` will give it: float32 (h, w) each, 0..1, or None."""
        quantised = self.channels[name] if name in CHANNELS else None
        return None if quantised is None else [dequantise_channel(one) for one in quantised]

    def of_tiles(self, weighting: str) -> tuple[list[np.ndarray], list[np.ndarray] | None]:
        """The maps that tiles are parts of, and their channel of a weighting of parts."""
        if not self.tile_maps:
            return self.maps, self.channel(weighting)
        norms = [dequantise_channel(one) for one in self.tile_norms]
        return self.tile_maps, norms if weighting == "norm" else None

    def append(
        self,
        name: str,
        size: tuple[int, int],
        words: np.ndarray,
        norms: np.ndarray,
        facts: PictureFacts | None = None,
        given: Mapping[str, Any] | None = None,
        others: Mapping[str, np.ndarray] = MappingProxyType({}),
        of_tiles: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> None:
        """Add one image, with what is known of its file, the caller's own facts, other channels.

        `of_tiles` are words and quantised norms of the map of its tiles, where that is another.
        """
        self.names.append(name)
        self.sizes.append(size)
        self.maps.append(words)
        for channel, values in {"norm": norms, **others}.items():
            self.channels.setdefault(channel, []).append(values)
        if of_tiles is not None:
            self.tile_maps.append(of_tiles[0])
            self.tile_norms.append(of_tiles[1])
        self.facts.append(facts or PictureFacts())
        self.given.append(given or {})
