"""How well boxes lie on the object, beside the answer that needs no search: the whole picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from blcf.boxes import iou
from blcf.records import Ranking

__all__ = ["Localisation", "best_overlaps", "localise"]


@dataclass(frozen=True, eq=False)
class Localisation:
    """Overlaps of the boxes of true hits with the true boxes.

    Attributes
    ----------
    overlaps : float64 (n,), IoU of each box with the best true box of its picture, 0..1
    whole_image : float64 (n,), the same for the answer "the whole picture"
    """

    overlaps: np.ndarray
    whole_image: np.ndarray

    @property
    def mean_iou(self) -> float:
        """Mean IoU; NaN where nothing was localised."""
        return float(np.mean(self.overlaps)) if self.overlaps.size else float("nan")

    @property
    def mean_iou_whole_image(self) -> float:
        """Mean IoU of the answer "the whole picture"; NaN where nothing was localised."""
        return float(np.mean(self.whole_image)) if self.whole_image.size else float("nan")

    @property
    def corloc(self) -> float:
        """Share of boxes with IoU >= .5; NaN where nothing was localised."""
        return float(np.mean(self.overlaps >= 0.5)) if self.overlaps.size else float("nan")


def best_overlaps(boxes: np.ndarray, true_boxes: np.ndarray) -> np.ndarray:
    """IoU of each box with the true box it overlaps most: float64 (n,)."""
    return iou(boxes, true_boxes).max(axis=1)


def localise(
    ranking: Ranking,
    true_boxes: Mapping[str, np.ndarray],
    sizes: Mapping[str, tuple[int, int]],
) -> Localisation:
    """Overlaps of a ranking's boxes, over its hits whose true boxes are known.

    Parameters
    ----------
    ranking : with boxes; hits without one are left out
    true_boxes : {name: float (n, 4)}, xyxy, pixels
    sizes : {name: (width, height)} of the pictures, pixels
    """
    overlaps, whole = [], []
    for hit in ranking:
        truth = true_boxes.get(hit.name)
        if hit.box is None or truth is None or not len(truth) or hit.name not in sizes:
            continue
        width, height = sizes[hit.name]
        answers = np.array([hit.box, [0, 0, width, height]])
        overlap = best_overlaps(answers, truth)
        overlaps.append(overlap[0])
        whole.append(overlap[1])
    return Localisation(np.array(overlaps), np.array(whole))
