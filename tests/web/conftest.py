"""A small collection that is served in this process, and a client that knows the token."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import tiles
from web_serving import LIMITS, TOKEN, Served, client_of

from blcf.web import Hosting, create_app


def make_scenes(folder: Path) -> Path:
    """The folder of a new collection; its scenes 0..5 show the object."""
    for number, one in enumerate(tiles.planted_scenes()[0]):
        part = "first" if number < 6 else "second"
        tiles.save(folder / "frames" / part / f"{number:02d}.png", one)
    with tiles.create(folder / "scenes.blcf") as engine:
        facts = {f"first/{number:02d}.png": {"camera": "A"} for number in range(6)}
        engine.add(folder / "frames", progress=False, facts=facts)
    return folder / "scenes.blcf"


@pytest.fixture(scope="session")
def scenes_collection(tmp_path_factory):
    folder = tmp_path_factory.mktemp("web")
    make_scenes(folder)
    return folder


@pytest.fixture
def own_collection(scenes_collection, tmp_path):
    """A copy that a test may change."""
    shutil.copytree(scenes_collection / "scenes.blcf", tmp_path / "scenes.blcf")
    return tmp_path / "scenes.blcf"


@pytest.fixture(scope="module")
def served(scenes_collection):
    hosting = Hosting([tiles.reopen(scenes_collection / "scenes.blcf")], LIMITS)
    hosting.load()
    app = create_app(hosting, TOKEN, port=8765, load=False)
    with client_of(app) as client:
        yield Served(scenes_collection, hosting, client)
