"""The kernel for GPUs, by Triton's interpreter where there is none.

Triton has to be imported for it, which another test of this process may have done otherwise.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("triton", reason="the kernel for GPUs needs Triton")


@pytest.mark.parametrize(
    "interpreted",
    [pytest.param(True, marks=pytest.mark.slow), pytest.param(False, marks=pytest.mark.gpu)],
)
def test_it_keeps_what_the_kernel_of_the_cpu_keeps(interpreted):
    if not interpreted and not torch.cuda.is_available():
        pytest.skip("there is no GPU")
    cases = Path(__file__).with_name("cases_of_device_kernel.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(cases)]
    made = os.environ | ({"TRITON_INTERPRET": "1"} if interpreted else {})
    made = {name: one for name, one in made.items() if not name.startswith("PYTEST_XDIST")}
    done = subprocess.run(
        command, cwd=cases.parents[2], env=made, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-1_000:]


def test_it_is_started_on_the_gpu_of_its_tensors(monkeypatch):
    """Triton starts kernels on the thread's current GPU: with cuda:1 that was another."""
    from blcf.vocabulary import device_kernel

    inside, started = [], []

    @contextmanager
    def device_of(tensor):
        inside.append(tensor)
        yield
        inside.pop()

    class Kernel:
        def __getitem__(self, grid):
            return lambda *args, **how: started.append((grid, list(inside)))

    monkeypatch.setattr(torch.cuda, "device_of", device_of)
    monkeypatch.setattr(device_kernel, "_keep_best", Kernel())
    products, cells = torch.zeros(1, 1, 1, 4), torch.zeros(1, 2, 2)
    top = torch.zeros(1, 2, 2, 1), torch.zeros(1, 2, 2, 1, dtype=torch.int32)
    place = np.zeros(2, np.int64), np.zeros(2, np.int64), np.zeros(2, np.float32)
    words = torch.zeros(4)
    device_kernel.keep_best_on_device(products, words, words, cells, cells, place, place, 0, *top)
    [(grid, within)] = started
    assert grid == (4,) and within[0] is products and not inside


@pytest.mark.skipif("TRITON_INTERPRET" in os.environ, reason="nothing is compiled then")
def test_shapes_of_pictures_make_no_kernels_of_their_own():
    """Each that was 1, or a multiple of 16, or not, was compiled anew: 2 x 16 of them."""
    from blcf.vocabulary.device_kernel import _SHAPES, _keep_best

    assert {one.name for one in _keep_best.params if one.do_not_specialize} == set(_SHAPES)
