"""`sync` ended before and after each of its steps: what is left is sound, and the next one finishes.

    python tests/faults/sync_kills.py FOLDER STRIDE

Every STRIDE-th step is tried, each on a copy of the collection, in processes that are forked before
any network has run.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
from pathlib import Path

import tiles
import torch
from faults.facts_kills import end_at
from faults.strangers import run_apart

from blcf.collection import check_collection

CAMERAS = {f"{number:02d}.png": {"camera": f"C{number}"} for number in range(12)}


def make(folder: Path) -> str:
    """A collection, and its folder as it has become since."""
    scenes = folder / "scenes"
    for number, one in enumerate(tiles.planted_scenes()[0]):
        tiles.save(scenes / f"{number:02d}.png", one)
    engine = tiles.create(folder / "sound.blcf")
    engine.add(scenes, facts=CAMERAS, progress=False)
    (scenes / "00.png").unlink()
    tiles.save(scenes / "01.png", tiles.planted_scenes(seed=7)[0][3])
    (scenes / "sub").mkdir()
    for name in ("02.png", "03.png"):
        (scenes / name).rename(scenes / "sub" / name)
    tiles.save(scenes / "new.png", tiles.planted_scenes(seed=8)[0][4])
    return "made"


def follow(path: Path, scenes: Path) -> None:
    tiles.reopen(path).sync(scenes, progress=False)


def finish(path: Path, scenes: Path) -> str:
    """Check what is left, go on, and compare with the folder."""
    report = check_collection(path)
    assert report.is_sound, report
    left = tiles.reopen(path)
    for name in left.names:  # nothing was said of one picture and is of another
        number = Path(name).name
        camera = left.facts(name).get("camera")
        assert camera == CAMERAS.get(number, {}).get("camera"), (name, camera)
    follow(path, scenes)
    assert check_collection(path).is_sound
    engine = tiles.reopen(path)
    expected = {one.relative_to(scenes).as_posix() for one in scenes.rglob("*.png")}
    assert set(engine.names) == expected and len(engine) == len(expected)
    for name in expected:
        words, _ = engine.model.encode(engine.model.extractor.extract(scenes / name))
        found = engine.collection.words(int(engine.collection.find([name])[0]))
        assert (found == words).all(), name
        camera = CAMERAS.get(Path(name).name, {}).get("camera")
        assert engine.facts(name).get("camera") == camera, name
    again = engine.sync(scenes, dry_run=True)
    assert not (again.new or again.changed or again.moved or again.deleted), again
    return "finished"


def end_in(path: Path, scenes: Path, step: int) -> bool:
    """Whether the process was ended at a step; else it took fewer."""
    child = os.fork()
    if not child:
        status = 1
        try:
            end_at(step)
            follow(path, scenes)
            status = 0
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 7), (step, status)
    return status == 7


def main(folder: Path, stride: int) -> None:
    """Print how many ends there were, and what was wrong."""
    torch.set_num_threads(1)
    assert run_apart(make, folder) == '"made"'
    sound, path, scenes = folder / "sound.blcf", folder / "some.blcf", folder / "scenes"
    step, n_ends, failures = random.randrange(stride), 0, []
    is_ended = True
    while is_ended:
        shutil.copytree(sound, path)
        is_ended = end_in(path, scenes, step)
        n_ends += is_ended
        said = run_apart(finish, path, scenes)
        if said != '"finished"':
            failures.append(f"step {step}: {said}")
        shutil.rmtree(path)
        step += stride
    print(json.dumps({"ends": n_ends, "failures": failures}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
