"""What a caller says of pictures: written, replaced, kept through changes, mended."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import zipfile
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest
from made_up import DESCRIPTION, append, append_batch, check, name, picture

from blcf.bags.weighting import dequantise_channel
from blcf.collection import Batch, Collection, check_collection
from blcf.collection.facts_file import FactsFile
from blcf.errors import BlcfError, CollectionLocked, FormatError, InvalidInput
from blcf.images import PictureFacts
from blcf.index import merging


@pytest.fixture
def collection(tmp_path):
    made = Collection.create(tmp_path / "some.blcf", DESCRIPTION)
    with made.writing():
        append(made, range(6))
    return made


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(merging, "FACTOR", 3)
    monkeypatch.setattr(merging, "TIERS", (3, 9, 24))
    monkeypatch.setattr(merging, "LARGEST", 24)


def annotate(collection, facts):
    with collection.writing():
        collection.annotate({name(number): one for number, one in facts.items()})


def said(collection, column):
    """What is said of each picture, by its number of `made_up`."""
    found = {}
    for image_id, one in enumerate(collection.names()):
        value = collection.facts_of(image_id).get(column)
        if value is not None:
            found[one] = value
    return found


def rows_in(path):
    with closing(sqlite3.connect(path / "facts.sqlite")) as connection:
        return connection.execute("SELECT * FROM pictures ORDER BY id").fetchall()


def append_said(collection, facts, numbers=None):
    batch = Batch()
    for number in numbers or facts:
        batch.append(*picture(number), given=facts.get(number))
    append_batch(collection, batch)


def test_nothing_is_written_before_something_is_said(collection):
    assert not (collection.path / "facts.sqlite").exists()
    assert collection.facts.columns == []
    width, height = picture(2)[1]
    nothing = dict.fromkeys(["mtime", "bytes", "video", "time", "shot"])
    assert collection.facts_of(2) == {"width": width, "height": height, **nothing}
    with collection.writing():
        collection.annotate({})
    assert not (collection.path / "facts.sqlite").exists()


def test_facts_of_every_kind(collection):
    facts = {
        0: {"camera": "A", "night": True, "n": -(2**63), "x": 0.25},
        1: {"camera": "Bäcker ' \" 𝔊", "night": False, "n": 2**63 - 1, "x": np.float32(0.5)},
        2: {"camera": None, "n": np.int16(3)},
    }
    annotate(collection, facts)
    for opened in (collection, Collection.open(collection.path)):
        assert opened.facts.columns == ["camera", "night", "n", "x"]
        assert said(opened, "camera") == {name(0): "A", name(1): "Bäcker ' \" 𝔊"}
        assert said(opened, "night") == {name(0): 1, name(1): 0}
        assert said(opened, "n") == {name(0): -(2**63), name(1): 2**63 - 1, name(2): 3}
        assert said(opened, "x") == {name(0): 0.25, name(1): 0.5}
    assert check_collection(collection.path).is_sound


def test_later_facts_overwrite_only_their_columns(collection):
    annotate(collection, {0: {"a": 1, "b": 2}, 1: {"a": 3}})
    annotate(collection, {0: {"B": 5, "c": "x"}, 1: {"a": None}})
    assert collection.facts.columns == ["a", "b", "c"]  # as they were first spelled
    assert said(collection, "a") == {name(0): 1}
    assert said(collection, "b") == {name(0): 5} and said(collection, "c") == {name(0): "x"}


def test_by_id(collection):
    with collection.writing():
        collection.remove([name(0)])
        collection.annotate({4: {"a": 1}, np.int64(5): {"a": 2}, name(3): {"a": 3}})
        for gone in (0, 6, -1):
            with pytest.raises(InvalidInput, match=f"it has no {gone}. Nothing was written"):
                collection.annotate({gone: {"a": 1}})
    assert said(collection, "a") == {name(4): 1, name(5): 2, name(3): 3}


def test_facts_of_a_new_picture(collection):
    with collection.writing():
        append_said(collection, {7: {"a": 7}}, [6, 7])
        append_said(collection, {8: {"b": 8}})
        append(collection, [9])
    assert said(collection, "a") == {name(7): 7} and said(collection, "b") == {name(8): 8}
    assert len(rows_in(collection.path)) == 10
    assert check_collection(collection.path).is_sound


def test_a_replaced_picture_keeps_its_facts(collection, small_parts):
    annotate(collection, {1: {"a": 1, "b": 1}, 2: {"a": 2}})
    with collection.writing():
        append_said(collection, {1001: {"b": 5}}, [1001, 1002])
    assert said(collection, "a") == {name(1): 1, name(2): 2}
    assert said(collection, "b") == {name(1): 5}
    assert [row[0] for row in rows_in(collection.path)] == [0, 3, 4, 5, 6, 7]
    with collection.writing():
        collection.compact()
    assert said(Collection.open(collection.path), "a") == {name(1): 1, name(2): 2}
    assert check_collection(collection.path).is_sound


def test_facts_go_with_their_picture(collection):
    annotate(collection, {1: {"a": 1}, 2: {"a": 2}})
    with collection.writing():
        collection.remove([name(1)])
        assert [row[0] for row in rows_in(collection.path)] == [0, 2, 3, 4, 5]
        append(collection, [1])
    assert said(collection, "a") == {name(2): 2}


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"no.jpg": {"a": 1}}, "it has no no.jpg. Nothing was written"),
        ({f"{i}.jpg": {} for i in range(9)}, "it has no 0.jpg, 1.jpg, 2.jpg and 6 more"),
        ({name(0): {"time": 1}}, "The column time is taken: id, name, width, .* Rename"),
        ({name(0): {"ROWID": 1}}, "The column ROWID is taken"),
        ({name(0): {"a b": 1}}, "a column of facts of letters, digits and _, .* got 'a b'"),
        ({name(0): {"1a": 1}}, "a column of facts of letters"),
        ({name(0): {"": 1}}, "a column of facts of letters"),
        ({name(0): {5: 1}}, "a column of facts of letters"),
        ({name(0): {"a\n": 1}}, "a column of facts of letters"),
        ({name(0): {"ä": 1}}, "a column of facts of letters"),
        ({name(0): {"a" * 64: 1}}, "a column of facts of letters"),
        ({name(0): {"a": 1, "A": 2}}, "name a and A: large and small letters are one"),
        ({name(0): {"a": float("nan")}}, "Expected a of folder/0.jpg to be None, a number"),
        ({name(0): {"a": float("inf")}}, "Expected a of"),
        ({name(0): {"a": 2**63}}, "Expected a of"),
        ({name(0): {"a": b"x"}}, "got \"b'x'\" of type bytes"),
        ({name(0): {"a": "x\0"}}, "Expected a of"),
        ({name(0): {"a": "\ud800"}}, "Expected a of"),
        ({name(0): {"a": "x" * 100_001}}, "Expected a of"),
        ({name(0): {"a": [1]}}, "Expected a of"),
        ({name(0): {f"c{i}": i for i in range(101)}}, "at most 100 columns of facts, got 103"),
        ({name(0): 5}, "the facts of folder/0.jpg as {column: value}, got int"),
        (5, "Expected facts as {name: {column: value}}, got int"),
        ({(1, 2): {"a": 1}}, r"it has no \(1, 2\)"),
        ({True: {"a": 1}}, "it has no True"),
    ],
)
def test_what_cannot_be_said(collection, facts, message):
    """Nothing of it is written, also not what could be."""
    annotate(collection, {5: {"before": 1}})
    before = rows_in(collection.path)
    both = {name(4): {"good": 1}, **facts} if isinstance(facts, dict) else facts
    with collection.writing(), pytest.raises(InvalidInput, match=message):
        collection.annotate(both)
    assert rows_in(collection.path) == before and collection.facts.columns == ["before"]


def test_names_that_are_no_text(collection):
    odd = ["\ud800.jpg", "a\x00b.jpg", "\n", "x\udcff.jpg", "𝔊'\".jpg"]
    batch = Batch()
    for number, one in enumerate(odd):
        batch.append(one, *picture(number)[1:], given={"a": number})
    with collection.writing():
        append_batch(collection, batch)
        collection.annotate({one: {"b": number} for number, one in enumerate(odd)})
    places = collection.find(odd)
    for number, image_id in enumerate(places.tolist()):
        assert collection.facts_of(image_id)["a"] == collection.facts_of(image_id)["b"] == number
    assert collection.matching("name LIKE '%''%'").sum() == 1
    assert check_collection(collection.path).is_sound


def test_a_folder_of_an_odd_name(tmp_path):
    for odd in ("a?mode=rwc&x#y%41.blcf", "ä 𝔊.blcf"):
        made = Collection.create(tmp_path / odd, DESCRIPTION)
        with made.writing():
            append(made, range(3))
        annotate(made, {1: {"a": 1}})
        assert said(Collection.open(tmp_path / odd), "a") == {name(1): 1}
        assert (tmp_path / odd / "facts.sqlite").exists()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a?mode=rwc&x#y%41.blcf", "ä 𝔊.blcf"]


def test_a_collection_of_before_is_annotated(tmp_path):
    """The ids that the facts go by are written first: a compaction would change others."""
    with zipfile.ZipFile(Path(__file__).with_name("before_facts.zip")) as packed:
        packed.extractall(tmp_path / "before.blcf")
    opened = Collection.open(tmp_path / "before.blcf")
    annotate(opened, {10: {"a": 10}, 5: {"a": 5}})
    assert '"format_version": 3' in (opened.path / "manifest.json").read_text()
    with opened.writing():
        opened.compact()
    assert said(Collection.open(opened.path), "a") == {name(10): 10, name(5): 5}
    assert check_collection(opened.path).is_sound


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


def test_a_file_of_an_earlier_state(collection):
    annotate(collection, {1: {"a": 1}})
    earlier = (collection.path / "facts.sqlite").read_bytes()
    with collection.writing():
        append(collection, [8, 9])
    (collection.path / "facts.sqlite").write_bytes(earlier)
    reader = Collection.open(collection.path)
    assert reader.matching("width > 0").all() and reader.matching("a = 1").sum() == 1
    (damage,) = check_collection(collection.path).damages
    assert damage.file == "facts.sqlite" and "of 2 it does not" in damage.reason
    repaired = check_collection(collection.path, repair=True)
    assert repaired.repaired and "was kept" in repaired.damages[0].reason
    assert check_collection(collection.path).is_sound
    assert said(Collection.open(collection.path), "a") == {name(1): 1}


def test_a_writer_completes_a_file_of_an_earlier_state(collection):
    annotate(collection, {1: {"a": 1}})
    earlier = (collection.path / "facts.sqlite").read_bytes()
    with collection.writing():
        append(collection, [8, 9])
    (collection.path / "facts.sqlite").write_bytes(earlier)
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


def test_rename(collection, small_parts):
    batch = Batch()
    for number in range(6, 12):
        batch.append(*picture(number), facts=PictureFacts(number, 100 + number))
    with collection.writing():
        append_batch(collection, batch)
        collection.annotate({name(number): {"a": number} for number in (1, 3, 8, 11)})
        moves = {name(8): "z/8.jpg", name(3): "z/3.jpg", name(10): name(11), name(11): name(10)}
        df = sum(part.postings.document_frequencies(part.live) for part in collection.segments)
        assert collection.rename(moves) == 4
        assert collection.rename({}) == 0
    names = [name(number) for number in (0, 1, 2, 4, 5, 6, 7, 9)]
    names += ["z/3.jpg", "z/8.jpg", name(11), name(10)]
    numbers = [0, 1, 2, 4, 5, 6, 7, 9, 3, 8, 10, 11]
    for opened in (collection, Collection.open(collection.path)):
        assert list(opened.names()) == names
        for image_id, number in enumerate(numbers):
            np.testing.assert_array_equal(opened.words(image_id), picture(number)[2])
            norms = dequantise_channel(picture(number)[3])
            np.testing.assert_array_equal(opened.norms(image_id), norms)
            assert opened.size(image_id) == picture(number)[1]
        mtimes, n_bytes = opened.file_facts(np.arange(12))
        assert mtimes.tolist() == [one if one > 5 else 0 for one in numbers]
        assert n_bytes.tolist() == [100 + one if one > 5 else -1 for one in numbers]
        assert said(opened, "a") == {name(1): 1, "z/3.jpg": 3, "z/8.jpg": 8, name(10): 11}
        now = sum(part.postings.document_frequencies(part.live) for part in opened.segments)
        assert now.tolist() == df.tolist()
    assert collection.matching("name LIKE 'z/%'").sum() == 2
    assert check_collection(collection.path).is_sound


def test_rename_below_another_root(collection):
    with collection.writing():
        collection.rename({name(2): "2.jpg"}, root="/pictures/folder")
    assert collection.roots == {"/pictures": 5, "/pictures/folder": 1}
    assert collection.image_path(5).as_posix() == "/pictures/folder/2.jpg"


@pytest.mark.parametrize(
    ("moves", "message"),
    [
        ({"no.jpg": "a"}, "it has no no.jpg. Nothing was renamed"),
        ({name(1): name(2)}, "folder/2.jpg would stand for two"),
        ({name(1): "a", name(2): "a"}, "a would stand for two"),
    ],
)
def test_names_that_cannot_be_given(collection, moves, message):
    with collection.writing(), pytest.raises(InvalidInput, match=message):
        collection.rename({name(5): "b", **moves})
    check(Collection.open(collection.path), range(6))


def test_rename_does_not_hide_damage(collection):
    path = collection.path / "segments" / "00000001.h5"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    with collection.writing(), pytest.raises(FormatError, match="its digest is of other bytes"):
        collection.rename({name(1): "a"})


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
