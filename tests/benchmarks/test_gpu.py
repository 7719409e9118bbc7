"""Every line of the rows for a GPU, on the CPU."""

from __future__ import annotations

import pytest
import torch

from benchmarks.gpu.rows import ROWS
from benchmarks.gpu.sizes import SMALL

pytestmark = pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
NEEDS_MINUTES = {"features", "indexing"}
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "name",
    [pytest.param(one, marks=[pytest.mark.slow] * (one in NEEDS_MINUTES)) for one in ROWS],
)
def test_rows(name, device):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("there is no GPU")
    rows = list(ROWS[name](SMALL, device))
    assert rows and all(row["ours"] > 0 < row["plain"] for row in rows)
    assert len({row["work"] for row in rows}) == len(rows)
