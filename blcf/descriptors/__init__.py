"""Global descriptors of the literature: a feature map, or a code, to one vector.

Each class keeps one contract (`Descriptor`): ``fit(maps, learned_on=...)`` learns the whitening,
``transform(maps)`` gives rows of length 1, whose dot products are cosine similarities. All but
`NeuralCodes` are of feature maps (`MapDescriptor`).

================  =======================================================================
`SumPooling`      sum pooling "as ours" and "as in CroW" (Mohedano et al., ICMR 2016)
`SPoC`            Babenko & Lempitsky, ICCV 2015, with or without centre prior
`MAC`, `RMAC`     Tolias, Sicre & Jegou, ICLR 2016
`CroW`, `UCroW`   Kalantidis, Mellina & Osindero, ECCV workshops 2016
`GeM`             Radenovic, Tolias & Chum, PAMI 2019
`VLAD`            Ng, Yang & Davis, CVPR workshops 2015, over convolutional layers
`NeuralCodes`     Babenko et al., ECCV 2014; Razavian et al., CVPR workshops 2014
================  =======================================================================

The files: ``pooling`` has the formulas, pure functions of one map; ``regions`` the grid of R-MAC
and the crop of a map under a box; ``descriptor`` the contract, ``learned`` its whitening;
``estimators``, ``vlad`` and ``neural_codes`` the classes. ``search`` ranks images by any of them;
``localisation`` finds the object in a map by integral max pooling, ``reranking`` ranks again by
it; ``crops`` are neural codes of overlapping crops, which have a search of their own.

A global query (GS) is the descriptor of the whole map, a local one (LS) that of its crop:

>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> maps = [rng.random((16, 9, 12), dtype=np.float32) for _ in range(40)]
>>> descriptor = MAC(n_components=8)
>>> rows = descriptor.fit_transform(maps, learned_on="the images themselves")
>>> gs = descriptor.transform([maps[3]])
>>> ls = descriptor.transform([crop_map(maps[3], (100, 50, 300, 200), size=(384, 288))])
>>> int((rows @ gs[0]).argmax()), ls.shape
(3, (1, 8))
"""

from blcf.descriptors.crops import CropCodes, crop_boxes, signed_power, spatial_search_scores
from blcf.descriptors.descriptor import Descriptor, MapDescriptor
from blcf.descriptors.estimators import MAC, RMAC, CroW, GeM, SPoC, SumPooling, UCroW
from blcf.descriptors.localisation import approximate_max_pool, localise_descriptor
from blcf.descriptors.neural_codes import NeuralCodes
from blcf.descriptors.pooling import (
    center_prior,
    crow_channel_weights,
    crow_spatial_weights,
    generalised_mean_pool,
    max_pool,
    max_pool_regions,
    sum_pool,
)
from blcf.descriptors.regions import crop_map, rmac_regions
from blcf.descriptors.reranking import RmacReranker
from blcf.descriptors.search import DescriptorSearch
from blcf.descriptors.vlad import VLAD

__all__ = [
    "CroW",
    "CropCodes",
    "Descriptor",
    "DescriptorSearch",
    "GeM",
    "MAC",
    "MapDescriptor",
    "NeuralCodes",
    "RMAC",
    "RmacReranker",
    "SPoC",
    "SumPooling",
    "UCroW",
    "VLAD",
    "approximate_max_pool",
    "center_prior",
    "crop_boxes",
    "crop_map",
    "crow_channel_weights",
    "crow_spatial_weights",
    "generalised_mean_pool",
    "localise_descriptor",
    "max_pool",
    "max_pool_regions",
    "rmac_regions",
    "signed_power",
    "spatial_search_scores",
    "sum_pool",
]
