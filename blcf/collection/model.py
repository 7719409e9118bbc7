"""From a picture to its words: the network, the whitening and the vocabulary of one collection."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Optional

import numpy as np

from blcf.bags import BagOfWords
from blcf.bags.weighting import check_functions, weighting_of_parts
from blcf.collection.collection import Collection
from blcf.collection.network import load_extractor
from blcf.collection.settings import Settings
from blcf.errors import FormatError, InvalidInput
from blcf.storage import Place, array_digest, open_h5, write_h5

if TYPE_CHECKING:
    import torch
    from torch import nn

    from blcf.features import ConvFeatures, Whitening
    from blcf.vocabulary import Vocabulary

__all__ = ["Model", "write_model"]

KIND, FORMAT_VERSION = "model", 1

Functions = Mapping[str, Optional[Callable[[np.ndarray], Any]]]

# What a manifest says of the extractor and of what was learned.
_EXTRACTOR: dict[str, type] = {
    **dict.fromkeys(("network", "layer", "node", "weights", "weights_digest"), str),
    **dict.fromkeys(("n_channels", "side"), int),
    **dict.fromkeys(("mean", "std"), list),
}
_LEARNED: dict[str, type] = {
    **dict.fromkeys(("n_words", "n_components"), int),
    **dict.fromkeys(("whitening_digest", "vocabulary_digest"), str),
}


class Model:
    """What a collection's words were made with; each part is loaded when it is first used.

    Threads may use it at once, the first time too: one of them loads a part, the others wait.

    Parameters
    ----------
    collection : whose manifest says what the parts must be
    network : the module, for a collection that was made with one
    weights : where the weights are now, if their file has moved
    device, dtype : of the network, see `blcf.ConvFeatures`
    extractor : the network, if it is loaded already
    functions : {weighting: function or None}, which make what it needs of a picture, see
        `blcf.bags.CHANNELS`
    learned : whitening and vocabulary, if they are loaded already

    Raises
    ------
    FormatError
        The manifest says of network, settings or vocabulary what none of ours does.
    InvalidInput
        A function that is none, or is for another weighting.
    """

    def __init__(
        self,
        collection: Collection,
        *,
        network: nn.Module | None = None,
        weights: str | os.PathLike[str] | None = None,
        device: str = "auto",
        dtype: str = "auto",
        extractor: ConvFeatures | None = None,
        functions: Functions = MappingProxyType({}),
        learned: tuple[Whitening, Vocabulary] | None = None,
    ):
        self.collection = collection
        self.settings = _read_settings(collection)
        check_functions(self.settings.weighting, functions)
        self.functions = dict(functions)
        self._network = network
        self._weights = weights
        self._device = device
        self._dtype = dtype
        self._loading = threading.RLock()
        self._extractor = extractor
        self._learned = learned
        self._centroids: np.ndarray | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """As the collection's path and options: what is loaded is loaded anew."""
        how = (self._network, self._weights, self._device, self._dtype, self.functions)
        return _opened, (*self.collection.reopening(), *how)

    @property
    def extractor(self) -> ConvFeatures:
        """The network, checked to be the one that the collection was made with."""
        with self._loading:
            if self._extractor is None:
                self._extractor = load_extractor(
                    self.collection.manifest["extractor"],
                    self.settings,
                    str(self.collection.path),
                    network=self._network,
                    weights=self._weights,
                    device=self._device,
                    dtype=self._dtype,
                )
            return self._extractor

    @property
    def is_learned(self) -> bool:
        """Whether whitening and vocabulary exist."""
        return self.collection.manifest["model"] is not None

    @property
    def entry(self) -> dict[str, Any]:
        """What the manifest says of whitening and vocabulary; an error where they are missing."""
        if not self.is_learned:
            raise InvalidInput(
                f"{self.collection.path} holds no pictures yet: indexing was stopped before the "
                "vocabulary was learned. Run the same `blcf index` again."
            )
        return self.collection.manifest["model"]

    @property
    def n_words(self) -> int:
        """Size of the vocabulary."""
        return int(self.entry["n_words"])

    @property
    def bags_of_images(self) -> BagOfWords:
        """How the bags of whole images are made."""
        return BagOfWords(self.n_words, weighting=self.settings.weighting)

    @property
    def bags_of_parts(self) -> BagOfWords:
        """How the bags of queries and of windows are made."""
        return BagOfWords(self.n_words, weighting_of_parts(self.settings.weighting))

    @property
    def whitening(self) -> Whitening:
        """The whitening of the collection."""
        return self._parts()[0]

    @property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary of the collection."""
        return self._parts()[1]

    @property
    def centroids(self) -> np.ndarray:
        """The features of the words, float32 (n_words, n_components); needs no network."""
        with self._loading:
            if self._learned is not None:
                return self.vocabulary.centroids_
            if self._centroids is None:
                path = self.collection.file(self.entry["file"])
                with open_h5(path, KIND, FORMAT_VERSION) as file:
                    centroids = file.group("vocabulary").array("centroids").copy()
                self._check(path, array_digest(centroids), self.entry["vocabulary_digest"])
                self._check_shape(path, centroids)
                self._centroids = centroids
            return self._centroids

    def _check(self, path: Place, found: str, listed: str) -> None:
        if found != listed:
            raise FormatError(
                f"{self.collection.path} lists whitening and vocabulary {listed}, "
                f"{path.name} holds {found}. Restore both from the same copy."
            )

    def _check_shape(self, path: Place, centroids: np.ndarray) -> None:
        listed = self.entry["n_words"], self.entry["n_components"]
        if (centroids.dtype, centroids.shape) != (np.float32, listed):
            raise FormatError(
                f"{path} is damaged: expected {listed[0]} words of {listed[1]} components, got "
                f"shape {centroids.shape}. Restore it from a copy, or index again."
            )

    def _parts(self) -> tuple[Whitening, Vocabulary]:
        with self._loading:
            if self._learned is None:
                entry = self.entry
                path = self.collection.file(entry["file"])
                whitening, vocabulary = _read_model(path, self._device)
                found = f"{whitening.digest_} {vocabulary.digest_}"
                listed = f"{entry['whitening_digest']} {entry['vocabulary_digest']}"
                self._check(path, found, listed)
                self._check_shape(path, vocabulary.centroids_)
                n_channels = self.collection.manifest["extractor"]["n_channels"]
                if whitening.projection_.shape != (n_channels, entry["n_components"]):
                    raise FormatError(f"{path} is damaged: its whitening is of other channels.")
                self._learned = whitening, vocabulary
            return self._learned

    def encode(
        self, feature_map: np.ndarray, needed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Words and norms of a raw feature map, float32 (C, h, w).

        Parameters
        ----------
        needed : bool (H, W), the cells whose words are asked for; None: all. Those of others may be
            0: to find a word takes two thirds of the time of a small network.

        Returns
        -------
        assignment_map : int32 (H, W), H and W the interpolated height and width
        norms : float32 (H, W), L2 norms of the interpolated raw features
        """
        from blcf.vocabulary.parts import part_around, part_norms

        part = None if needed is None else part_around(needed, self.settings.upsample)
        if part is None:
            return self.encode_many(feature_map[None])[0]
        rows, columns = part.source
        words = np.zeros(part.shape, np.int32)
        words[part.large] = self.encode_many(feature_map[None, :, rows, columns])[0][0]
        return words, part_norms(feature_map, self.settings.upsample)

    def encode_many(
        self, feature_maps: np.ndarray | torch.Tensor
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """`encode` of raw feature maps of one shape, float32 (n, C, h, w), in one go.

        Raises
        ------
        InvalidInput
            They came as a tensor, and not all of them are finite.
        """
        words, norms = self.vocabulary.assign_maps(
            feature_maps, upsample=self.settings.upsample, whitening=self.whitening
        )
        if not isinstance(feature_maps, np.ndarray) and not np.isfinite(norms).all():
            raise InvalidInput(
                f"Layer {self.settings.layer} of {self.settings.network} gave values that are not "
                "finite. Use dtype='float32' or 'bfloat16', and check the weights."
            )
        return list(zip(words, norms))


def _read_settings(collection: Collection) -> Settings:
    """The settings of a manifest, once all that it says for the engine has the right form."""
    manifest = collection.manifest
    for key, kinds in (("extractor", _EXTRACTOR), ("model", _LEARNED)):
        wrong = [one for one, kind in kinds.items() if type((manifest[key] or {}).get(one)) != kind]
        if wrong and manifest[key] is not None:
            raise FormatError(
                f"The manifest of {collection.path} says no {', '.join(wrong)} of its {key} that "
                "can be used. Restore it from a copy, or index again."
            )
    try:
        return Settings.from_dict(manifest["settings"])
    except InvalidInput as error:
        raise FormatError(
            f"The settings of {collection.path} are none of ours. {str(error)[:300]} Restore its "
            "manifest from a copy, or index again."
        ) from error


def _opened(
    open_again: Callable[..., Collection],
    arguments: tuple[Any, ...],
    network: nn.Module | None,
    weights: str | os.PathLike[str] | None,
    device: str,
    dtype: str,
    functions: Functions,
) -> Model:
    """The model of a collection, opened where a pickled one arrives."""
    return Model(
        open_again(*arguments),
        network=network,
        weights=weights,
        device=device,
        dtype=dtype,
        functions=functions,
    )


def write_model(path: Place, whitening: Whitening, vocabulary: Vocabulary) -> dict[str, Any]:
    """Write the model file; gives what the manifest says of it."""
    with write_h5(path, KIND, FORMAT_VERSION) as file:
        whitening.write(file.create_group("whitening"))
        vocabulary.write(file.create_group("vocabulary"))
    return {
        "file": path.name,
        "n_words": vocabulary.n_words_,
        "n_components": whitening.n_components_,
        "whitening_digest": whitening.digest_,
        "vocabulary_digest": vocabulary.digest_,
    }


def _read_model(path: Place, device: str) -> tuple[Whitening, Vocabulary]:
    from blcf.features import Whitening
    from blcf.vocabulary import Vocabulary

    with open_h5(path, KIND, FORMAT_VERSION) as file:
        whitening = Whitening.read(file.group("whitening"))
        return whitening, Vocabulary.read(file.group("vocabulary"), device)
