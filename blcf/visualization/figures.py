"""The figure that drawings are made on: it shows itself in a notebook, and it can be written."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from blcf.errors import InvalidInput
from blcf.outputs import open_output

__all__ = ["ShownFigure", "check_picture_path", "save_figure"]


class ShownFigure(Figure):
    """A matplotlib Figure that a notebook shows where it is the value of a cell.

    It is made without pyplot, which neither knows it nor has to be told to close it: no window
    opens, and no backend is chosen. A plain Figure is shown as text unless IPython's inline backend
    is on; where it is on, that backend's picture takes the place of this one.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        FigureCanvasAgg(self)

    def draw(self, renderer: Any) -> None:
        """Draw; letters that the font lacks, a name of some alphabets, are boxes and no warning."""
        with _every_letter():
            super().draw(renderer)

    def get_tightbbox(self, *args: Any, **kwargs: Any) -> Any:
        """What is drawn is within; see `draw`."""
        with _every_letter():
            return super().get_tightbbox(*args, **kwargs)

    def _repr_png_(self) -> bytes:
        """The picture, for a notebook."""
        written = BytesIO()
        self.savefig(written, format="png")
        return written.getvalue()


def check_picture_path(path: str | os.PathLike[str]) -> None:
    """Raise `InvalidInput` unless a picture can be written there: a known ending, a folder."""
    known = FigureCanvasAgg.get_supported_filetypes()
    ending = os.path.splitext(path)[1].lstrip(".").lower()
    if ending not in known:
        raise InvalidInput(
            f"Expected a picture file ending in one of {', '.join(sorted(known))}, got {path}."
        )
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise InvalidInput(f"Could not write {path}: {folder} is no folder that can be written.")


def save_figure(figure: Figure, path: str | os.PathLike[str], dpi: int = 80) -> None:
    """Write a figure, whole or not at all; its ending names the format."""
    ending = os.path.splitext(path)[1].lstrip(".").lower()
    try:
        with open_output(path) as file:
            figure.savefig(file, dpi=dpi, format=ending)
    except ValueError as error:  # matplotlib lists the formats it knows
        raise InvalidInput(f"Could not write {path}: {error}") from error


@contextmanager
def _every_letter() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing")
        yield
