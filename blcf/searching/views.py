"""From a picture and the regions in it to queries: in several sizes through the network, to bags.

Pictures of one shape share a batch, whichever query they are of; a query comes out as it does alone
(see `blcf.ConvFeatures.extract_resized`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from blcf.bags import BagOfWords, DrawnRegion, eighths, spatial_weights
from blcf.checks import SIDES
from blcf.collection import Model
from blcf.images import resize_image
from blcf.records import Keypoints, Query, View
from blcf.rerank import keypoints_in
from blcf.searching.options import SearchOptions

__all__ = ["Look", "describe_looks", "look_at", "make_view", "query_sides"]


@dataclass(frozen=True, eq=False)
class Look:
    """A picture, or its mirror image, in the sizes in which the network looks at it.

    Attributes
    ----------
    size : (width, height) of the picture, pixels
    resized : uint8 (height, width, 3), one of each size
    regions : of the picture
    keypoints : of the box of each region; None where they were not asked for
    mirrored : whether it is the mirror image
    """

    size: tuple[int, int]
    resized: list[np.ndarray]
    regions: list[DrawnRegion]
    keypoints: list[Keypoints | None]
    mirrored: bool = False

    def own(self, side: int) -> int:
        """Which size gets a word for every cell: that of the collection's pictures, by which one of
        them is known; or the first."""
        sides = [max(one.shape[:2]) for one in self.resized]
        return sides.index(side) if side in sides else 0


def query_sides(side: int, options: SearchOptions) -> list[int]:
    """The longer sides, in pixels, that a query picture is looked at in; each once."""
    side = options.query_side or side
    least, most = SIDES
    sides = (min(max(round(side * float(scale)), least), most) for scale in options.query_scales)
    return list(dict.fromkeys(sides))


def look_at(
    image: np.ndarray, regions: Sequence[DrawnRegion], side: int, options: SearchOptions
) -> list[Look]:
    """A picture as it will go through the network, and its mirror image where that is asked for.

    Parameters
    ----------
    image : uint8 (height, width, 3) RGB
    regions : from `Region.on`
    side : of the collection's pictures, pixels
    """
    size = (image.shape[1], image.shape[0])
    pictures = [(image, list(regions))]
    if options.query_flip:
        flipped = np.ascontiguousarray(image[:, ::-1])
        pictures.append((flipped, [region.mirrored() for region in regions]))
    sides = query_sides(side, options)
    return [
        Look(
            size,
            [resize_image(one, to) for to in sides],
            found,
            [keypoints_in(one, region.box) if options.refine else None for region in found],
            mirrored=number == 1,
        )
        for number, (one, found) in enumerate(pictures)
    ]


def describe_looks(model: Model, looks: Sequence[Look]) -> list[list[Query]]:
    """For each look the queries of its regions; the pictures go through the network together."""
    if not looks:  # no network is loaded
        return []
    from blcf.features.side_by_side import extract_side_by_side

    bags_of_parts = model.bags_of_parts
    factor = model.settings.upsample
    owners = [(look, number) for look in looks for number in range(len(look.resized))]

    def encode(position: int, feature_map: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        shape = (factor * feature_map.shape[1], factor * feature_map.shape[2])
        look, number = owners[position]
        if number == look.own(model.settings.side):
            return model.encode(feature_map)
        covered = [region.weights(shape) > 0 for region in look.regions]
        return model.encode(feature_map, np.logical_or.reduce(covered) if covered else None)

    found = iter(
        extract_side_by_side(
            model.extractor, [one for look in looks for one in look.resized], encode
        )
    )
    queries = []
    for look in looks:
        encoded = [next(found) for _ in look.resized]
        queries.append(
            [
                Query(
                    tuple(make_view(bags_of_parts, *one, region) for one in encoded),
                    look.size,
                    region.box,
                    keypoints=keypoints,
                    whole=look.own(model.settings.side),
                    mirrored=look.mirrored,
                )
                for region, keypoints in zip(look.regions, look.keypoints)
            ]
        )
    return queries


def make_view(
    bags_of_parts: BagOfWords,
    words: np.ndarray,
    channel: np.ndarray | None,
    region: DrawnRegion,
) -> View:
    """The view of a region of a picture, from the words and the channel of the picture's cells."""
    covered = region.weights(words.shape)
    weighting = bags_of_parts.weighting
    weights = eighths(spatial_weights(weighting, words.shape, channel) * covered)
    if channel is not None and not weights.any():
        # An object in the dark of a bright picture: its own norms tell apart.
        channel = channel * (covered > 0)
        weights = eighths(spatial_weights(weighting, words.shape, channel) * covered)
    return View(words, weights, bags_of_parts.encode(words, channel=channel, region=covered))
