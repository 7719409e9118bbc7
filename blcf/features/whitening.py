"""Whitening of local features: L2, then PCA whitening, then L2."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import h5py
import numpy as np

from blcf.errors import InvalidInput
from blcf.estimator import Estimator, as_rows
from blcf.storage import StoredGroup
from blcf.threads import in_order, one_blas_thread

__all__ = ["Whitening", "normalise_rows"]

# Rows whitened or summed by one thread at a time, whatever the number of threads: sums keep their
# order. 4,096 x 512 in float64 are 16 MB.
_ROWS = 4_096

# Rows read at a time.
_CHUNK = 32_768


def normalise_rows(features: np.ndarray) -> np.ndarray:
    """Rows divided by their L2 norm, float32; rows of zeros stay zeros, NaN stays NaN."""
    features = np.asarray(features, dtype=np.float32)
    norms = np.sqrt(np.einsum("ij,ij->i", features, features))[:, None]
    return np.divide(features, norms, out=np.zeros_like(features), where=norms != 0)


def _parts(rows: np.ndarray) -> Iterator[np.ndarray]:
    return (rows[i : i + _ROWS] for i in range(0, len(rows), _ROWS))


def _sums(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sum of normalised features and that of their products, float64."""
    rows = normalise_rows(features).astype(np.float64)
    return rows.sum(axis=0), rows.T @ rows


class Whitening(Estimator):
    """L2 -> PCA whitening -> L2, learned from local features.

    ``y = L2((L2(x) - mean) W)`` with the columns of W the leading eigenvectors of the covariance
    over the root of their eigenvalues. Directions without variance are left out, so
    `n_components_` can be less than asked for.

    Parameters
    ----------
    n_components : int up to the number of channels, or None for all

    Attributes
    ----------
    mean_ : float32 (n_channels,)
    projection_ : float32 (n_channels, n_components_)
    n_components_ : int
    explained_ : float, share of the variance that is kept
    n_features_in_ : int, channels, by scikit-learn's name
    digest_ : str, SHA-256 (first 16 hex digits) of mean and projection

    Notes
    -----
    Source: Jegou & Chum, ECCV 2012; Mohedano et al., ICMR 2016, section 5 (512 components).

    Examples
    --------
    >>> import numpy as np
    >>> sample = np.random.default_rng(0).random((100, 8))
    >>> Whitening(n_components=4).fit(sample).transform(sample).shape
    (100, 4)
    """

    _learned = "mean_"
    _takes_rows = True
    _keeps_dtype = ("float32",)

    def __init__(self, n_components: int | None = None):
        self.n_components = n_components

    def _state(self) -> str:
        return f"{len(self.mean_):,} channels to {self.n_components_:,} components"

    @classmethod
    def from_parts(
        cls, mean: np.ndarray, projection: np.ndarray, *, explained: float = np.nan
    ) -> Whitening:
        """A whitening that was learned elsewhere or earlier.

        Parameters
        ----------
        mean : float (n_channels,), kept as float32
        projection : float (n_channels, n_components), kept as float32
        explained : share of the variance that is kept, NaN where it is not known

        Raises
        ------
        InvalidInput
            Other shapes, or numbers that are not finite.
        """
        whitening = cls(n_components=np.shape(projection)[-1] if np.ndim(projection) else None)
        mean, projection = as_rows(mean), as_rows(projection)
        if (mean.ndim, projection.ndim, projection.shape[:1]) != (1, 2, mean.shape):
            raise InvalidInput(
                "Expected a mean (n_channels,) and a projection (n_channels, n_components), got "
                f"shapes {mean.shape} and {projection.shape}."
            )
        if not projection.size or not (np.isfinite(mean).all() and np.isfinite(projection).all()):
            raise InvalidInput("Expected a mean and a projection of finite numbers.")
        whitening._set(mean, projection, explained)
        return whitening

    def _set(self, mean: np.ndarray, projection: np.ndarray, explained: float) -> None:
        self.projection_ = projection.astype(np.float32)
        self.n_components_ = self.projection_.shape[1]
        self.explained_ = float(explained)
        self.mean_ = mean.astype(np.float32)

    def fit(self, features: np.ndarray, y: object = None) -> Whitening:
        """Learn from features (n, n_channels), any float dtype (a memory map will do)."""
        features = as_rows(features)
        if features.ndim != 2:
            raise InvalidInput(
                f"Expected features of shape (n, n_channels), got shape {np.shape(features)}. "
                "Reshape a map with feature_map.reshape(n_channels, -1).T."
            )
        chunks = (features[i : i + _CHUNK] for i in range(0, len(features), _CHUNK))
        return self.fit_batches(chunks)

    def fit_transform(self, features: np.ndarray, y: object = None) -> np.ndarray:
        """`fit`, then `transform` of the same features."""
        return self.fit(features).transform(features)

    def fit_batches(self, batches: Iterable[np.ndarray]) -> Whitening:
        """Learn from batches of features, one pass, float64 sums: only one batch is in memory."""
        count, total, products = 0, np.zeros(0), np.zeros((0, 0))
        for batch in batches:
            n_channels = batch.shape[1]
            if not count:
                total = np.zeros(n_channels)
                products = np.zeros((n_channels, n_channels))
            if n_channels != total.size:
                raise InvalidInput(
                    f"Expected batches of {total.size} channels like the first, got "
                    f"{n_channels}."
                )
            count += len(batch)
            with one_blas_thread() as n_threads:
                for sums in in_order(_sums, _parts(batch), n_threads):
                    total += sums[0]
                    products += sums[1]
        if count < 2 or not np.isfinite(total).all():
            raise InvalidInput(
                f"Expected at least two finite local features to learn a whitening, got {count}."
            )
        mean = total / count
        self._solve(mean, products / count - np.outer(mean, mean))
        return self

    def _solve(self, mean: np.ndarray, covariance: np.ndarray) -> None:
        n_channels = mean.size
        wanted = n_channels if self.n_components is None else self.n_components
        is_integer = isinstance(wanted, (int, np.integer)) and not isinstance(wanted, bool)
        if not is_integer or not 1 <= wanted <= n_channels:
            raise InvalidInput(
                f"Expected n_components from 1 to {n_channels} (the channels), got {wanted!r}."
            )
        with one_blas_thread():
            values, vectors = np.linalg.eigh(covariance)  # ascending
        values, vectors = values[::-1], vectors[:, ::-1]
        # Float32 features carry noise near 1e-7 of their energy; less variance than that is none.
        kept = min(wanted, int((values > 1e-7 * max(values[0], 0)).sum()))
        if values[0] <= 1e-12 or kept == 0:
            raise InvalidInput(
                "All sampled local features are the same: nothing to learn from. "
                "Add pictures with more content."
            )
        values, vectors = values[:kept], vectors[:, :kept]
        # An eigenvector is defined up to its sign: make its largest entry positive.
        largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(kept)]
        vectors = vectors * np.where(largest < 0, -1.0, 1.0)
        self._set(mean, vectors / np.sqrt(values), values.sum() / np.trace(covariance))

    def transform(self, features: np.ndarray) -> np.ndarray:
        """Whitened features: float32 (n, n_components_), rows of L2 norm 1."""
        if not hasattr(self, "mean_"):
            raise InvalidInput("This whitening has learned nothing yet: call fit first.")
        features = as_rows(features)
        if features.ndim != 2 or features.shape[1] != self.mean_.size:
            also = " Reshape your data: x.reshape(1, -1) for one." if features.ndim < 2 else ""
            raise InvalidInput(
                f"Expected features of shape (n, {self.mean_.size}), got shape {features.shape}."
                + also
            )
        out = np.empty((len(features), self.n_components_), dtype=np.float32)

        def whiten(part: tuple[np.ndarray, np.ndarray]) -> None:
            rows = normalise_rows(part[0]) - self.mean_
            part[1][:] = normalise_rows(rows @ self.projection_)

        with one_blas_thread() as n_threads:
            for _ in in_order(whiten, zip(_parts(features), _parts(out)), n_threads):
                pass
        return out

    @property
    def n_features_in_(self) -> int:
        """How many channels features have."""
        return self.mean_.size

    @property
    def digest_(self) -> str:
        """SHA-256 (first 16 hex digits) of what was learned."""
        digest = hashlib.sha256(self.mean_.tobytes())
        digest.update(self.projection_.tobytes())
        return digest.hexdigest()[:16]

    def write(self, group: h5py.Group) -> None:
        """Write what was learned into an HDF5 group."""
        group.attrs["explained"] = self.explained_
        group.create_dataset("mean", data=self.mean_)
        group.create_dataset("projection", data=self.projection_)

    @classmethod
    def read(cls, group: StoredGroup) -> Whitening:
        """A whitening from a stored group; `FormatError` where it is none."""
        mean, projection = group.array("mean"), group.array("projection")
        shapes = mean.ndim, projection.ndim, projection.shape[:1]
        if {mean.dtype, projection.dtype} != {np.dtype(np.float32)} or shapes != (1, 2, mean.shape):
            raise group.damaged("its whitening is of other numbers")
        if not projection.size or not (np.isfinite(mean).all() and np.isfinite(projection).all()):
            raise group.damaged("its whitening is of no numbers")
        return cls.from_parts(mean, projection, explained=group.value("explained", float))
