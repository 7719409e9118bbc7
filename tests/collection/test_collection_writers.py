"""The one writer of a collection: its lock, its death at any instant, what it leaves behind."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from made_up import DESCRIPTION, append, check, collection_of, files_of, name

from blcf.collection import Collection, check_collection, manifest
from blcf.errors import CollectionLocked, StorageError

TESTS = Path(__file__).resolve().parents[1]
PATHS = os.pathsep.join([str(TESTS), str(TESTS.parent)])

HOLDER = """
import sys
from blcf.collection import Collection
with Collection.open(sys.argv[1]).writing():
    print("held", flush=True)
    sys.stdin.read()
"""

# Changes a collection and dies before or after the n-th call that flushes, renames or deletes;
# again for every n, until it lives. Each child works on a copy of the collection.
MORTAL = """
import os, pathlib, shutil, signal, sys
from made_up import DESCRIPTION, append, name
from blcf.collection import Collection
from blcf.index import merging

merging.FACTOR, merging.TIERS, merging.LARGEST = 2, (4, 16), 64
n_instants = 0

def pass_instant():
    global n_instants
    n_instants += 1
    if n_instants == life:
        os.kill(os.getpid(), signal.SIGKILL)

def mortal(function):
    def called(*arguments, **options):
        pass_instant()
        function(*arguments, **options)
        pass_instant()
    return called

warm = Collection.create(f"{sys.argv[1]}.warm", DESCRIPTION)  # kernels are loaded once, here
with warm.writing():
    append(warm, [1, 2])
    append(warm, [3, 4])
    warm.remove([name(1)])
    warm.compact()
for life in range(1, 200):
    path = shutil.copytree(sys.argv[1], f"{sys.argv[1]}-{life}")
    child = os.fork()
    if child == 0:
        collection = Collection.open(path)
        with collection.writing():
            # A killed process loses nothing that was written: flushing only takes time here.
            os.fsync, os.replace = mortal(lambda _: None), mortal(os.replace)
            pathlib.Path.unlink = mortal(pathlib.Path.unlink)
            CHANGE
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        sys.exit()
"""

# What is changed, and the pictures that may be there after a death.
CHANGES = {
    "append(collection, range(4, 9))": [range(4), range(9)],
    "append(collection, [1001, 4])": [range(4), [0, 2, 3, 1001, 4]],
    "collection.remove([name(i) for i in (0, 1, 2)])": [range(4), [3]],
    "collection.remove([name(i) for i in range(4)])": [range(4), []],
    "collection.compact()": [[0, 1, 2, 3, 5, 6, 7]],
}


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
    return collection_of(tmp_path, range(4))


def test_two_writers(collection):
    with collection.writing():
        for other in (collection, Collection.open(collection.path)):
            with pytest.raises(CollectionLocked, match="Another process .*is writing to .*some.bl"):
                with other.writing():
                    pass
        done = start(HOLDER, collection.path)
        _, errors = done.communicate(timeout=60)
        assert done.returncode == 1 and "CollectionLocked: Another process (PID" in errors
        append(collection, [4])  # the refusals took nothing from the owner
    with Collection.open(collection.path).writing():
        pass


def test_the_lock_says_who_holds_it(collection):
    note = collection.path / "writer.json"
    with collection.writing():
        said = json.loads(note.read_text("utf-8"))
        assert said["pid"] == os.getpid() and said.keys() == {"pid", "host", "started", "command"}
        owner = rf"PID {os.getpid()} on .+, since \d{{4}}-\d\d-\d\d \d\d:\d\d, `.*`"
        expected = rf"Another process \({owner}\) is writing to {collection.path}. Wait for it to"
        with pytest.raises(CollectionLocked, match=expected):
            with Collection.open(collection.path).writing():
                pass
        note.write_text(json.dumps({**said, "command": "blcf add a\nb\u2028\udce9.jpg"}), "utf-8")
        with pytest.raises(CollectionLocked, match=re.escape("`blcf add a?b??.jpg`) is writing")):
            with Collection.open(collection.path).writing():
                pass
        for text in ("", "{", "[]", "5", '{"pid": 5}', json.dumps({**said, "host": []})):
            note.write_text(text)
            with pytest.raises(CollectionLocked, match="Another process is writing to"):
                with Collection.open(collection.path).writing():
                    pass
    assert not note.exists()


@pytest.mark.parametrize("text", ["", "{", "null"])
def test_damaged_note_of_a_dead_owner(collection, text):
    (collection.path / "writer.json").write_text(text)
    with collection.writing():
        append(collection, [4])
    check(collection, range(5))


def test_clock_that_jumps_back(collection, monkeypatch):
    monkeypatch.setattr("time.strftime", lambda *_: "1970-01-01 00:00")
    monkeypatch.setattr("time.time", lambda: 0.0)
    with collection.writing():
        append(collection, [4])
        with pytest.raises(CollectionLocked, match="since 1970-01-01 00:00"):
            with Collection.open(collection.path).writing():
                pass
    check(Collection.open(collection.path), range(5))


def test_dead_owner_holds_no_lock(collection, caplog):
    owner = start(HOLDER, collection.path)
    try:
        assert owner.stdout.readline() == "held\n"
        with pytest.raises(CollectionLocked, match=f"PID {owner.pid} on .*, `-c "):
            with collection.writing():
                pass
        check(Collection.open(collection.path), range(4))  # readers need no lock
    finally:
        owner.kill()
        owner.communicate(timeout=60)
    with caplog.at_level(logging.INFO), collection.writing():
        append(collection, [4])
    assert f"recovered the lock of process PID {owner.pid} on " in caplog.text
    check(Collection.open(collection.path), range(5))
    assert not (collection.path / "writer.json").exists()


def test_lock_is_given_back_after_an_error(collection):
    with pytest.raises(KeyError):
        with collection.writing():
            raise KeyError("stop")
    with collection.writing():
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("step", [2, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("change", CHANGES)
def test_death_at_any_instant(collection, change, step, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)
    with collection.writing():
        if change == "collection.compact()":
            append(collection, range(4, 7))
            append(collection, [7])
            collection.remove([name(4)])
    done = start(MORTAL.replace("CHANGE", change), collection.path)
    _, errors = done.communicate(timeout=120)
    assert done.returncode == 0, errors
    n_lives = len(list(collection.path.parent.glob("some.blcf-*")))
    assert n_lives > 12  # file flushed, renamed, folder flushed: for the segment, for the manifest
    found = []
    for life in sorted({*range(1, n_lives + 1, step), n_lives}):
        path = collection.path.with_name(f"some.blcf-{life}")
        report = check_collection(path)
        assert [one for one in report.damages if one.file != "manifest.backup.json"] == []
        survivor = Collection.open(path)
        states = [set(survivor.names()) == {name(i) for i in one} for one in CHANGES[change]]
        found.append(max(i for i, is_it in enumerate(states) if is_it))
        check(survivor, CHANGES[change][found[-1]], ranked=life % 8 == 1)
        # The copy of the manifest, at most one commit old, opens as well.
        copy = manifest.read_copy(path)
        generation = survivor.manifest["generation"]
        assert copy["generation"] in (generation, generation - 1)
        assert manifest.segment_files(copy) <= set(files_of(survivor))
        with survivor.writing():
            assert not [*path.rglob("*.tmp")]
            assert set(files_of(survivor)) == manifest.segment_files(survivor.manifest)
            append(survivor, [11])
        check(Collection.open(path), [*CHANGES[change][found[-1]], 11], ranked=False)
        assert check_collection(path).is_sound
    assert set(found) == set(range(len(CHANGES[change])))
    assert change == "collection.compact()" or found == sorted(found)


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
    folder = collection.path / "segments"
    orphans = [folder / "00000002.h5", folder / "00000077.names.h5"]
    foreign = [folder / "notes.txt", folder / "holiday.h5"]
    for path in (*orphans, *foreign):
        path.write_bytes(b"a segment that was never committed")
    check(Collection.open(collection.path), range(4))
    assert all(path.exists() for path in orphans)
    with collection.writing():
        assert not any(path.exists() for path in orphans)
        append(collection, range(4, 6))
    assert all(path.exists() for path in foreign)
    check(Collection.open(collection.path), range(6))


def test_refused_manifest_leaves_the_collection_as_it_was(collection, monkeypatch):
    def refuse(path, value):
        raise StorageError("disk full")

    with collection.writing():
        changes = [lambda: append(collection, range(4, 9)), lambda: collection.remove([name(1)])]
        for change in changes:
            with monkeypatch.context() as patch:
                patch.setattr(manifest, "write_json", refuse)
                with pytest.raises(StorageError):
                    change()
            check(collection, range(4))
            check(Collection.open(collection.path), range(4))
        append(collection, range(4, 6))
    check(collection, range(6))
    check(Collection.open(collection.path), range(6))


def test_refused_copy_of_the_manifest(collection, monkeypatch, caplog):
    write = manifest.write_json

    def refuse_the_copy(path, value):
        if path.name == manifest.BACKUP:
            raise StorageError("disk full")
        write(path, value)

    with collection.writing():
        with monkeypatch.context() as patch:
            patch.setattr(manifest, "write_json", refuse_the_copy)
            append(collection, range(4, 6))
            collection.compact()
        assert "the copy of the manifest was not renewed: disk full" in caplog.text
        assert "00000001.h5" in files_of(collection)  # the copy names it
        assert len(manifest.read_copy(collection.path)["segments"]) == 1
    check(Collection.open(collection.path), range(6))
    with collection.writing():
        assert manifest.read_copy(collection.path) == collection.manifest
        assert files_of(collection) == ["00000003.h5", "00000003.names.h5"]


def test_interrupt_between_a_swap_and_the_object(collection, monkeypatch):
    def interrupt(folder, value):
        raise KeyboardInterrupt

    with collection.writing():
        with monkeypatch.context() as patch:
            patch.setattr("blcf.collection.collection.copy_manifest", interrupt)
            with pytest.raises(KeyboardInterrupt):
                append(collection, range(4, 6))
        append(collection, range(6, 8))  # the batch of an engine that ends on an interrupt
    check(collection, range(8))
    check(Collection.open(collection.path), range(8))


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
        with pytest.raises(StorageError, match="Could not (write|lock)"):
            with collection.writing():
                append(collection, [4])
        with pytest.raises(StorageError, match="Could not make"):
            Collection.create(collection.path / "inside", DESCRIPTION)
    finally:
        for folder in folders:
            folder.chmod(0o755)
    check(Collection.open(collection.path), range(4))
