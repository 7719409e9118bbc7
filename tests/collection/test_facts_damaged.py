"""A file of facts that is damaged, older than its collection, or a stranger's."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import suppress

import numpy as np
import pytest
from facts_said import annotate, append_said, rows_in, said
from made_up import append, check, name

from blcf.collection import Collection, check_collection
from blcf.collection.facts_file import FactsFile
from blcf.errors import BlcfError, FormatError


def test_rows_of_a_killed_writer(collection):
    """Rows of pictures that were not committed, or are gone, are passed over and deleted."""
    annotate(collection, {1: {"a": 1}, 2: {"a": 2}})
    copy = (collection.path / "facts.sqlite").read_bytes()
    with collection.writing():
        collection.remove([name(2)])
    (collection.path / "facts.sqlite").write_bytes(copy)  # killed before the row was deleted
    with FactsFile(collection.path).writing(lambda: []) as table:
        table.insert([(6, "x", *[None] * 7)])
        table.update({6: {"a": 66}})
    assert collection.matching("a > 0").tolist() == [False, True, False, False, False]
    assert check_collection(collection.path).is_sound
    with collection.writing():
        assert [row[0] for row in rows_in(collection.path)] == [0, 1, 3, 4, 5]
        append_said(collection, {7: {"b": 7}}, [7, 8])
    assert said(collection, "a") == {name(1): 1} and said(collection, "b") == {name(7): 7}


def test_a_missing_file(collection):
    annotate(collection, {1: {"a": 1}})
    (collection.path / "facts.sqlite").unlink()
    assert collection.matching("width > 0").all() and said(collection, "a") == {}
    assert check_collection(collection.path).is_sound
    annotate(collection, {2: {"b": 2}})
    assert len(rows_in(collection.path)) == 6


def leave_facts_behind(collection):
    """The file of facts is of before the last two pictures."""
    annotate(collection, {1: {"a": 1}})
    earlier = (collection.path / "facts.sqlite").read_bytes()
    with collection.writing():
        append(collection, [8, 9])
    (collection.path / "facts.sqlite").write_bytes(earlier)


def test_a_file_of_an_earlier_state(collection):
    leave_facts_behind(collection)
    reader = Collection.open(collection.path)
    assert reader.matching("width > 0").all() and reader.matching("a = 1").sum() == 1
    (damage,) = check_collection(collection.path).damages
    assert damage.file == "facts.sqlite" and "of 2 it does not" in damage.reason
    repaired = check_collection(collection.path, repair=True)
    assert repaired.repaired and "was kept" in repaired.damages[0].reason
    assert check_collection(collection.path).is_sound
    assert said(Collection.open(collection.path), "a") == {name(1): 1}


def test_a_writer_completes_a_file_of_an_earlier_state(collection):
    leave_facts_behind(collection)
    annotate(collection, {9: {"a": 9}})
    assert said(collection, "a") == {name(1): 1, name(9): 9}
    assert check_collection(collection.path).is_sound


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "text": lambda path: path.write_text("no database" * 1000),
    "view": lambda path: run(path, "CREATE VIEW more AS SELECT * FROM pictures"),
    "trigger": lambda path: run(
        path, "CREATE TRIGGER t AFTER UPDATE ON pictures BEGIN DELETE FROM pictures; END"
    ),
    "index": lambda path: run(path, "CREATE INDEX i ON pictures(name)"),
    "table": lambda path: run(path, "CREATE TABLE more(a)"),
    "generated": lambda path: run(
        path, "ALTER TABLE pictures ADD COLUMN b GENERATED ALWAYS AS (abs(id))"
    ),
    "default": lambda path: run(path, 'ALTER TABLE pictures ADD COLUMN "b" DEFAULT (1)'),
    "renamed": lambda path: run(path, "ALTER TABLE pictures RENAME TO others"),
    "too many": lambda path: run(
        path, *(f'ALTER TABLE pictures ADD COLUMN "c{i}"' for i in range(100))
    ),
    "wal": lambda path: run(path, "PRAGMA journal_mode = WAL"),
}


def run(path, *statements):
    connection = sqlite3.connect(path, isolation_level=None)
    for one in statements:
        connection.execute(one)
    connection.close()


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_file(collection, kind):
    annotate(collection, {1: {"a": 1}})
    DAMAGE[kind](collection.path / "facts.sqlite")
    reader = Collection.open(collection.path)
    check(reader, range(6))
    assert reader.matching("width > 0").all()  # made again from the segments
    with pytest.raises(FormatError, match="facts.sqlite.*Run `blcf check .* --repair`"):
        reader.matching("a = 1")
    with pytest.raises(FormatError, match="facts.sqlite"):
        reader.facts_of(1)
    with reader.writing():
        with pytest.raises(FormatError, match="facts.sqlite"):
            reader.annotate({name(2): {"a": 2}})
        with pytest.raises(FormatError, match="facts.sqlite"):
            append(reader, [7])  # its row could not be written
        check(reader, range(6))
        reader.remove([name(5)])
    (damage,) = check_collection(collection.path).damages
    assert damage.file == "facts.sqlite"
    repaired = check_collection(collection.path, repair=True)
    assert repaired.repaired
    assert "What was said of pictures is lost; facts.sqlite is in damaged/" in (
        repaired.damages[0].reason
    )
    assert (collection.path / "damaged" / "facts.sqlite").exists()
    assert check_collection(collection.path).is_sound
    again = Collection.open(collection.path)
    assert again.matching("width > 0").all() and again.facts.columns == []
    annotate(again, {1: {"a": 1}})
    assert said(again, "a") == {name(1): 1}


def test_rows_that_differ_are_found(collection):
    annotate(collection, {1: {"a": 1}})
    run(collection.path / "facts.sqlite", "UPDATE pictures SET width = 7 WHERE id IN (2, 4)")
    (damage,) = check_collection(collection.path).damages
    assert "of 2 it does not" in damage.reason
    assert check_collection(collection.path, repair=True).repaired
    assert said(Collection.open(collection.path), "a") == {name(1): 1}
    assert Collection.open(collection.path).matching("width = 7").sum() == 0


def test_what_was_said_has_a_check_sum(collection):
    """Of every row, however it came there."""
    with collection.writing():
        append_said(collection, {7: {"a": 7, "b": "x"}, 8: {"a": 8}})
        append_said(collection, {7: {"b": "y"}})  # replaced: the rest is copied
        collection.annotate({name(1): {"a": 1}, name(8): {"a": None, "c": 2.5}})
        collection.rename({name(7): "z.jpg"})
        collection.remove([name(8)])
        assert check_collection(collection.path).is_sound
        collection.annotate({name(number): {"c": number} for number in range(6)})
    assert check_collection(collection.path).is_sound
    path = collection.path / "facts.sqlite"
    whole = path.read_bytes()
    for change in (
        "UPDATE pictures SET b = 'z' WHERE b = 'y'",
        "UPDATE pictures SET a = a + 1 WHERE id = 1",
        "UPDATE pictures SET c = '3' WHERE id = 3",
        "UPDATE pictures SET a = 5, c = NULL WHERE id = 5",
        "UPDATE pictures SET c = 7 - c WHERE c IN (3, 4)",
    ):
        run(path, change)
        (damage,) = check_collection(collection.path).damages
        assert damage.reason.startswith(f"{path} is damaged: What was said of pictures is not")
        path.write_bytes(whole)
    run(path, "UPDATE pictures SET b = 'z' WHERE b = 'y'")
    assert "was kept" in check_collection(collection.path, repair=True).damages[0].reason
    assert check_collection(collection.path).is_sound


@pytest.mark.parametrize("most", [0, 1, 3, 100])
def test_the_check_sum_of_many_rows(collection, monkeypatch, most):
    monkeypatch.setattr("blcf.collection.facts_table.MOST_TOUCHED", most)
    annotate(collection, {number: {"a": number} for number in range(6)})
    annotate(collection, {number: {"a": -number, "b": "x"} for number in range(4)})
    with collection.writing():
        append_said(collection, {1001: {"b": "y"}, 1002: {}, 9: {"a": 9}})
        collection.remove([name(0), name(1), name(3)])
    assert check_collection(collection.path).is_sound


def test_values_of_a_stranger(collection):
    annotate(collection, {1: {"a": 1}})
    run(
        collection.path / "facts.sqlite",
        "UPDATE pictures SET a = x'0102' WHERE id = 1",
        "UPDATE pictures SET a = 9e999 WHERE id = 2",
        "UPDATE pictures SET a = CAST(x'ff41' AS TEXT) WHERE id = 3",
    )
    assert said(collection, "a") == {name(3): "\ufffdA"}


def test_a_journal_that_names_another_file(collection, tmp_path):
    """SQLite would delete the file that such a journal names."""
    annotate(collection, {1: {"a": 1}})
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    word = str(theirs).encode()
    total = sum(word)
    magic = bytes.fromhex("d9d505f920a163d7")
    header = magic + bytes(4) + bytes(4) + bytes(4) + (512).to_bytes(4, "big") * 2
    tail = (1).to_bytes(4, "big") + word + len(word).to_bytes(4, "big")
    journal = collection.path / "facts.sqlite-journal"
    journal.write_bytes(header.ljust(512, b"\0") + tail + total.to_bytes(4, "big") + magic)
    for use in (
        lambda: collection.facts_of(1),
        lambda: annotate(collection, {1: {"a": 2}}),
        lambda: collection.matching("a = 1"),
    ):
        with pytest.raises(FormatError, match="facts.sqlite-journal is none of blcf's files"):
            use()
    assert theirs.read_text() == "theirs"
    assert check_collection(collection.path, repair=True).repaired
    assert theirs.read_text() == "theirs" and said(Collection.open(collection.path), "a") == {}


@pytest.mark.parametrize("other", ["facts.sqlite-wal", "facts.sqlite-shm"])
def test_files_of_another_way_to_write(collection, other):
    annotate(collection, {1: {"a": 1}})
    (collection.path / other).write_bytes(b"x" * 100)
    with pytest.raises(FormatError, match=f"{other} is none of blcf's files. Run"):
        collection.facts_of(1)
    assert check_collection(collection.path, repair=True).repaired
    assert check_collection(collection.path).is_sound


def test_a_file_that_cannot_be_made(collection, monkeypatch):
    """What was said before, and the manifest, are as they were."""
    annotate(collection, {1: {"a": 1}})
    writing = FactsFile.writing

    def failing(self, rows):
        raise sqlite3.OperationalError("database or disk is full")

    copy = collection.path.with_name("copy.blcf")
    shutil.copytree(collection.path, copy)
    monkeypatch.setattr(FactsFile, "writing", failing)
    with collection.writing(), pytest.raises(sqlite3.OperationalError):
        append(collection, [7])
    monkeypatch.setattr(FactsFile, "writing", writing)
    check(Collection.open(collection.path), range(6))
    assert rows_in(copy) == rows_in(collection.path)


def use_all(path):
    """All that is done with facts; gives what was found, or the sentences that refused it."""
    found = []

    def attempt(what):
        try:
            found.append(what())
        except BlcfError as error:
            assert "\n" not in str(error) and len(str(error)) < 2_000
            found.append("refused")

    opened = Collection.open(path)
    attempt(lambda: [opened.facts_of(i)["a"] for i in range(opened.n_images)])
    attempt(lambda: opened.matching("a > 2 OR camera LIKE 'b%'").tolist())
    attempt(lambda: opened.facts.columns)
    attempt(lambda: check_collection(path).is_sound)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_any_flipped_byte(collection, seed):
    """Each use is done or refused; what a check calls sound holds the rows of all pictures."""
    annotate(collection, {n: {"a": n, "camera": "Bb"[n % 2] * 30} for n in range(6)})
    path = collection.path / "facts.sqlite"
    whole, rng, outcomes = path.read_bytes(), np.random.default_rng(seed), []
    n_pages, expected = len(whole) // 4096, use_all(collection.path)[:-1]
    for _ in range(60):
        data = bytearray(whole)
        place = rng.integers(len(data))
        if rng.random() < 0.7:  # where there is something: heads of pages, rows at their ends
            page = rng.integers(n_pages) * 4096
            place = page + rng.choice([rng.integers(150), 4095 - rng.integers(600)])
        data[place] ^= 1 << rng.integers(8)
        path.write_bytes(data)
        found = use_all(collection.path)
        outcomes.append(found[-1])
        if found[-1] is True:  # what is between rows can differ
            assert found[:-1] == expected
        if rng.random() < 0.1:
            check_collection(collection.path, repair=True)
            assert check_collection(collection.path).is_sound
            shutil.rmtree(collection.path / "damaged", ignore_errors=True)
        path.write_bytes(whole)
        with suppress(FileNotFoundError):
            for other in ("-wal", "-shm", "-journal"):
                path.with_name(path.name + other).unlink()
    assert False in outcomes and True in outcomes
