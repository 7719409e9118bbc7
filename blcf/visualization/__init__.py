"""Pictures of results (matplotlib)."""

from blcf.visualization.evidence import draw_heat, draw_matches, plot_evidence
from blcf.visualization.failures import Failure, FailurePicture, plot_failures
from blcf.visualization.figures import ShownFigure, check_picture_path
from blcf.visualization.ranking import draw_box, plot_ranking
from blcf.visualization.sheet import SheetPicture, plot_sheet
from blcf.visualization.training import plot_training

__all__ = [
    "Failure",
    "FailurePicture",
    "SheetPicture",
    "ShownFigure",
    "check_picture_path",
    "draw_box",
    "draw_heat",
    "draw_matches",
    "plot_evidence",
    "plot_failures",
    "plot_ranking",
    "plot_sheet",
    "plot_training",
]
