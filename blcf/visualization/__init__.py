"""Pictures of results (matplotlib)."""

from blcf.visualization.evidence import draw_heat, draw_matches, plot_evidence
from blcf.visualization.ranking import check_picture_path, draw_box, plot_ranking

__all__ = [
    "check_picture_path",
    "draw_box",
    "draw_heat",
    "draw_matches",
    "plot_evidence",
    "plot_ranking",
]
