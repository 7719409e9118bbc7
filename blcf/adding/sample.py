"""The training sample of a collection: local features of some of its pictures, resumable."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blcf.adding.kept_maps import KeptMaps
from blcf.adding.possible_words import check_possible
from blcf.adding.stream import stream_pictures
from blcf.collection.settings import Settings
from blcf.errors import BlcfError, InvalidInput, UnreadableImage
from blcf.images import ImageList, Large, Loaded, Source
from blcf.storage import map_file, read_json, refusals, write_json

if TYPE_CHECKING:
    from blcf.features import ConvFeatures

__all__ = ["Draw", "Drawn", "draw_features", "draw_sample", "none_readable"]

logger = logging.getLogger(__name__)

MOST_IMAGES = 4_000
FEATURES_PER_CHANNEL = 100  # for the covariance, however few words are asked for
SAVE_SECONDS = 300.0


@dataclass(frozen=True, eq=False)
class Drawn:
    """What was drawn from a picture.

    Attributes
    ----------
    rows : float16 (n, n_channels), L2-normalised; None where the picture could not be read
    n_cells : how many local features it has
    reason : why it could not be read, or ""
    """

    rows: np.ndarray | None
    n_cells: int = 0
    reason: str = ""


Draw = Callable[[Source, Sequence[str], Sequence[int], int], Iterator[Drawn]]
"""Takes a source, names of its pictures, their numbers in it and how many features are drawn from
each; gives what was drawn, in their order."""


class _Sample:
    """What was drawn so far: rows in a file that grows, and how far they reach in another.

    Rows behind what the second file says are those of a run that was killed: they are cut off.

    Attributes
    ----------
    n_done : how many of the chosen pictures were looked at
    n_cells : how many local features they have in all
    n_rows, n_channels : shape of what was drawn
    """

    def __init__(self, folder: Path, images: str):
        self._rows, self._facts = folder / "sample.f16", folder / "sample.json"
        self._images = images
        self.n_done = self.n_cells = self.n_rows = self.n_channels = 0
        # Where there is none, or a damaged one, it is drawn again.
        with suppress(BlcfError, AttributeError, KeyError, TypeError, ValueError, OverflowError):
            facts = read_json(self._facts)
            counts = [int(facts[name]) for name in ("n_done", "n_cells", "n_rows", "n_channels")]
            n_bytes = 2 * counts[2] * counts[3]
            if facts["images"] == images and min(counts) >= 0 <= _size(self._rows) - n_bytes:
                self.n_done, self.n_cells, self.n_rows, self.n_channels = counts
                logger.info("resuming the training of an interrupted run")
        with refusals(self._rows):
            folder.mkdir(exist_ok=True)
            with open(self._rows, "ab") as file:
                file.truncate(2 * self.n_rows * self.n_channels)

    def append(self, drawn: Drawn) -> None:
        """Add what was drawn from the next picture."""
        if drawn.rows is not None:
            with refusals(self._rows), open(self._rows, "ab") as file:
                file.write(drawn.rows.tobytes())
            self.n_rows += len(drawn.rows)
            self.n_channels = drawn.rows.shape[1]
            self.n_cells += drawn.n_cells
        self.n_done += 1

    def save(self) -> None:
        """Note how far the sample reaches."""
        with refusals(self._rows), open(self._rows, "ab") as file:
            os.fsync(file.fileno())
        counts = {name: getattr(self, name) for name in ("n_done", "n_cells", "n_rows")}
        facts = {"images": self._images, **counts, "n_channels": self.n_channels}
        write_json(self._facts, facts)

    def features(self) -> np.ndarray:
        """All rows, a map of the file: float16 (n_rows, n_channels)."""
        return map_file(self._rows).view(np.float16).reshape(self.n_rows, self.n_channels)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def draw_sample(
    extractor: ConvFeatures,
    images: Source,
    settings: Settings,
    folder: Path,
    progress: bool,
    large: Large | None = None,
    draw: Draw | None = None,
) -> tuple[np.ndarray, int]:
    """A seeded sample of the local features of the interpolated maps.

    It grows in a file of `folder`; how far it reaches is noted there every few minutes, when it is
    interrupted and when it is complete. A later call over the same images goes on from there.
    `draw` looks at the pictures elsewhere than in this process, and draws the same.

    Returns
    -------
    float16 (n, n_channels), L2-normalised, a map of that file; how many local features there are
    in all the images, estimated

    Raises
    ------
    InvalidInput
        Not one picture could be read.
    StorageError
        The disk is full.
    """
    chosen = _chosen(images, settings)
    originals = [images.original(images.names[position]) for position in chosen]
    if settings.vocabulary != "refined":  # whose words need no feature
        check_possible(extractor, settings, originals, len(images))
    sample = _Sample(folder, _digest(images))
    # A larger collection gains little: most of its pictures are looked at once.
    is_kept = draw is None and len(images) <= 2 * MOST_IMAGES
    kept = KeptMaps(folder, extractor.dtype_) if is_kept else None
    if kept is None and isinstance(images, ImageList):
        images = images.without_shots()  # few frames of many: they are sought
    first_reason, last_save = "", time.monotonic()
    if sample.n_done < len(chosen):
        numbers = chosen[sample.n_done :]
        names = [images.names[number] for number in numbers]
        n_features = _n_per_image(settings, extractor.n_channels_, len(chosen))
        try:
            if draw is not None:
                drawn = draw(images, names, numbers, n_features)
            else:
                drawn = draw_features(
                    extractor, settings, images, names, numbers, n_features, progress, large, kept
                )
            for one in drawn:
                first_reason = first_reason or one.reason
                sample.append(one)
                if time.monotonic() - last_save > SAVE_SECONDS:
                    sample.save()
                    last_save = time.monotonic()
        except KeyboardInterrupt:
            sample.save()
            raise
        if not sample.n_rows:
            raise none_readable(len(chosen), images, first_reason)
        sample.save()
    return sample.features(), sample.n_cells * len(images) // len(chosen)


def _chosen(images: Source, settings: Settings) -> list[int]:
    """Which images are learned from: ascending positions."""
    rng = np.random.default_rng(settings.random_state)
    return sorted(rng.permutation(len(images))[:MOST_IMAGES].tolist())


def none_readable(n_images: int, images: Source, first_reason: str) -> InvalidInput:
    """The error where nothing can be learned from."""
    where = f" under {images.root}" if str(images.root) else ""
    return InvalidInput(
        f"None of {n_images} pictures{where} could be read. The first: {first_reason}"
    )


def _n_per_image(settings: Settings, n_channels: int, n_images: int) -> int:
    """How many features are drawn from a picture."""
    from blcf.vocabulary.size import LARGEST_AUTO, SAMPLED_PER_WORD

    n_words = LARGEST_AUTO if settings.n_words == "auto" else int(settings.n_words)
    n_features = max(SAMPLED_PER_WORD * n_words, FEATURES_PER_CHANNEL * n_channels)
    return -(-n_features // n_images)


def draw_features(
    extractor: ConvFeatures,
    settings: Settings,
    images: Source,
    names: Sequence[str],
    numbers: Sequence[int],
    n_features: int,
    progress: bool = False,
    large: Large | None = None,
    kept: KeptMaps | None = None,
) -> Iterator[Drawn]:
    """What is drawn from pictures in this process, see `Draw`; `kept` takes their feature maps."""
    stream = stream_pictures(extractor, images, names, list, "sampling", progress, large=large)
    with closing(stream):
        for picture, number in zip(stream, numbers):
            feature_map = picture.content
            if isinstance(feature_map, UnreadableImage):  # it is named when it is indexed
                yield Drawn(None, reason=str(feature_map))
                continue
            if kept is not None:
                found = Loaded(feature_map, picture.size, picture.facts)
                kept.put(images.original(picture.name), found)
            yield _drawn(feature_map, settings, number, n_features)


def _drawn(feature_map: np.ndarray, settings: Settings, number: int, n_features: int) -> Drawn:
    """Features of one picture, drawn by a generator of its own: no picture hangs on another."""
    from blcf.features.whitening import normalise_rows
    from blcf.vocabulary import interpolated_features

    _, h, w = feature_map.shape
    n_cells = int(settings.upsample) ** 2 * h * w
    drawn = np.random.default_rng([settings.random_state, number]).permutation(n_cells)[:n_features]
    features = interpolated_features(feature_map, settings.upsample, np.sort(drawn))
    return Drawn(normalise_rows(features).astype(np.float16), n_cells)


def _digest(images: Source) -> str:
    digest = hashlib.sha256(str(images.root).encode("utf-8", "surrogatepass"))
    for name in images.names:
        digest.update(b"\0" + name.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:16]
