"""Whatever the bytes of a ground truth: a truth, or an error of ours."""

from __future__ import annotations

import io
import json
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from fuzzing import Target, fuzz

from blcf.datasets import read_ground_truth, read_oxford_queries
from blcf.datasets.instre import _read_truth
from blcf.datasets.trecvid_topics import read_topics
from blcf.errors import DatasetNotFound, FormatError


def gt_json(data: bytes, folder: Path) -> None:
    (folder / "a.jpg").touch()
    (folder / "gt.json").write_bytes(data)
    with suppress(FormatError, DatasetNotFound):
        read_ground_truth(folder / "gt.json")


def oxford(data: bytes, folder: Path) -> None:
    """Four files in one, a line of dashes between them."""
    kinds = ("query", "good", "ok", "junk")
    for kind, part in zip(kinds, [*data.split(b"\n---\n"), b"", b"", b"", b""]):
        (folder / f"a_1_{kind}.txt").write_bytes(part)
    with suppress(FormatError, DatasetNotFound):
        read_oxford_queries(folder)


def mat(data: bytes, folder: Path) -> None:
    (folder / "gnd_instre.mat").write_bytes(data)
    with suppress(FormatError):
        _read_truth(folder / "gnd_instre.mat")


def topics(data: bytes, folder: Path) -> None:
    (folder / "topics.xml").write_bytes(data)
    with suppress(FormatError):
        read_topics(folder / "topics.xml")


def mat_seeds() -> list[bytes]:
    def cells(texts: list[str]) -> np.ndarray:
        row = np.empty((1, len(texts)), dtype=object)
        row[0, :] = texts
        return row

    gnd = np.zeros((1, 2), dtype=[("ok", object), ("bbx", object)])
    gnd[0, 0] = (np.array([[1.0, 2]]), np.array([[1.0, 2, 30, 40]]))
    gnd[0, 1] = (np.array([[2]], dtype=np.uint16), np.array([[1, 2, 3, 4]], dtype=np.int32))
    files = []
    for do_compression in (False, True):
        buffer = io.BytesIO()
        names = {"imlist": cells(["a/1.jpg", "a/2.jpg"]), "qimlist": cells(["b/1.jpg", "b/2.jpg"])}
        scipy.io.savemat(buffer, names | {"gnd": gnd}, do_compression=do_compression)
        files.append(buffer.getvalue())
    return files


QUERY = {"query": "a.jpg", "object": "A", "box": [4, 5, 49.5, 35], "positives": ["b.jpg"]}
QUERY |= {"junk": ["a.jpg"], "boxes": {"b.jpg": [[12, 32, 25, 42], [1e3, 0, 2e3, 7]]}}
TRUTH = {"images": [{"name": "b.jpg", "size": [500, 375]}], "queries": [QUERY, QUERY]}
XML = b"""<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE videoInstanceTopics SYSTEM "x.dtd">
<videoInstanceTopics><videoInstanceTopic text="a &amp; b" num="9069" type="OBJECT">
<imageExample src="9069.1.src.bmp"/></videoInstanceTopic></videoInstanceTopics>"""
TARGETS = [
    Target(
        "gt.json",
        gt_json,
        [json.dumps(TRUTH).encode(), json.dumps(TRUTH, indent=1).encode()],
        0.075,
    ),
    Target(
        "oxford",
        oxford,
        [b"oxc1_a_1 136.5 34.1 648.5 955.7\n---\na_1\nb_2\n---\nc_3\n---\n"],
        0.075,
    ),
    Target("mat", mat, mat_seeds(), 0.1),
    Target("topics", topics, [XML], 0.05),
]


@pytest.mark.fuzz
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_truths(target: Target, tmp_path: Path) -> None:
    fuzz(target, tmp_path)
