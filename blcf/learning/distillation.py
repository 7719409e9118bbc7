"""Distillation of local features: a student learns what several teachers find alike.

Three losses, each over the cells of the student's map at stride 16:

- a linear map of the student's features predicts the whitened features of every teacher
  (1 - cosine, weighted by the teachers' norms); another one does so from stride 8;
- the student's features, whitened as BLCF will whiten them, have the similarities that the
  teachers' have on the average: the Kullback-Leibler divergence of the softmax over the cells of a
  batch (relational distillation: Park et al., CVPR 2019; Fang et al., SEED, ICLR 2021);
- the student's L2 norm follows that of one teacher, as BLCF weights cells by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from blcf.features.part import choose_dtype
from blcf.learning.feature_rows import feature_rows
from blcf.learning.running_whitening import RunningWhitening
from blcf.learning.student import Student
from blcf.learning.teachers import Taught

__all__ = ["Batch", "DistillationLoss"]

_NORM = 10.0  # what a student's norm is where the teacher's is the mean one

# What is predicted varies less than what it is predicted from: norms are taught that differ from
# the mean as many times as much.
_CONTRAST = 2.0


@dataclass
class Batch:
    """What the student sees and what it shall say of it.

    Attributes
    ----------
    pixels : float32 (n, 3, side, side), normalised
    directions : {name: float32 (n, n_components, h, w)}, of length 1
    norms : {name: float32 (n, h, w)}, 1 on the average
    """

    pixels: torch.Tensor
    directions: dict[str, torch.Tensor]
    norms: dict[str, torch.Tensor]

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        moved = (
            {name: values.to(device) for name, values in maps.items()}
            for maps in (self.directions, self.norms)
        )
        return Batch(self.pixels.to(device), *moved)


class DistillationLoss(nn.Module):
    """The three losses of a batch.

    Parameters
    ----------
    taught : the layers of the teachers; the first at stride 16 teaches the norm
    n_cells : that are compared with each other, drawn at random
    temperature : of the softmax over similarities
    relation, norm : weights of the second and the third loss
    """

    def __init__(
        self,
        taught: Sequence[Taught],
        *,
        n_channels: int = 512,
        n_cells: int = 768,
        temperature: float = 0.1,
        relation: float = 2.0,
        norm: float = 2.0,
    ):
        super().__init__()
        self.deep = [each for each in taught if each.stride == 16]
        self.shallow = [each for each in taught if each.stride == 8]
        self.n_cells, self.temperature = n_cells, temperature
        self.relation, self.norm = relation, norm
        self.whitening = RunningWhitening(n_channels)

    def forward(self, student: Student, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        """The loss, and its parts for the record."""
        device = batch.pixels.device
        bfloat16 = choose_dtype(device) == "bfloat16"
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            shallow, deep = student(batch.pixels)
            said_deep, said_shallow = student.deep_head(deep), student.shallow_head(shallow)
        parts: dict[str, torch.Tensor] = {}
        for group, said in ((self.deep, said_deep), (self.shallow, said_shallow)):
            for each, values in zip(group, said.float().chunk(len(group), dim=1)):
                parts[each.name] = each.share * _directions(values, each.name, batch)
        deep = deep.float()
        parts["norm"] = self.norm * self._norm(deep, batch)
        parts["relation"] = self.relation * self._relation(deep, batch)
        loss = torch.stack(list(parts.values())).sum()
        return loss, {name: float(value.detach()) for name, value in parts.items()}

    def _norm(self, deep: torch.Tensor, batch: Batch) -> torch.Tensor:
        """How far the L2 norms are from those of the first teacher."""
        wanted = (1 + _CONTRAST * (batch.norms[self.deep[0].name] - 1)).clamp_min(0.05)
        return functional.smooth_l1_loss(deep.square().sum(1).add(1e-6).sqrt() / _NORM, wanted)

    def _relation(self, deep: torch.Tensor, batch: Batch) -> torch.Tensor:
        """How far the similarities of some cells are from the teachers' mean ones."""
        rows = feature_rows(deep)
        chosen = torch.randperm(len(rows))[: self.n_cells].to(rows.device)
        features = self.whitening(rows[chosen])
        similar = features @ features.T
        wanted = torch.zeros_like(similar)
        for each in self.deep:
            directions = feature_rows(batch.directions[each.name])[chosen]
            directions = functional.normalize(directions, dim=1)
            wanted += each.share * (directions @ directions.T)
        itself = torch.eye(len(chosen), dtype=torch.bool, device=rows.device)
        said = (similar / self.temperature).masked_fill(itself, -1e4).log_softmax(1)
        taught = (wanted / self.temperature).masked_fill(itself, -1e4).softmax(1)
        return functional.kl_div(said, taught, reduction="batchmean")


def _directions(values: torch.Tensor, name: str, batch: Batch) -> torch.Tensor:
    """1 - cosine, the mean over cells; those of larger norm count more."""
    cosines = functional.cosine_similarity(values, batch.directions[name], dim=1)
    weights = batch.norms[name] + 0.25
    return ((1 - cosines) * weights).sum() / weights.sum()
