"""Pictures of a page: each embedded once, shown as often as it is needed, with boxes over it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from blcf.images import ImageLike, display_name
from blcf.images.thumbnails import Thumbnails

__all__ = ["Embedded", "Pictures", "outlines", "rectangles"]

Source = ImageLike | None
Embedded = tuple[str, tuple[int, int]]  # id of the element, (width, height) in pixels


class Pictures:
    """The pictures of a page.

    Parameters
    ----------
    thumbnails : where small versions come from
    """

    def __init__(self, thumbnails: Thumbnails):
        self._thumbnails = thumbnails
        self._known: dict[Any, tuple[Source, Embedded | str]] = {}

    def show(self, source: Source, text: str, boxes: Sequence[tuple[str, np.ndarray]] = ()) -> str:
        """HTML of a picture with boxes over it, or of the reason why there is none.

        Parameters
        ----------
        source : file, or uint8 (height, width, 3), or None
        text : what it shows, for those who do not see it
        boxes : (class, xyxy or corners (n, 2), in pixels of the original)
        """
        drawn, known = "", self._known.get(_key(source))
        if known is None:
            thumbnail = self._thumbnails[source]
            content: Embedded | str
            if isinstance(thumbnail.picture, str):
                content = thumbnail.picture
            else:
                content = f"p{len(self._known) + 1}", thumbnail.size
                width, height = thumbnail.size
                drawn = (
                    f'<image id="{content[0]}" href="{thumbnail.uri}" width="{width}" '
                    f'height="{height}"/>'
                )
            known = self._known[_key(source)] = source, content
        content = known[1]
        if isinstance(content, str):
            return f'<p class="none">no picture: {escape(display_name(content))}</p>'
        name, (width, height) = content
        drawn = drawn or f'<use href="#{name}"/>'
        frame = f'<rect class="frame" x="0" y="0" width="{width}" height="{height}"/>'
        over = "".join(
            outlines(kind, one) if np.ndim(one) == 2 else rectangles(kind, one)
            for kind, one in boxes
        )
        return (
            f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(text)}">'
            f"{drawn}{frame}{over}</svg>"
        )

    def embedded(self, source: Source) -> Embedded | None:
        """The element of a picture that was shown, and its size; None where there is none."""
        content = self._known[_key(source)][1]
        return None if isinstance(content, str) else content


def rectangles(
    kind: str, box: np.ndarray, scale: float = 1, left: float = 0, top: float = 0
) -> str:
    """A box as two rectangles, the lower one a white rim: it is seen on any ground."""
    x1, y1, x2, y2 = (float(edge) * scale for edge in box)
    return "".join(
        f'<rect class="{kind}{layer}" x="{left + x1:.1f}" y="{top + y1:.1f}" '
        f'width="{x2 - x1:.1f}" height="{y2 - y1:.1f}"/>'
        for layer in (" under", "")
    )


def outlines(kind: str, corners: np.ndarray) -> str:
    """A polygon, corners (n, 2), in the manner of `rectangles`."""
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in np.asarray(corners, dtype=float))
    return "".join(
        f'<polygon class="{kind}{layer}" points="{points}"/>' for layer in (" under", "")
    )


def _key(source: Source) -> Any:
    return id(source) if isinstance(source, np.ndarray) else source
