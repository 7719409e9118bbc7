"""One query and its best hits, or several examples, to one better query or ranking.

average.py, discriminative.py and rocchio.py make a new query of the best (and worst) hits;
trust.py says which hits may take part, sure.py which ones where an expansion must not hurt;
joint.py combines several examples before the search, fusing.py their rankings after it, and those
of several collections; checked.py holds what all of them check.
"""

from blcf.expansion.average import average_descriptor, average_query
from blcf.expansion.discriminative import discriminative_query
from blcf.expansion.fusing import fuse_by_name, fuse_rankings
from blcf.expansion.joint import joint_query
from blcf.expansion.rocchio import rocchio_query
from blcf.expansion.sure import sure_hits, sure_weights
from blcf.expansion.trust import trusted_hits

__all__ = [
    "average_descriptor",
    "average_query",
    "discriminative_query",
    "fuse_by_name",
    "fuse_rankings",
    "joint_query",
    "rocchio_query",
    "sure_hits",
    "sure_weights",
    "trusted_hits",
]
