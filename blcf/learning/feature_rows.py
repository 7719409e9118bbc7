"""Local features of maps, a row each."""

from __future__ import annotations

import torch

__all__ = ["feature_rows"]


def feature_rows(maps: torch.Tensor) -> torch.Tensor:
    """Maps (n, C, h, w) as rows (n * h * w, C), of the same type."""
    return maps.permute(0, 2, 3, 1).flatten(0, 2)
