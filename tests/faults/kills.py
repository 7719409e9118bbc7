"""Writers killed at random instants, one after the other, on one collection.

    python tests/faults/kills.py FOLDER N_KILLS SEED

Each writer is forked, changes the collection by a seeded sequence of append, remove, compact and
statistics (small parts, so that merges happen all the time), and says what it has done through a
pipe until it is killed with SIGKILL. What is left must be the state after the last change that was
reported, or the one under way; it is checked against the pictures and rankings of the twin.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from made_up import DESCRIPTION, append, check, files_of, name

from blcf.collection import Collection, check_collection
from blcf.index import InvertedFile, merging

N_WORDS = 20


def small_parts() -> None:
    """Merges after every few pictures."""
    merging.FACTOR, merging.TIERS, merging.LARGEST = 3, (3, 9, 24), 24


def plan(rng: random.Random, state: list[int], n_changes: int) -> list[tuple]:
    """Changes, and the state (numbers of the live pictures, in order) after each."""
    changes = []
    for _ in range(n_changes):
        kind = rng.choice(["append", "append", "remove", "compact", "statistics", "annotate"])
        if kind == "append":
            some = [rng.randrange(40) + 1000 * rng.randrange(3) for _ in range(rng.randint(1, 4))]
            numbers = list({name(number): number for number in some}.values())
            names = {name(number) for number in numbers}
            state = [number for number in state if name(number) not in names] + numbers
            changes.append((kind, numbers, state))
        elif kind == "remove":
            gone = [name(number) for number in rng.sample(state, min(len(state), 3))]
            state = [number for number in state if name(number) not in gone]
            changes.append((kind, gone, state))
        elif kind == "annotate":
            said = {number: rng.randrange(100) for number in rng.sample(state, min(len(state), 3))}
            changes.append((kind, said, state))
        else:
            changes.append((kind, None, state))
    return changes


def change(collection: Collection, kind: str, what: list) -> None:
    """Make one change, as the engine does."""
    with collection.writing():
        if kind == "append":
            append(collection, what, N_WORDS)
        elif kind == "remove":
            collection.remove(what)
        elif kind == "compact":
            collection.compact()
        elif collection.n_images:
            index = InvertedFile(N_WORDS, idf=True)
            for part in collection.parts:
                index.add_part(*part)
            collection.write_statistics(index.df, index.norms_)


def write_until_killed(folder: Path, changes: list[tuple], pipe: int) -> None:
    """The writer: what it starts and what it has done goes through the pipe, a byte each."""
    collection = Collection.open(folder)
    for kind, what, _ in changes:
        os.write(pipe, b"s")
        change(collection, kind, what)
        os.write(pipe, b"d")


def kill_one(folder: Path, rng: random.Random, state: list[int]) -> tuple[list[int], str]:
    """Start a writer, kill it, check what is left; gives the state and what was under way."""
    changes = plan(rng, state, 40)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            write_until_killed(folder, changes, writing)
        finally:
            os._exit(0)
    os.close(writing)
    time.sleep(rng.uniform(0, 0.12))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    n_done, is_under_way = said.count(b"d"), said.endswith(b"s")
    states = [changes[n_done - 1][2] if n_done else state]
    if is_under_way:
        states.append(changes[n_done][2])
    collection = Collection.open(folder)
    found = list(collection.names())
    left = [one for one in states if [name(number) for number in one] == found]
    # A replaced picture keeps its name: of two states with the same names one must be right.
    assert left, (said, states, found)
    for attempt, one in enumerate(left):
        try:
            check(collection, one, N_WORDS)
            break
        except AssertionError:
            if attempt == len(left) - 1:
                raise
    report = check_collection(folder)
    # The one thing that a kill may leave behind is a copy of the manifest that is a commit old.
    assert report.is_sound, report.damages
    return one, changes[n_done][0] if is_under_way else "between"


def main(folder: Path, n_kills: int, seed: int) -> None:
    """Kill writers, and print at what they were."""
    small_parts()
    rng = random.Random(seed)
    state: list[int] = []
    Collection.create(folder, DESCRIPTION)
    change(Collection.open(folder), "append", [0])  # compiles the kernels before the first fork
    state = [0]
    kills: Counter[str] = Counter()
    for _ in range(n_kills):
        state, kind = kill_one(folder, rng, state)
        kills[kind] += 1
    collection = Collection.open(folder)
    change(collection, "compact", [])
    check(collection, state, N_WORDS)
    named = {entry["file"] for entry in collection.manifest["segments"]}
    left = [file for file in files_of(collection) if not file.endswith(".names.h5")]
    assert set(left) == named, (left, named)
    print(json.dumps(kills))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
