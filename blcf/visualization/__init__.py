"""Pictures of results (matplotlib)."""

from blcf.visualization.ranking import draw_box, plot_ranking

__all__ = ["draw_box", "plot_ranking"]
