"""What all global descriptors have in common: vectors of a map, whitened, summed, of length 1."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from blcf.descriptors.pooling import as_feature_map
from blcf.errors import InvalidInput
from blcf.features.whitening import Whitening, normalise_rows
from blcf.printing import shown
from blcf.threads import one_blas_thread

__all__ = ["Descriptor", "learn_whitening"]

Self = TypeVar("Self", bound="Descriptor")


class Descriptor:
    """A global descriptor: a feature map to one vector of length 1.

    A kind of descriptor says how a map becomes one or more vectors (`_pool`). Each of them goes
    through L2 -> PCA whitening -> L2; their sum is L2-normalised (of one vector: nothing changes).
    Cosine similarity of two images is the dot product of their rows.

    Parameters
    ----------
    n_components : int, how many whitened components are kept; None for all
    whiten : False for L2 only

    Attributes
    ----------
    n_components_ : int, length of the rows. Less than asked for where the maps span fewer
        directions, as fewer maps than components do.
    whitening_ : `blcf.features.Whitening`, or None
    n_channels_ : int, of the maps
    learned_on_ : str, what `fit` was told about the maps

    Notes
    -----
    A whitening needs several times as many maps as components, or it makes every image of the set
    that it was learned on unlike every other: with 557 photographs (logos, SqueezeNet 1.1) as their
    own set, sum pooling has a mAP of .40 unwhitened, .42 with 32 components, .33 with 128, .09
    with all 512.
    """

    def __init__(self, n_components: int | None = None, *, whiten: bool = True):
        self.n_components = n_components
        self.whiten = whiten

    def __repr__(self) -> str:
        if not hasattr(self, "n_components_"):
            return shown(self, "not fitted")
        return shown(self, f"{self.n_channels_:,} channels to {self.n_components_:,} components")

    def fit(self: Self, maps: Iterable[np.ndarray], *, learned_on: str = "") -> Self:
        """Learn the whitening.

        Parameters
        ----------
        maps : float32 (C, h, w) each, of any h and w; a generator will do. They are read once, by
            VLAD twice: it makes a list of anything but a sequence.
        learned_on : name of the set of images, kept as `learned_on_`: to whiten with another set
            than the one that is searched is the rule in the papers

        Raises
        ------
        InvalidInput
            No maps; a map that is none, or of another number of channels; too little to learn from;
            options that cannot be.
        """
        self._check_options()
        vars(self).pop("n_components_", None)  # a fit that fails leaves nothing to transform with
        self.n_channels_ = 0
        pooled = [vectors for vectors in self._vectors(self._prepare(maps)) if len(vectors)]
        if not self.n_channels_:
            raise InvalidInput("Expected maps to learn from, got none.")
        if not pooled:
            raise InvalidInput(
                "Expected maps to learn from, got only maps whose vectors are 0: they have no "
                "activations, or are too few."
            )
        vectors = np.concatenate(pooled)
        self.whitening_ = learn_whitening(vectors, self.n_components) if self.whiten else None
        learned = self.whitening_
        self.n_components_ = vectors.shape[1] if learned is None else learned.n_components_
        self.learned_on_ = learned_on
        return self

    def transform(self, maps: Iterable[np.ndarray]) -> np.ndarray:
        """The descriptors of maps.

        Parameters
        ----------
        maps : float32 (C, h, w) each, of any h and w, read once

        Returns
        -------
        float32 (n_images, n_components_), rows of L2 norm 1; zeros for a map without any activation

        Raises
        ------
        InvalidInput
            Nothing was learned yet; a map that is none, or of another number of channels.
        """
        if not hasattr(self, "n_components_"):
            raise InvalidInput("This descriptor has learned nothing yet: call fit first.")
        rows = [self._finish(vectors) for vectors in self._vectors(maps)]
        if not rows:
            return np.zeros((0, self.n_components_), dtype=np.float32)
        return normalise_rows(np.stack(rows))

    def fit_transform(self, maps: Iterable[np.ndarray], *, learned_on: str = "") -> np.ndarray:
        """`fit`, then `transform` of the same maps, which are kept in memory meanwhile."""
        maps = as_sequence(maps)
        return self.fit(maps, learned_on=learned_on).transform(maps)

    def _pool(self, feature_map: np.ndarray) -> np.ndarray:
        """The vectors of a map with activations: float32 (n, d), any n, the same d for all maps."""
        raise NotImplementedError

    def _prepare(self, maps: Iterable[np.ndarray]) -> Iterable[np.ndarray]:
        """Learn what `_pool` needs, and give back the maps."""
        return maps

    def _check(self, given: Any, name: str) -> np.ndarray:
        """One item of what `fit` and `transform` take, checked: float32, channels first."""
        return as_feature_map(given, name)

    def _check_options(self) -> None:
        if not isinstance(self.whiten, (bool, np.bool_)):
            raise InvalidInput(f"Expected whiten to be True or False, got {self.whiten!r}.")
        check_count(self.n_components, "n_components", none="all")
        if self.n_components is not None and not self.whiten:
            raise InvalidInput(
                f"n_components={self.n_components} are components of the whitening: leave it None "
                "or set whiten=True."
            )

    def _vectors(self, maps: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """The vectors that are not 0 of each map, checked: float32 (n, d), n may be 0."""
        for position, feature_map in enumerate(self._checked(maps)):
            if not self.n_channels_:
                self.n_channels_ = len(feature_map)
            if len(feature_map) != self.n_channels_:
                raise InvalidInput(
                    f"Expected {self.n_channels_} channels as in the maps that were learned from, "
                    f"got {len(feature_map)} in map {position}. Use the same network and layer."
                )
            if feature_map.any():
                vectors = self._pool(feature_map)
                yield vectors[vectors.any(axis=1)]
            else:
                yield np.zeros((0, 1), dtype=np.float32)

    def _checked(self, maps: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        try:
            items = iter(maps)
        except TypeError as error:
            raise InvalidInput(
                f"Expected a list of maps, got {type(maps).__name__}. Give [feature_map] for one."
            ) from error
        for position, item in enumerate(items):
            yield self._check(item, f"map {position}")

    def _finish(self, vectors: np.ndarray) -> np.ndarray:
        """The sum of whitened vectors (n, d): float32 (n_components_,)."""
        if not len(vectors):
            return np.zeros(self.n_components_, dtype=np.float32)
        if self.whitening_ is None:
            return normalise_rows(vectors).sum(axis=0)
        return self.whitening_.transform(vectors).sum(axis=0)


def learn_whitening(vectors: np.ndarray, n_components: int | None = None) -> Whitening:
    """The whitening of vectors, also where they are longer than many.

    Fewer vectors than components span few directions: the whitening is learned there, with the same
    result but for rounding. VLAD of 100 words over 512 channels has a covariance of 20 GB; 557
    of them span 557 directions.

    Parameters
    ----------
    vectors : float32 (n, d)
    n_components : int up to d, or None for all

    Raises
    ------
    InvalidInput
        Fewer than two vectors; more components than d; vectors that are all the same.
    """
    n, d = vectors.shape
    if n < 2:
        raise InvalidInput(
            f"Expected at least two maps with activations to learn a whitening, got {n}. Add "
            "pictures, or use whiten=False."
        )
    if n_components is not None and n_components > d:
        raise InvalidInput(
            f"Expected n_components from 1 to {d} (the vector's length), got {n_components!r}."
        )
    if n >= d:
        return Whitening(n_components).fit(vectors)
    wide = normalise_rows(vectors).astype(np.float64)
    with one_blas_thread():
        return _from_few_rows(wide, n_components)


def _from_few_rows(wide: np.ndarray, n_components: int | None) -> Whitening:
    """A whitening from fewer vectors than they have components, float64 of length 1."""
    values, axes = np.linalg.eigh(wide @ wide.T)
    kept = values > 1e-10 * values[-1]
    lengths, axes = np.sqrt(values[kept]), axes[:, kept]
    # The rows in an orthonormal basis of their span, which is rows.T @ axes / lengths.
    inner = Whitening().fit(axes * lengths)
    directions = axes / lengths @ inner.projection_[:, :n_components]
    whitening = Whitening(n_components)
    whitening.mean_ = wide.mean(axis=0).astype(np.float32)
    projection = wide.T @ directions
    largest = projection[np.abs(projection).argmax(axis=0), np.arange(projection.shape[1])]
    whitening.projection_ = (projection * np.where(largest < 0, -1, 1)).astype(np.float32)
    whitening.n_components_ = projection.shape[1]
    variances = 1 / np.square(inner.projection_).sum(axis=0)
    whitening.explained_ = float(variances[:n_components].sum() / variances.sum())
    return whitening


def as_sequence(maps: Iterable[np.ndarray]) -> Sequence[np.ndarray]:
    """Maps that can be read again: a sequence as it is (one that reads files too), else a list."""
    if isinstance(maps, Sequence):
        return maps
    try:
        return list(maps)
    except TypeError as error:
        raise InvalidInput(f"Expected a list of maps, got {type(maps).__name__}.") from error


def check_count(value: Any, name: str, *, none: str = "", least: int = 1) -> None:
    """Raise `InvalidInput` unless a value is an integer from `least` on, or None where allowed.

    `none` says what None means; empty: it is not allowed.
    """
    is_integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if (none and value is None) or (is_integer and value >= least):
        return
    also = f", or None for {none}" if none else ""
    raise InvalidInput(f"Expected {name} to be an integer of {least} or more{also}, got {value!r}.")
