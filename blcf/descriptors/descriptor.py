"""What all global descriptors have in common: vectors, whitened, summed, of length 1."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from blcf.descriptors.learned import learn_whitening
from blcf.descriptors.pooling import as_feature_map
from blcf.errors import InvalidInput
from blcf.estimator import Estimator
from blcf.features.whitening import Whitening, normalise_rows

__all__ = ["Descriptor", "MapDescriptor", "as_sequence", "check_count"]

Self = TypeVar("Self", bound="Descriptor")
Made = TypeVar("Made", bound="MapDescriptor")


class Descriptor(Estimator):
    """A global descriptor: an item, which stands for a picture, to one vector of length 1.

    A kind of descriptor says what its items are (`_check`: feature maps, or codes) and how one
    becomes one or more vectors (`_pool`). Each of them goes through L2 -> PCA whitening -> L2;
    their sum is L2-normalised (of one vector: nothing changes). Cosine similarity of two pictures
    is the dot product of their rows.

    Parameters
    ----------
    n_components : int, how many whitened components are kept; None for all
    whiten : False for L2 only

    Attributes
    ----------
    n_components_ : int, length of the rows. Less than asked for where the items span fewer
        directions, as fewer maps than components do.
    whitening_ : `blcf.features.Whitening`, or None
    n_channels_ : int, of the items
    learned_on_ : str, what `fit` was told about the items

    Notes
    -----
    A whitening needs several times as many maps as components, or it makes every image of the set
    that it was learned on unlike every other: with 557 photographs (logos, SqueezeNet 1.1) as their
    own set, sum pooling has a mAP of .40 unwhitened, .42 with 32 components, .33 with 128, .09
    with all 512.
    """

    item: str  # what an item is called where one cannot be used

    _learned = "n_components_"

    def __init__(self, n_components: int | None = None, *, whiten: bool = True):
        self.n_components = n_components
        self.whiten = whiten

    def _state(self) -> str:
        return f"{self.n_channels_:,} channels to {self.n_components_:,} components"

    def fit(
        self: Self, items: Iterable[np.ndarray], y: object = None, *, learned_on: str = ""
    ) -> Self:
        """Learn the whitening.

        Parameters
        ----------
        items : what the kind takes, any number; a generator will do. They are read once, by VLAD
            twice: it makes a list of anything but a sequence.
        learned_on : name of the set of images, kept as `learned_on_`: to whiten with another set
            than the one that is searched is the rule in the papers

        Raises
        ------
        InvalidInput
            No items; one that is none, or of another number of channels; too little to learn from;
            options that cannot be.
        """
        self._check_options()
        vars(self).pop(self._learned, None)  # a fit that fails leaves nothing to transform with
        pooled, n_channels = [], 0
        for item in self._alike(self._prepare(items)):
            n_channels = len(item)
            pooled.append(self._vectors(item))
        if not n_channels:
            raise InvalidInput(f"Expected {self.item}s to learn from, got none.")
        pooled = [vectors for vectors in pooled if len(vectors)]
        if not pooled:
            raise InvalidInput(
                f"Expected {self.item}s to learn from, got only {self.item}s whose vectors are 0: "
                "they have no activations, or are too few."
            )
        vectors = np.concatenate(pooled)
        learned = None
        if self.whiten:
            learned = learn_whitening(vectors, self.n_components, self.item)
        self.whitening_ = learned
        self.n_channels_ = n_channels
        self.learned_on_ = learned_on
        self.n_components_ = vectors.shape[1] if learned is None else learned.n_components_
        return self

    def transform(self, items: Iterable[np.ndarray]) -> np.ndarray:
        """The descriptors of items.

        Parameters
        ----------
        items : as for `fit`, read once

        Returns
        -------
        float32 (n_images, n_components_), rows of L2 norm 1; zeros for an item without any
        activation

        Raises
        ------
        InvalidInput
            Nothing was learned yet; an item that is none, or of another number of channels.
        """
        if not self.__sklearn_is_fitted__():
            raise InvalidInput("This descriptor has learned nothing yet: call fit first.")
        rows = [self._finish(self._vectors(item)) for item in self._alike(items, self.n_channels_)]
        if not rows:
            return np.zeros((0, self.n_components_), dtype=np.float32)
        return normalise_rows(np.stack(rows))

    def fit_transform(
        self, items: Iterable[np.ndarray], y: object = None, *, learned_on: str = ""
    ) -> np.ndarray:
        """`fit`, then `transform` of the same items, which are kept in memory meanwhile."""
        items = as_sequence(self._given(items), self.item)
        return self.fit(items, learned_on=learned_on).transform(items)

    def _given(self, items: Iterable[np.ndarray]) -> Iterable[np.ndarray]:
        """What `fit` and `transform` take, as what is iterated over."""
        return items

    def _check(self, given: Any, name: str) -> np.ndarray:
        """One of what `fit` and `transform` take, checked: float32, channels first."""
        raise NotImplementedError

    def _pool(self, item: np.ndarray) -> np.ndarray:
        """The vectors of an item that is not 0: float32 (n, d), any n, the same d for all."""
        raise NotImplementedError

    def _prepare(self, items: Iterable[np.ndarray]) -> Iterable[np.ndarray]:
        """Learn what `_pool` needs, and give back the items."""
        return items

    def _check_options(self) -> None:
        if not isinstance(self.whiten, (bool, np.bool_)):
            raise InvalidInput(f"Expected whiten to be True or False, got {self.whiten!r}.")
        check_count(self.n_components, "n_components", none="all")
        if self.n_components is not None and not self.whiten:
            raise InvalidInput(
                f"n_components={self.n_components} are components of the whitening: leave it None "
                "or set whiten=True."
            )

    def _checked(self, items: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        try:
            given = iter(self._given(items))
        except TypeError as error:
            raise InvalidInput(
                f"Expected a list of {self.item}s, got {type(items).__name__}. Give "
                f"[{self.item}] for one."
            ) from error
        for position, one in enumerate(given):
            yield self._check(one, f"{self.item} {position}")

    def _alike(self, items: Iterable[np.ndarray], n_channels: int = 0) -> Iterator[np.ndarray]:
        """Items, checked, of one number of channels: that of the first where it is 0."""
        for position, item in enumerate(self._checked(items)):
            n_channels = n_channels or len(item)
            if len(item) != n_channels:
                raise InvalidInput(
                    f"Expected {n_channels} channels as in the {self.item}s that were learned "
                    f"from, got {len(item)} in {self.item} {position}. Use the same network and "
                    "layer."
                )
            yield item

    def _vectors(self, item: np.ndarray) -> np.ndarray:
        """The vectors that are not 0 of an item: float32 (n, d), n may be 0."""
        if not item.any():
            return np.zeros((0, 1), dtype=np.float32)
        vectors = self._pool(item)
        return vectors[vectors.any(axis=1)]

    def _finish(self, vectors: np.ndarray) -> np.ndarray:
        """The sum of whitened vectors (n, d): float32 (n_components_,)."""
        if not len(vectors):
            return np.zeros(self.n_components_, dtype=np.float32)
        if self.whitening_ is None:
            return normalise_rows(vectors).sum(axis=0)
        return self.whitening_.transform(vectors).sum(axis=0)


class MapDescriptor(Descriptor):
    """A descriptor whose items are feature maps, float32 (C, h, w) each, of any h and w."""

    item = "map"

    @classmethod
    def from_whitening(
        cls: type[Made], whitening: Whitening, *, learned_on: str = "", **options: Any
    ) -> Made:
        """A descriptor whose whitening was learned elsewhere, with a network for instance.

        Parameters
        ----------
        whitening : fitted, of the vectors of this kind
        learned_on : see `fit`
        options : of this kind, but for n_components

        Raises
        ------
        InvalidInput
            A whitening that has learned nothing; a kind that learns something else, too.
        """
        if not hasattr(whitening, "mean_"):
            raise InvalidInput("This whitening has learned nothing yet: call fit first.")
        if cls._prepare is not Descriptor._prepare:
            raise InvalidInput(f"{cls.__name__} learns more than a whitening: call fit.")
        made = cls(whitening.n_components_, **options)
        made._check_options()
        made.whitening_ = whitening
        made.n_channels_, made.n_components_ = whitening.projection_.shape
        made.learned_on_ = learned_on
        return made

    def _check(self, given: Any, name: str) -> np.ndarray:
        return as_feature_map(given, name)


def as_sequence(items: Iterable[np.ndarray], item: str = "map") -> Sequence[np.ndarray]:
    """Items that can be read again: a sequence as it is (one that reads files too), else a list."""
    if isinstance(items, Sequence):
        return items
    try:
        return list(items)
    except TypeError as error:
        raise InvalidInput(f"Expected a list of {item}s, got {type(items).__name__}.") from error


def check_count(value: Any, name: str, *, none: str = "", least: int = 1) -> None:
    """Raise `InvalidInput` unless a value is an integer from `least` on, or None where allowed.

    `none` says what None means; empty: it is not allowed.
    """
    is_integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if (none and value is None) or (is_integer and value >= least):
        return
    also = f", or None for {none}" if none else ""
    raise InvalidInput(f"Expected {name} to be an integer of {least} or more{also}, got {value!r}.")
