"""Heads: feature maps to one vector a picture, as layers that gradients flow through.

Each computes what the descriptor of its name in `blcf.descriptors` does, of a batch of maps of one
size: one or more vectors of a map, each through L2 -> whitening -> L2 (L2 only without a
whitening), summed, L2. A map without any activation gives zeros.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from blcf.descriptors.pooling import center_prior, check_positive
from blcf.descriptors.regions import check_n_scales, rmac_regions
from blcf.errors import InvalidInput
from blcf.features.whitening import Whitening

__all__ = ["GeMHead", "Head", "MACHead", "RMACHead", "SPoCHead", "WhiteningLayer"]

_EPS = 1e-6  # GeM's clamp, as in `blcf.descriptors.generalised_mean_pool`


class WhiteningLayer(nn.Module):
    """L2 -> shift -> linear -> L2, which begins as a whitening and is learned on.

    Parameters
    ----------
    whitening : fitted; see `blcf.learning.learned_whitening` for one that pairs teach

    Notes
    -----
    Source: Gordo et al., ECCV 2016, section 3.1: PCA as a shift and a fully connected layer.
    """

    def __init__(self, whitening: Whitening):
        super().__init__()
        if not hasattr(whitening, "mean_"):
            raise InvalidInput("This whitening has learned nothing yet: call fit first.")
        self.shift = nn.Parameter(torch.tensor(-whitening.mean_))
        n_channels, n_components = whitening.projection_.shape
        self.linear = nn.Linear(n_channels, n_components, bias=False)
        with torch.no_grad():
            self.linear.weight.copy_(torch.tensor(whitening.projection_.T))

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Vectors (..., n_channels) to (..., n_components), of length 1; zeros stay zeros."""
        seen = (vectors != 0).any(dim=-1, keepdim=True)
        shifted = functional.normalize(vectors, dim=-1) + self.shift
        return functional.normalize(self.linear(shifted), dim=-1) * seen


class Head(nn.Module):
    """What all heads have in common; a kind says how a map becomes vectors (`_pool`).

    Parameters
    ----------
    whitening : fitted, of the kind's vectors; None for L2 only
    """

    def __init__(self, whitening: Whitening | None = None):
        super().__init__()
        self.whitening = None if whitening is None else WhiteningLayer(whitening)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Feature maps to descriptors.

        Parameters
        ----------
        maps : float (n, C, h, w), activations of one layer

        Returns
        -------
        float (n, d), rows of length 1; zeros for a map without any activation

        Raises
        ------
        InvalidInput
            Not of four axes, or empty; of another number of channels than the whitening.
        """
        if maps.ndim != 4 or not maps.numel() or not maps.dtype.is_floating_point:
            raise InvalidInput(
                f"Expected feature maps float (n, C, h, w), got {maps.dtype} of shape "
                f"{tuple(maps.shape)}. Give feature_map[None] for one."
            )
        if self.whitening is not None and maps.shape[1] != len(self.whitening.shift):
            raise InvalidInput(
                f"Expected maps of {len(self.whitening.shift)} channels, as the whitening, got "
                f"{maps.shape[1]}."
            )
        # GeM of zeros is not zero.
        seen = (maps != 0).flatten(1).any(dim=1)[:, None, None]
        vectors = self._pool(maps) * seen  # (n, n_vectors, C)
        if self.whitening is None:
            vectors = functional.normalize(vectors, dim=2)
        else:
            vectors = self.whitening(vectors)
        return functional.normalize(vectors.sum(dim=1), dim=1)

    def _pool(self, maps: torch.Tensor) -> torch.Tensor:
        """The vectors of each map: (n, C, h, w) to (n, n_vectors, C)."""
        raise NotImplementedError


class MACHead(Head):
    """MAC: the maximum of all cells.

    Notes
    -----
    Source: Tolias, Sicre & Jegou, ICLR 2016.
    """

    def _pool(self, maps: torch.Tensor) -> torch.Tensor:
        return maps.amax(dim=(2, 3))[:, None]


class SPoCHead(Head):
    """SPoC: the sum of the cells, weighted by a centre prior.

    Parameters
    ----------
    whitening : see `Head`
    center_prior : False weighs all cells alike, as the recipe of cirtorch does

    Notes
    -----
    Source: Babenko & Lempitsky, ICCV 2015.
    """

    def __init__(self, whitening: Whitening | None = None, *, center_prior: bool = True):
        super().__init__(whitening)
        self.center_prior = center_prior

    def _pool(self, maps: torch.Tensor) -> torch.Tensor:
        if not self.center_prior:
            return maps.mean(dim=(2, 3))[:, None]
        weights = torch.from_numpy(center_prior(maps.shape[2], maps.shape[3])).to(maps)
        return torch.einsum("nchw,hw->nc", maps, weights)[:, None]


class GeMHead(Head):
    """GeM: the generalised mean of the cells, whose power is learned.

    Parameters
    ----------
    whitening : see `Head`
    p : the power to begin with, above 0

    Attributes
    ----------
    p : parameter (1,), one for all channels. cirtorch gives it ten times the rate, and no decay.

    Notes
    -----
    Source: Radenovic, Tolias & Chum, TPAMI 2019, section 3.2.
    """

    def __init__(self, whitening: Whitening | None = None, *, p: float = 3.0):
        super().__init__(whitening)
        check_positive(p, "p")
        self.p = nn.Parameter(torch.tensor([float(p)]))

    def _pool(self, maps: torch.Tensor) -> torch.Tensor:
        cells = maps.clamp_min(_EPS).flatten(2)  # (n, C, h * w)
        # Divided by the largest, no power overflows. The mean does not depend on what cells are
        # divided by, so that leaving it out of the gradient changes nothing.
        largest = cells.detach().amax(dim=2)
        powers = (cells / largest[:, :, None]).pow(self.p).mean(dim=2)
        return (largest * powers.pow(1 / self.p))[:, None]


class RMACHead(Head):
    """R-MAC: the maximum of each region of a rigid grid, whitened, summed.

    Parameters
    ----------
    whitening : of region vectors, see `Head`
    n_scales : of the grid, see `blcf.descriptors.rmac_regions`

    Notes
    -----
    Source: Tolias, Sicre & Jegou, ICLR 2016; end to end: Gordo et al., ECCV 2016, section 3.1.
    """

    def __init__(self, whitening: Whitening | None = None, *, n_scales: int = 3):
        super().__init__(whitening)
        check_n_scales(n_scales)
        self.n_scales = n_scales

    def _pool(self, maps: torch.Tensor) -> torch.Tensor:
        regions = rmac_regions(maps.shape[2], maps.shape[3], self.n_scales).tolist()
        vectors = [maps[:, :, y1:y2, x1:x2].amax(dim=(2, 3)) for x1, y1, x2, y2 in regions]
        return torch.stack(vectors, dim=1)
