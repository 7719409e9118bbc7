"""Neural codes: what a fully-connected layer says of a picture, whitened."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from blcf.descriptors.descriptor import Descriptor
from blcf.descriptors.pooling import as_finite
from blcf.errors import InvalidInput
from blcf.estimator import as_rows

__all__ = ["NeuralCodes"]


class NeuralCodes(Descriptor):
    """Neural codes: activations of a fully-connected layer, L2 -> PCA whitening -> L2.

    `fit` and `transform` take codes, float32 (n_images, d) or a list of (d,).

    Parameters
    ----------
    n_components : see `Descriptor`, as for the attributes; the paper keeps up to 512
    whiten : see `Descriptor`

    Notes
    -----
    Source: Babenko, Slesarev, Chigorin & Lempitsky, ECCV 2014 (PCA only); Razavian et al., CVPR
    workshops 2014 (PCA whitening, as here).

    Examples
    --------
    >>> codes = np.random.default_rng(0).random((30, 8), dtype=np.float32)
    >>> NeuralCodes(4).fit_transform(codes).shape
    (30, 4)
    """

    item = "code"

    _takes_rows = True
    _keeps_dtype = ("float32",)

    @property
    def n_features_in_(self) -> int:
        """How many components codes have, by scikit-learn's name."""
        return self.n_channels_

    def _given(self, items: Iterable[np.ndarray]) -> Iterable[np.ndarray]:
        # A table is read by its rows; a data frame's own iterator gives the names of columns.
        is_table = hasattr(items, "__array__") or hasattr(items, "tocsr")
        codes: Iterable[np.ndarray] = as_rows(items) if is_table else items
        return codes

    def _check(self, given: Any, name: str) -> np.ndarray:
        code = as_finite(given, 1, name)
        if not code.size:
            raise InvalidInput("Expected codes with components, got shape (0,).")
        return code

    def _pool(self, item: np.ndarray) -> np.ndarray:
        return item[None]
