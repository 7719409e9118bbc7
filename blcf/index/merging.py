"""When parts of an index are merged: a size-tiered rule that keeps them few at a bounded cost."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["LARGEST", "plan_merge"]

# A part is written once per tier, in memory: LARGEST bounds what a merge holds (some 600 MB with
# the maps of 384-pixel pictures), however large the collection; it is a multiple of the block.
LARGEST = 32_768
FACTOR = 8
TIERS = (64, 512, 4_096, LARGEST)


def plan_merge(n_live: Sequence[int], n_removed: Sequence[int]) -> tuple[int, int] | None:
    """Which adjacent parts to make into one now: (first, last), half-open, or None.

    Merged are the parts at the end once `FACTOR` of them belong to a tier, or once they are as
    many as all tiers up to it may have; and a part alone once more than half of its images are
    removed. Parts stay in the order of insertion, an image is rewritten about once per tier, and
    at most ``n_images / LARGEST * 2 + FACTOR * len(TIERS)`` parts remain.

    Parameters
    ----------
    n_live, n_removed : images of each part, in order of insertion
    """
    for part, (live, removed) in enumerate(zip(n_live, n_removed)):
        if removed > live:
            return part, part + 1
    for number, tier in enumerate(TIERS):
        first = len(n_live)
        while first > 0 and n_live[first - 1] < tier:
            first -= 1
        # A part that is too large for its neighbour stays as it is.
        while first + 1 < len(n_live) and n_live[first] + n_live[first + 1] > LARGEST:
            first += 1
        # Those of the tiers below count little: [4096, 512, 512, 512, 64, 64, 64, 64] is as it
        # should be, and merged at every such moment an image was rewritten 32 times.
        below = TIERS[number - 1] if number else 0
        n_of_tier = sum(live >= below for live in n_live[first:])
        if n_of_tier >= FACTOR or len(n_live) - first >= FACTOR * (number + 1):
            last, total = first, 0
            while last < len(n_live) and total + n_live[last] <= LARGEST:
                total += n_live[last]
                last += 1
            return first, last
    return None
