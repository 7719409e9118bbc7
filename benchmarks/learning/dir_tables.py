"""The page of Deep Image Retrieval: what cleaning found, and the rows of the paper's table."""

from __future__ import annotations

from typing import Any

from benchmarks.report import signature, table

__all__ = ["ORDER", "markdown"]

# Table 1 of Gordo et al., ECCV 2016 (mAP), and its last row: Oxford 5k, Paris 6k.
PUBLISHED = {
    "off the shelf": (0.669, 0.830),
    "classification, full": (0.753, 0.822),
    "classification, clean": (0.759, 0.837),
    "ranking, clean": (0.786, 0.845),
    "ranking, clean, + proposals": (0.813, 0.855),
}
ORDER = tuple(PUBLISHED)
COLUMNS = ("mAP", "QE", "DBA", "QE + DBA")


def markdown(results: dict[str, Any]) -> str:
    """The section of the page."""
    plan, overlaps = results["plan"], results["overlaps"]
    parts = [
        "Grocery: learned from grocery/train, a class is a file's name before its first `_`, "
        f"{plan['false_share']:.0%} of the labels falsified; searched are grocery's images with "
        f"its queries, side {plan['side']}. blcf-lite, R-MAC of {plan['n_components']} components.",
        "**What cleaning found** (RootSIFT, affine RANSAC, edges of "
        f"{plan['min_inliers']} inliers or more, largest component). Precision and recall are of "
        "false labels among what was removed.",
        table(
            ["labels", "pictures", "false", "removed", "precision", "recall", "right ones kept"]
            + ["false among kept"],
            [
                [row["labels"], *(f"{row[name]:,}" for name in ("pictures", "false", "removed"))]
                + [f"{row['precision']:.3f}", f"{row['recall']:.3f}"]
                + [f"{row['right kept']:.3f}", f"{row['false among kept']:.3f}"]
                for row in results["cleaning"]
            ],
        ),
        f"**The rows of the paper's Table 1** (mAP, trapezoidal). QE: {plan['n_expand']} hits; "
        f"DBA: {plan['n_augment']} neighbours. Published: VGG16, Landmarks, pictures of 724 to "
        "1,024 pixels.",
        table(
            ["R-MAC", *COLUMNS, "Oxford, published", "Paris, published"],
            [
                [row["row"], *(f"{row[name]:.3f}" for name in COLUMNS)]
                + [f"{one:.3f}" for one in PUBLISHED.get(row["row"], ())]
                + [""] * (2 if row["row"] not in PUBLISHED else 0)
                for row in results["rows"]
            ],
        ),
        _order(results["steps"]),
        "**Regions**: mean IoU of the box that cleaning gave a picture with the best region, over "
        f"{overlaps['pictures']} pictures whose boxes were not learned: rigid grid "
        f"{overlaps['grid']:.3f}, 32 proposals {overlaps['proposals']:.3f}, the first proposal "
        f"alone {overlaps['first proposal']:.3f}.",
        "Seconds of the stages, on one thread beside other work: "
        + ", ".join(f"{name} {value:,}" for name, value in results["seconds"].items())
        + f"; {sum(results['seconds'].values()) / 60:.0f} minutes in all.",
        signature(results),
    ]
    return "\n\n".join(parts)


def _order(steps: list[dict[str, Any]]) -> str:
    """Whether the published order appears, in words."""
    said = ", ".join(f"{one['row']} {one['difference']:+.3f} (p {one['p']:.2g})" for one in steps)
    n_up = sum(one["difference"] > 0 and one["p"] < 0.05 for one in steps)
    n_down = sum(one["difference"] < 0 and one["p"] < 0.05 for one in steps)
    return (
        f"**The published order** (each row above the one before): {n_up} of {len(steps)} steps go "
        f"up and {n_down} go down by more than chance (paired randomisation test, p < .05): {said}."
    )
