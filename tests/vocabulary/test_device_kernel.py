"""The kernel for GPUs, by Triton's interpreter where there is none.

Triton has to be imported for it, which another test of this process may have done otherwise.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip("triton", reason="the kernel for GPUs needs Triton")


@pytest.mark.parametrize("interpreted", [True, pytest.param(False, marks=pytest.mark.gpu)])
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
