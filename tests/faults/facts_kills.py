"""Writers of facts killed at every step that they take, and at random instants.

    python tests/faults/facts_kills.py FOLDER N_CHANGES SEED

A writer appends with facts, annotates, removes, renames or compacts, in a process that ends without
a word at a step, or is killed with SIGKILL. What is left must be the state before the change or
after it, facts and all; what else lies there is nothing that a reader or a check takes note of.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from faults.kills import small_parts
from made_up import DESCRIPTION, append_batch, name, picture

from blcf.collection import Batch, Collection, check_collection
from blcf.collection import collection as collection_module
from blcf.collection.facts_file import FactsFile
from blcf.collection.facts_table import FactsTable
from blcf.collection.segment import Segment
from blcf.images import PictureFacts

State = dict[str, tuple[int, dict]]  # by name, in order of insertion: number and what is said


def plan(rng: random.Random, state: State) -> tuple[tuple, State]:
    """A change, and the state after it."""
    kind = rng.choice(["append", "append", "annotate", "annotate", "remove", "rename", "compact"])
    some = rng.sample(list(state), min(len(state), rng.randint(1, 3)))
    after = dict(state)
    if kind == "append":
        batch = {}
        for _ in range(rng.randint(1, 4)):
            number = rng.randrange(40) + 1000 * rng.randrange(3)
            batch[name(number)] = number, rng.choice([{}, {"a": rng.randrange(9)}, {"b": "new"}])
        for one, (number, said) in batch.items():
            before = after.pop(one, (0, {}))[1]
            after[one] = number, {**before, **said}
        return (kind, batch), after
    if kind == "annotate":
        said = {one: rng.choice([{"a": rng.randrange(9)}, {"c": 0.5, "a": None}]) for one in some}
        for one, facts in said.items():
            after[one] = state[one][0], {**state[one][1], **facts}
        return (kind, said), after
    if kind == "rename":
        moves = {one: f"{rng.random()}.jpg" for one in some}
        moved = {moves[one]: after.pop(one) for one in list(state) if one in moves}
        return (kind, moves), {**after, **moved}
    if kind == "remove":
        for one in some:
            del after[one]
        return (kind, some), after
    return (kind, None), after


def change(folder: Path, kind: str, what) -> None:
    """Make one change."""
    collection = Collection.open(folder)
    with collection.writing():
        if kind == "append":
            batch = Batch()
            for number, said in what.values():
                batch.append(*picture(number), facts=PictureFacts(number + 1, number), given=said)
            append_batch(collection, batch)
        elif kind == "annotate":
            collection.annotate(what)
        elif kind == "rename":
            collection.rename(what)
        elif kind == "remove":
            collection.remove(what)
        else:
            collection.compact()


def holds(folder: Path, state: State) -> bool:
    """Whether a collection, opened afresh, is in a state: names, pictures and facts."""
    collection = Collection.open(folder)
    if list(collection.names()) != list(state):
        return False
    for image_id, (number, said) in enumerate(state.values()):
        if collection.size(image_id) != picture(number)[1]:
            return False
        known = collection.facts_of(image_id)
        assert known["bytes"] == number
        if any(known.get(column) != said.get(column) for column in "abc"):
            return False
    there = collection.facts.columns
    for column, where, is_chosen in (
        ("a", "a > 3", lambda said: (said.get("a") or 0) > 3),
        ("b", "b = 'new'", lambda said: said.get("b") == "new"),
    ):
        if column in there:
            expected = [is_chosen(said) for _, said in state.values()]
            assert collection.matching(where).tolist() == expected
    return True


def check_what_is_left(folder: Path, states: list[State]) -> State:
    """The state of those that a killed writer left; the next writer leaves no row of no picture."""
    left = [one for one in states if holds(folder, one)]
    assert left, states
    report = check_collection(folder)
    assert report.is_sound, report.damages
    collection = Collection.open(folder)
    with collection.writing():
        file = FactsFile(folder)
        if file.exists():
            with file.reading() as table:
                assert table.ids().tolist() == collection.column("ids").tolist()
    assert holds(folder, left[0])
    return left[0]


# Where a writer may end: before and after each of these.
STEPS = [
    (FactsTable, "begin"),
    (FactsTable, "insert"),
    (FactsTable, "copy"),
    (FactsTable, "update"),
    (FactsTable, "delete"),
    (FactsTable, "commit"),
    (FactsFile, "build"),
    (Segment, "save"),
    (collection_module, "swap_manifest"),
    (collection_module, "copy_manifest"),
]


def end_at(step: int) -> None:
    """Make this process end at a step of those that it will take."""
    taken = 0

    def count() -> None:
        nonlocal taken
        if taken == step:
            os._exit(7)
        taken += 1

    for owner, attribute in STEPS:

        def stepping(*arguments, does=getattr(owner, attribute), **options):
            count()
            result = does(*arguments, **options)
            count()
            return result

        setattr(owner, attribute, stepping)


def end_at_every_step(folder: Path, rng: random.Random, state: State) -> tuple[State, Counter]:
    """Try a change with an end at each step, on copies; then make it."""
    (kind, what), after = plan(rng, state)
    copy, counts, step = folder.with_name("copy.blcf"), Counter(), 0
    while True:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy)
        child = os.fork()
        if not child:
            status = 1
            try:
                end_at(step)
                change(copy, kind, what)
                status = 0
            finally:
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, 7), (kind, step, status)
        check_what_is_left(copy, [state, after] if status else [after])
        if not status:
            break
        counts[kind] += 1
        step += 1
    change(folder, kind, what)
    assert holds(folder, after)
    return after, counts


def kill_one(folder: Path, rng: random.Random, state: State) -> State:
    """Start a writer of several changes, kill it, check what is left."""
    changes, states = [], [state]
    for _ in range(12):
        one, state = plan(rng, state)
        changes.append(one)
        states.append(state)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            for one in changes:
                change(folder, *one)
                os.write(writing, b"d")
        finally:
            os._exit(0)
    os.close(writing)
    time.sleep(rng.uniform(0, 0.25))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as pipe:
        n_done = len(pipe.read())
    return check_what_is_left(folder, states[n_done : n_done + 2])


def main(folder: Path, n_changes: int, seed: int) -> None:
    """Kill writers, and print at what they were."""
    small_parts()
    rng = random.Random(seed)
    Collection.create(folder, DESCRIPTION)
    change(folder, "append", {name(0): (0, {"a": 1})})  # compiles the kernels before the first fork
    state: State = {name(0): (0, {"a": 1})}
    ended: Counter[str] = Counter()
    for _ in range(n_changes):
        state, counts = end_at_every_step(folder, rng, state)
        ended += counts
    for _ in range(2 * n_changes):
        state = kill_one(folder, rng, state)
    print(json.dumps(ended))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
