"""The linear maps to the teachers' features that a network begins with, by least squares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from blcf.learning.distillation import Batch
from blcf.learning.feature_rows import feature_rows
from blcf.learning.student import Student
from blcf.learning.teachers import Taught

__all__ = ["solve_heads"]

_RIDGE = 1e-4  # of the mean of the diagonal
# Least squares says short directions where they are hard to tell. Of a cosine any length is the
# same, but not of its gradient: those of length 1 or so are changed more slowly.
_LENGTHENED = 3.0


@torch.no_grad()
def solve_heads(student: Student, batches: Iterable[Batch], taught: Sequence[Taught]) -> None:
    """Set the heads of a student to those that predict the teachers' directions best.

    Parameters
    ----------
    student : its heads are changed
    batches : of canvases, on the student's device
    taught : the layers, in the order of the heads' outputs
    """
    was_training = student.training
    student.eval()
    heads = (student.deep_head, student.shallow_head)
    groups = [[each.name for each in taught if each.stride == stride] for stride in (16, 8)]
    sums: list[list[torch.Tensor]] = [[], []]
    for batch in batches:
        maps = reversed(student(batch.pixels))
        for place, (names, values) in enumerate(zip(groups, maps)):
            rows = feature_rows(values)
            rows = torch.cat([rows, torch.ones_like(rows[:, :1])], dim=1)
            wanted = torch.cat([feature_rows(batch.directions[name]) for name in names], dim=1)
            found = [(rows.T @ rows).double(), (rows.T @ wanted).double()]
            before = sums[place] or [torch.zeros_like(each) for each in found]
            sums[place] = [one + other for one, other in zip(before, found)]
    for head, (among, between) in zip(heads, sums):
        ridge = _RIDGE * among.diagonal().mean() * torch.eye(len(among)).to(among)
        solved = _LENGTHENED * torch.linalg.solve(among + ridge, between).float()
        head.weight.copy_(solved[:-1].T[:, :, None, None])
        assert head.bias is not None
        head.bias.copy_(solved[-1])
    student.train(was_training)
