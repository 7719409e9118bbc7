"""The heads that a network begins with: least squares over the cells of some canvases."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from blcf.learning.distillation import Batch
from blcf.learning.first_heads import solve_heads
from blcf.learning.student import Student
from blcf.learning.teachers import Taught

TAUGHT = (
    Taught("one", "n", "l", 16, 15, 0.7),
    Taught("fine", "n", "l", 8, 7, 0.2),
    Taught("two", "n", "l", 16, 15, 0.3),
)


def test_what_a_linear_map_can_say_is_said():
    """Targets that are linear in the student's features are predicted, in the order of heads."""
    torch.manual_seed(0)
    student = Student(16, 8)
    before = {name: value.clone() for name, value in student.layers.state_dict().items()}
    maps = {name: torch.nn.Conv2d(n, 8, 1) for name, n in (("one", 512), ("two", 512))}
    maps["fine"] = torch.nn.Conv2d(112, 8, 1)
    rng, batches = np.random.default_rng(0), []
    with torch.no_grad():
        for _ in range(4):
            pixels = torch.from_numpy(rng.normal(size=(4, 3, 64, 64))).float()
            shallow, deep = student.eval()(pixels)
            said = {name: one(shallow if name == "fine" else deep) for name, one in maps.items()}
            batches.append(Batch(pixels, said, {}))
        solve_heads(student.train(), batches, TAUGHT)
        assert student.training
        shallow, deep = student.eval()(batches[0].pixels)
        found = dict(zip(("one", "two"), student.deep_head(deep).chunk(2, dim=1)))
        found["fine"] = student.shallow_head(shallow)
    for name, wanted in batches[0].directions.items():
        cosines = functional.cosine_similarity(found[name], wanted, dim=1)
        assert float(cosines.min()) > 0.99, name
    for name, value in student.layers.state_dict().items():
        assert torch.equal(before[name], value), name
