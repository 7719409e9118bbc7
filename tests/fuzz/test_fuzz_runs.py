"""Whatever the bytes of a run file or of qrels: what they say, or an error of ours."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path

import pytest
from fuzzing import Target, fuzz

from blcf.datasets.trecvid_topics import read_relevant
from blcf.errors import FormatError, InvalidInput
from blcf.evaluation import read_qrels, read_run, write_qrels, write_run


def run(data: bytes, folder: Path) -> None:
    (folder / "run").write_bytes(data)
    with suppress(FormatError):
        found = read_run(folder / "run")
        assert all(math.isfinite(score) for rows in found.values() for _, score in rows)
        with suppress(InvalidInput):  # scores that are equal to readers of float32
            write_run(folder / "again", found)


def qrels(data: bytes, folder: Path) -> None:
    (folder / "qrels").write_bytes(data)
    with suppress(FormatError):
        found = read_qrels(folder / "qrels")
        write_qrels(folder / "again", found)
        assert read_qrels(folder / "again") == found
    with suppress(FormatError):
        read_relevant(folder / "qrels")


RUN = b"9069 Q0 shot1_2 1 0.8125 blcf\n9069 Q0 shot1_1 2 -1e-5 blcf\n\n9070\tQ0 a\xc3\xa9 1 7 t\r\n"
QRELS = b"\xef\xbb\xbf9069 0 shot12_345 1\n9069 0 b -1\n9070\t0\ta\xc3\xa9\t0\r\n"
TARGETS = [Target("run", run, [RUN], 0.05), Target("qrels", qrels, [QRELS], 0.05)]


@pytest.mark.fuzz
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_runs(target: Target, tmp_path: Path) -> None:
    fuzz(target, tmp_path)
