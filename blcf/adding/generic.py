"""The vocabulary that the package carries, for collections too small to learn one of their own.

It belongs to blcf-lite's layer conv5:signed: whitening and words were learned from 4,140
photographs of everyday things and scenes (benchmarks/training/README.md). A collection that takes
it needs no training, and one picture is enough to begin with.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blcf.collection.settings import Settings
from blcf.errors import InvalidInput
from blcf.storage import open_h5, write_h5

if TYPE_CHECKING:
    from blcf.features import ConvFeatures, Whitening
    from blcf.vocabulary import Vocabulary

__all__ = [
    "FEWEST_TO_LEARN",
    "PACKAGED",
    "read_generic",
    "refined",
    "takes_generic",
    "write_generic",
]

logger = logging.getLogger(__name__)

PACKAGED = Path(__file__).with_name("generic.h5")
KIND, FORMAT_VERSION = "generic vocabulary", 1

# From ten pictures on their own vocabulary is better on logos and shelves, and finds better boxes
# (mean IoU .8 against .6 on shelves); on grocery, of the shops of the training photographs, the
# generic one is (benchmarks/generic_vocabulary.md).
FEWEST_TO_LEARN = 10

_ROUNDS = 5  # of refining; see benchmarks/generic_vocabulary.md


def takes_generic(extractor: ConvFeatures, settings: Settings, n_images: int) -> bool:
    """Whether a new collection of some pictures begins with the generic vocabulary.

    With ``vocabulary="auto"``: if it fits the network and the settings, and there are fewer than
    `FEWEST_TO_LEARN` pictures in the first `add`.

    Raises
    ------
    InvalidInput
        It was asked for, and does not fit.
    """
    if settings.vocabulary == "own" or (
        settings.vocabulary == "auto" and n_images >= FEWEST_TO_LEARN
    ):
        return False
    with open_h5(PACKAGED, KIND, FORMAT_VERSION) as file:
        n_words, n_components = file.group("vocabulary").array("centroids").shape
        layer = file.value("layer", str)
        made = file.value("node", str), file.value("weights_digest", str)
    fits = {
        "network and layer": (
            (extractor.node_, extractor.weights_digest_) == made,
            f"blcf-lite's {layer}",
        ),
        "n_components": (settings.n_components == n_components, n_components),
        "n_words": (settings.n_words in ("auto", n_words), n_words),
    }
    wrong = {name: wanted for name, (fit, wanted) in fits.items() if not fit}
    if wrong and settings.vocabulary != "auto":
        name, wanted = next(iter(wrong.items()))
        found = {"network and layer": f"{extractor.network_} {extractor.layer_}"}
        raise InvalidInput(
            f"The generic vocabulary needs {name} {wanted}, got "
            f"{found.get(name) or getattr(settings, name)}. Leave that setting out, or learn a "
            "vocabulary from the collection with vocabulary='own' (--vocabulary own)."
        )
    return not wrong


def read_generic(device: str = "auto") -> tuple[Whitening, Vocabulary]:
    """The whitening and the vocabulary of the package."""
    from blcf.features import Whitening
    from blcf.vocabulary import Vocabulary

    with open_h5(PACKAGED, KIND, FORMAT_VERSION) as file:
        whitening = Whitening.read(file.group("whitening"))
        vocabulary = Vocabulary.read(file.group("vocabulary"), device)
    logger.info("vocabulary: the generic one of the package, %s words", f"{vocabulary.n_words_:,}")
    return whitening, vocabulary


def refined(vocabulary: Vocabulary, features: np.ndarray) -> Vocabulary:
    """Words that begin where those of a vocabulary are, and go to the means of features.

    A word that no feature is nearest to stays where it is. `Vocabulary.partial_fit`, five times, to
    which the words stand for nothing: by what they were learned from they would not move.

    Parameters
    ----------
    features : float32 (n, n_components), whitened as those were that the vocabulary is of
    """
    for _ in range(_ROUNDS):
        parameters = {**vocabulary.get_params(), "n_words": vocabulary.n_words_}
        vocabulary = type(vocabulary).from_parts(vocabulary.centroids_, **parameters)
        vocabulary.partial_fit(features)
    return vocabulary


def write_generic(
    path: Path, extractor: ConvFeatures, whitening: Whitening, vocabulary: Vocabulary
) -> None:
    """Write such a file, words in half precision."""
    with write_h5(path, KIND, FORMAT_VERSION) as file:
        file.attrs["layer"] = np.bytes_(extractor.layer_)
        file.attrs["node"] = np.bytes_(extractor.node_)
        file.attrs["weights_digest"] = np.bytes_(extractor.weights_digest_)
        whitening.write(file.create_group("whitening"))
        vocabulary.write(file.create_group("vocabulary"), dtype=np.float16)
