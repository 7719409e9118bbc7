"""Compiled code is kept in the user's cache folder, and nowhere else; without one all works."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import blcf

HOUSE = Path(blcf.__file__).parents[1]
USE = """
import numba
import numpy as np
before = numba.config.CACHE_DIR
from blcf.kernels.dense import score_candidates
scores = np.zeros(1)
one = np.ones(1, dtype="float32")
score_candidates(one, 0.0, 2 * one[None], 3 * one, scores)
assert scores[0] == 6 and numba.config.CACHE_DIR == before
"""


def run(home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A kernel in a fresh process whose home is elsewhere."""
    dropped = ("NUMBA_CACHE_DIR", "BLCF_CACHE_DIR", "XDG_CACHE_HOME", "NUMBA_DISABLE_JIT")
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    environment |= {"HOME": str(home), "PYTHONPATH": str(HOUSE), **variables}
    done = subprocess.run(
        [sys.executable, "-c", USE], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done


def kept(folder: Path) -> list[Path]:
    """The files of compiled code below a folder."""
    return sorted(folder.rglob("*.nb[ci]"))


@pytest.fixture
def clean() -> None:
    """No compiled code lies beside the source, before and after."""
    for path in kept(HOUSE / "blcf"):
        path.unlink()
    yield
    assert not kept(HOUSE / "blcf")


@pytest.mark.skipif(sys.platform != "linux", reason="the place of the cache folder on Linux")
def test_the_cache_of_the_user(tmp_path, clean) -> None:
    run(tmp_path)
    found = kept(tmp_path)
    assert found and all(tmp_path / ".cache" / "blcf" / "kernels" in one.parents for one in found)


def test_a_variable_names_another_folder_and_damage_in_it_is_no_error(tmp_path, clean) -> None:
    place = tmp_path / "elsewhere"
    run(tmp_path, BLCF_CACHE_DIR=str(place))
    found = kept(tmp_path)
    assert found and all(place in one.parents for one in found)
    for number, path in enumerate(found):
        path.write_bytes(path.read_bytes()[: 40 * (number % 2)])  # empty, or cut
    run(tmp_path, BLCF_CACHE_DIR=str(place))


def test_what_numba_was_told_holds(tmp_path, clean) -> None:
    run(tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "numba"))
    assert kept(tmp_path / "numba") == kept(tmp_path) != []


@pytest.mark.parametrize("blocked", ["home", "variable"])
def test_without_a_place_to_write_there_is_no_cache_and_no_error(
    tmp_path, clean, blocked
) -> None:
    file = tmp_path / "file"  # a folder cannot be made below it, not even by root
    file.write_text("")
    if blocked == "home":
        run(file / "home")
    else:
        run(tmp_path, BLCF_CACHE_DIR=str(file / "cache"))
    assert not kept(tmp_path)
