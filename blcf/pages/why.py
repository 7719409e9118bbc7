"""Why a hit was found, as part of a page: heat over query and hit, lines between their cells."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from PIL import Image

from blcf.matches import middles, strongest_pairs, summary
from blcf.pages.pictures import Embedded, rectangles
from blcf.pages.style import colour
from blcf.records import Evidence

__all__ = ["why_html"]

_HEIGHT, _WIDTH, _GAP = 360.0, 480.0, 24.0  # of a column of pictures at most; between the two
_LINES = 25
# From weak to strong: what adds to the score, what takes from it.
_FOR = np.array([colour("for-weak"), colour("for-strong")], dtype=np.int64)
_AGAINST = np.array([colour("against-weak"), colour("against-strong")], dtype=np.int64)


@dataclass(frozen=True)
class _Placed:
    """A picture of the drawing: what it shows, and where it lies."""

    name: str
    size: tuple[int, int]
    scale: float
    left: float
    top: float

    def points(self, cells: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """Middles of cells in the drawing: float64 (n, 2)."""
        return middles(cells, self.size, shape) * self.scale + (self.left, self.top)


def why_html(
    evidence: Evidence,
    examples: Sequence[Embedded | None],
    example_boxes: Sequence[np.ndarray | None],
    image: Embedded | None,
    box: np.ndarray | None,
) -> str:
    """What a person opens below a hit.

    Parameters
    ----------
    evidence : of the score; its examples are query pictures
    examples : the query pictures, as the page shows them; None where there is none to show
    example_boxes : of each, xyxy, pixels; None for the whole picture
    image, box : of the hit, in the same forms
    """
    shown = [] if image is None else [n for n, one in enumerate(examples) if one is not None]
    rows = strongest_pairs(evidence, shown, _LINES)
    says = escape(summary(evidence, rows, box, None if image is None else image[1]))
    drawing = ""
    if image is not None:
        queries = _column([one for one in examples if one is not None], 0)
        right = max((one.left + one.size[0] * one.scale for one in queries), default=0.0)
        (hit,) = _column([image], right + _GAP if queries else 0)
        placed = dict(zip(shown, queries))
        parts = [_picture(hit, evidence.image_heat(), None, "found", box)]
        heats = [evidence.query_heat(number) for number in range(len(examples))]
        most = max((float(np.abs(heat).max(initial=0)) for heat in heats), default=0.0)
        for number, query in placed.items():
            asked = example_boxes[number]
            parts.append(_picture(query, heats[number], most, "asked", asked))
        parts.append(_lines(evidence, rows, placed, hit))
        width = hit.left + hit.size[0] * hit.scale
        height = max(one.top + one.size[1] * one.scale for one in [*queries, hit])
        drawing = (
            f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
            f'aria-label="cells that match: {says}">{"".join(parts)}</svg>'
        )
    return f"<details><summary>why</summary>{drawing}<p>{says}</p></details>"


def _column(pictures: Sequence[Embedded], left: float) -> list[_Placed]:
    """Pictures below each other."""
    height, placed = _HEIGHT / max(1, len(pictures)), []
    for number, (name, size) in enumerate(pictures):
        scale = min(_WIDTH / size[0], height / size[1])
        placed.append(_Placed(name, size, scale, left, number * height))
    return placed


def _picture(
    one: _Placed, heat: np.ndarray, most: float | None, kind: str, box: np.ndarray | None
) -> str:
    """A picture, pale, with heat over it and its box."""
    width, height = one.size
    place = f'transform="translate({one.left:.1f} {one.top:.1f}) scale({one.scale:.5f})"'
    frame = f'<rect class="frame" x="0" y="0" width="{width}" height="{height}"/>'
    uri = _heat_uri(heat, most)
    over = "" if uri is None else (
        f'<image href="{uri}" width="{width}" height="{height}" preserveAspectRatio="none"/>'
    )  # fmt: skip
    drawn = f'<g {place}><use class="pale" href="#{one.name}"/>{over}{frame}</g>'
    return drawn + ("" if box is None else rectangles(kind, box, one.scale, one.left, one.top))


def _heat_uri(heat: np.ndarray, most: float | None) -> str | None:
    """What the cells contribute, as a small transparent picture; None where there is nothing."""
    most = float(np.abs(heat).max(initial=0)) if most is None else most
    if not most > 0 or not heat.any():
        return None
    # The root: a few cells with rare words would leave the rest of the object invisible.
    strength = np.sqrt(np.minimum(np.abs(heat) / most, 1))[..., None]  # (h, w, 1)
    ramp = np.where((heat >= 0)[..., None, None], _FOR, _AGAINST)  # (h, w, 2, 3)
    colour = ramp[..., 0, :] + strength * (ramp[..., 1, :] - ramp[..., 0, :])
    pixels = np.concatenate([colour, 0.8 * 255 * strength], axis=-1).round().astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def _lines(evidence: Evidence, rows: np.ndarray, placed: dict[int, _Placed], hit: _Placed) -> str:
    """Lines between the pairs of cells, thick ones add more; the strongest on top."""
    ends = hit.points(evidence.image_cells[rows], evidence.image_shape)
    strongest = evidence.contributions[rows].max(initial=0)
    parts = []
    for rank in reversed(range(rows.size)):
        number, *cell = evidence.query_cells[rows[rank]].tolist()
        shape = evidence.query_shapes[number]
        ((x1, y1),) = placed[number].points(np.array([cell]), shape)
        x2, y2 = ends[rank]
        width = 0.7 + 1.8 * evidence.contributions[rows[rank]] / strongest
        line = f'd="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"'
        parts.append(
            f'<path class="under" {line} stroke-width="{width + 1.4:.1f}"/>'
            f'<path class="line{rank % 3}" {line} stroke-width="{width:.1f}"/>'
        )
    return "".join(parts)
