"""Named measures of rankings and boxes, and how sure their means are.

==========  =======================================================  ===========================
protocol    figure of a query (the mean over queries is the result)  source
==========  =======================================================  ===========================
oxford      trapezoidal AP, junk dropped, the query picture stays;   Philbin et al., CVPR 2007
            Paris is measured the same                               and 2008; compute_ap
revisited   trapezoidal AP and precision at 1, 5, 10, each easy,     Radenovic et al., CVPR 2018;
            medium and hard; the others' positives are junk          revisitop
holidays    trapezoidal AP, the query picture (junk) dropped         Jegou et al., ECCV 2008;
                                                                     holidays_map.py
ukbench     how many of the group's 4 pictures are the first 4       Nister & Stewenius, CVPR
                                                                     2006
instre      trapezoidal AP, junk dropped                             Wang & Jiang, TOMM 2015;
                                                                     Iscen et al., CVPR 2017
trecvid     non-interpolated AP of the first 1,000 shots             Over et al., TRECVID 2013;
                                                                     trec_eval's map
ilias       AP of the first 1,000, over min(1,000, positives), all   Kordopatis-Zilos et al.,
            positives and those of each group of scale and clutter   CVPR 2025; its program
gldv2       AP of the first 100, over min(100, positives)            Weyand et al., CVPR 2020
==========  =======================================================  ===========================

Trapezoidal and non-interpolated AP are different numbers: where the only positive is second,
.25 and .5.
"""

from blcf.evaluation.average_precision import (
    average_precision,
    average_precision_at,
    micro_average_precision,
    trec_average_precision,
)
from blcf.evaluation.localisation import Localisation, best_overlaps, localise
from blcf.evaluation.protocols import PROTOCOLS, Protocol, protocol, summarise
from blcf.evaluation.runs import read_qrels, read_run, trec_order, write_qrels, write_run
from blcf.evaluation.shots import rank_groups
from blcf.evaluation.statistics import PairedTest, bootstrap_interval, paired_test

__all__ = [
    "Localisation",
    "PROTOCOLS",
    "PairedTest",
    "Protocol",
    "average_precision",
    "average_precision_at",
    "best_overlaps",
    "bootstrap_interval",
    "localise",
    "micro_average_precision",
    "paired_test",
    "protocol",
    "rank_groups",
    "read_qrels",
    "read_run",
    "summarise",
    "trec_average_precision",
    "trec_order",
    "write_qrels",
    "write_run",
]
