"""What one request, and all of them together, may ask of a server.

A bound of `blcf.bounds` says what a number means; these say what a person may let others wait for.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

__all__ = ["MOST_OF_OPTIONS", "THUMBNAIL_SIDES", "Limits"]

THUMBNAIL_SIDES = (160, 320, 640)  # pixels; a fixed list, so that few are made and kept

# Of the options of a search; 3 ms for each hit that is reranked, a second for a view of 2048
# pixels.
MOST_OF_OPTIONS = {
    "k": 1_000,
    "depth": 1_000,
    "n_expand": 100,
    "rounds": 5,
    "n_boxes": 20,
    "n_refine": 100,
    "query_side": 2_048,
}


@dataclass(frozen=True)
class Limits:
    """How much is taken, kept and computed at once.

    Attributes
    ----------
    body : bytes of one request
    bodies : bytes of all requests that are being read
    uploads : bytes of pictures that are kept
    shown : bytes of small pictures that are kept
    examples : pictures of one search, what is not meant included
    corners : of one polygon
    separators : brackets and commas of one JSON text, which take 64 times their bytes
    groups : moments of one search
    members : hits of a moment that are listed
    page : pictures of one page of a collection
    searches, queue : searches at once, and how many wait for them
    drawings, drawings_queue : the same of pictures that are read and made small
    looks, looks_queue : the same of lists and facts
    seconds : that a request waits for its answer, or its body takes to come
    side : of a picture that is shown whole, pixels; larger ones are made smaller
    """

    body: int = 64 << 20
    bodies: int = 512 << 20
    uploads: int = 256 << 20
    shown: int = 64 << 20
    examples: int = 16
    corners: int = 2_000
    separators: int = 400_000
    groups: int = 250
    members: int = 100
    page: int = 500
    searches: int = field(default_factory=lambda: min(4, os.cpu_count() or 1))
    queue: int = 32
    drawings: int = 4
    drawings_queue: int = 512
    looks: int = 4
    looks_queue: int = 64
    seconds: float = 60.0
    side: int = 4_096
