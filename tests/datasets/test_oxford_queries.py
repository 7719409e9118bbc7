"""The text files of Oxford and Paris: the real ones of Oxford, and every line that is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from landmarks import OXFORD, PARIS, write_truth

from blcf.datasets import read_oxford_queries
from blcf.errors import DatasetNotFound, FormatError


@pytest.fixture
def folder(tmp_path):
    write_truth(tmp_path, ["all_souls"], "", "oxc1_")
    return tmp_path


def test_a_query(folder):
    queries = read_oxford_queries(str(folder))
    assert [query.name for query in queries] == [f"all_souls_{i}" for i in range(1, 6)]
    query = queries[1]
    assert query.object == "all_souls" and query.image == Path("all_souls_000001.jpg")
    assert query.box.dtype == np.float32 and query.box.tolist() == [1.5, 2, 21, 23.5]
    assert query.positives == {f"all_souls_00000{i}.jpg" for i in range(4)}
    assert query.junk == {"all_souls_000004.jpg"} and not query.hard and not query.boxes


def test_ends_of_lines_and_blank_ones(folder):
    (folder / "all_souls_1_query.txt").write_bytes(b"\xef\xbb\xbf\r\noxc1_a_0 1 2 3 4\r\n\r\n")
    (folder / "all_souls_1_good.txt").write_bytes(b"a_0\r\n \r\na_1")
    (folder / "all_souls_1_ok.txt").write_bytes(b"")
    query = read_oxford_queries(folder)[0]
    assert query.image == Path("a_0.jpg") and query.positives == {"a_0.jpg", "a_1.jpg"}


def test_two_levels_below_and_the_folder_with_most(tmp_path):
    write_truth(tmp_path / "a" / "gt", PARIS, "paris_")
    write_truth(tmp_path / "b", OXFORD[:2], "", "oxc1_")
    write_truth(tmp_path / ".hidden", OXFORD, "", "oxc1_")
    write_truth(tmp_path / "a" / "b" / "c", OXFORD, "")
    queries = read_oxford_queries(tmp_path)
    assert len(queries) == 55 and queries[0].image == Path("paris_defense_000000.jpg")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("query", "", r"all_souls_1_query.txt: expected one line.*got 0"),
        ("query", "a 1 2 3 4\nb 1 2 3 4\n", "expected one line, a picture and its box, got 2"),
        ("query", "\na 1 2 3\n", r"query.txt, line 2: expected .* got 'a 1 2 3' \(.*four numbers"),
        ("query", "a 1 2 3 4 5", "line 1: expected a picture and four numbers"),
        ("query", "a 1 2 x 4", r"line 1: .*could not convert string to float: 'x'"),
        ("query", "a 1 2 nan 4", "line 1: .*four finite numbers"),
        ("query", "a 5 2 1 4", "line 1: .*empty or reversed"),
        ("query", "../a 1 2 3 4", r"line 1: expected the name of a picture, got '../a'"),
        ("good", "a_0\na 1 2\n", "all_souls_1_good.txt, line 2: .*one picture, got 'a 1 2'"),
        ("ok", "<html>", "all_souls_1_ok.txt, line 1: expected the name of a picture"),
        ("junk", "a_0\n\n/etc/passwd", "all_souls_1_junk.txt, line 3: expected the name"),
        ("junk", b"\xff\xd8\xff\xe0", "all_souls_1_junk.txt to be text, it is not"),
    ],
)
def test_refused_lines(folder, file, content, message):
    path = folder / f"all_souls_1_{file}.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(FormatError, match=message):
        read_oxford_queries(folder)


def test_no_positives(folder):
    for kind in ("good", "ok"):
        (folder / f"all_souls_3_{kind}.txt").write_text("")
    with pytest.raises(FormatError, match="all_souls_3_query.txt: the query has no positives"):
        read_oxford_queries(folder)


@pytest.mark.parametrize("kind", ["good", "ok", "junk"])
def test_a_missing_file(folder, kind):
    (folder / f"all_souls_2_{kind}.txt").unlink()
    with pytest.raises(DatasetNotFound, match=f"all_souls_2_{kind}.txt, which cannot be read"):
        read_oxford_queries(folder)


def test_nothing_there(tmp_path):
    with pytest.raises(DatasetNotFound, match=r"files \*_query.txt in .*two levels.*https://"):
        read_oxford_queries(tmp_path)
    with pytest.raises(DatasetNotFound, match="no folder .*nowhere.*gt_files_170407.tgz at https"):
        read_oxford_queries(tmp_path / "nowhere")


def test_the_real_ground_truth_of_oxford(data, tmp_path):
    folder = data / "oxford5k_gt"
    if not folder.is_dir():
        pytest.skip(f"no ground truth at {folder}")
    queries = read_oxford_queries(folder)
    names = [f"{one}_{i}" for one in OXFORD for i in range(1, 6)]
    assert [query.name for query in queries] == names
    assert [query.object for query in queries] == [one for one in OXFORD for _ in range(5)]
    for query in queries:
        lists = {
            kind: (folder / f"{query.name}_{kind}.txt").read_text().split()
            for kind in ("good", "ok", "junk")
        }
        assert len(query.positives) == len(lists["good"]) + len(lists["ok"])
        assert query.positives == {f"{name}.jpg" for name in lists["good"] + lists["ok"]}
        assert query.junk == {f"{name}.jpg" for name in lists["junk"]}
        assert not query.positives & query.junk and query.image.name in query.positives
        x1, y1, x2, y2 = query.box
        assert 0 <= x1 < x2 <= 1024 and 0 <= y1 < y2 <= 1024  # the longer side of all pictures
    assert queries[0].image == Path("00023.jpg")
    assert queries[0].box.tolist() == pytest.approx([136.5, 34.1, 648.5, 955.7])
    # The five queries of a landmark have one truth.
    assert all(query.positives == queries[i // 5 * 5].positives for i, query in enumerate(queries))
    copy = tmp_path / "crlf"
    shutil.copytree(folder, copy)
    for path in copy.glob("*.txt"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    for query, other in zip(queries, read_oxford_queries(copy), strict=True):
        assert (query.positives, query.junk) == (other.positives, other.junk)
        assert query.box.tolist() == other.box.tolist()
