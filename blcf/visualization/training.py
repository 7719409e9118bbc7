"""The picture of a training: its loss, and the mAP of what was held out, by epoch."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

from matplotlib.ticker import MaxNLocator

from blcf.errors import InvalidInput
from blcf.visualization.figures import ShownFigure, save_figure
from blcf.visualization.ranking import HIT_COLOUR, QUERY_COLOUR

__all__ = ["plot_training"]


def plot_training(
    record: Sequence[dict[str, Any]], *, path: str | os.PathLike[str] | None = None
) -> ShownFigure:
    """Draw the record of a training.

    Parameters
    ----------
    record : of each epoch: epoch, loss, and mAP where it was measured, as `record.jsonl` has it
    path : where to write the picture, optional; its ending names the format

    Returns
    -------
    a matplotlib Figure, which a notebook shows

    Raises
    ------
    InvalidInput
        An empty record; a path that cannot be written.
    """
    if not record:
        raise InvalidInput("Expected the record of an epoch or more, got none.")
    figure = ShownFigure(figsize=(5, 3), layout="constrained")
    axes = figure.add_subplot()
    epochs = [entry["epoch"] for entry in record]
    axes.plot(epochs, [entry["loss"] for entry in record], "o-", color=HIT_COLOUR)
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss", color=HIT_COLOUR)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    measured = [entry.get("mAP", math.nan) for entry in record]
    if any(math.isfinite(value) for value in measured):
        other = axes.twinx()
        other.plot(epochs, measured, "s-", color=QUERY_COLOUR)
        other.set_ylabel("mAP of labels held out", color=QUERY_COLOUR)
    if path is not None:
        save_figure(figure, path)
    return figure
