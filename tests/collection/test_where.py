"""Conditions over facts: what they choose, and what of a stranger's text is refused."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import DESCRIPTION, append_batch, name, picture

from blcf.collection import Batch, Collection
from blcf.collection.facts_table import FactsTable
from blcf.collection.where import FUNCTIONS, check_where, matching_ids
from blcf.errors import InvalidInput
from blcf.images import PictureFacts


def facts_of(number):
    """Of twelve frames; every fourth says nothing."""
    if number % 4 == 3:
        return {}
    facts = {"camera": "AB"[number % 2], "n": number, "order": number // 2, "note": 'it\'s "it"'}
    return facts | {"x": number / 4}


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    made = Collection.create(tmp_path_factory.mktemp("where") / "some.blcf", DESCRIPTION)
    batch = Batch()
    for number in range(12):
        frame = 10**18 + 10**9 * number, 100 * number, 0, "v.mp4", number / 2, number // 5
        facts = PictureFacts(*frame) if number % 2 else None
        batch.append(*picture(number), facts=facts, given=facts_of(number))
    with made.writing():
        append_batch(made, batch)
        made.remove([name(5)])
    return made


LIVE = [number for number in range(12) if number != 5]


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        ("camera = 'A'", lambda f, n: f.get("camera") == "A"),
        ("Camera='A' and N>2", lambda f, n: f.get("camera") == "A" and f["n"] > 2),
        ("camera IS NULL", lambda f, n: "camera" not in f),
        ("n BETWEEN 3 AND 8", lambda f, n: 3 <= f.get("n", -1) <= 8),
        ("n IN (1, 2, 4)", lambda f, n: f.get("n") in (1, 2, 4)),
        ("NOT (camera = 'A' OR n > 8)", lambda f, n: f and f["camera"] != "A" and f["n"] <= 8),
        ("name LIKE 'FOLDER/1%'", lambda f, n: name(n).startswith("folder/1")),
        ("name GLOB 'folder/1?.jpg'", lambda f, n: n >= 10),
        ("note = 'it''s \"it\"'", lambda f, n: bool(f)),
        ('"order" = 2', lambda f, n: f.get("order") == 2),
        ("[order] = 2 OR `order` = 4", lambda f, n: f.get("order") in (2, 4)),
        ("video = 'v.mp4' AND time >= 1.5", lambda f, n: n % 2 and n / 2 >= 1.5),
        ("shot = 1", lambda f, n: n % 2 and n // 5 == 1),
        ("bytes > 300 OR mtime > 1e9 + 2.5", lambda f, n: n % 2 and n > 2),
        ("width = (SELECT 1)", None),
        ("abs(n - 5) < 2 -  -1", lambda f, n: abs(f.get("n", 99) - 5) < 3),
        (
            "CASE camera WHEN 'A' THEN 1 ELSE n > 8 END",
            lambda f, n: f.get("camera") == "A" or n > 8 and f,
        ),
        ("typeof(n) = 'integer'", lambda f, n: bool(f)),
        ("lower(camera) || 'x' = 'bx'", lambda f, n: f.get("camera") == "B"),
        ("name COLLATE NOCASE = 'FOLDER/4.JPG'", lambda f, n: n == 4),
        ("strftime('%Y', mtime, 'unixepoch') = '2001'", lambda f, n: n % 2),
        ("id = 7", lambda f, n: n == 7),
        ("1", lambda f, n: True),
        ("0", lambda f, n: False),
        ("n", lambda f, n: f.get("n", 0) != 0),
        ("'; DROP TABLE pictures --' = name OR n = 1", lambda f, n: n == 1),
        ("\n n = 1 \t", lambda f, n: n == 1),
        ("note LIKE '%)%' OR n = 2", lambda f, n: n == 2),
    ],
)
def test_what_a_condition_chooses(collection, where, holds):
    if holds is None:
        with pytest.raises(InvalidInput, match="no SELECT within it"):
            collection.matching(where)
        return
    expected = [bool(holds(facts_of(number), number)) for number in LIVE]
    for opened in (collection, Collection.open(collection.path)):
        mask = opened.matching(where)
        assert mask.dtype == bool and mask.tolist() == expected
        assert opened.matching(where) is mask and not mask.flags.writeable


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("", "a condition over facts"),
        (" \n", "a condition over facts"),
        (5, "a condition over facts"),
        (None, "a condition over facts"),
        ("n = 1; DROP TABLE pictures", "semicolon"),
        ("n = 1 -- more", "a comment"),
        ("n = 1 /* more */", "a comment"),
        ("5--3 = 8", "a comment"),
        ("n = 1) OR (1 = 1", "a bracket is closed that was not opened"),
        ("(n = 1", "a bracket is not closed"),
        ("n = 'a", "quotes are not closed"),
        ("n = 'a''", "quotes are not closed"),
        ('n = "a', "quotes are not closed"),
        ("[n = 1", "quotes are not closed"),
        ("n = 1\0", "a NUL"),
        ("n = '\ud800'", "half of a letter"),
        ("n = 1" + " " * 10_000, "at most 10,000 characters, got 10,005"),
        ('camera = "A"', '"A" is no column; text stands in single quotes'),
        ("color = 'red'", "no such column: color. The columns are id, name, .*camera, n"),
        ("other.n = 1", "no such column"),
        ("n = ", "syntax error"),
        ("n = 1 ORDER BY n", "syntax error"),
        ("n = 1 UNION SELECT 1", "no SELECT within it"),
        ("n = 1 LIMIT 1", "syntax error"),
        ("n REGEXP 'a'", "no such function"),
        ("n MATCH 'a'", "."),
        ("count(*) > 1", "the functions abs, coalesce"),
        ("load_extension('x')", "the functions abs"),
        ("randomblob(1000000000) = 1", "the functions abs"),
        ("zeroblob(9) = 1", "the functions abs"),
        ("printf('%d', 1) = 1", "the functions abs"),
        ("replace(name, 'a', 'b') = ''", "the functions abs"),
        ("EXISTS (SELECT 1)", "no SELECT within it"),
        ("n IN (SELECT id FROM pictures)", "no SELECT within it"),
        ("(WITH RECURSIVE t(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM t) SELECT 1)", "no WITH"),
        ("n IN (VALUES (1))", "no VALUES within it"),
        ("n IN pictures", "."),
        ("n IN sqlite_master", "."),
        ("n IN pragma_table_info('pictures')", "."),
        ("row_number() OVER () = 1", "."),
        ("max(n) > 1", "."),
        ("? = 1", "."),
        (":a = 1", "."),
        ("abs(-9223372036854775807 - 1) = 1 OR n", "integer overflow"),
        ("(" * 2000 + "n" + ")" * 2000, "."),
        ("name LIKE '" + "%a" * 4000 + "'", "."),
    ],
)
def test_what_is_refused(collection, where, message):
    with pytest.raises(InvalidInput, match=message) as raised:
        collection.matching(where)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 1_000
    assert collection.matching("n = 1").sum() == 1


def test_the_functions_that_are_allowed(collection):
    """Each exists in the SQLite that is here, or is not known to it."""
    arguments = {"coalesce": "n, 1", "ifnull": "n, 1", "glob": "'a', name", "like": "'a', name"}
    arguments |= {"iif": "1, 2, 3", "instr": "name, 'a'", "nullif": "n, 1", "max": "n, 1"}
    arguments |= {"min": "n, 1", "substr": "name, 1", "substring": "name, 1"}
    arguments |= {"strftime": "'%Y', mtime", "date": "mtime", "datetime": "mtime"}
    for one in sorted(FUNCTIONS):
        try:
            collection.matching(f"{one}({arguments.get(one, 'n')}) IS NULL")
        except InvalidInput as error:
            assert "no such function" in str(error)


def twin(text):
    """The slow twin of the reader: the depth of brackets outside of quotes; None: it is refused."""
    depth, quote, i = 0, "", 0
    while i < len(text):
        one = text[i]
        if quote:
            if one == quote:
                if quote != "]" and text[i + 1 : i + 2] == quote:
                    i += 1
                else:
                    quote = ""
        elif one in "'\"`[":
            quote = "]" if one == "[" else one
        elif one == ";" or text[i : i + 2] in ("--", "/*"):
            return None
        elif one in "()":
            depth += 1 if one == "(" else -1
            if depth < 0:
                return None
        i += 1
    return None if quote or depth else depth


@settings(max_examples=2_000, derandomize=True, database=None, deadline=None)
@given(st.text(st.sampled_from("'\"`[]();-/* na1="), min_size=1, max_size=14))
def test_the_reader_against_its_twin(text):
    if not text.strip():
        return
    try:
        check_where(text)
        is_taken = True
    except InvalidInput:
        is_taken = False
    assert is_taken == (twin(text) is not None)


@settings(max_examples=200, derandomize=True, database=None, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            "n = 1 ' '' \" ( ) [ ] ` ; -- /* */ OR AND SELECT FROM pictures , id UNION WITH "
            "DELETE ATTACH PRAGMA x'00' 1e5 \\ \n NOT NULL IN LIKE CASE END".split(" ")
        ),
        min_size=1,
        max_size=12,
    )
)
def test_nothing_is_changed_whatever_is_said(parts):
    connection = sqlite3.connect(":memory:", isolation_level=None)
    table = FactsTable.make(connection, [])
    table.begin()
    table.insert([(number, f"{number}", *[None] * 7) for number in range(3)])
    table.add_columns(["n"])
    table.update({1: {"n": 1}})
    table.commit()
    before = list(connection.iterdump())
    try:
        found = matching_ids(table, " ".join(parts))
        assert set(found.tolist()) <= {0, 1, 2}
    except InvalidInput as error:
        assert "\n" not in str(error)
    assert list(connection.iterdump()) == before
    connection.close()


def test_masks_are_kept_until_something_is_said(collection, tmp_path):
    copy = tmp_path / "copy.blcf"
    shutil.copytree(collection.path, copy)
    reader, writer = Collection.open(copy), Collection.open(copy)
    mask = reader.matching("n = 1")
    with writer.writing():
        writer.annotate({name(4): {"n": 1}})
    later = reader.matching("n = 1")
    assert mask.sum() == 1 and later.sum() == 2
    with writer.writing():
        writer.remove([name(0)])
    assert writer.matching("n = 1").shape == (10,) and reader.matching("n = 1").shape == (11,)
    reader.refresh()
    assert reader.matching("n = 1").tolist() == writer.matching("n = 1").tolist()
    for number in range(20):  # few are kept
        reader.matching(f"n = {number}")
    assert len(reader.facts._masks) <= 8


def test_in_several_threads(collection):
    opened, failures = Collection.open(collection.path), []
    expected = {where: opened.matching(where).tolist() for where in ("n = 1", "n > 3", "x < 2")}
    os.rename(collection.path / "facts.sqlite", collection.path / "elsewhere")
    in_memory = {"width > 0": [True] * 11, "shot = 1": opened.matching("shot = 1").tolist()}
    os.rename(collection.path / "elsewhere", collection.path / "facts.sqlite")

    def look(number):
        try:
            for i in range(60):
                where = list(expected)[(i + number) % 3]
                assert opened.matching(where + " " * (i % 20)).tolist() == expected[where]
                alone = list(in_memory)[i % 2]
                assert opened.matching(alone).tolist() == in_memory[alone]
                assert opened.facts_of(1)["n"] == 1
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=look, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_an_empty_collection(tmp_path):
    made = Collection.create(tmp_path / "some.blcf", DESCRIPTION)
    assert made.matching("width > 0").shape == (0,)
    assert made.matching("width > 0").dtype == bool
    assert np.count_nonzero(made.matching("1")) == 0


@pytest.mark.parametrize("together", [1, 3, 500_000])
def test_ids_come_in_parts(collection, monkeypatch, together):
    monkeypatch.setattr("blcf.collection.where._TOGETHER", together)
    everywhere = collection.matching("width > 0")
    assert everywhere.all() and everywhere.size == collection.n_images
    assert not collection.matching("width < 0").any()
    for where in ("group_concat(id) = '1'", "id IN (group_concat(id))"):
        with pytest.raises(InvalidInput, match="Cannot use where"):
            collection.matching(where)


def test_a_condition_has_some_seconds(collection, monkeypatch):
    """The clock is looked at each thousand steps of SQLite: many rows, or a long condition."""
    monkeypatch.setattr("blcf.collection.where.SECONDS", -1)
    long = " OR ".join(f"name = '{number}'" for number in range(150))
    with collection.facts.file.reading() as table:
        with pytest.raises(InvalidInput, match="it takes longer than -1 seconds"):
            matching_ids(table, long)
        monkeypatch.undo()
        assert matching_ids(table, long).size == 0  # the connection is as it was
