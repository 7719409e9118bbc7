"""Kills at any instant, full disks, readers while a writer merges, flipped bits, odd names."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from faults import facts_kills, kills
from made_up import DESCRIPTION, append, append_batch, check, name, picture

from blcf.collection import Batch, Collection, check_collection
from blcf.errors import FormatError, StorageError
from blcf.index import merging

resource = pytest.importorskip("resource", reason="needs a POSIX system")

FAULTS = Path(__file__).parent
PYTHONPATH = os.pathsep.join([str(FAULTS.parent), *os.environ.get("PYTHONPATH", "").split()])


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(merging, "FACTOR", 3)
    monkeypatch.setattr(merging, "TIERS", (3, 9, 24))
    monkeypatch.setattr(merging, "LARGEST", 24)


@pytest.fixture
def collection(tmp_path):
    return Collection.create(tmp_path / "some.blcf", DESCRIPTION)


def run(code_or_file, *arguments, n_seconds=300):
    what = [str(code_or_file)] if isinstance(code_or_file, Path) else ["-c", code_or_file]
    return subprocess.run(
        [sys.executable, *what, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
        cwd=FAULTS.parents[1],
        capture_output=True,
        text=True,
        timeout=n_seconds,
    )


@pytest.mark.parametrize(("n", "seed"), [(40, 1), pytest.param(220, 2, marks=pytest.mark.slow)])
def test_kills_at_random_instants(tmp_path, n, seed):
    """So many writers; see kills.py."""
    done = run(FAULTS / "kills.py", tmp_path / "some.blcf", n, seed)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = json.loads(done.stdout)
    assert sum(counts.values()) == n and counts["append"] > n // 11
    assert len(counts) > 3, "of several kinds of change"  # of which one is hit is chance
    assert n < 200 or counts["compact"] > n // 40


@pytest.mark.parametrize(("n", "seed"), [(3, 1), pytest.param(32, 2, marks=pytest.mark.slow)])
def test_kills_of_writers_of_facts(tmp_path, n, seed):
    """At every step of so many changes, and twice as many at any instant; see facts_kills.py."""
    done = run(FAULTS / "facts_kills.py", tmp_path / "some.blcf", n, seed)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sum(json.loads(done.stdout).values()) > 6 * n


@pytest.mark.parametrize("stride", [60, pytest.param(1, marks=pytest.mark.slow)])
def test_a_sync_that_ends_at_a_step_goes_on(tmp_path, stride):
    """Every so many steps of some 60; see sync_kills.py."""
    done = run(FAULTS / "sync_kills.py", tmp_path, stride, n_seconds=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert not said["failures"], "\n\n".join(said["failures"])
    assert said["ends"] >= 40 // stride


@contextmanager
def no_file_above(n_bytes):
    """Files cannot grow beyond a size: writing fails like on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("kind", "what", "after"),
    [
        ("append", [7, 8], [0, 1, 2, 3, 5, 7, 8]),
        ("append", [9, 1001], [0, 2, 3, 5, 9, 1001]),
        ("remove", ["folder/1.jpg"], [0, 2, 3, 5]),
        ("compact", None, [0, 1, 2, 3, 5]),
    ],
)
def test_files_that_cannot_grow(collection, kind, what, after):
    """At every limit the change is made whole or refused in a sentence, and nothing is lost."""
    before, outcomes = [0, 1, 2, 3, 5], set()
    with collection.writing():
        append(collection, range(6))
        collection.remove([name(4)])
    for n_bytes in (0, 100, 1_500, 4_000, 8_000, 12_000, 1_000_000):
        copy = collection.path.with_name(f"{n_bytes}.blcf")
        shutil.copytree(collection.path, copy)
        writer, refused = Collection.open(copy), False
        with no_file_above(n_bytes):
            try:
                kills.change(writer, kind, what)
            except StorageError as error:
                assert str(error).startswith("Could not ")
                refused = True
        left = Collection.open(copy)
        check(left, before if refused else after)
        assert check_collection(copy).is_sound
        outcomes.add(refused)
        with left.writing():  # with space again all goes on
            append(left, [30])
        assert check_collection(copy).is_sound
    assert outcomes == {False, True}


@pytest.mark.parametrize("kind", ["append", "annotate", "rename", "remove"])
def test_facts_that_cannot_grow(collection, kind):
    """As above, for what is said of pictures."""
    folder, outcomes = collection.path, set()
    before = {name(number): (number, {"a": number}) for number in range(6)}
    facts_kills.change(folder, "append", before)
    change = {
        "append": {name(number): (number, {"b": "x" * 500}) for number in range(10, 40)},
        "annotate": {name(number): {"b": "x" * 3_000} for number in range(6)},
        "rename": {name(2): "other.jpg"},
        "remove": [name(5)],
    }[kind]
    after = dict(before)
    if kind == "append":
        after.update(change)
    elif kind == "annotate":
        after = {one: (n, {**said, **change[one]}) for one, (n, said) in before.items()}
    elif kind == "rename":
        after["other.jpg"] = after.pop(name(2))
    else:
        del after[name(5)]
    for n_bytes in (0, 100, 1_500, 4_000, 8_000, 9_000, 14_000, 20_000, 1_000_000):
        copy, refused = folder.with_name(f"{n_bytes}.blcf"), False
        shutil.copytree(folder, copy)
        with no_file_above(n_bytes):
            try:
                facts_kills.change(copy, kind, change)
            except StorageError as error:
                assert str(error).startswith("Could not ")
                refused = True
        assert facts_kills.check_what_is_left(copy, [before if refused else after])
        outcomes.add(refused)
    assert outcomes == {False, True}


@pytest.fixture
def disk(tmp_path):
    """A file system of 600 kilobytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root and the right to mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_full_disk(disk):
    """Filled up by additions."""
    collection = Collection.create(disk / "some.blcf", DESCRIPTION)
    held: list[int] = []
    with pytest.raises(StorageError, match="No space left on device|Could not"):
        for first in range(0, 900, 4):
            with collection.writing():
                append(collection, range(first, first + 4))
            held += range(first, first + 4)
    assert len(held) > 3
    opened = Collection.open(disk / "some.blcf")
    check(opened, held)
    assert check_collection(disk / "some.blcf").is_sound
    with opened.writing():  # a mark of removal takes next to nothing
        assert opened.remove([name(held[0])]) == 1
    check(Collection.open(disk / "some.blcf"), held[1:])


def test_read_only_file_system(disk):
    """Everything but writing works, and writing is refused in a sentence."""
    collection = Collection.create(disk / "some.blcf", DESCRIPTION)
    with collection.writing():
        append(collection, range(5))
        collection.remove([name(1)])
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    opened = Collection.open(disk / "some.blcf")
    check(opened, [0, 2, 3, 4])
    assert check_collection(disk / "some.blcf").is_sound
    for write in (lambda: kills.change(opened, "append", [7]), lambda: repair(opened.path)):
        with pytest.raises(StorageError, match="Could not .*Read-only file system"):
            write()
    with pytest.raises(StorageError, match="Could not .*Read-only file system"):
        opened.write_statistics(np.zeros(20, np.int64), np.zeros(4))
    check(opened, [0, 2, 3, 4])


def repair(path):
    return check_collection(path, repair=True)


READER = """
import sys, time
from made_up import name
from blcf.bags import BagOfWords
from blcf.collection import Collection
from blcf.index import InvertedFile

folder, end = sys.argv[1], time.monotonic() + float(sys.argv[2])
n_states, last, collection = 0, None, Collection.open(folder)
while time.monotonic() < end:
    if n_states % 5 == 4:
        collection = Collection.open(folder)
    else:
        collection.refresh()
    names = list(collection.names())
    # Every state that the writer leaves: numbers in order, the last ones newest, none twice.
    assert len(set(names)) == len(names) == collection.n_images, names
    index = InvertedFile(20, idf=True)
    for part in collection.parts:
        index.add_part(*part)
    for image_id in range(collection.n_images):
        words = collection.words(image_id)
        ranking = index.search(BagOfWords(20).encode(words), k=3)
        assert len(ranking) == min(3, len(names))
    n_states += names != last
    last = names
print(n_states)
"""


def test_readers_while_a_writer_appends_removes_and_merges(collection):
    with collection.writing():
        append(collection, range(3))
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, str(collection.path), "4"],
            env={**os.environ, "PYTHONPATH": PYTHONPATH},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    rng, number = random.Random(3), 3
    while any(reader.poll() is None for reader in readers):
        with collection.writing():
            append(collection, [number % 900, (number + 1) % 900])
            collection.remove([name(rng.randrange(max(1, number - 20), number + 1) % 900)])
            if not number % 7:
                collection.compact()
        number += 2
    for reader in readers:
        out, err = reader.communicate()
        assert reader.returncode == 0, err
        assert int(out) > 3


def test_odd_names(collection):
    names = ["a\nb.jpg", "\n", " ", "𝔊𝔥\U0001f98a.png", "e\u0301.jpg", "\u00e9.jpg", "\ud800.jpg"]
    names += ["a\x00b.jpg", "x" * 3_000, "\udcff\udcfe.jpg", "folder/ü/..jpg"]
    batch = Batch()
    for number, one in enumerate(names):
        batch.append(one, *picture(number)[1:])
    with collection.writing():
        append_batch(collection, batch)
        assert collection.find(names).tolist() == list(range(len(names)))
        assert collection.remove([names[0], names[4], "b.jpg"]) == 2
        left = [one for number, one in enumerate(names) if number not in (0, 4)]
        assert list(collection.names()) == left
        collection.compact()
    opened = Collection.open(collection.path)
    assert list(opened.names()) == left
    assert opened.find(names).tolist() == [-1, 0, 1, 2, -1, *range(3, len(left))]
    report = check_collection(collection.path)
    assert report.is_sound and report.n_images == len(left)


def test_clock_that_jumps_back(collection, monkeypatch):
    """Order and freshness follow the generation; clocks are only ever shown."""
    with collection.writing():
        append(collection, [0, 1])
    monkeypatch.setattr(time, "time", lambda: 1.0)
    monkeypatch.setattr(time, "monotonic", lambda: 1.0)
    reader = Collection.open(collection.path)
    with collection.writing():
        append(collection, [2, 1000])
    for path in collection.path.rglob("*"):
        os.utime(path, (0, 0))
    reader.refresh()
    check(reader, [1, 2, 1000])


@pytest.mark.parametrize("seed", range(40))
def test_any_flipped_bit_is_found(collection, seed):
    """Wherever a bit flips, `check` names the file, and nothing that opens or repairs crashes."""
    with collection.writing():
        append(collection, range(4))
        append(collection, [10, 11])
        (collection.path / "model.h5").write_bytes(b"stands for a model" * 10)
        collection.commit(model={"file": "model.h5", "n_words": 20, "vocabulary_digest": ""})
        collection.remove([name(2)])
    rng = np.random.default_rng(seed)
    files = sorted(
        path
        for path in collection.path.rglob("*")
        if path.is_file() and path.name not in ("writer.lock", "errors.jsonl")
    )
    path = files[seed % len(files)]
    data = bytearray(path.read_bytes())
    data[rng.integers(len(data))] ^= 1 << rng.integers(8)
    path.write_bytes(data)
    report = check_collection(collection.path)
    assert [collection.path / damage.file for damage in report.damages] == [path]
    try:
        opened = Collection.open(collection.path)
        for image_id in range(opened.n_images):
            opened.words(image_id), opened.norms(image_id), opened.size(image_id)
    except FormatError:
        pass
    repaired = check_collection(collection.path, repair=True)
    if path.name == "model.h5":
        assert not repaired.repaired
        return
    assert repaired.repaired and check_collection(collection.path).is_sound
    left = [0, 1, 3, 10, 11]
    lost = [number for number in left if name(number) in report.damages[0].names]
    assert len(lost) == report.damages[0].n_images
    check(Collection.open(collection.path), [number for number in left if number not in lost])


@pytest.mark.parametrize(
    ("n", "seed"), [(5, 0), pytest.param(1_000, 1_000, marks=pytest.mark.slow)]
)
def test_collections_of_strangers(tmp_path, n, seed):
    """Each opens right or is refused in a sentence, and nothing beside it is touched."""
    done = run(FAULTS / "strangers.py", tmp_path, n, seed, n_seconds=60 * n)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert not said["failures"], "\n\n".join(said["failures"])
    assert min(said["totals"]["done"], said["totals"]["refused"]) > n
