"""A plot of mAP by the values of one setting: a panel for each network, a line for each set."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = ["plot_ablation"]

COLOURS = {"logos": "#0072b2", "grocery": "#e69f00", "shelves": "#999999"}


def plot_ablation(
    setting: str, lines: dict[tuple[str, str], list[tuple[str, float]]], path: Path
) -> None:
    """Draw lines of (value, mAP) by (network, set), and write the picture."""
    networks = list(dict.fromkeys(network for network, _ in lines))
    figure = Figure(figsize=(4.6 * len(networks), 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(1, len(networks), squeeze=False)[0]
    for axes, network in zip(grid, networks):
        for (owner, name), points in lines.items():
            if owner == network and points:
                values, figures = zip(*points)
                axes.plot(
                    [_short(value) for value in values],
                    figures,
                    marker="o",
                    color=COLOURS.get(name),
                    label=name,
                )
        axes.set_title(network, fontsize=10)
        axes.set_xlabel(setting)
        axes.set_ylim(0, 1)
        axes.grid(alpha=0.3)
        axes.tick_params(axis="x", labelsize=8)
    grid[0].set_ylabel("mAP")
    grid[0].legend(fontsize=8)
    figure.savefig(path, dpi=80)


def _short(value: str) -> str:
    return value.removeprefix("features.")
