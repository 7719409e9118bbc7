"""Pictures of results (matplotlib)."""

from blcf.visualization.ranking import check_picture_path, draw_box, plot_ranking

__all__ = ["check_picture_path", "draw_box", "plot_ranking"]
