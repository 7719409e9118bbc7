"""The curves of a training."""

from __future__ import annotations

import pytest
from PIL import Image

from blcf.errors import InvalidInput
from blcf.visualization import plot_training

RECORD = [{"epoch": 1, "loss": 2.5}, {"epoch": 2, "loss": 1.5}, {"epoch": 3, "loss": 1.25}]


def test_loss_and_what_was_measured(tmp_path):
    figure = plot_training(RECORD, path=tmp_path / "curves.png")
    (axes,) = figure.axes
    assert axes.lines[0].get_xydata().tolist() == [[1, 2.5], [2, 1.5], [3, 1.25]]
    assert Image.open(tmp_path / "curves.png").size[0] > 300
    entries = [entry | {"mAP": 0.1 * entry["epoch"]} for entry in RECORD[:2]]
    loss, other = plot_training([*entries, RECORD[2]]).axes
    assert other.lines[0].get_ydata()[:2].tolist() == [0.1, 0.2]
    assert "held out" in other.get_ylabel()
    assert len(plot_training([entry | {"mAP": float("nan")} for entry in RECORD]).axes) == 1


def test_what_cannot_be_drawn(tmp_path):
    with pytest.raises(InvalidInput, match="an epoch or more"):
        plot_training([])
    with pytest.raises(InvalidInput, match="curves.none"):
        plot_training(RECORD, path=tmp_path / "curves.none")
