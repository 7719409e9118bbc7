"""blcf-lite indexes and searches where torchvision cannot be imported; what needs it says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import nn

from blcf.errors import InvalidInput
from blcf.features import CodeFeatures, ConvFeatures
from blcf.features.lite import LITE
from blcf.features.networks import build_network, network_names

HOUSE = Path(__file__).resolve().parents[2]

CODE = """
import sys
sys.modules["torchvision"] = None  # an import of it is an ImportError
from blcf import SearchEngine
engine = SearchEngine.create("c.blcf", side=64)
assert engine.add("pictures").n_added == 2
hits = SearchEngine.open("c.blcf").search("pictures/0.png", box=(0, 0, 80, 60))
print(hits[0].name, len(hits))
print("sympy" in sys.modules)  # .8 s; parts of torch import it
"""


def test_blcf_lite_indexes_and_searches(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for seed in range(2):
        pixels = np.random.default_rng(seed).integers(0, 256, (64, 96, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "pictures" / f"{seed}.png")
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(HOUSE)!r}){CODE}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["0.png", "2", "False"]


def test_what_needs_torchvision_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    assert ConvFeatures(side=64, device="cpu").network_ == LITE
    with pytest.raises(InvalidInput, match="has no layer 'flatten'"):
        CodeFeatures(LITE)
    for ask in (
        network_names,
        lambda: build_network("vgg16"),
        lambda: ConvFeatures(nn.Sequential(nn.Conv2d(3, 4, 3)), layer="0"),
    ):
        with pytest.raises(InvalidInput, match=r"torchvision cannot be imported \(.+ or take blcf"):
            ask()
