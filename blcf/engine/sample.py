"""The training sample of a collection: local features of some of its pictures, resumable."""

from __future__ import annotations

import hashlib
import logging
import time
import zipfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blcf.engine.pictures import stream_maps
from blcf.engine.settings import Settings
from blcf.errors import InvalidInput
from blcf.images import ImageList
from blcf.storage import replace_file

if TYPE_CHECKING:
    from blcf.features import ConvFeatures

__all__ = ["draw_sample"]

logger = logging.getLogger(__name__)

MOST_IMAGES = 4_000
FEATURES_PER_CHANNEL = 100  # for the covariance, however few words are asked for
SAVE_SECONDS = 300.0


@dataclass(eq=False)
class _Sample:
    """What was drawn so far.

    Attributes
    ----------
    images : digest of the list of images that it is drawn from
    n_done : how many of the chosen pictures were looked at
    n_cells : how many local features they have in all
    parts : float16 (n, n_channels) each, L2-normalised rows
    """

    images: str
    n_done: int = 0
    n_cells: int = 0
    parts: list[np.ndarray] = field(default_factory=list)

    def features(self) -> np.ndarray:
        """All parts as one array, which takes their place: they are joined once, not twice."""
        if len(self.parts) > 1:
            self.parts = [np.concatenate(self.parts)]
        return self.parts[0] if self.parts else np.empty((0, 0), np.float16)

    def save(self, path: Path) -> None:
        """Write what was drawn so far to a file that appears whole or not at all."""
        with replace_file(path) as temporary, open(temporary, "wb") as file:
            np.savez(
                file,
                features=self.features(),
                n_done=self.n_done,
                n_cells=self.n_cells,
                images=self.images,
            )

    @classmethod
    def resume(cls, path: Path, images: str) -> _Sample:
        """What an interrupted run over the same images has drawn, or an empty sample."""
        # Where there is none, or a damaged one, it is drawn again.
        with suppress(OSError, ValueError, KeyError, zipfile.BadZipFile):
            with np.load(path, allow_pickle=False) as saved:
                if str(saved["images"]) == images:
                    features = saved["features"]
                    parts = [features] if len(features) else []
                    sample = cls(images, int(saved["n_done"]), int(saved["n_cells"]), parts)
                    logger.info("resuming the training of an interrupted run")
                    return sample
        return cls(images)


def draw_sample(
    extractor: ConvFeatures,
    images: ImageList,
    settings: Settings,
    path: Path,
    progress: bool,
) -> tuple[np.ndarray, int]:
    """A seeded sample of the local features of the interpolated maps.

    It is saved at `path` every few minutes, when it is interrupted and when it is complete; a
    later call over the same images goes on from there.

    Returns
    -------
    float16 (n, n_channels), L2-normalised; how many there are in all the images, estimated

    Raises
    ------
    InvalidInput
        Not one picture could be read.
    """
    rng = np.random.default_rng(settings.random_state)
    chosen = sorted(rng.permutation(len(images))[:MOST_IMAGES].tolist())
    sample = _Sample.resume(path, _digest(images))
    first_reason, last_save = "", time.monotonic()
    if sample.n_done < len(chosen):
        names = [images.names[position] for position in chosen[sample.n_done :]]
        try:
            for _, picture in stream_maps(extractor, images, names, "sampling", progress):
                if isinstance(picture, Exception):  # it is named when it is indexed
                    first_reason = first_reason or str(picture)
                else:
                    number = chosen[sample.n_done]
                    n_features = _n_per_image(settings, extractor.n_channels_, len(chosen))
                    _take(sample, picture.feature_map, settings, number, n_features)
                sample.n_done += 1
                if time.monotonic() - last_save > SAVE_SECONDS:
                    sample.save(path)
                    last_save = time.monotonic()
        except KeyboardInterrupt:
            sample.save(path)
            raise
        if not sample.parts:
            raise InvalidInput(
                f"None of {len(chosen)} pictures under {images.root} could be read. The first: "
                f"{first_reason}"
            )
        sample.save(path)
    return sample.features(), sample.n_cells * len(images) // len(chosen)


def _n_per_image(settings: Settings, n_channels: int, n_images: int) -> int:
    """How many features are drawn from a picture."""
    from blcf.vocabulary.vocabulary import LARGEST_AUTO, SAMPLED_PER_WORD

    n_words = LARGEST_AUTO if settings.n_words == "auto" else int(settings.n_words)
    n_features = max(SAMPLED_PER_WORD * n_words, FEATURES_PER_CHANNEL * n_channels)
    return -(-n_features // n_images)


def _take(
    sample: _Sample, feature_map: np.ndarray, settings: Settings, number: int, n_features: int
) -> None:
    """Draw features of one picture, by a generator of its own: no picture hangs on another."""
    from blcf.features.whitening import normalise_rows
    from blcf.vocabulary import interpolate_map

    large = interpolate_map(feature_map, settings.upsample)
    features = large.reshape(len(large), -1).T  # (n, C)
    sample.n_cells += len(features)
    if len(features) > n_features:
        cells = np.random.default_rng([settings.random_state, number])
        features = features[np.sort(cells.permutation(len(features))[:n_features])]
    sample.parts.append(normalise_rows(features).astype(np.float16))


def _digest(images: ImageList) -> str:
    digest = hashlib.sha256(str(images.root).encode("utf-8", "surrogatepass"))
    for name in images.names:
        digest.update(b"\0" + name.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:16]
