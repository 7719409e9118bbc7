"""Learning the whitening and the vocabulary of a collection from a sample of its own pictures."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blcf.adding.generic import refined
from blcf.adding.sample import Draw, draw_sample
from blcf.collection.settings import Settings
from blcf.images import Large, Source
from blcf.progress import tqdm
from blcf.storage import map_file, refusals

if TYPE_CHECKING:
    from blcf.features import ConvFeatures, Whitening
    from blcf.vocabulary import Vocabulary
    from blcf.vocabulary.looks import Look

__all__ = ["learn_model"]

logger = logging.getLogger(__name__)

# The covariance is learned from this many features a channel, at most: more change nothing.
WHITENED_PER_CHANNEL = 1_000

_BLOCK = 65_536  # features whitened at a time


def learn_model(
    extractor: ConvFeatures,
    images: Source,
    settings: Settings,
    folder: Path,
    progress: bool,
    large: Large | None = None,
    draw: Draw | None = None,
    look: Look | None = None,
    begin: tuple[Whitening, Vocabulary] | None = None,
) -> tuple[Whitening, Vocabulary]:
    """Whitening and vocabulary from a seeded sample of the images.

    `draw` and `look` do what takes long elsewhere than in this process: they draw the sample, and
    find the words of its features in an iteration of k-means. `begin` is kept but for its words,
    which are refined by the sample.

    The sample and each iteration of k-means are kept in `folder`, so that a run that was
    interrupted does not start again. What is learned from is read from there, a part at a time:
    the memory does not grow with the sample. Words are refined by 20 features each, in memory.
    """
    from blcf.features import Whitening
    from blcf.vocabulary import Vocabulary, auto_n_words
    from blcf.vocabulary.rows import at_most_distinct
    from blcf.vocabulary.size import SAMPLED_PER_WORD

    if begin is not None:
        settings = replace(settings, n_words=begin[1].n_words_)
    sample, n_features = draw_sample(extractor, images, settings, folder, progress, large, draw)
    logger.info(
        "training on %s of some %s local features of this collection",
        f"{len(sample):,}",
        f"{n_features:,}",
    )
    if begin is not None:
        whitening, vocabulary = begin
        features = _whiten(whitening, sample, folder / "whitened.f32")
        most = SAMPLED_PER_WORD * vocabulary.n_words_  # as k-means takes
        return whitening, refined(vocabulary, features[:: -(-len(features) // most)])
    n_wanted = min(settings.n_components or sample.shape[1], sample.shape[1])
    step = max(1, len(sample) // (WHITENED_PER_CHANNEL * sample.shape[1]))
    whitening = Whitening(n_wanted).fit(sample[::step])
    if whitening.n_components_ < (settings.n_components or n_wanted):
        logger.info(
            "whitening to %d dimensions: the features have no more (%d channels)",
            whitening.n_components_,
            sample.shape[1],
        )
    features = _whiten(whitening, sample, folder / "whitened.f32")
    n_words = settings.n_words
    if n_words == "auto":
        n_words = min(auto_n_words(n_features), max(1, len(sample) // SAMPLED_PER_WORD))
        n_words = at_most_distinct(features, n_words)
        logger.info(
            "vocabulary: %s words (auto: one per 150 local features, 128 to 25,000)",
            f"{n_words:,}",
        )
    vocabulary = Vocabulary(n_words, random_state=settings.random_state, device=extractor.device)
    with tqdm(
        total=vocabulary.max_iter, desc="k-means", unit=" iteration", disable=not progress
    ) as bar:

        def report(iteration: int, inertia: float) -> None:
            bar.set_postfix_str(f"mean squared distance {inertia:.4f}", refresh=False)
            bar.update(iteration + 1 - bar.n)

        vocabulary.fit(features, on_iteration=report, checkpoint=folder / "k-means.h5", look=look)
    return whitening, vocabulary


def _whiten(whitening: Whitening, sample: np.ndarray, path: Path) -> np.ndarray:
    """The whitened sample, a map of a file: float32 (n, n_components)."""
    with refusals(path), open(path, "wb") as file:
        for first in range(0, len(sample), _BLOCK):
            file.write(whitening.transform(sample[first : first + _BLOCK]).tobytes())
    return map_file(path).view(np.float32).reshape(len(sample), -1)
