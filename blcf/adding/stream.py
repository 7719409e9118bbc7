"""Pictures of a source through the network, with a bar that says how far they are."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from blcf.adding.kept_maps import KeptMaps
from blcf.images import Large, Source
from blcf.progress import tqdm

if TYPE_CHECKING:
    from blcf.features import ConvFeatures
    from blcf.features.pipeline import Extracted

__all__ = ["bar_of_pictures", "stream_pictures"]

T = TypeVar("T")


def stream_pictures(
    extractor: ConvFeatures,
    source: Source,
    names: Sequence[str],
    encode: Callable[[np.ndarray], Sequence[T]],
    description: str,
    progress: bool,
    kept: KeptMaps | None = None,
    large: Large | None = None,
    beside: Callable[[np.ndarray], Any] | None = None,
    on_device: bool = False,
) -> Generator[Extracted[T], None, None]:
    """What is made of the feature maps of some pictures of a source, in the order of the names.

    See `blcf.features.pipeline.extract_pictures`; `description` stands before the bar.
    """
    from blcf.features.pipeline import extract_pictures

    originals = map(source.original, names)
    stream = extract_pictures(
        extractor,
        originals,
        encode,
        kept=kept,
        large=large,
        beside=beside,
        on_device=on_device,
    )
    with bar_of_pictures(len(names), description, progress) as bar, closing(stream):
        for picture in stream:
            bar.update()
            yield picture


def bar_of_pictures(n: int, description: str, progress: bool) -> Any:
    """A bar of so many pictures; a context."""
    return tqdm(
        total=n,
        desc=f"{description} pictures",
        unit=" picture",
        disable=not progress,
        mininterval=0.5,
    )
