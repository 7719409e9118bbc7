"""The pooled descriptors of the literature; all keep the contract of `Descriptor`."""

from __future__ import annotations

import numpy as np

from blcf.descriptors.descriptor import MapDescriptor
from blcf.descriptors.pooling import (
    center_prior,
    check_positive,
    crow_channel_weights,
    crow_spatial_weights,
    generalised_mean_pool,
    max_pool,
    max_pool_regions,
    sum_pool,
)
from blcf.descriptors.regions import check_n_scales, rmac_regions

__all__ = ["CroW", "GeM", "MAC", "RMAC", "SPoC", "SumPooling", "UCroW"]


class SumPooling(MapDescriptor):
    """Sum of all cells: L2 -> PCA whitening -> L2.

    "As ours" of the paper is this of conv5_1 at a third of the size, "as in CroW" the same of
    pool5 at full size.

    Parameters
    ----------
    n_components, whiten : see `Descriptor`, as for the attributes

    Notes
    -----
    Source: Mohedano et al., ICMR 2016, table 3; see `blcf.descriptors.sum_pool`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> maps = [rng.random((8, h, 4), dtype=np.float32) for h in (3, 5, 4, 6)]
    >>> SumPooling(whiten=False).fit_transform(maps).shape
    (4, 8)
    """

    def _pool(self, feature_map: np.ndarray) -> np.ndarray:
        return sum_pool(feature_map)[None]


class UCroW(SumPooling):
    """uCroW, CroW with uniform weights: the paper's name for `SumPooling`.

    Notes
    -----
    Source: Kalantidis, Mellina & Osindero, ECCV workshops 2016, section 4.
    """


class SPoC(MapDescriptor):
    """SPoC: sum of the cells, weighted by a centre prior.

    Parameters
    ----------
    n_components : the paper keeps 256
    center_prior : False weighs all cells alike, as the paper does for Holidays
    whiten : see `Descriptor`, as for the attributes

    Notes
    -----
    Source: Babenko & Lempitsky, ICCV 2015; see `blcf.descriptors.center_prior`. The prior is that
    of the map that comes: of the crop, for a local query.
    """

    def __init__(
        self,
        n_components: int | None = None,
        *,
        center_prior: bool = True,
        whiten: bool = True,
    ):
        super().__init__(n_components, whiten=whiten)
        self.center_prior = center_prior

    def _pool(self, feature_map: np.ndarray) -> np.ndarray:
        weights = center_prior(*feature_map.shape[1:]) if self.center_prior else None
        return sum_pool(feature_map, weights)[None]


class MAC(MapDescriptor):
    """MAC: maximum of all cells.

    Parameters
    ----------
    n_components, whiten : see `Descriptor`, as for the attributes

    Notes
    -----
    Source: Tolias, Sicre & Jegou, ICLR 2016.
    """

    def _pool(self, feature_map: np.ndarray) -> np.ndarray:
        return max_pool(feature_map)[None]


class RMAC(MapDescriptor):
    """R-MAC: the maximum of each region of a rigid grid, whitened, summed.

    Parameters
    ----------
    n_components : see `Descriptor`, as for the attributes
    n_scales : of the grid, see `blcf.descriptors.rmac_regions`
    whiten : the whitening is learned from the vectors of all regions of all maps

    Notes
    -----
    Source: Tolias, Sicre & Jegou, ICLR 2016 (3 scales).
    """

    def __init__(self, n_components: int | None = None, *, n_scales: int = 3, whiten: bool = True):
        super().__init__(n_components, whiten=whiten)
        self.n_scales = n_scales

    def _check_options(self) -> None:
        super()._check_options()
        check_n_scales(self.n_scales)

    def _pool(self, feature_map: np.ndarray) -> np.ndarray:
        h, w = feature_map.shape[1:]
        return max_pool_regions(feature_map, rmac_regions(h, w, self.n_scales))


class CroW(MapDescriptor):
    """CroW: sum of the cells, weighted by place and by channel.

    Parameters
    ----------
    n_components : see `Descriptor`, as for the attributes; the paper keeps 128, 256 and 512
    a, b : powers of the spatial weights, see `blcf.descriptors.crow_spatial_weights`
    spatial_weights, channel_weights : False leaves those weights out; without both it is `UCroW`
    whiten : see `Descriptor`

    Notes
    -----
    Source: Kalantidis, Mellina & Osindero, ECCV workshops 2016.
    """

    def __init__(
        self,
        n_components: int | None = None,
        *,
        a: float = 2,
        b: float = 2,
        spatial_weights: bool = True,
        channel_weights: bool = True,
        whiten: bool = True,
    ):
        super().__init__(n_components, whiten=whiten)
        self.a = a
        self.b = b
        self.spatial_weights = spatial_weights
        self.channel_weights = channel_weights

    def _check_options(self) -> None:
        super()._check_options()
        check_positive(self.a, "a")
        check_positive(self.b, "b")

    def _pool(self, feature_map: np.ndarray) -> np.ndarray:
        weights = None
        if self.spatial_weights:
            weights = crow_spatial_weights(feature_map, self.a, self.b)
        pooled = sum_pool(feature_map, weights)
        if self.channel_weights:
            pooled *= crow_channel_weights(feature_map)
        return pooled[None]


class GeM(MapDescriptor):
    """GeM: generalised mean of the cells.

    Parameters
    ----------
    n_components : see `Descriptor`, as for the attributes
    p : power of the mean, see `blcf.descriptors.generalised_mean_pool`
    whiten : PCA whitening; the paper learns a discriminative one, from matching pairs

    Notes
    -----
    Source: Radenovic, Tolias & Chum, PAMI 2019, section 3.
    """

    def __init__(self, n_components: int | None = None, *, p: float = 3.0, whiten: bool = True):
        super().__init__(n_components, whiten=whiten)
        self.p = p

    def _check_options(self) -> None:
        super()._check_options()
        check_positive(self.p, "p")

    def _pool(self, feature_map: np.ndarray) -> np.ndarray:
        return generalised_mean_pool(feature_map, self.p)[None]
