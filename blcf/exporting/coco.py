"""Hits with boxes in the form of COCO (Lin et al., ECCV 2014): images, annotations, categories."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from blcf.searching import Hits

__all__ = ["coco_of"]


def coco_of(found: Iterable[tuple[str, Hits]]) -> dict[str, Any]:
    """Hits of queries, each (its name, its hits), as plain values.

    A query is a category, a box an annotation with its score (as of detections): ``bbox`` is left,
    top, width and height, pixels of the picture. A hit without a box has none.
    """
    images: dict[str, dict[str, Any]] = {}
    categories: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (query, hits) in enumerate(found, start=1):
        categories.append({"id": number, "name": query})
        for hit in hits:
            facts = hit.facts
            image = images.setdefault(
                hit.name,
                {
                    "id": len(images) + 1,
                    "file_name": hit.name,
                    "width": facts["width"],
                    "height": facts["height"],
                },
            )
            if facts["video"] is not None:
                image |= {"video": facts["video"], "time": facts["time"]}
            boxes = [] if hit.box is None else [hit.box] if hit.boxes is None else list(hit.boxes)
            for box in boxes:
                left, top, right, bottom = (round(float(edge), 2) for edge in box)
                width, height = round(right - left, 2), round(bottom - top, 2)
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": image["id"],
                        "category_id": number,
                        "bbox": [left, top, width, height],
                        "area": round(width * height, 2),
                        "iscrowd": 0,
                        "score": round(hit.score, 6),
                    }
                )
    return {"images": list(images.values()), "annotations": annotations, "categories": categories}
