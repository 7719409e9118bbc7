"""Learning of networks.

blcf-lite, the small network of the package, is distilled: `student`, `teachers`, `views`
and the `emblems` on them, `rounds`, `distillation`, `training`, its `first_heads` and `blending`.

A network learns for the bag of words in `train`: `labels` of `photographs`, `bag_losses` of what a
`local_network` gives, `bag_training` and what is `held_out` of it; its `run_folder` is that of
every training here.

A network learns to rank by `losses`, `batch_losses` and `tuple_losses`, of what `mining` and
`sampling` choose, through `heads`, in `ranking`; `learned_whitening` comes after it, and
`descriptor_file` keeps network and head. `cleaning` finds false labels, by `blcf.rerank.keypoints`;
`proposals` are regions in place of R-MAC's grid, which `proposal_training` teaches.
"""

from blcf.learning.bag_settings import BagSettings
from blcf.learning.labels import Labelled, label_pictures
from blcf.learning.train import TrainReport, train_network

__all__ = ["BagSettings", "Labelled", "TrainReport", "label_pictures", "train_network"]
