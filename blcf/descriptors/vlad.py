"""VLAD of convolutional local features: residuals to their visual words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from blcf.descriptors.descriptor import MapDescriptor, as_sequence, check_count
from blcf.errors import InvalidInput
from blcf.features.whitening import Whitening, normalise_rows
from blcf.threads import one_blas_thread
from blcf.vocabulary import Vocabulary

__all__ = ["VLAD", "residual_sums"]

# A residual of unit features shorter than this is rounding, to which no direction is given.
_ROUNDING = 1e-6


class VLAD(MapDescriptor):
    """VLAD: for each visual word, the sum of the residuals of its local features.

    ``V_w = sum_{x of word w} (x - c_w)`` over the L2-normalised (and whitened) cells of a map;
    each V_w is L2-normalised, all are concatenated, L2-normalised, whitened, and L2-normalised.

    Parameters
    ----------
    n_components : see `Descriptor`; Ng et al. keep 128
    n_words : of the vocabulary; Ng et al. take 100, Jegou & Zisserman 64
    n_local_components : int, local features are whitened to so many components first; None: they
        are L2-normalised only
    normalisation : "intra", each V_w by its own norm; "signed_sqrt", ``sign(v) sqrt(|v|)`` of
        every component
    n_samples : how many local features are looked at to learn the words, at most
    random_state : int, seed of their choice and of k-means
    whiten : see `Descriptor`

    Attributes
    ----------
    vocabulary_ : `blcf.vocabulary.Vocabulary` of n_words
    local_whitening_ : `blcf.features.Whitening`, or None
    n_components_, whitening_, n_channels_, learned_on_ : see `Descriptor`

    Notes
    -----
    Source: Jegou, Douze, Schmid & Perez, CVPR 2010; Arandjelovic & Zisserman, CVPR 2013 (intra
    normalisation); Ng, Yang & Davis, CVPR workshops 2015 (of convolutional layers, 128 whitened
    components). Jegou & Zisserman, CVPR 2014, sum residuals that are normalised one by one
    (triangulation embedding): that is another descriptor.

    Cells without any activation are left out.
    """

    def __init__(
        self,
        n_components: int | None = None,
        *,
        n_words: int = 100,
        n_local_components: int | None = None,
        normalisation: str = "intra",
        n_samples: int = 50_000,
        random_state: int = 0,
        whiten: bool = True,
    ):
        super().__init__(n_components, whiten=whiten)
        self.n_words = n_words
        self.n_local_components = n_local_components
        self.normalisation = normalisation
        self.n_samples = n_samples
        self.random_state = random_state

    def _prepare(self, maps: Iterable[np.ndarray]) -> Sequence[np.ndarray]:
        """Learn the words."""
        maps = as_sequence(maps)
        sample = self._sample(maps)
        self.local_whitening_ = None
        if self.n_local_components is not None:
            self.local_whitening_ = Whitening(self.n_local_components).fit(sample)
            sample = self.local_whitening_.transform(sample)
        self.vocabulary_ = Vocabulary(
            self.n_words, max_features_per_word=None, random_state=self.random_state
        ).fit(sample)
        return maps

    def _check_options(self) -> None:
        super()._check_options()
        check_count(self.n_words, "n_words")
        check_count(self.n_local_components, "n_local_components", none="L2 only")
        check_count(self.n_samples, "n_samples")
        check_count(self.random_state, "random_state", least=0)
        if self.normalisation not in ("intra", "signed_sqrt"):
            raise InvalidInput(
                "Expected a normalisation of 'intra' or 'signed_sqrt', got "
                f"{self.normalisation!r}."
            )

    def _sample(self, maps: Sequence[np.ndarray]) -> np.ndarray:
        """Local features of all maps, as many of each: float32 (at most n_samples, n_channels)."""
        rng = np.random.default_rng(self.random_state)
        samples = list(self._samples(maps, rng))
        if not samples:
            raise InvalidInput("Expected maps to learn from, got none.")
        channels = {sample.shape[1] for sample in samples}
        if len(channels) > 1:
            raise InvalidInput(
                f"Expected maps of one number of channels, got {sorted(channels)}. Use the same "
                "network and layer."
            )
        sample = np.concatenate(samples)
        if not len(sample):
            raise InvalidInput("Expected maps to learn from, got only maps without any activation.")
        return sample[rng.permutation(len(sample))[: self.n_samples]]

    def _samples(
        self, maps: Sequence[np.ndarray], rng: np.random.Generator
    ) -> Iterator[np.ndarray]:
        n_each = -(-self.n_samples // max(len(maps), 1))
        for feature_map in self._checked(maps):
            features = _local_features(feature_map)
            yield features[rng.permutation(len(features))[:n_each]]

    def _pool(self, feature_map: np.ndarray) -> np.ndarray:
        features = _local_features(feature_map)
        if self.local_whitening_ is not None:
            features = self.local_whitening_.transform(features)
        words = self.vocabulary_.assign_features(features)
        sums = residual_sums(features, words, self.vocabulary_.centroids_)
        if self.normalisation == "intra":
            sums = normalise_rows(sums)
        else:
            sums = np.sign(sums) * np.sqrt(np.abs(sums))
        return sums.reshape(1, -1)


def _local_features(feature_map: np.ndarray) -> np.ndarray:
    """The cells with activations, of length 1: float32 (n, C)."""
    features = feature_map.reshape(len(feature_map), -1).T
    return normalise_rows(features[features.any(axis=1)])


def residual_sums(features: np.ndarray, words: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """For each word, the sum of ``feature - centroid`` over its features.

    Parameters
    ----------
    features : float32 (n, d), of length 1
    words : int (n,), the word of each
    centroids : float32 (n_words, d)

    Returns
    -------
    float32 (n_words, d); 0 for a word without features, and where nothing but rounding is left

    Notes
    -----
    Residuals are taken before they are summed: a feature that is its word leaves exactly 0.
    """
    members = np.zeros((len(centroids), len(features)), dtype=np.float32)
    members[words, np.arange(len(features))] = 1
    with one_blas_thread():
        sums = members @ (features - centroids[words])
    lengths = np.sqrt(np.einsum("ij,ij->i", sums, sums))
    sums[lengths <= _ROUNDING * members.sum(axis=1)] = 0
    return sums
