"""Readers fed with damaged files: how files are damaged, how long, and where findings go.

A target is a reader, the files it starts from, and nothing else: whatever the bytes, it gives a
value or an error of ours. `pytest -m fuzz` damages files for two minutes, all targets together;
BLCF_FUZZ_SECONDS says another time; with the same BLCF_FUZZ_SEED they are damaged as before. What
breaks a target is made smaller and written to ``findings/``; it stays there, under the name of its
fault, when it is mended, and the ordinary tests read it again (test_findings.py).

``with_atheris.py`` runs a target under Atheris, which follows the code that a file reaches.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis
from hypothesis import strategies as st

FINDINGS = Path(__file__).parent / "findings"
SECONDS = float(os.environ.get("BLCF_FUZZ_SECONDS", 120))
SEED = int(os.environ["BLCF_FUZZ_SEED"]) if "BLCF_FUZZ_SEED" in os.environ else None
BATCH = 25  # files of a seed: a segment takes a second on a slow machine, and a batch is fed whole
HANG = 30  # seconds a file may take, on a busy machine

_EDGES = [0, 1, 2, 127, 128, 255, 256, 32_767, 32_768, 65_535, 2**31 - 1, 2**31, 2**32 - 1, 2**63]
_WAYS = ["byte", "byte", "bit", "number", "number", "cut", "leave out", "repeat", "graft", "insert"]


@dataclass(frozen=True)
class Target:
    """A reader to be fed.

    Attributes
    ----------
    name : begins the names of its findings
    read : gets the bytes, and a folder of its own; anything it raises is a finding
    seeds : sound files
    share : of BLCF_FUZZ_SECONDS
    """

    name: str
    read: Callable[[bytes, Path], None]
    seeds: list[bytes]
    share: float

    def check(self, data: bytes, folder: Path) -> None:
        """Feed it once; warnings and hangs are findings, too."""
        start = time.monotonic()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            self.read(data, folder)
        assert time.monotonic() - start < HANG, f"it took more than {HANG} s"


@st.composite
def damaged(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """A sound file, damaged at up to eight places."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 8))):
        if not data:
            break
        way, at = draw(st.sampled_from(_WAYS)), draw(st.integers(0, len(data) - 1))
        length = draw(st.integers(1, min(64, len(data) - at)))
        if way == "byte":
            data[at] = draw(st.integers(0, 255))
        elif way == "bit":
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif way == "number":
            width = draw(st.sampled_from([1, 2, 4, 8]))
            number = draw(st.sampled_from(_EDGES)) % 256**width
            data[at : at + width] = number.to_bytes(width, draw(st.sampled_from(["little", "big"])))
        elif way == "cut":
            del data[at:]
        elif way == "leave out":
            del data[at : at + length]
        elif way == "repeat":
            data[at:at] = data[at : at + length] * draw(st.integers(1, 200))
        elif way == "graft":
            other = draw(st.sampled_from(seeds))
            start = draw(st.integers(0, len(other) - 1))
            data[at : at + length] = other[start : start + length]
        else:
            data[at:at] = draw(st.binary(min_size=1, max_size=16))
    return bytes(data)


def _seeds() -> Iterator[int]:
    """Of each batch of files: other ones every time, or from BLCF_FUZZ_SEED on the same again."""
    if SEED is not None:
        yield from itertools.count(SEED)
    while True:
        yield int.from_bytes(os.urandom(8), "big")


def fuzz(target: Target, folder: Path) -> None:
    """Feed a target as long as its share lasts; what breaks it first is kept and raised."""
    end, seeds = time.monotonic() + SECONDS * target.share, _seeds()
    last = folder / "last"  # what it was at, should the process end
    n_fed = 0

    def feed(data: bytes) -> None:
        nonlocal n_fed
        n_fed += 1
        last.write_bytes(data)
        target.check(data, folder)

    while time.monotonic() < end:
        wrapped = hypothesis.given(damaged(target.seeds))(feed)
        wrapped = hypothesis.seed(next(seeds))(wrapped)
        wrapped = hypothesis.settings(
            max_examples=BATCH,
            deadline=None,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )(wrapped)
        try:
            wrapped()
        except BaseException as error:
            finding = last.read_bytes()  # the smallest that was found
            digest = hashlib.sha256(finding).hexdigest()[:8]
            path = FINDINGS / f"{target.name}-{type(error).__name__}-{digest}"
            path.write_bytes(finding)
            raise AssertionError(
                f"{target.name}: {len(finding)} bytes, kept as {path}, after {n_fed} files. Mend "
                "the fault, and name the file after it."
            ) from error
