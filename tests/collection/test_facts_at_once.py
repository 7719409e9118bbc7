"""Facts while others read and write, and writers that are killed."""

from __future__ import annotations

import os
import sqlite3
import threading

import pytest
from facts_said import annotate, append_said, rows_in, said

from blcf.collection import Collection, check_collection
from blcf.errors import CollectionLocked, InvalidInput


def test_a_caller_that_closes_in_time(collection):
    """No use of the facts leaves the file open."""
    annotate(collection, {1: {"a": 1}})
    before = sorted(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else []
    for _ in range(20):
        collection.facts_of(1), collection.matching("a = 1"), collection.facts.columns
        with pytest.raises(InvalidInput):
            collection.matching("b = 1")
    if before:
        assert len(os.listdir("/proc/self/fd")) <= len(before) + 1


def test_many_writers_and_readers(collection):
    """Readers of the file while it is annotated: each sees the facts before or after."""
    annotate(collection, {n: {"a": 0} for n in range(6)})
    failures, done = [], threading.Event()

    def read():
        reader = Collection.open(collection.path)
        try:
            while not done.is_set():
                values = {reader.facts_of(i)["a"] for i in range(1)}
                mask = reader.matching("a = 0")
                assert mask.all() or not mask.any() and values
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(25):
        annotate(collection, {n: {"a": number % 2} for n in range(6)})
    done.set()
    for thread in threads:
        thread.join()
    assert not failures


def test_annotated_while_another_process_writes(collection):
    with Collection.open(collection.path).writing():
        with pytest.raises(CollectionLocked, match="is writing to"):
            annotate(collection, {1: {"a": 1}})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a process of its own")
def test_a_writer_killed_while_it_wrote_into_the_file(collection):
    """Pages were written over, the journal has them as they were: whoever reads takes it back."""
    with collection.writing():
        append_said(
            collection, {number: {"a": number, "b": "x" * 3_000} for number in range(10, 90)}
        )
    expected = said(collection, "a"), rows_in(collection.path)
    path = collection.path / "facts.sqlite"
    before, child = path.read_bytes(), os.fork()
    if not child:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA cache_size = 2")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE pictures SET a = -1, b = b || 'y'")
        os._exit(0)
    os.waitpid(child, 0)
    assert path.read_bytes() != before and path.with_name("facts.sqlite-journal").exists()
    reader = Collection.open(collection.path)
    assert reader.matching("a >= 10").sum() == 80 and not reader.matching("a < 0").any()
    assert said(reader, "a") == expected[0] and rows_in(collection.path) == expected[1]
    assert not path.with_name("facts.sqlite-journal").exists()
    assert check_collection(collection.path).is_sound
