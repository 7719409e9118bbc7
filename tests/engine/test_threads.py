"""The first searches of a process come from several threads at once."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import tiles

import blcf
from blcf import SearchEngine

CODE = """
import sys, threading
import numpy as np
from blcf import SearchEngine

engine = SearchEngine.open(sys.argv[1])
pictures = [np.full((96, 128, 3), 20 * number, dtype=np.uint8) for number in range(8)]
for number, picture in enumerate(pictures):
    picture[: 8 * number + 8, :40] = 255 - 20 * number
together, found, errors = threading.Barrier(8), [None] * 8, []

def search(number):
    together.wait()
    try:
        found[number] = engine.search(pictures[number], k=3)
    except BaseException as error:
        errors.append(repr(error))

threads = [threading.Thread(target=search, args=(number,)) for number in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not errors, errors
for number, hits in enumerate(found):
    again = engine.search(pictures[number], k=3)
    assert again.names == hits.names and (again.scores == hits.scores).all()
import torch
torch.nn.Linear(2, 2)(torch.zeros(1, 2))  # a broken trace broke this, too
"""


TRACED = pytest.param("squeezenet1_1", marks=pytest.mark.slow)


@pytest.fixture(scope="module", params=["blcf-lite", TRACED])
def collection(request, tmp_path_factory) -> Path:
    """A collection of four pictures, of the package's network or of one that is traced."""
    folder = tmp_path_factory.mktemp("threads")
    for number, one in enumerate(tiles.planted_scenes()[0][:4]):
        tiles.save(folder / "scenes" / f"{number}.png", one)
    settings = {"n_words": 10, "vocabulary": "own", "side": 128}
    if request.param != "blcf-lite":
        import torch
        import torchvision

        settings["weights"] = folder / "weights.pth"
        torch.manual_seed(0)
        torch.save(torchvision.models.get_model(request.param).state_dict(), settings["weights"])
    engine = SearchEngine.create(folder / "some.blcf", request.param, **settings)
    engine.add(folder / "scenes", progress=False)
    return folder / "some.blcf"


def start(collection: Path) -> None:
    """Eight threads search at once in a fresh process."""
    house = Path(blcf.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(collection)],
        env={**os.environ, "PYTHONPATH": str(house)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_first_searches_of_eight_threads(collection) -> None:
    start(collection)


@pytest.mark.slow
def test_the_first_searches_of_eight_threads_in_twenty_processes(collection) -> None:
    for _ in range(20):
        start(collection)


def test_threads_that_search_while_another_adds_and_refreshes(planted, tmp_path) -> None:
    """What a thread searches in is a state that was committed: never a mixture of two."""
    writer = tiles.create(tmp_path / "some.blcf")
    writer.add([planted.path(number) for number in range(3)], root=planted.folder, progress=False)
    reader = SearchEngine.open(tmp_path / "some.blcf", network=tiles.TileNetwork())
    wrong, done = [], threading.Event()

    def search() -> None:
        while not done.is_set():
            hits = reader.search(planted.picture, k=12, query_scales=(1,))
            names = [f"{number:02d}.png" for number in range(len(hits))]
            if len(hits) not in range(3, 13) or sorted(hits.names) != names:
                wrong.append(hits.names)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(3, 12):
            writer.add([planted.path(number)], root=planted.folder, progress=False)
            reader.refresh()
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not wrong
    assert len(reader.search(planted.picture, k=12, query_scales=(1,))) == 12
