"""Weights between those that a training began with and those that it ended with."""

from __future__ import annotations

from collections.abc import Mapping

import torch

__all__ = ["blended"]


def blended(
    before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor], share: float
) -> dict[str, torch.Tensor]:
    """The mean of two sets of weights, on the CPU, float32, under the names of the second.

    Parameters
    ----------
    before, after : by the names of a state dict; the first is float32
    share : of the second, 0..1

    Notes
    -----
    Source: Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022.
    """
    return {
        name: torch.lerp(before[name], tensor.float().cpu(), share)
        for name, tensor in after.items()
    }
