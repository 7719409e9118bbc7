"""Regions that a network proposes, in place of the rigid grid of R-MAC.

torchvision's region proposal network looks at the frozen feature maps; `proposal_training` teaches
it boxes. Its best regions are pooled as those of R-MAC are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from blcf.bounds import is_number
from blcf.checks import check_integer
from blcf.errors import FormatError, InvalidInput
from blcf.features.published import torchvision_models
from blcf.features.whitening import Whitening
from blcf.learning.heads import Head
from blcf.storage import open_h5, write_dataset, write_h5

__all__ = [
    "RegionMACHead",
    "RegionProposals",
    "read_proposals",
    "write_proposals",
]

_KIND, _VERSION = "region proposals", 1

# A cell's side in the units that torchvision's network counts in, whole numbers of which its
# anchors are: pixels, where the stride is 16.
_CELL = 16
# Anchors of a map that a loss is taken at. Of 256, as in Faster R-CNN, nearly all are background on
# maps as small as ours (one thing, some 3,000 anchors), and hardly any teaches boxes.
_SAMPLED = 64
_CANDIDATES = 1_000  # that non-maximum suppression looks at, of a map


class RegionProposals(nn.Module):
    """Where in a feature map things are: torchvision's anchors, head and losses, as they are.

    Each map is divided by the root of its mean square first, so that the contrast of a picture
    does not count. It begins with random weights.

    Parameters
    ----------
    n_channels : of the maps
    sizes : sides of the anchors, cells
    ratios : of their height to their width
    n_regions : the best of a map, at most
    max_overlap : IoU above which the lesser of two regions is left out
    random_state : seed of the weights

    Raises
    ------
    InvalidInput
        torchvision cannot be imported; numbers that cannot be.

    Notes
    -----
    Source: Ren et al., NIPS 2015; Gordo et al., ECCV 2016, section 3.3.
    """

    def __init__(
        self,
        n_channels: int,
        *,
        sizes: Sequence[float] = (4, 6, 8, 12, 16),
        ratios: Sequence[float] = (0.5, 1.0, 2.0),
        n_regions: int = 32,
        max_overlap: float = 0.7,
        random_state: int = 0,
    ):
        super().__init__()
        check_integer("n_channels", n_channels, 1)
        check_integer("n_regions", n_regions, 1)
        check_integer("random_state", random_state, 0)
        for name, values in (("sizes", sizes), ("ratios", ratios)):
            if not len(values) or not all(is_number(one) and 0 < one < 1e4 for one in values):
                raise InvalidInput(f"Expected {name} to be numbers above 0, got {values!r}.")
        if not is_number(max_overlap) or not 0 < max_overlap <= 1:
            raise InvalidInput(f"Expected max_overlap above 0 up to 1, got {max_overlap!r}.")
        self.options: dict[str, Any] = {
            "n_channels": int(n_channels),
            "sizes": [float(one) for one in sizes],
            "ratios": [float(one) for one in ratios],
            "n_regions": int(n_regions),
            "max_overlap": float(max_overlap),
        }
        detection = torchvision_models().detection
        anchors = detection.anchor_utils.AnchorGenerator(
            (tuple(one * _CELL for one in self.options["sizes"]),), (tuple(self.options["ratios"]),)
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(random_state)
            head = detection.rpn.RPNHead(n_channels, anchors.num_anchors_per_location()[0])
        self.network = detection.rpn.RegionProposalNetwork(
            anchors,
            head,
            fg_iou_thresh=0.7,  # of torchvision's Faster R-CNN, as .3 and .5
            bg_iou_thresh=0.3,
            batch_size_per_image=_SAMPLED,
            positive_fraction=0.5,
            pre_nms_top_n={"training": _CANDIDATES, "testing": _CANDIDATES},
            post_nms_top_n={"training": n_regions, "testing": n_regions},
            nms_thresh=max_overlap,
        )
        self._list = detection.image_list.ImageList
        self.eval()

    def train(self, mode: bool = True) -> RegionProposals:
        """Nothing of it changes with the mode: it learns in `losses` alone."""
        super().train(mode)
        self.network.eval()
        return self

    @torch.no_grad()
    def forward(self, maps: torch.Tensor) -> list[torch.Tensor]:
        """The best regions of each map, the best first; no gradients flow.

        Parameters
        ----------
        maps : float (n, C, h, w)

        Returns
        -------
        for each map float (n_regions or fewer, 4), xyxy, cells
        """
        return [boxes / _CELL for boxes in self.network(*self._inputs(maps))[0]]

    def losses(self, maps: torch.Tensor, boxes: Sequence[torch.Tensor]) -> torch.Tensor:
        """The sum of the losses of objectness and of boxes: a scalar; gradients flow.

        Parameters
        ----------
        maps : float (n, C, h, w)
        boxes : for each map float (n_boxes, 4), xyxy, cells: where things are
        """
        targets = [{"boxes": (its * _CELL).to(maps.dtype)} for its in boxes]
        self.network.train()
        try:
            losses = self.network(*self._inputs(maps), targets)[1]
        finally:
            self.network.eval()
        return torch.stack(list(losses.values())).sum()

    def _inputs(self, maps: torch.Tensor) -> tuple[Any, dict[str, torch.Tensor]]:
        """Maps as torchvision's network takes them: an image of which it wants the size alone."""
        if maps.ndim != 4 or maps.shape[1] != self.options["n_channels"] or not maps.numel():
            raise InvalidInput(
                f"Expected feature maps float (n, {self.options['n_channels']}, h, w), got shape "
                f"{tuple(maps.shape)}."
            )
        n, _, h, w = maps.shape
        size = h * _CELL, w * _CELL
        images = self._list(maps.new_empty(()).expand(n, 1, *size), [size] * n)
        scales = maps.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)
        return images, {"map": maps / scales}


class RegionMACHead(Head):
    """R-MAC whose regions are proposed: the maximum of each, whitened, summed.

    The cells of a region are those that it touches, at least one. What proposes is not learned
    here.

    Parameters
    ----------
    whitening : of region vectors, see `Head`
    proposals : that have learned, see `blcf.learning.proposal_training`

    Notes
    -----
    Source: Gordo et al., ECCV 2016, section 3.3.
    """

    def __init__(self, whitening: Whitening | None = None, *, proposals: RegionProposals):
        super().__init__(whitening)
        self.proposals = proposals.requires_grad_(False)

    def _pool(self, maps: torch.Tensor) -> torch.Tensor:
        found = self.proposals(maps.detach())
        # A map with fewer regions has vectors of zeros behind them, which count nothing.
        n_most = max(1, *map(len, found))
        vectors = maps.new_zeros(len(maps), n_most, maps.shape[1])
        rows = []
        for one, boxes in zip(maps, found):
            cells = region_cells(boxes, one.shape[1], one.shape[2]) or [(0, 0, *one.shape[:0:-1])]
            pooled = [one[:, y1:y2, x1:x2].amax(dim=(1, 2)) for x1, y1, x2, y2 in cells]
            pooled += [vectors[0, 0]] * (n_most - len(pooled))
            rows.append(torch.stack(pooled))
        return torch.stack(rows)


def region_cells(boxes: torch.Tensor, h: int, w: int) -> list[tuple[int, int, int, int]]:
    """The cells that regions touch, by a thousandth at least: x1, y1, x2, y2, half-open; one each.

    Parameters
    ----------
    boxes : float (n, 4), xyxy, cells, within the map
    h, w : of the map
    """
    cells = []
    for x1, y1, x2, y2 in boxes.tolist():
        left, top = min(math.floor(x1 + 1e-3), w - 1), min(math.floor(y1 + 1e-3), h - 1)
        right, bottom = math.ceil(x2 - 1e-3), math.ceil(y2 - 1e-3)
        cells.append((left, top, min(max(right, left + 1), w), min(max(bottom, top + 1), h)))
    return cells


def write_proposals(path: Path, proposals: RegionProposals) -> None:
    """Write the weights, and what they belong to; the file appears whole or not at all."""
    with write_h5(path, _KIND, _VERSION) as file:
        for name, value in proposals.options.items():
            write_dataset(file, f"option {name}", np.atleast_1d(np.array(value, dtype=np.float64)))
        for name, tensor in proposals.state_dict().items():
            write_dataset(file, name, tensor.cpu().numpy())


def read_proposals(path: Path) -> RegionProposals:
    """What `write_proposals` wrote.

    Raises
    ------
    FormatError
        The file is missing or damaged, or of something else.
    """
    names = ("n_channels", "sizes", "ratios", "n_regions", "max_overlap")
    with open_h5(path, _KIND, _VERSION) as file:
        found = {name: file.array(f"option {name}").tolist() for name in names}
        weights = {
            name: torch.from_numpy(file.array(name).copy())
            for name in file
            if not name.startswith("option ")
        }
    try:
        options: dict[str, Any] = {name: found[name] for name in ("sizes", "ratios")}
        options |= {name: int(found[name][0]) for name in ("n_channels", "n_regions")}
        # Before anything of that size is made.
        n_anchors = len(found["sizes"]) * len(found["ratios"])
        shape = n_anchors, options["n_channels"], 1, 1
        if tuple(weights["network.head.cls_logits.weight"].shape) != shape:
            raise ValueError("weights of another size")
        proposals = RegionProposals(**options, max_overlap=found["max_overlap"][0])
        proposals.load_state_dict(weights)
    except (InvalidInput, KeyError, ValueError, IndexError, RuntimeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise FormatError(f"{path} holds no region proposals ({reason}). Learn them again.") from (
            error
        )
    return proposals
