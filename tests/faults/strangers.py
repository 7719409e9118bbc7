"""Collections of strangers, one after the other: each opens right or is refused in a sentence.

    python tests/faults/strangers.py FOLDER N_COLLECTIONS SEED

Each is used in a process of its own, that may take a gigabyte and five seconds of the processor.
Whatever it is, nothing beside it is read into it, changed or deleted, and what says that it is
sound gives the rankings of the collection that it was made of.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

import tiles
import torch
from faults.mutations import mutate

from blcf.collection import check_collection
from blcf.errors import BlcfError

MOST_BYTES, MOST_SECONDS, HANGS_AFTER = 1 << 30, 5, 120


def make(folder: Path) -> None:
    """A sound collection, the pictures it is of, and something beside it."""
    for number, one in enumerate(tiles.planted_scenes()[0]):
        tiles.save(folder / "scenes" / f"{number:02d}.png", one)
    engine = tiles.create(folder / "sound.blcf")
    engine.add([folder / "scenes" / f"{i:02d}.png" for i in range(10)], progress=False)
    (folder / "scenes" / "bad.png").write_text("no picture")
    engine.add(folder / "scenes", progress=False)
    engine.remove(["03.png"])
    with engine.collection.writing():
        engine.collection.annotate({f"0{i}.png": {"a": i, "b": "x"} for i in (1, 2, 4)})
    engine.close() if hasattr(engine, "close") else None
    (folder / "outside" / "inner").mkdir(parents=True)
    (folder / "outside" / "file").write_text("theirs")
    (folder / "outside" / "00000001.h5").write_text("theirs")
    (folder / "outside" / "sample.f16").write_text("theirs")
    segments = folder / "sound.blcf" / "segments"
    shutil.copy(segments / sorted(os.listdir(segments))[0], folder / "outside" / "other.h5")


def look(path: Path, folder: Path) -> list:
    """Rankings, boxes and facts of a collection."""
    engine, found = tiles.reopen(path), []
    for name in ("00.png", "05.png"):
        hits = engine.search(frame=name, k=5, expand="local", n_expand=2)
        found.append([(hit.name, round(hit.score, 5), str(hit.box)) for hit in hits])
    found.append([hits.name for hits in engine.search(folder / "scenes" / "01.png", k=3)])
    found.append(engine.collection.matching("a > 1 AND width > 0").tolist())
    engine.collection.facts_of(0)
    engine.info(), engine.collection.skipped(), list(engine.collection.names())
    return found


def change(path: Path, folder: Path) -> None:
    """Everything that a writer does."""
    engine = tiles.reopen(path)
    engine.add(folder / "scenes", progress=False)  # one that was removed, one that is bad
    engine.remove(["04.png"])
    with engine.collection.writing():
        engine.collection.annotate({"05.png": {"a": 5, "c": None}})
    engine.compact()


def use(path: Path, folder: Path, expected: list) -> Counter[str]:
    """All that can be done; a BlcfError of one line is an answer, anything else is not."""
    said: Counter[str] = Counter()

    def attempt(what, *arguments, **options):
        try:
            result = what(*arguments, **options)
            said["done"] += 1
            return result
        except BlcfError as error:
            assert "\n" not in str(error) and len(str(error)) < 2_000, str(error)
            said["refused"] += 1
            return None

    report = attempt(check_collection, path)
    found = attempt(look, path, folder)
    if (
        report is not None
        and report.is_sound
        and json.loads(json.dumps(found))
        not in (
            None,
            expected,
        )
    ):
        said["other rankings"] += 1
    attempt(change, path, folder)
    attempt(check_collection, path, repair=True)
    attempt(look, path, folder)
    return said


def content_of(folder: Path) -> dict[str, bytes | str]:
    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = os.readlink(path)
        else:
            found[name] = path.read_bytes() if path.is_file() else "no file"
    return found


def run_apart(what, *arguments) -> str:
    """Run a function in a forked process within the limits: what it said, or what ended it."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            own = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (own + MOST_BYTES, own + MOST_BYTES))
            used = int(time.process_time()) + MOST_SECONDS + 1
            resource.setrlimit(resource.RLIMIT_CPU, (used, used))
            signal.alarm(HANGS_AFTER)
            os.write(writing, json.dumps(what(*arguments)).encode())
            status = 0
        except BaseException:
            os.write(writing, traceback.format_exc()[-6_000:].encode())
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return said if code in (0, 1) else f"ended by {signal.Signals(-code).name}"


def main(folder: Path, n: int, seed: int) -> None:
    """Print how collections fared, and what was wrong with those that fared ill."""
    torch.set_num_threads(1)
    make(folder)
    sound, path, outside = folder / "sound.blcf", folder / "some.blcf", folder / "outside"
    expected = json.loads(json.dumps(look(sound, folder)))  # compiles the kernels before forks
    theirs, totals, failures = folder / "theirs", Counter(), []
    shutil.copytree(outside, theirs)
    scenes = content_of(folder / "scenes")
    for number in range(seed, seed + n):
        shutil.copytree(sound, path)
        what = run_apart(mutate, path, outside, random.Random(number))
        before = content_of(outside)
        said = run_apart(use, path, folder, expected)
        wrong = [] if said.startswith("{") else [said]
        if content_of(outside) != before or content_of(folder / "scenes") != scenes:
            wrong.append("what is beside it was changed")
        if not wrong:
            totals.update(json.loads(said))
        for one in wrong:
            failures.append(f"{number}: {what}\n{one}")
        shutil.rmtree(path), shutil.rmtree(outside), shutil.copytree(theirs, outside)
    print(json.dumps({"totals": totals, "failures": failures}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
