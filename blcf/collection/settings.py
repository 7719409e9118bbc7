"""Every setting of a collection, with its default; the command line reads these."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from blcf.bags.tiles import FAR_SHARE
from blcf.bags.weighting import check_weighting
from blcf.checks import check_bool, check_choice, check_numbers
from blcf.errors import InvalidInput

__all__ = ["VOCABULARIES", "Settings"]

VOCABULARIES = ("auto", "generic", "refined", "own")


@dataclass(frozen=True)
class Settings:
    """What a collection is made with; fixed when it is created and kept in its manifest.

    The defaults are measured: see benchmarks/accuracy.md.

    Attributes
    ----------
    network, layer, weights : of the features, see `blcf.ConvFeatures`; the default network is the
        small one that the package carries
    side : longer side of the pictures, in pixels, from 32 to 8192
    tiles : how many tiles of a row and of a column a picture is looked at in beside the whole, 0 or
        from 2 to 7: small objects are found that a bag of the whole picture does not show, see
        `blcf.bags.tile_windows`. A picture scores what its best tile does
    tile_side : longer side of the pictures, in pixels, from 32 to 8192, in which their tiles are
        looked at: they go through the network twice, and both maps are kept. Reranking looks for
        the object in the map that makes the score. Tiles, and windows of that map, count
        `blcf.bags.FAR_SHARE` of their cosines. None: tiles are parts of the map of `side`, and
        count whole
    upsample : factor of bilinear interpolation of the maps, from 1 to 8
    n_components : of the whitening, from 1 to 16,384 (no more than there are channels), None for
        all channels
    n_words : of the vocabulary, from 1 to 10,000,000, no more than the pictures of the first `add`
        have local features; or "auto"
    vocabulary : "own" is learned from the collection, "generic" comes with the package (for
        blcf-lite), "refined" begins with that and is moved to the collection's features, "auto"
        is generic for a collection that begins with fewer than 10 pictures, where it fits the
        other settings
    weighting : spatial weights of the collection's images, see `blcf.bags.spatial_weights`;
        "saliency" needs a function of the picture, see `blcf.SearchEngine.create`
    idf, sqrt : of the bags, see `blcf.InvertedFile`
    random_state : seed of the training sample and of k-means, from 0 to 4,294,967,295
    """

    network: str = "blcf-lite"
    layer: str | None = None
    weights: str | None = None
    side: int = 384
    tiles: int = 0
    tile_side: int | None = None
    upsample: int = 2
    n_components: int | None = 128
    n_words: int | str = "auto"
    vocabulary: str = "auto"
    weighting: str = "norm"
    idf: bool = True
    sqrt: bool = True
    random_state: int = 0

    def __post_init__(self) -> None:
        for name in ("network", "layer", "weights"):
            value = getattr(self, name)
            if not isinstance(value, str) and (value is not None or name == "network"):
                raise InvalidInput(f"Expected {name} to be a name, got {value!r}.")
        check_weighting(self.weighting)
        check_numbers(self)
        if self.tile_side is not None and not self.tiles:
            raise InvalidInput(
                f"Expected tiles with tile_side, got tile_side={self.tile_side} and tiles=0. Pass "
                "tiles=3, say, or no tile_side."
            )
        check_choice("vocabulary", self.vocabulary, VOCABULARIES)
        for name in ("idf", "sqrt"):
            check_bool(name, getattr(self, name))

    def check_without_tiles(self, instead: str) -> None:
        """Raise `InvalidInput` where pictures have tiles; `instead` says what to do."""
        if self.tiles:
            raise InvalidInput(
                f"A collection with tiles ({self.tiles} of a row) {instead}. Or index without "
                "tiles (tiles=0, --tiles 0)."
            )

    @property
    def second_side(self) -> int | None:
        """Side of the pictures whose map tiles are of; None where that is the whole's."""
        return None if self.tile_side == self.side else self.tile_side

    @property
    def looks_twice(self) -> bool:
        """Whether tiles are of another map than that of the whole picture."""
        return self.second_side is not None

    @property
    def tile_share(self) -> float:
        """What cosines of tiles, and of windows of their map, count beside those of the whole."""
        return FAR_SHARE if self.looks_twice else 1.0

    @property
    def n_tiles(self) -> int:
        """How many tiles a picture has."""
        return self.tiles**2

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for the manifest."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Settings:
        """Settings from a manifest; what a later version added is ignored."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})
