"""Whatever the bytes of a pickle: plain values, or an error of ours."""

from __future__ import annotations

import pickle
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from fuzzing import Target, fuzz

from blcf.datasets.safe_pickle import read_pickle
from blcf.errors import FormatError

PLAIN = (
    type(None),
    bool,
    int,
    float,
    str,
    bytes,
    bytearray,
    list,
    tuple,
    dict,
    np.ndarray,
    np.generic,
)


def read(data: bytes, folder: Path) -> None:
    (folder / "some.pkl").write_bytes(data)
    with suppress(FormatError):
        level, seen = [read_pickle(folder / "some.pkl")], set()
        while level:
            assert all(isinstance(one, PLAIN) for one in level)
            fresh = [one for one in level if isinstance(one, (list, tuple, dict))]
            fresh = [one for one in fresh if id(one) not in seen]
            seen.update(map(id, fresh))
            level = [each for one in fresh for each in (one.values() if type(one) is dict else one)]


VALUE = {
    "imlist": ["all_souls_000013", "é", "x" * 300],
    "gnd": [
        {"bbx": [1.5, 2, 2**40, -3], "easy": np.arange(5), "hard": [np.int64(3), np.float32(2)]}
    ],
    "more": [None, True, (), (1,), (1, 2, 3, 4), b"bytes", 2**70, np.ones((2, 3), order="F")],
}
SEEDS = [pickle.dumps(VALUE, protocol) for protocol in range(6)]
SEEDS += [
    b"(dp0\nS'imlist'\np1\n(lp2\nS'all\\xe9\\n'\np3\naVx\\u00e9\np4\nag3\nas.",
    b"(I01\nL8L\nF1.5\nt.",
]
TARGET = Target("pickle", read, SEEDS, share=0.1)


@pytest.mark.fuzz
def test_pickles(tmp_path: Path) -> None:
    fuzz(TARGET, tmp_path)
