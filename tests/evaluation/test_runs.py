"""Run files and qrels: there and back, trec_eval's order, and every line that is refused."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from blcf.errors import DatasetNotFound, FormatError, InvalidInput, StorageError
from blcf.evaluation import read_qrels, read_run, trec_order, write_qrels, write_run

RANKINGS = {
    "9069": [("shot12_345", 0.8125), ("shot2_1", 0.1 + 0.2), ("shot0_9", -3e-17)],
    "9070": [("shot2_1", 7), ("é\u00a0\u3000\udcff.jpg", np.float32(0.1))],
    "9071": [],
}


def test_a_run_there_and_back(tmp_path):
    path = tmp_path / "run.txt"
    write_run(path, RANKINGS, "tag")
    assert path.read_bytes().splitlines()[:2] == [
        b"9069 Q0 shot12_345 1 0.8125 tag",
        b"9069 Q0 shot2_1 2 0.30000000000000004 tag",
    ]
    found = read_run(str(path))
    assert found == {topic: rows for topic, rows in RANKINGS.items() if rows}
    assert all(isinstance(score, float) for rows in found.values() for _, score in rows)
    assert [each.name for each in tmp_path.iterdir()] == ["run.txt"]


def test_random_runs_there_and_back(tmp_path):
    rng = random.Random(0)
    for _ in range(20):
        rows = [(f"shot{i}_1", rng.random() - 0.5) for i in range(rng.randint(1, 50))]
        rows.sort(key=lambda row: -row[1])
        write_run(tmp_path / "run", {"1": rows})
        assert read_run(tmp_path / "run") == {"1": rows}


def test_a_run_is_read_in_the_order_of_trec_eval(tmp_path):
    path = tmp_path / "run.txt"
    path.write_bytes(
        b"1 Q0 shot1_2 1 0.5 x\r\n"
        b"1\tQ0\tshot1_10\t1\t.5\tx\r\n"  # the rank is not looked at
        b"\r\n"
        b"2 Q0 a 9 1 x\n"
        b"  1 Q0 shot9_9 3 1e-1 y\n"
        b"1 0 Shot 4 0.75 x"
    )
    assert read_run(path) == {
        "1": [("Shot", 0.75), ("shot1_2", 0.5), ("shot1_10", 0.5), ("shot9_9", 0.1)],
        "2": [("a", 1)],
    }
    assert trec_order([("a", 1), ("é", 1), ("b", 1), ("z", 2)]) == [
        ("z", 2),
        ("é", 1),
        ("b", 1),
        ("a", 1),
    ]
    (tmp_path / "empty").touch()
    assert read_run(tmp_path / "empty") == read_qrels(tmp_path / "empty") == {}


def test_scores_tie_as_float32():
    assert trec_order([("a", 0.5 + 1e-11), ("b", 0.5)]) == [("b", 0.5), ("a", 0.5 + 1e-11)]


@pytest.mark.parametrize("rows", [[("a", "x")], [("a", float("nan"))], [(1, 0.5)]])
def test_rows_that_cannot_be_ordered(rows):
    with pytest.raises(InvalidInput, match="a name and a finite score"):
        trec_order(rows)


def test_qrels_there_and_back(tmp_path):
    qrels = {"9069": {"shot1_2": 1, "shot1_10": 0}, "9070": {"shot1_2": np.int64(-1)}}
    path = tmp_path / "qrels.txt"
    write_qrels(path, qrels)
    assert path.read_bytes() == b"9069 0 shot1_2 1\n9069 0 shot1_10 0\n9070 0 shot1_2 -1\n"
    assert read_qrels(path) == qrels
    path.write_bytes(b"9069\t0\tshot1_2\t1\r\n\r\n9069 0 shot1_2 1\r\n9069 Q0 shot1_10 0\r\n")
    assert read_qrels(path) == {"9069": {"shot1_2": 1, "shot1_10": 0}}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"1 Q0 a 1 0.5", 'expected "topic Q0 shot rank score tag", got 5 columns'),
        (b"1 Q0 my picture.jpg 1 0.5 tag", "got 7 columns"),
        (b"1 Q0 b 1 high tag", "expected the score to be a finite number, got 'high'"),
        (b"1 Q0 b 1 1_0 tag", "expected the score to be a finite number, got '1_0'"),
        (b"1 Q0 b 1 " + b"1" * 5000 + b" tag", "expected the score to be a finite number, got '11"),
        (b"1 Q0 b 1 nan tag", "expected the score to be a finite number, got 'nan'"),
        (b"1 Q0 b 1 -inf tag", "expected the score to be a finite number, got '-inf'"),
        (b"1 Q0 a 1 0.5 tag", "a comes twice for topic 1"),
        (b"\xff\xfe\x00", "got 1 columns"),
    ],
)
def test_runs_that_are_not(tmp_path, line, message):
    path = tmp_path / "run.txt"
    path.write_bytes(b"1 Q0 a 1 0.75 tag\n\n" + line + b"\n")
    with pytest.raises(FormatError, match=rf"run\.txt, line 3: .*{message}"):
        read_run(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"1 0 a", 'expected "topic 0 shot relevance", got 3 columns'),
        (b"1 0 b 2 1", "got 5 columns"),
        (b"1 0 b yes", "expected the relevance to be a whole number, got 'yes'"),
        (b"1 0 b " + b"1" * 5000, "expected the relevance to be a whole number, got '111"),
        (b"1 0 b 1_0", "expected the relevance to be a whole number, got '1_0'"),
        (b"1 0 b 0.5", "expected the relevance to be a whole number, got '0.5'"),
        (b"1 0 a 0", "a is judged twice for topic 1: 1, then 0"),
    ],
)
def test_qrels_that_are_not(tmp_path, line, message):
    path = tmp_path / "qrels.txt"
    path.write_bytes(b"1 0 a 1\n" + line + b"\n")
    with pytest.raises(FormatError, match=rf"qrels\.txt, line 2: .*{message}"):
        read_qrels(path)


@pytest.mark.parametrize("read", [read_run, read_qrels])
def test_no_file(tmp_path, read):
    with pytest.raises(DatasetNotFound, match="No file to read at .*none.txt"):
        read(tmp_path / "none.txt")
    with pytest.raises(DatasetNotFound, match="No file to read at .*directory"):
        read(tmp_path)


@pytest.mark.parametrize("text", ["", "a b", "a\tb", "a\n", " ", None, 7, "\ud800"])
def test_white_space_cannot_be_written(tmp_path, text):
    path = tmp_path / "file.txt"
    path.write_text("old")
    for write in (
        lambda: write_run(path, {"1": [(text, 0.5)]}),
        lambda: write_run(path, {text: [("a", 0.5)]}),
        lambda: write_run(path, {"1": [("a", 0.5)]}, tag=text),
        lambda: write_qrels(path, {"1": {text: 1}}),
        lambda: write_qrels(path, {text: {"a": 1}}),
    ):
        with pytest.raises(InvalidInput, match="text without white space, got .*write a name wi"):
            write()
    assert path.read_text() == "old"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", 0.5), ("b", 0.75)], "b has 0.75 at rank 2. Readers .* len.ranking. - rank"),
        ([("a", 10**400)], "finite and descending, a has nan at rank 1"),
        ([("a", np.nan)], "finite and descending, a has nan at rank 1"),
        ([("a", np.inf)], "finite and descending, a has inf at rank 1"),
        ([("a", 1), ("b", -np.inf)], "finite and descending, b has -inf at rank 2"),
        ([("a", "high")], "finite and descending, a has nan at rank 1"),
        ([("a", 1), ("a", 0)], "each name once for topic 9069, got a twice"),
        (["shot"], r"\(name, score\) for topic 9069, got 'shot'"),
        (["ab"], r"\(name, score\) for topic 9069, got 'ab'"),
        ([7], r"\(name, score\) for topic 9069, got 7"),
    ],
)
def test_rankings_that_cannot_be_written(tmp_path, rows, message):
    with pytest.raises(InvalidInput, match=message):
        write_run(tmp_path / "run.txt", {"9069": rows})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("relevance", [0.5, "1", None])
def test_relevance_that_cannot_be_written(tmp_path, relevance):
    with pytest.raises(InvalidInput, match="whole number for the relevance of a to topic 1"):
        write_qrels(tmp_path / "qrels.txt", {"1": {"a": relevance}})


def test_a_refusal_of_the_file_system(tmp_path):
    with pytest.raises(StorageError, match="Could not write .*none/run.txt"):
        write_run(tmp_path / "none" / "run.txt", RANKINGS)


def test_byte_order_marks_of_joined_files(tmp_path: Path) -> None:
    mark = b"\xef\xbb\xbf"
    (tmp_path / "qrels").write_bytes(mark + mark + b"1 0 a 1\n" + mark + b"1 0 b 0\n")
    assert read_qrels(tmp_path / "qrels") == {"1": {"a": 1, "b": 0}}
    for write, rows in ((write_qrels, {"a": 1}), (write_run, [("a", 1.0)])):
        with pytest.raises(InvalidInput, match="byte order mark"):
            write(tmp_path / "out", {"\ufeff1": rows})  # type: ignore[operator]
    assert not (tmp_path / "out").exists()
