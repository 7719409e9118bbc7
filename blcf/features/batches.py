"""A batch of pictures: through the network, then through what is made of its maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch

from blcf.errors import InvalidInput, OutOfMemory, UnreadableImage
from blcf.images import Loaded
from blcf.threads import in_one_thread, one_openmp_thread

__all__ = [
    "Batch",
    "as_batch",
    "encode_batch",
    "in_this_thread",
    "through_network",
]

T = TypeVar("T")
R = TypeVar("R")


@dataclass(eq=False)
class Batch:
    """Pictures of one shape: arrays, then an array of their maps, then what is made of these.

    Pictures that could not be read, or not taken, are a batch, too: a list of their errors.
    """

    positions: list[int]
    loaded: list[Loaded[Any]]
    contents: Any


def as_batch(alike: Sequence[tuple[int, Loaded[np.ndarray]]]) -> Batch:
    """A batch of loaded pictures of one shape, or of maps that were kept, with their positions."""
    facts = [Loaded(None, each.size, each.facts, each.beside) for _, each in alike]
    contents: Any = [each.content for _, each in alike]
    if contents[0].dtype == np.float32:  # maps that were kept
        contents = np.stack(contents)
    return Batch([index for index, _ in alike], facts, contents)


def through_network(extract: Callable[[Any], Any], batch: Batch) -> list[Batch]:
    """A batch behind the network; where that refuses, each picture alone, or why it cannot be.

    Raises
    ------
    OutOfMemory
        There is not enough for one picture.
    """
    if not isinstance(batch.contents, list) or isinstance(batch.contents[0], UnreadableImage):
        return [batch]
    try:
        return [Batch(batch.positions, batch.loaded, _as_one(extract(batch.contents)))]
    except InvalidInput as error:
        if len(batch.positions) == 1:
            return [Batch(batch.positions, batch.loaded, [_refusal(error)])]
    except OutOfMemory:
        if len(batch.positions) == 1:
            raise
    # Not while an error is handled: it holds what the network has made of the batch.
    return [found for one in _alone(batch) for found in through_network(extract, one)]


def in_this_thread(step: Callable[[Batch], R], batch: Batch) -> R:
    """What a step makes of a batch, in the calling thread alone."""
    torch.get_num_threads()  # torch sets a new thread's number when it is first asked
    with one_openmp_thread(), in_one_thread():
        return step(batch)


def _as_one(found: Any) -> Any:
    return found if isinstance(found, torch.Tensor) else np.asarray(found)


def _alone(batch: Batch) -> list[Batch]:
    """A batch of each picture."""
    each = zip(batch.positions, batch.loaded, batch.contents)
    return [Batch([position], [facts], [content]) for position, facts, content in each]


def _refusal(error: InvalidInput) -> UnreadableImage:
    refusal = UnreadableImage(str(error))
    refusal.reason = str(error)
    return refusal


def encode_batch(encode: Callable[[Any], Sequence[T]], batch: Batch) -> Batch:
    """A batch behind `encode`; errors stay what they are."""
    if isinstance(batch.contents, list):
        return batch
    try:
        batch.contents = encode(batch.contents)
    except InvalidInput:
        if not isinstance(batch.contents, torch.Tensor):
            raise
        # Of features on a device it is known here first that some are not finite.
        batch.contents = [_encoded_or_refusal(encode, one) for one in batch.contents]
    return batch


def _encoded_or_refusal(encode: Callable[[Any], Sequence[T]], one: torch.Tensor) -> Any:
    try:
        return encode(one[None])[0]
    except InvalidInput as reason:
        return _refusal(reason)
