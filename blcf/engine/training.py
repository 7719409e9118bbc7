"""Learning the whitening and the vocabulary of a collection from a sample of its own pictures."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from blcf.engine.sample import draw_sample
from blcf.engine.settings import Settings
from blcf.images import ImageList

if TYPE_CHECKING:
    from blcf.features import ConvFeatures, Whitening
    from blcf.vocabulary import Vocabulary

__all__ = ["learn_model"]

logger = logging.getLogger(__name__)


def learn_model(
    extractor: ConvFeatures,
    images: ImageList,
    settings: Settings,
    path: Path,
    progress: bool,
) -> tuple[Whitening, Vocabulary]:
    """Whitening and vocabulary from a seeded sample of the images.

    The sample is kept at `path`, so that a run that was interrupted does not start again.
    """
    from blcf.features import Whitening
    from blcf.vocabulary import Vocabulary, auto_n_words
    from blcf.vocabulary.vocabulary import SAMPLED_PER_WORD

    sample, n_features = draw_sample(extractor, images, settings, path, progress)
    logger.info(
        "training on %s of some %s local features of this collection",
        f"{len(sample):,}",
        f"{n_features:,}",
    )
    n_wanted = min(settings.n_components or sample.shape[1], sample.shape[1])
    whitening = Whitening(n_wanted).fit(sample)
    if whitening.n_components_ < (settings.n_components or n_wanted):
        logger.info(
            "whitening to %d dimensions: the features have no more (%d channels)",
            whitening.n_components_,
            sample.shape[1],
        )
    n_words = settings.n_words
    if n_words == "auto":
        n_words = min(auto_n_words(n_features), max(1, len(sample) // SAMPLED_PER_WORD))
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
