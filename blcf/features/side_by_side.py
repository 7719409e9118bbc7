"""Resized pictures of several shapes through the network at the same time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from blcf.threads import in_order, openmp_threads

if TYPE_CHECKING:
    from blcf.features.extractor import ConvFeatures

__all__ = ["extract_side_by_side"]

R = TypeVar("R")


def extract_side_by_side(
    extractor: ConvFeatures, images: Sequence[np.ndarray], then: Callable[[int, np.ndarray], R]
) -> list[R]:
    """What is made of the feature maps of pictures, in the pictures' order.

    On a processor the batches of one shape go through the network at once, each with what is made
    of its maps in a thread of its own, the largest first: layers of a small network are too short
    to be shared (a query in five sizes, two cores: 52 ms of one thread, 75 when both share each
    layer).

    Parameters
    ----------
    extractor : `ConvFeatures`
    images : uint8 (height, width, 3), of their sizes, see `ConvFeatures.extract_resized`
    then : takes the position of a picture and its map, float32 (C, h, w); called in threads
    """
    found: list[Any] = [None] * len(images)
    if extractor.is_elsewhere:
        for position, each in enumerate(extractor.extract_resized(images)):
            found[position] = then(position, each)
        return found
    batches = extractor.batches(images)
    batches.sort(key=lambda batch: -len(batch) * images[batch[0]].size)
    n_threads = extractor.n_at_once
    n_each = max(1, n_threads // max(1, len(batches)))

    def through(batch: list[int]) -> None:
        torch.get_num_threads()  # torch sets a new thread's number when it is first asked
        with openmp_threads(n_each):
            maps = extractor.extract_resized([images[position] for position in batch])
            for position, each in zip(batch, maps):
                found[position] = then(position, each)

    waiting = deque(batches)

    def take(_: int) -> None:
        """The next batch, as long as there is one: which thread is free takes it."""
        while True:
            try:
                batch = waiting.popleft()
            except IndexError:
                return
            through(batch)

    n_takers = min(n_threads, len(batches))
    for _ in in_order(take, range(n_takers), n_takers):
        pass
    return found
