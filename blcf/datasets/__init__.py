"""Images, queries and relevance of data sets, read from folders of this machine.

`read_dataset` reads whatever a folder holds; every kind has its own function too. All give a
`GroundTruth` (truth.py), whose `images` are to be indexed.
"""

from blcf.datasets.gldv2 import read_gldv2
from blcf.datasets.ground_truth import read_ground_truth
from blcf.datasets.holidays import read_holidays
from blcf.datasets.ilias import read_ilias
from blcf.datasets.instre import read_instre
from blcf.datasets.oxford import read_oxford5k, read_paris6k
from blcf.datasets.oxford_queries import read_oxford_queries
from blcf.datasets.reading import KINDS, read_dataset
from blcf.datasets.revisited import read_revisited
from blcf.datasets.trecvid import read_trecvid
from blcf.datasets.truth import GroundTruth, TrueExample, TrueQuery
from blcf.datasets.ukbench import read_ukbench

__all__ = [
    "GroundTruth",
    "KINDS",
    "TrueExample",
    "TrueQuery",
    "read_dataset",
    "read_gldv2",
    "read_ground_truth",
    "read_holidays",
    "read_ilias",
    "read_instre",
    "read_oxford5k",
    "read_oxford_queries",
    "read_paris6k",
    "read_revisited",
    "read_trecvid",
    "read_ukbench",
]
