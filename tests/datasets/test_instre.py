"""INSTRE, on a small imitation: pictures, box files, and a gnd_instre.mat of the published form."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
from PIL import Image

from blcf.datasets.instre import read_instre
from blcf.errors import DatasetNotFound, FormatError, InvalidInput

# Database pictures with the lines of their text files, x y width height.
BOXES = {
    "INSTRE-S1/01a_canada_book/001.jpg": "10 20 30 40",
    "INSTRE-S1/01a_canada_book/002.jpg": "1 2 3 4\n5 6 7 8",  # the object twice
    "INSTRE-S1/01b_cup/001.jpg": "0 0 5 5",
    "INSTRE-S2/01_tower/001.jpg": "2 2 4 4",
    "INSTRE-M/01/001.jpg": "10 10 5 5\r\n20 30 6 7\r\n",  # the book of 01a, then the cup of 01b
}
NAMES = list(BOXES)
QUERIES = {  # query: (positives, counted from 1, and its box)
    "INSTRE-S1/01a_canada_book/013.jpg": ([1, 2, 5], [4, 5, 50, 60]),
    "INSTRE-S1/01b_cup/007.jpg": ([3, 5], [0, 0, 20, 10]),
    "INSTRE-S2/01_tower/009.jpg": ([4], [3, 3, 9, 9]),
    "INSTRE-M/01/107.jpg": ([5], [1, 1, 40, 40]),
}


def cells(texts: Sequence[str]) -> np.ndarray:
    """A row of cells, as MATLAB has it."""
    row = np.empty((1, len(texts)), dtype=object)
    row[0, :] = texts
    return row


def content(**changes: Any) -> dict[str, np.ndarray]:
    gnd = np.zeros((1, len(QUERIES)), dtype=[("ok", object), ("bbx", object)])
    for place, (ok, box) in enumerate(QUERIES.values()):
        gnd[0, place] = (np.array([ok], dtype=np.float64), np.array([box], dtype=np.float64))
    return {"imlist": cells(NAMES), "qimlist": cells(list(QUERIES)), "gnd": gnd, **changes}


@pytest.fixture
def instre(tmp_path: Path) -> Path:
    for name in [*NAMES, *QUERIES]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 64)).save(path)
        path.with_suffix(".txt").write_bytes(BOXES.get(name, "1 1 2 2").encode())
    scipy.io.savemat(tmp_path / "gnd_instre.mat", content())
    return tmp_path


def test_queries_and_positives(instre: Path, caplog: pytest.LogCaptureFixture) -> None:
    truth = read_instre(instre)
    assert (truth.name, truth.protocol) == ("instre", "instre")
    (images,) = truth.images
    assert (images.root, images.names) == (instre, NAMES)  # without the queries, in its order
    for query, (name, (ok, box)) in zip(truth.queries, QUERIES.items(), strict=True):
        assert query.image == instre / name
        assert query.box is not None and query.box.dtype == np.float32
        np.testing.assert_array_equal(query.box, box)
        assert query.positives == {NAMES[place - 1] for place in ok}
        assert query.junk == QUERIES.keys() - set(NAMES), "they may be in the indexed folder"
    assert [query.name for query in truth.queries] == ["0001", "0002", "0003", "0004"]
    classes = ["01a_canada_book", "01b_cup", "01_tower", "01"]
    assert [query.object for query in truth.queries] == classes
    assert not caplog.records


def test_true_boxes(instre: Path) -> None:
    """Width and height become x2 and y2; of two objects that of the query, or one around both."""
    book, cup, tower, both = (query.boxes for query in read_instre(instre).queries)
    pair = "INSTRE-M/01/001.jpg"
    assert {name: some.tolist() for name, some in book.items()} == {
        NAMES[0]: [[10, 20, 40, 60]],
        NAMES[1]: [[1, 2, 4, 6], [5, 6, 12, 14]],
        pair: [[10, 10, 15, 15]],
    }
    assert cup[pair].tolist() == [[20, 30, 26, 37]]
    assert tower[NAMES[3]].tolist() == [[2, 2, 6, 6]]
    assert both[pair].tolist() == [[10, 10, 26, 37]]
    assert both[pair].dtype == np.float64
    assert not any(query.boxes for query in read_instre(instre, boxes=False).queries)


def test_boxes_are_where_their_files_are(instre: Path, caplog: pytest.LogCaptureFixture) -> None:
    (instre / NAMES[0]).with_suffix(".txt").unlink()
    (instre / NAMES[3]).with_suffix(".txt").write_text("2 2 0 4\n")  # nothing in it
    (instre / NAMES[4]).with_suffix(".txt").write_text("2 2 1 1\n")  # of which object?
    book, cup, tower, both = (query.boxes for query in read_instre(instre).queries)
    assert list(book) == [NAMES[1]] and list(cup) == [NAMES[2]]
    assert not tower and not both
    assert "1 empty boxes in the text files" in caplog.text


@pytest.mark.parametrize("inner", ["images", "INSTRE_release"])
def test_pictures_in_a_folder_below(instre: Path, inner: str) -> None:
    (instre / inner).mkdir()
    for name in ("INSTRE-S1", "INSTRE-S2", "INSTRE-M"):
        (instre / name).rename(instre / inner / name)
    (instre / "test_script").mkdir()
    (instre / "gnd_instre.mat").rename(instre / "test_script" / "gnd_instre.mat")
    truth = read_instre(instre)
    assert truth.images[0].root == instre / inner and len(truth.queries) == 4


def test_half_downloaded(instre: Path, caplog: pytest.LogCaptureFixture) -> None:
    (instre / NAMES[1]).unlink()
    (instre / "INSTRE-S2/01_tower/009.jpg").unlink()
    truth = read_instre(instre)
    assert "1 of 5 pictures and 1 of 4 queries are not in" in caplog.text
    assert [query.name for query in truth.queries] == ["0001", "0002", "0004"]
    assert NAMES[1] in truth.queries[0].positives  # it counts as not found
    assert truth.missing(truth.images[0].names) == [NAMES[1]]


def test_nothing_there(instre: Path) -> None:
    (instre / "gnd_instre.mat").rename(instre / "elsewhere.mat")
    with pytest.raises(DatasetNotFound, match=r"no gnd_instre.mat in .*ftp.irisa.fr"):
        read_instre(instre)


def test_no_pictures(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "gnd_instre.mat", content())
    with pytest.raises(DatasetNotFound, match=r"folders such as INSTRE-M/01 in .*INSTRE_release.*"):
        read_instre(tmp_path)
    (tmp_path / "INSTRE-M/01").mkdir(parents=True)
    with pytest.raises(DatasetNotFound, match="0 of the pictures and 0 of the queries are there"):
        read_instre(tmp_path)


def wrong(**fields: Any) -> np.ndarray:
    """gnd with other fields in its first row."""
    gnd = content()["gnd"]
    for name, value in fields.items():
        gnd[0, 0][name] = np.array([value], dtype=np.float64)
    return gnd


WRONG = {
    "from 0": (content(gnd=wrong(ok=[0, 1])), r"query 1: expected ok to count the 5 .* from 1"),
    "too many": (content(gnd=wrong(ok=[6])), r"query 1: expected ok to count .* got 6 to 6"),
    "width, height": (content(gnd=wrong(bbx=[40, 50, 20, 10])), r"x1, y1, x2, y2.*reversed"),
    "three edges": (content(gnd=wrong(bbx=[40, 50, 60])), r"bbx .*four numbers"),
    "rows": (content(gnd=content()["gnd"][:, :3]), "4 queries and 3 rows"),
    "fields": (content(gnd=np.zeros((1, 4), dtype=[("good", object)])), "KeyError: 'ok'"),
    "numbers": (content(gnd=np.arange(4.0)), "gnd with ok and bbx"),
    "upwards": (content(imlist=cells(["../../etc/x.jpg"] * 5)), "names such as INSTRE-M/01"),
    "absolute": (content(qimlist=cells(["/etc/x.jpg"] * 4)), "names such as INSTRE-M/01"),
    "no names": (content(imlist=cells([])), "0 pictures, 4 queries"),
    "absent": ({"imlist": cells(NAMES)}, "KeyError: 'qimlist'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_truth_of_another_form(instre: Path, case: str) -> None:
    values, message = WRONG[case]
    scipy.io.savemat(instre / "gnd_instre.mat", values)
    with pytest.raises(FormatError, match=f"gnd_instre.mat.*{message}"):
        read_instre(instre)


def test_hdf5(instre: Path) -> None:
    """MATLAB's version 7.3: a header of 512 bytes, then HDF5."""
    path = instre / "gnd_instre.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["imlist"] = np.zeros(3)
    header = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    with open(path, "r+b") as raw:
        raw.write(header)
    with pytest.raises(FormatError, match=r"version 7.3, which is HDF5: save .*-v7"):
        read_instre(instre)


@pytest.mark.parametrize("case", ["empty", "text", "short", "noise"])
def test_damaged(instre: Path, case: str) -> None:
    path = instre / "gnd_instre.mat"
    whole = path.read_bytes()
    noise = np.random.default_rng(0).integers(0, 256, len(whole) - 128, dtype=np.uint8).tobytes()
    path.write_bytes(
        {
            "empty": b"",
            "text": b"<html>404 not found</html>" * 20,
            "short": whole[: len(whole) // 2],
            "noise": whole[:128] + noise,
        }[case]
    )
    with pytest.raises(FormatError, match="gnd_instre.mat"):
        read_instre(instre)


@pytest.mark.parametrize(
    "line",
    ["1 2 3", "1 2 3 4 5", "a b c d", "1 2 nan 4", "1 2 inf 4", "1e38 2 3e38 4", "1e999 1 1 1"],
)
def test_a_box_file_of_another_form(instre: Path, line: str) -> None:
    (instre / NAMES[0]).with_suffix(".txt").write_text(f"1 2 3 4\n{line}\n")
    with pytest.raises(FormatError, match=r"001.txt, line 2: expected"):
        read_instre(instre)
    assert read_instre(instre, boxes=False).queries


def test_no_path() -> None:
    with pytest.raises(InvalidInput, match="Expected the path of a data set's folder"):
        read_instre(None)  # type: ignore[arg-type]
