"""Queries from arguments and from a CSV file."""

from __future__ import annotations

import io

import pytest

from blcf.cli.parser import parse_arguments
from blcf.cli.queries import find_queries, read_queries
from blcf.errors import InvalidInput


@pytest.fixture
def read(tmp_path):
    """The queries of a text: picture, box and line of each."""

    def from_text(text, **how):
        path = tmp_path / "q.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return [(one.given, one.box, one.line) for one in read_queries(str(path), **how)]

    return from_text


def test_rows_without_a_header(read):
    rows = read('a.jpg,1,2,30,40.5\nb.jpg\n\n"c, d.jpg",,,,\r\n e.jpg , -1,2, 3,4 \n')
    assert rows == [
        ("a.jpg", (1, 2, 30, 40.5), 1),
        ("b.jpg", None, 2),
        ("c, d.jpg", None, 4),
        ("e.jpg", (-1, 2, 3, 4), 5),
    ]


def test_a_header_names_the_columns(read):
    """In any order, beside others, in any case; with the mark that spreadsheets write."""
    rows = read("\ufeffnote,X1,Y1,x2,y2,Picture\nmine,1,2,3,4,a.jpg\n,,,,,b.jpg\n")
    assert rows == [("a.jpg", (1, 2, 3, 4), 2), ("b.jpg", None, 3)]
    assert read("picture\na.jpg\n") == [("a.jpg", None, 2)]


def test_paths_are_relative_to_the_file(tmp_path):
    (tmp_path / "q.csv").write_text("a.jpg\n/b.jpg\n")
    one, other = read_queries(str(tmp_path / "q.csv"))
    assert (one.picture, one.label) == (str(tmp_path / "a.jpg"), "a.jpg")
    assert other.picture == "/b.jpg"
    one, _ = read_queries(str(tmp_path / "q.csv"), frames=True)
    assert one.picture == "a.jpg", "a name of the collection"


def test_a_name_that_is_no_utf8_keeps_its_bytes(read):
    assert read(b"caf\xe9.jpg\n") == [("caf\udce9.jpg", None, 1)]


def test_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a.jpg,1,2,3,4\n")))
    (one,) = read_queries("-")
    assert (one.picture, one.box, one.label) == ("a.jpg", (1, 2, 3, 4), "a.jpg@1,2,3,4")


@pytest.mark.parametrize(
    "text, message",
    [
        ("a.jpg,1,2,3\n", "line 1: expected four numbers x1,y1,x2,y2 or none, got '1,2,3,'"),
        ("a.jpg\n,1,2,3,4\n", "line 2: expected the path of a picture, got none"),
        ("a.jpg,1,2,3,4,5\n", "line 1: expected picture,x1,y1,x2,y2, got 6 columns"),
        ("file,left\na.jpg,1\n", "line 1: .* got 'left,,,'; line 2: .* got '1,,,'"),
        ("picture,x1\na.jpg,1\n", "expected the columns picture,.*; y1, x2, y2 are missing"),
        ("picture,x1,y1,x2,y2\n", "expected a query in each row, .* it holds none"),
        ("\n", "it holds none"),
        (b"a\0b", "expected CSV in UTF-8, got binary data"),
        ("".join(f"a,{n}\n" for n in range(9)), "line 5: .*; and 4 more"),
        ('"' + "a" * 200_000 + '"', r"line \d: expected CSV"),
    ],
)
def test_bad_rows_are_named_by_line(read, text, message):
    with pytest.raises(InvalidInput, match=message) as caught:
        read(text)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 700


def test_no_file(tmp_path):
    with pytest.raises(InvalidInput, match="cannot be read; No such file"):
        read_queries(str(tmp_path / "no.csv"))


def asked(*words):
    return find_queries(parse_arguments(["search", "c", *words]))


def test_arguments(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd@1,2,3,4").write_text("")
    (tmp_path / "q.csv").write_text("d.jpg\n")
    queries = asked("a.jpg", "b.jpg@1,2,3,4", "odd@1,2,3,4", "--queries", "q.csv")
    assert [(one.picture, one.box) for one in queries] == [
        ("a.jpg", None),
        ("b.jpg", (1, 2, 3, 4)),
        ("odd@1,2,3,4", None),
        ("d.jpg", None),
    ]
    assert [one.place for one in queries][1::2] == ["b.jpg@1,2,3,4", "line 1: d.jpg"]


@pytest.mark.parametrize(
    "words, message",
    [
        ([], "Expected the picture to search with, or a file of several"),
        (["a", "b", "--box", "1,2,3,4"], "one picture with --box, got 2: a box of each is written"),
        (["a", "b", "--not", "c"], "one picture with --not, got 2"),
        (["a", "b", "--example", "c"], "one picture with --example, got 2"),
        (["a", "b", "--mask", "m.png"], "one picture with --mask, got 2"),
        (["a", "b", "--plot", "p.png"], "one picture with --plot, got 2: --html FILE shows"),
        (["a", "b", "--sheet", "p.png"], "one picture with --sheet, got 2: --html FILE shows"),
        (["a", "b", "--explain", "p.png"], "one picture with --explain, got 2: --html"),
        (["a@1,2,3,4", "--box", "1,2,3,4"], "got --box and the box of a@1,2,3,4"),
        (["a@1,2,3,4", "--mask", "m.png"], "got --mask and the box of a@1,2,3,4"),
    ],
)
def test_what_does_not_go_together(words, message):
    with pytest.raises(InvalidInput, match=message):
        asked(*words)
