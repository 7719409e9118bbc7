"""How good: false labels that were found, regions that cover the thing, rankings."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from benchmarks.learning.photographs import Labelled, Searched
from benchmarks.learning.searching import Vectors, augmented, expanded, mean_ap, precisions
from blcf.boxes import iou
from blcf.descriptors.regions import rmac_regions
from blcf.evaluation import paired_test
from blcf.learning.proposals import RegionProposals

__all__ = ["cleaning_figures", "figures", "gains", "region_overlaps"]


def cleaning_figures(labelled: Labelled, kept: np.ndarray) -> list[dict[str, Any]]:
    """How well cleaning finds false labels, among all and among those of cartons and the rest.

    Precision and recall are of false labels among what is not kept.
    """
    is_false, is_carton = labelled.labels != labelled.truth, labelled.is_carton
    parts = {"all": np.ones_like(kept), "cartons": is_carton, "fruit and vegetables": ~is_carton}
    return [
        {
            "labels": name,
            "pictures": int(part.sum()),
            "false": int((part & is_false).sum()),
            "removed": int((part & ~kept).sum()),
            "precision": _share(is_false, part & ~kept),
            "recall": _share(~kept, part & is_false),
            "right kept": _share(kept, part & ~is_false),
            "false among kept": _share(is_false, part & kept),
        }
        for name, part in parts.items()
    ]


def _share(those: np.ndarray, among: np.ndarray) -> float:
    return float(those[among].mean()) if among.any() else float("nan")


def region_overlaps(
    proposals: RegionProposals, maps: list[torch.Tensor], boxes: np.ndarray, sizes: np.ndarray
) -> dict[str, float]:
    """Mean IoU of boxes (pixels) with the best region: of R-MAC's grid, and of those proposed."""
    overlaps: dict[str, list[float]] = {"grid": [], "proposals": [], "first proposal": []}
    for one, box, size in zip(maps, boxes, sizes):
        h, w = one.shape[1:]
        cells = box * np.tile(np.array([w, h]) / size, 2)
        regions = proposals(one[None])[0].numpy()
        kinds = {"grid": rmac_regions(h, w), "proposals": regions, "first proposal": regions[:1]}
        for name, ones in kinds.items():
            overlaps[name].append(float(iou(ones, cells).max()))
    return {name: float(np.mean(ones)) for name, ones in overlaps.items()} | {"pictures": len(maps)}


def figures(vectors: Vectors, data: Searched, n_expand: int, n_augment: int) -> dict[str, float]:
    """mAP: plain, with query expansion, with database augmentation, with both."""
    more = augmented(vectors, n_augment)
    return {
        "mAP": mean_ap(vectors, data),
        "QE": mean_ap(expanded(vectors, n_expand), data),
        "DBA": mean_ap(more, data),
        "QE + DBA": mean_ap(expanded(more, n_expand), data),
    }


def gains(vectors: dict[str, Vectors], data: Searched) -> list[dict[str, Any]]:
    """What each row gains over the one before: mAP, and p of a paired randomisation test."""
    found = {name: precisions(one, data) for name, one in vectors.items()}
    steps = []
    for before, name in zip(list(found), list(found)[1:]):
        test = paired_test(found[name], found[before])
        steps.append({"row": name, "difference": test.difference, "p": test.p_value})
    return steps
