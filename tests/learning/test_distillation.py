"""The losses: whitening that follows, similarities compared, and a student that learns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch.nn import functional

from blcf.features import Whitening
from blcf.learning.distillation import Batch, DistillationLoss
from blcf.learning.running_whitening import RunningWhitening
from blcf.learning.student import Student
from blcf.learning.teachers import Taught

TAUGHT = (
    Taught("one", "n", "l", 16, 15, 0.75),
    Taught("two", "n", "l", 16, 15, 0.25),
    Taught("fine", "n", "l", 8, 7, 0.2),
)


def _batch(rng: np.random.Generator) -> Batch:
    def maps(*shape):
        return torch.from_numpy(rng.normal(size=shape)).float()

    directions = {"one": maps(4, 8, 3, 3), "two": maps(4, 8, 3, 3), "fine": maps(4, 8, 6, 6)}
    return Batch(
        maps(4, 3, 48, 48),
        {name: functional.normalize(values, dim=1) for name, values in directions.items()},
        {name: maps(4, *values.shape[2:]).abs() for name, values in directions.items()},
    )


def test_running_whitening_becomes_the_whitening_of_its_features():
    rng = np.random.default_rng(0)
    rows = rng.random((400, 12)).astype(np.float32)
    running = RunningWhitening(12, n_components=5, period=1)
    found = running(torch.from_numpy(rows)).numpy()
    wanted = Whitening(5).fit(rows).transform(rows)
    # Eigenvectors are known up to their signs and order: similarities are not.
    np.testing.assert_allclose(found @ found.T, wanted @ wanted.T, atol=2e-3)


def test_relation_is_zero_where_the_similarities_are_the_teachers():
    torch.manual_seed(0)
    loss = DistillationLoss([replace(TAUGHT[0], share=1.0)], n_channels=8, n_cells=36)
    batch = _batch(np.random.default_rng(1))
    loss.whitening = torch.nn.Identity()  # the student says what the teacher says
    assert float(loss._relation(batch.directions["one"], batch)) < 1e-6
    assert float(loss._relation(batch.directions["two"], batch)) > 0.1


def test_the_norm_is_that_of_the_first_teacher():
    batch = _batch(np.random.default_rng(3))
    loss = DistillationLoss(TAUGHT, n_channels=8)
    for name, factor in (("one", 1.0), ("one", 1.1), ("two", 1.0)):
        contrast = (1 + 2.0 * (batch.norms[name] - 1)).clamp_min(0.05)
        said = float(loss._norm(10 * factor * contrast[:, None] * batch.directions["one"], batch))
        assert (said < 1e-6) == ((name, factor) == ("one", 1.0)), (name, factor, said)


def test_gradients_reach_every_layer_and_the_loss_falls():
    torch.manual_seed(0)
    student = Student(16, 8)
    loss = DistillationLoss(TAUGHT, n_cells=30)
    batch = _batch(np.random.default_rng(2))
    optimiser = torch.optim.AdamW(student.parameters(), lr=1e-3)
    values = []
    for _ in range(12):
        value, parts = loss(student, batch)
        optimiser.zero_grad()
        value.backward()
        assert all(p.grad is not None for p in student.parameters())
        optimiser.step()
        values.append(float(value.detach()))
        assert set(parts) == {"one", "two", "fine", "norm", "relation"}
        assert abs(sum(parts.values()) - values[-1]) < 1e-4
    assert values[-1] < 0.9 * values[0]
