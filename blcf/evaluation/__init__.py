"""Named measures: average precision of rankings, overlap of boxes."""

from blcf.evaluation.average_precision import average_precision, trec_average_precision
from blcf.evaluation.localisation import Localisation, best_overlaps, localise

__all__ = [
    "Localisation",
    "average_precision",
    "best_overlaps",
    "localise",
    "trec_average_precision",
]
