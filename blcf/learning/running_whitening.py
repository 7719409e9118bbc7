"""The whitening of local features that change while they are learned.

Mean and covariance are running averages; the projection follows them, and no gradient flows through
any of them.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

__all__ = ["RunningWhitening"]


class RunningWhitening(nn.Module):
    """L2 -> PCA whitening -> L2 of features that change while they are learned.

    What a collection will do with them, so that a network learns for what it will be used.

    Parameters
    ----------
    n_channels, n_components : of the features, and of what they are projected to
    period : calls between two projections

    Attributes
    ----------
    n_calls : how often features were looked at
    """

    mean: torch.Tensor
    products: torch.Tensor
    total: torch.Tensor
    projection: torch.Tensor

    def __init__(self, n_channels: int, n_components: int = 128, period: int = 25):
        super().__init__()
        self.n_components, self.period, self.n_calls = n_components, period, 0
        self.register_buffer("mean", torch.zeros(n_channels))
        self.register_buffer("products", torch.zeros(n_channels, n_channels))
        self.register_buffer("total", torch.zeros(()))
        self.register_buffer("projection", torch.zeros(n_channels, n_components))

    @torch.no_grad()
    def _follow(self, rows: torch.Tensor) -> None:
        keep = 0.98
        self.total.mul_(keep).add_(1 - keep)
        self.mean.mul_(keep).add_(rows.mean(0), alpha=1 - keep)
        self.products.mul_(keep).add_(rows.T @ rows / len(rows), alpha=1 - keep)
        if self.n_calls % self.period == 0:
            mean = (self.mean / self.total).double()
            covariance = (self.products / self.total).double() - mean[:, None] * mean
            values, vectors = torch.linalg.eigh(covariance)
            values = values[-self.n_components :].clamp_min(1e-7)
            self.projection.copy_(vectors[:, -self.n_components :] / values.sqrt())
        self.n_calls += 1

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Rows (n, n_channels) to rows (n, n_components) of length 1."""
        rows = functional.normalize(features, dim=1)
        self._follow(rows.detach())
        return functional.normalize((rows - self.mean / self.total) @ self.projection, dim=1)
