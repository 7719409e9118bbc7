"""A small collection made by the command line."""

from __future__ import annotations

import pytest
import tiles
import torch
import torchvision

from blcf.cli import main


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Pictures, weights of a small network (random, seeded), and a collection made by the CLI."""
    folder = tmp_path_factory.mktemp("cli")
    for number, one in enumerate(tiles.planted_scenes()[0]):
        tiles.save(folder / "frames" / "été 1" / f"{number:02d}.png", one)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torchvision.models.squeezenet1_1(weights=None)
    torch.save(network.state_dict(), folder / "weights.pth")
    status = main(
        ["index", str(folder / "c.blcf"), str(folder / "frames"), "--quiet"]
        + ["--network", "squeezenet1_1", "--weights", str(folder / "weights.pth")]
        + ["--side", "128", "--words", "20"]
    )
    assert status == 0
    return folder
