"""What a caller says of pictures: written, replaced, kept through changes, mended."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from facts_said import annotate, append_said, rows_in, said
from made_up import DESCRIPTION, append, append_batch, name, picture

from blcf.collection import Batch, Collection, check_collection
from blcf.errors import InvalidInput


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
