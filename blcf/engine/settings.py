"""Every setting of a collection and of a search, with its default; the command line reads these."""

from __future__ import annotations

import difflib
import operator
from dataclasses import asdict, dataclass, fields
from typing import Any

from blcf.bags.weighting import check_weighting
from blcf.errors import InvalidInput
from blcf.index.approximate import check_share

__all__ = ["EXPANSIONS", "SearchOptions", "Settings"]

EXPANSIONS = ("none", "global", "local")
SIDES = 32, 8192  # pixels


@dataclass(frozen=True)
class Settings:
    """What a collection is made with; fixed when it is created and kept in its manifest.

    The defaults are measured: see benchmarks/README.md, "Accuracy".

    Attributes
    ----------
    network, layer, weights, side : of the features, see `blcf.ConvFeatures`
    upsample : factor of bilinear interpolation of the maps
    n_components : of the whitening, None for all channels
    n_words : of the vocabulary, or "auto"
    weighting : spatial weights of the collection's images, see `blcf.bags.spatial_weights`
    idf, sqrt : of the bags, see `blcf.InvertedFile`
    random_state : seed of the training sample and of k-means
    """

    network: str = "vgg16"
    layer: str | None = None
    weights: str | None = None
    side: int = 384
    upsample: int = 2
    n_components: int | None = 128
    n_words: int | str = "auto"
    weighting: str = "norm"
    idf: bool = True
    sqrt: bool = True
    random_state: int = 0

    def __post_init__(self) -> None:
        check_weighting(self.weighting)
        if self.n_components is not None:
            _check_integer("n_components", self.n_components, 1)
        if self.n_words != "auto":
            _check_integer("n_words", self.n_words, 1, or_else=" or 'auto'")
        _check_integer("upsample", self.upsample, 1, 8)
        _check_integer("side", self.side, *SIDES)
        _check_integer("random_state", self.random_state, 0)
        for name in ("idf", "sqrt"):
            if not isinstance(getattr(self, name), bool):
                raise InvalidInput(
                    f"Expected {name} to be True or False, got {getattr(self, name)!r}."
                )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for the manifest."""
        return asdict(self)

    @classmethod
    def from_keywords(cls, values: dict[str, Any]) -> Settings:
        """Settings from a caller's keywords; an unknown one is an error with the near name."""
        _check_known(cls, values)
        return cls(**values)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Settings:
        """Settings from a manifest; what a later version added is ignored."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})


@dataclass(frozen=True)
class SearchOptions:
    """How a search is done.

    Attributes
    ----------
    k : how many hits
    rerank : whether the best `depth` are reranked by their best window, which gives them boxes
    expand : "none", "global" (whole images) or "local" (best windows) average query expansion
    depth : how many hits are reranked; the paper: 100
    n_expand : how many hits the expansion averages; the paper: 10
    shares : sizes of the windows as parts of a side of the map; the paper: (1, 2, 4)
    query_side : longer side, in pixels, to which the query picture is resized; None takes the
        collection's. Smaller where the object fills the query and is small in the collection.
    approximate : None ranks exactly; a share of the query, 0..1, leaves out the words that cost
        the most for what they promise; scores are then those of the other words, see
        `blcf.InvertedFile.search`
    """

    k: int = 100
    rerank: bool = True
    expand: str | None = "none"
    depth: int = 100
    n_expand: int = 10
    shares: tuple[int, ...] = (1, 2)
    query_side: int | None = None
    approximate: float | None = None

    def __post_init__(self) -> None:
        if self.approximate is not None:
            check_share(self.approximate)
        for name in ("k", "depth", "n_expand"):
            _check_integer(name, getattr(self, name), 1)
        shares = self.shares
        if (
            not isinstance(shares, (tuple, list))
            or not shares
            or not all(_is_integer(one) and one >= 1 for one in shares)
        ):
            raise InvalidInput(
                f"Expected shares to be integers of 1 or more, e.g. (1, 2, 4), got {self.shares!r}."
            )
        if self.query_side is not None:
            _check_integer("query_side", self.query_side, *SIDES)
        if self.expand is not None and self.expand not in EXPANSIONS:
            raise InvalidInput(
                f"Expected expand to be one of {', '.join(EXPANSIONS)}, got {self.expand!r}."
            )

    @classmethod
    def from_keywords(cls, values: dict[str, Any]) -> SearchOptions:
        """Options from a caller's keywords; an unknown one is an error with the near name."""
        _check_known(cls, values)
        return cls(**values)


def _check_known(kind: type, given: dict[str, Any]) -> None:
    known = [one.name for one in fields(kind)]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
            raise InvalidInput(f"There is no option {name!r} here. {hint}")


def _check_integer(
    name: str, value: Any, least: int, most: int | None = None, or_else: str = ""
) -> None:
    if not _is_integer(value) or value < least or (most is not None and value > most):
        span = f"from {least} to {most}" if most is not None else f"{least} or more"
        raise InvalidInput(f"Expected {name} to be {span}{or_else}, got {value!r}.")


def _is_integer(value: Any) -> bool:
    try:
        operator.index(value)
    except TypeError:
        return False
    return not isinstance(value, bool)
