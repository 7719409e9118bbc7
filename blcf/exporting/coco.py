"""Pictures, and hits with boxes, in the form of COCO (Lin et al., ECCV 2014)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from blcf.outputs import open_output
from blcf.searching import Hits

__all__ = ["coco_of", "write_coco"]

_Found = Iterable[tuple[str, Hits]]


def coco_of(found: _Found, pictures: Iterable[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Hits of queries, each (its name, its hits), as plain values: images, annotations, categories.

    A query is a category, a box an annotation with its score (as of detections): ``bbox`` is left,
    top, width and height, pixels of the picture. A hit without a box has none.

    Parameters
    ----------
    found : the queries
    pictures : rows of more pictures, with name, width, height, video and time, that come before
        those of hits; a picture is there once
    """
    form = _Coco(found)
    images = list(form.images(pictures))
    return {
        "images": images,
        "annotations": list(form.annotations()),
        "categories": form.categories,
    }


def write_coco(
    path: str | os.PathLike[str], found: _Found, pictures: Iterable[Mapping[str, Any]] = ()
) -> int:
    """Write `coco_of` as a file, which appears whole or not at all; gives how many images.

    Rows of pictures are written as they come, so that a million of them need no memory.

    Raises
    ------
    StorageError
    """
    form = _Coco(found)
    with open_output(path) as file:
        parts = {
            "images": form.images(pictures),
            "annotations": form.annotations(),
            "categories": iter(form.categories),
        }
        before = "{"
        for name, values in parts.items():
            file.write(f'{before}\n "{name}": ['.encode())
            between = "\n  "
            for value in values:
                file.write((between + json.dumps(value)).encode("utf-8", "backslashreplace"))
                between = ",\n  "
            file.write(b"\n ]" if between[0] == "," else b"]")
            before = ","
        file.write(b"\n}\n")
    return form.n_images


class _Coco:
    """The parts of a file, in the order in which they are made: images first."""

    def __init__(self, found: _Found):
        self._found = list(found)
        self._ids: dict[str, int] = {}  # of the images of hits
        self.n_images = 0
        self.categories = [
            {"id": number, "name": query} for number, (query, _) in enumerate(self._found, start=1)
        ]

    def images(self, pictures: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Those that are given, then those of hits that were not among them."""
        names = {name for _, hits in self._found for name in hits.names}
        for row in pictures:
            yield self._image(row["name"], row, row["name"] in names)
        for _, hits in self._found:
            for hit in hits:
                if hit.name not in self._ids:
                    yield self._image(hit.name, hit.facts, True)

    def _image(self, name: str, facts: Mapping[str, Any], is_hit: bool) -> dict[str, Any]:
        self.n_images += 1
        if is_hit:
            self._ids[name] = self.n_images
        image = {
            "id": self.n_images,
            "file_name": name,
            "width": facts["width"],
            "height": facts["height"],
        }
        if facts["video"] is not None:
            image |= {"video": facts["video"], "time": facts["time"]}
        return image

    def annotations(self) -> Iterator[dict[str, Any]]:
        """The boxes of hits."""
        number = 0
        for category, (_, hits) in enumerate(self._found, start=1):
            for hit in hits:
                alone = [] if hit.box is None else [hit.box]
                boxes = alone if hit.boxes is None else list(hit.boxes)
                for place, box in zip(hit.places, boxes):
                    number += 1
                    left, top, right, bottom = (round(float(edge), 2) for edge in box)
                    width, height = round(right - left, 2), round(bottom - top, 2)
                    yield {
                        "id": number,
                        "image_id": self._ids[hit.name],
                        "category_id": category,
                        "bbox": [left, top, width, height],
                        "area": round(width * height, 2),
                        "iscrowd": 0,
                        "score": round(hit.score, 6),
                        **_segmentation(place),
                    }


def _segmentation(place: np.ndarray) -> dict[str, Any]:
    """The polygon of an outline; nothing of a box."""
    if place.ndim == 1:
        return {}
    return {"segmentation": [[round(float(edge), 2) for edge in place.ravel()]]}
