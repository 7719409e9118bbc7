"""Facts as they are given: mappings, CSV files of every kind, DataFrames."""

from __future__ import annotations

import codecs
import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blcf.collection.facts_given import facts_given
from blcf.errors import BlcfError, FormatError, InvalidInput, StorageError


def of(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "facts.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return facts_given(path)


EXPECTED = {"a.jpg": {"camera": "A", "n": 5}, "b/ü, 1.jpg": {"camera": "B; c", "n": None}}


@pytest.mark.parametrize(
    "text",
    [
        'name,camera,n\na.jpg,A,5\n"b/ü, 1.jpg",B; c,\n',
        'name;camera;n\r\na.jpg;A;5\r\n\r\nb/ü, 1.jpg;"B; c";\r\n',
        "name\tcamera\tn\na.jpg\tA\t5\nb/ü, 1.jpg\tB; c\t",
        '\ufeffname,camera,n\na.jpg,A,5\n"b/ü, 1.jpg",B; c,\n',
        'picture, camera ,n\na.jpg,A,5\n"b/ü, 1.jpg",B; c,\n',
        'camera,name,n\nA,a.jpg,5\nB; c,"b/ü, 1.jpg",\n',
        '\n\n"name","camera","n"\na.jpg,A,5\n"b/ü, 1.jpg",B; c,\n ,,\n',
    ],
)
def test_csv_files(tmp_path, text):
    assert of(tmp_path, text) == EXPECTED
    assert facts_given(str(tmp_path / "facts.csv")) == EXPECTED


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("0", 0),
        ("-12", -12),
        ("007", "007"),
        ("-01", "-01"),
        ("00.5", "00.5"),
        ("0.5", 0.5),
        ("-1.25e3", -1250.0),
        ("1e3", 1000.0),
        ("1e999", "1e999"),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("9223372036854775808", "9223372036854775808"),
        ("1_000", "1_000"),
        ("1 000", "1 000"),
        ("+5", "+5"),
        (".5", ".5"),
        ("nan", "nan"),
        ("inf", "inf"),
        ("٣", "٣"),
        ("0x10", "0x10"),
        ("True", "True"),
        (" ", " "),
        ("", None),
        ("9" * 400, "9" * 400),
    ],
)
def test_cells(tmp_path, cell, value):
    found = of(tmp_path, f"name;x;y\na;{cell};1\n")["a"]["x"]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "to name its columns in the first row, it is empty"),
        (
            "name,n\na,1,2\n",
            "Expected 2 cells in line 2 of .*facts.csv, as in its first row, got 3",
        ),
        ("name,n\n\na,1\nb\n", "Expected 2 cells in line 4"),
        ("name,n\na,1\na,2\n", "line 3 of .*facts.csv is the second of the picture a"),
        ("name,n,m,n\n", "'n' stands twice"),
        (codecs.BOM_UTF16_LE + "name".encode("utf-16-le"), "to be a CSV file in UTF-8: invalid"),
        ("name,n\n" + "x" * 200_000 + ",1\n", "line 2: field larger than"),
    ],
)
def test_files_that_are_none(tmp_path, text, message):
    with pytest.raises((FormatError, InvalidInput), match=message):
        of(tmp_path, text)


def test_no_file(tmp_path):
    with pytest.raises(StorageError, match="Could not read .*none.csv"):
        facts_given(tmp_path / "none.csv")
    with pytest.raises(FormatError, match="a plain file, it is a folder"):
        facts_given(tmp_path)


def test_mappings():
    table = {"a": {"n": 1}, 5: {}}
    assert facts_given(table) == table
    with pytest.raises(InvalidInput, match="or a DataFrame, got list"):
        facts_given([1])


def test_data_frames():
    pandas = pytest.importorskip("pandas")
    columns = {"camera": ["A", "B; c"], "n": [5, None]}
    names = ["a.jpg", "b/ü, 1.jpg"]
    by_index = pandas.DataFrame(columns, index=names)
    assert facts_given(by_index) == EXPECTED
    assert facts_given(pandas.DataFrame({**columns, "name": names})) == EXPECTED
    whole = pandas.DataFrame({"n": pandas.array([5, None], dtype="Int64")}, index=names)
    assert facts_given(whole) == {"a.jpg": {"n": 5}, "b/ü, 1.jpg": {"n": None}}
    assert type(facts_given(whole)["a.jpg"]["n"]) is int
    time = pandas.DataFrame({"t": [pandas.NaT]}, index=["a"])
    assert facts_given(time) == {"a": {"t": None}}
    with pytest.raises(InvalidInput, match="names of pictures in the index of the table, got 0"):
        facts_given(pandas.DataFrame(columns))
    with pytest.raises(InvalidInput, match="row 1 of the table is the second of the picture a"):
        facts_given(pandas.DataFrame(columns, index=["a", "a"]))


@settings(max_examples=150, derandomize=True, database=None, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=5).filter(
            str.strip
        ),
        st.lists(
            st.sampled_from(["a,b", 'c"d', "e;f", "g\th", "i\nj", "", "x"]), min_size=2, max_size=2
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from(",;\t"),
)
def test_what_a_writer_wrote(tmp_path_factory, facts, between):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=between)
    writer.writerows([["name", "one", "other"], *([name, *row] for name, row in facts.items())])
    folder = tmp_path_factory.mktemp("csv")
    expected = {
        name: {"one": row[0] or None, "other": row[1] or None} for name, row in facts.items()
    }
    found = of(folder, text.getvalue())
    assert {name: found[name] for name in found} == expected


@settings(max_examples=200, derandomize=True, database=None, deadline=None)
@given(st.text(st.sampled_from("name,;\t\n\"'a1.\r\0\ufeff"), max_size=30))
def test_any_text(tmp_path_factory, text):
    try:
        facts_given(write(tmp_path_factory.getbasetemp() / "any.csv", text))
    except BlcfError as error:
        assert "\n" not in str(error)


def write(path, text):
    path.write_text(text, "utf-8")
    return path
