"""The one writer of a collection: its lock, its death at any instant, what it leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_up import DESCRIPTION, append, check

from blcf.errors import CollectionLocked, StorageError
from blcf.index import Collection
from blcf.index import collection as module

TESTS = Path(__file__).resolve().parents[1]
PATHS = os.pathsep.join([str(TESTS), str(TESTS.parent)])

HOLDER = """
import sys
from blcf.index import Collection
with Collection.open(sys.argv[1]).writing():
    print("held", flush=True)
    sys.stdin.read()
"""

# Appends a batch and dies before or after the n-th call that flushes or renames; again for every n,
# until it lives. Each child works on a copy of the collection.
MORTAL = """
import os, shutil, signal, sys
from made_up import append
from blcf.index import Collection

n_instants = 0

def pass_instant():
    global n_instants
    n_instants += 1
    if n_instants == life:
        os.kill(os.getpid(), signal.SIGKILL)

def mortal(function):
    def called(*arguments):
        pass_instant()
        function(*arguments)
        pass_instant()
    return called

for life in range(1, 100):
    path = shutil.copytree(sys.argv[1], f"{sys.argv[1]}-{life}")
    child = os.fork()
    if child == 0:
        collection = Collection.open(path)
        os.fsync, os.replace = mortal(os.fsync), mortal(os.replace)
        with collection.writing():
            append(collection, range(4, 9))
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        sys.exit()
"""


def start(code, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": PATHS},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def collection(tmp_path):
    made = Collection.create(tmp_path / "some.blcf", DESCRIPTION)
    with made.writing():
        append(made, range(4))
    return made


def test_two_writers(collection):
    with collection.writing():
        for other in (collection, Collection.open(collection.path)):
            with pytest.raises(CollectionLocked, match="Another process is writing to .*some.blcf"):
                with other.writing():
                    pass
        done = start(HOLDER, collection.path)
        _, errors = done.communicate(timeout=60)
        assert done.returncode == 1 and "CollectionLocked: Another process is" in errors
        append(collection, [4])  # the refusals took nothing from the owner
    with Collection.open(collection.path).writing():
        pass


def test_dead_owner_holds_no_lock(collection):
    owner = start(HOLDER, collection.path)
    try:
        assert owner.stdout.readline() == "held\n"
        with pytest.raises(CollectionLocked):
            with collection.writing():
                pass
        check(Collection.open(collection.path), range(4))  # readers need no lock
    finally:
        owner.kill()
        owner.communicate(timeout=60)
    with collection.writing():
        append(collection, [4])
    check(Collection.open(collection.path), range(5))


def test_lock_is_given_back_after_an_error(collection):
    with pytest.raises(KeyError):
        with collection.writing():
            raise KeyError("stop")
    with collection.writing():
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_death_at_any_instant(collection):
    done = start(MORTAL, collection.path)
    _, errors = done.communicate(timeout=120)
    assert done.returncode == 0, errors
    n_lives = len(list(collection.path.parent.glob("some.blcf-*")))
    assert n_lives > 12  # file flushed, renamed, folder flushed: for the segment, for the manifest
    sizes = []
    for life in range(1, n_lives + 1):
        path = collection.path.with_name(f"some.blcf-{life}")
        survivor = Collection.open(path)
        sizes.append(survivor.n_images)
        check(survivor, range(survivor.n_images))
        with survivor.writing():
            assert not [*path.rglob("*.tmp")]
            append(survivor, range(survivor.n_images, 11))
        check(Collection.open(path), range(11))
    assert set(sizes) == {4, 9} and sizes == sorted(sizes)


def test_leftovers_go_with_the_next_writer(collection):
    leftovers = [
        collection.path / ".manifest.json.99.tmp",
        collection.path / "segments" / ".00000002.h5.99.tmp",
    ]
    kept = [collection.path / "notes.tmp.txt", collection.path / "notes.tmp"]
    for path in (*leftovers, *kept):
        path.write_bytes(b"half")
    Collection.open(collection.path)
    assert all(path.exists() for path in leftovers)  # a reader touches nothing
    with collection.writing():
        assert not any(path.exists() for path in leftovers)
    assert all(path.exists() for path in kept)


def test_segment_that_the_manifest_does_not_name(collection):
    orphan = collection.path / "segments" / "00000002.h5"
    orphan.write_bytes(b"a segment that was never committed")
    check(Collection.open(collection.path), range(4))
    with collection.writing():
        append(collection, range(4, 6))
    assert orphan.read_bytes()[1:4] == b"HDF"
    check(Collection.open(collection.path), range(6))


def test_refused_manifest_leaves_the_collection_as_it_was(collection, monkeypatch):
    def refuse(path, value):
        raise StorageError("disk full")

    with collection.writing():
        with monkeypatch.context() as patch:
            patch.setattr(module, "write_json", refuse)
            with pytest.raises(StorageError):
                append(collection, range(4, 9))
        check(collection, range(4))
        check(Collection.open(collection.path), range(4))
        append(collection, range(4, 6))
    check(collection, range(6))
    check(Collection.open(collection.path), range(6))


@pytest.mark.parametrize("with_lock_file", [False, True])
def test_folder_without_permission_to_write(collection, with_lock_file):
    (collection.path / "writer.lock").unlink(missing_ok=True)
    if with_lock_file:
        (collection.path / "writer.lock").touch()
    folders = [collection.path, collection.path / "segments"]
    for folder in folders:
        folder.chmod(0o555)
    try:
        if os.access(collection.path, os.W_OK):
            pytest.skip("this user (root?) may write everywhere")
        check(Collection.open(collection.path), range(4))
        with pytest.raises(StorageError, match="Could not write"):
            with collection.writing():
                append(collection, [4])
        with pytest.raises(StorageError, match="Could not make"):
            Collection.create(collection.path / "inside", DESCRIPTION)
    finally:
        for folder in folders:
            folder.chmod(0o755)
    check(Collection.open(collection.path), range(4))
