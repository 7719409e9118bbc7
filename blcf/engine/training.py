"""Learning the whitening and the vocabulary of a collection from a sample of its own pictures."""

from __future__ import annotations

import logging
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from blcf.engine.pictures import stream_maps
from blcf.engine.settings import Settings
from blcf.errors import InvalidInput
from blcf.images import ImageList
from blcf.storage import replace_file

if TYPE_CHECKING:
    from blcf.features import ConvFeatures, Whitening
    from blcf.vocabulary import Vocabulary

__all__ = ["learn_model"]

logger = logging.getLogger(__name__)

MOST_IMAGES = 4_000


def learn_model(
    extractor: ConvFeatures,
    images: ImageList,
    settings: Settings,
    folder: Path,
    progress: bool,
) -> tuple[Whitening, Vocabulary]:
    """Whitening and vocabulary from a seeded sample of the images.

    The sample is kept in ``training.npz`` until the model is written, so that a run that was
    interrupted during k-means does not go through the network again.
    """
    from blcf.features import Whitening
    from blcf.vocabulary import Vocabulary, auto_n_words

    path = folder / "training.npz"
    saved = _saved_sample(path, images)
    if saved is None:
        saved = _draw_sample(extractor, images, settings, progress)
        _save_sample(path, images, *saved)
    sample, n_features = saved
    logger.info(
        "training on %s of some %s local features of this collection",
        f"{len(sample):,}",
        f"{n_features:,}",
    )
    n_components = min(settings.n_components or sample.shape[1], sample.shape[1])
    whitening = Whitening(n_components).fit(sample)
    n_words = settings.n_words
    if n_words == "auto":
        n_words = auto_n_words(n_features)
        logger.info(
            "vocabulary: %s words (auto: one per 150 local features, at most 25,000)",
            f"{n_words:,}",
        )
    features = whitening.transform(sample)
    vocabulary = Vocabulary(n_words, random_state=settings.random_state, device=extractor.device)
    with tqdm(
        total=vocabulary.max_iter, desc="k-means", unit="iteration", disable=not progress
    ) as bar:

        def report(iteration: int, inertia: float) -> None:
            bar.set_postfix(inertia=f"{inertia:.4f}", refresh=False)
            bar.update()

        vocabulary.fit(features, on_iteration=report)
    return whitening, vocabulary


def _draw_sample(
    extractor: ConvFeatures, images: ImageList, settings: Settings, progress: bool
) -> tuple[np.ndarray, int]:
    """A sample of the local features of the interpolated maps.

    Returns
    -------
    float16 (n, n_channels), L2-normalised; how many there are in all the images, estimated
    """
    from blcf.features.whitening import normalise_rows
    from blcf.vocabulary import interpolate_map
    from blcf.vocabulary.vocabulary import LARGEST_AUTO, SAMPLED_PER_WORD

    wanted = LARGEST_AUTO if settings.n_words == "auto" else int(settings.n_words)
    n_wanted = SAMPLED_PER_WORD * wanted
    rng = np.random.default_rng(settings.random_state)
    chosen = sorted(rng.permutation(len(images))[:MOST_IMAGES].tolist())
    per_image = -(-n_wanted // len(chosen))
    names = [images.names[position] for position in chosen]
    parts: list[np.ndarray] = []
    n_cells = 0
    stream = stream_maps(extractor, images, names, "sampling", progress)
    for number, (_, picture) in enumerate(stream):
        if isinstance(picture, Exception):
            continue  # it is named when it is indexed
        large = interpolate_map(picture.feature_map, settings.upsample)
        features = large.reshape(len(large), -1).T  # (n, C)
        n_cells += len(features)
        if len(features) > per_image:
            # A generator of its own for each picture: what is drawn does not hang on the others.
            cells = np.random.default_rng([settings.random_state, chosen[number]])
            features = features[np.sort(cells.permutation(len(features))[:per_image])]
        parts.append(normalise_rows(features).astype(np.float16))
    if not parts:
        raise InvalidInput(
            f"None of {len(names)} pictures under {images.root} could be read. "
            "The first: " + _first_reason(extractor, images, names)
        )
    return np.concatenate(parts), n_cells * len(images) // len(parts)


def _first_reason(extractor: ConvFeatures, images: ImageList, names: list[str]) -> str:
    _, picture = next(iter(stream_maps(extractor, images, names[:1], "", False)))
    return str(picture)


def _fingerprint(images: ImageList) -> str:
    return f"{len(images)} images, {images.names[0]} to {images.names[-1]}".encode(
        "utf-8", "replace"
    ).decode()


def _save_sample(path: Path, images: ImageList, sample: np.ndarray, n_features: int) -> None:
    with replace_file(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, features=sample, n_features=n_features, images=_fingerprint(images))


def _saved_sample(path: Path, images: ImageList) -> tuple[np.ndarray, int] | None:
    """The sample of an interrupted run over the same images, or None."""
    try:
        with np.load(path, allow_pickle=False) as saved:
            if str(saved["images"]) != _fingerprint(images):
                return None
            logger.info("resuming from the training sample of an interrupted run")
            return saved["features"], int(saved["n_features"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None  # none there, or damaged: it is drawn again
