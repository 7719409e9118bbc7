"""How well a network that learns for the bag tells apart what it does not learn from."""

from __future__ import annotations

import math

import numpy as np
import torch

from blcf.learning.bag_losses import soft_bag_similarities
from blcf.learning.bag_settings import BagSettings
from blcf.learning.embedding import mean_average_precision_of
from blcf.learning.heads import WhiteningLayer
from blcf.learning.local_network import LocalNetwork
from blcf.learning.photographs import Photographs

__all__ = ["MOST_MEASURED", "cell_norms", "measure_held_out"]

MOST_MEASURED = 500  # pictures
_AT_ONCE = 20  # of them, compared with as many others


def cell_norms(cells: torch.Tensor) -> torch.Tensor:
    """L2 norms of cells (n, m, C): (n, m); those of zeros have a slope."""
    return cells.square().sum(2).add(1e-6).sqrt()


def measure_held_out(
    network: LocalNetwork,
    whitening: WhiteningLayer,
    photographs: Photographs,
    classes: np.ndarray,
    held: np.ndarray,
    settings: BagSettings,
) -> float:
    """mAP of some photographs, each searched among the others by the smooth bags of the loss.

    Parameters
    ----------
    held : int (n,), positions; `classes` are those of all photographs

    Returns
    -------
    float, 0..1; NaN where none can be read
    """
    device = next(network.parameters()).device
    parts = [held[first : first + _AT_ONCE] for first in range(0, len(held), _AT_ONCE)]
    kept, rows, norms = [], [], []
    network.eval()
    with torch.inference_mode():
        for batch in photographs.batches(parts, None):
            if not len(batch.positions):
                continue
            cells = network(torch.from_numpy(batch.views).to(device)).flatten(2).transpose(1, 2)
            cells = cells[:, :: max(1, cells.shape[1] // settings.n_cells)]
            kept.append(batch.positions)
            rows.append(whitening(cells))
            norms.append(cell_norms(cells))
        if not kept:
            return math.nan
        found = _all_similarities(torch.cat(rows), torch.cat(norms), settings.width)
    return mean_average_precision_of(found.cpu().numpy(), classes[np.concatenate(kept)])


def _all_similarities(features: torch.Tensor, weights: torch.Tensor, width: float) -> torch.Tensor:
    """`soft_bag_similarities` of many pictures, some pairs at a time."""
    found = torch.empty(len(features), len(features))
    for first in range(0, len(features), _AT_ONCE):
        for second in range(0, first + 1, _AT_ONCE):
            one, two = (slice(start, start + _AT_ONCE) for start in (first, second))
            both = [torch.cat([values[one], values[two]]) for values in (features, weights)]
            part = soft_bag_similarities(*both, width=width)
            n = len(features[one])
            found[one, two] = part[:n, n:]
            found[two, one] = part[:n, n:].T
    return found
