"""Check sums of blocks: against a plain twin, every change, and only what is asked for."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from oracle_blocks import sums_of

from blcf.kernels.blocks import BLOCK, sum_blocks, verify_blocks

SIZES = [1, 7, 8, 9, 31, 100, BLOCK - 1, BLOCK, BLOCK + 1, BLOCK + 9, 3 * BLOCK, 4 * BLOCK - 1]


def split(content):
    n_whole = content.size // 8 * 8
    return content[:n_whole].view(np.uint64), content[n_whole:]


def summed(content):
    sums = np.empty(-(-content.size // BLOCK), dtype=np.uint64)
    sum_blocks(*split(content), sums)
    return sums


def some(n_bytes, seed=0):
    return np.random.default_rng(seed).integers(0, 256, n_bytes).astype(np.uint8)


@pytest.mark.skipif(sys.byteorder != "little", reason="the twin reads words as this order writes")
@pytest.mark.parametrize("n_bytes", SIZES)
def test_against_the_twin(n_bytes):
    content = some(n_bytes)
    assert summed(content).tolist() == sums_of(content.tobytes())


def test_nothing():
    assert summed(np.empty(0, np.uint8)).size == 0


@pytest.mark.parametrize("n_bytes", [1, 100, BLOCK + 9])
def test_every_bit_counts(n_bytes):
    content = some(n_bytes)
    before = summed(content)
    for place in range(0, n_bytes, max(1, n_bytes // 50)):
        for bit in range(8):
            content[place] ^= 1 << bit
            after = summed(content)
            changed = np.flatnonzero(before != after).tolist()
            assert changed == [place // BLOCK]
            content[place] ^= 1 << bit


def test_changes_that_a_plain_sum_does_not_see():
    """The highest bits of two words, words in another order, zeros for zeros elsewhere."""
    content = np.zeros(BLOCK, dtype=np.uint8)
    content[:8] = 5
    found = {int(summed(content)[0])}
    for first, second in ((0, 4), (0, 8), (3, 7), (20, 100)):
        changed = content.copy()
        changed.view(np.uint64)[[first, second]] ^= np.uint64(1 << 63)
        found.add(int(summed(changed)[0]))
    for place in (1, 4, 8, 127):
        changed = np.zeros(BLOCK, dtype=np.uint8)
        changed[8 * place : 8 * place + 8] = 5
        found.add(int(summed(changed)[0]))
    found.add(int(summed(np.zeros(BLOCK, dtype=np.uint8))[0]))
    found.add(int(summed(np.zeros(BLOCK - 8, dtype=np.uint8))[0]))
    assert len(found) == 1 + 4 + 4 + 2


def test_only_what_is_asked_for_is_looked_at_and_once():
    content = some(5 * BLOCK + 100)
    sums, seen = summed(content), np.zeros(6, dtype=np.uint8)

    def verify(*spans):
        firsts, lasts = (np.array(one, dtype=np.int64) for one in zip(*spans))
        return verify_blocks(*split(content), sums, firsts, lasts, seen)

    content[2 * BLOCK + 5] ^= 1
    assert verify((0, 1)) == 1 and seen.tolist() == [1, 0, 0, 0, 0, 0]
    assert verify((0, BLOCK), (5, 5), (9 * BLOCK, 9 * BLOCK + 1), (7, 3)) == 0
    assert verify((BLOCK - 1, BLOCK + 1), (3 * BLOCK, 4 * BLOCK)) == 2
    assert verify((2 * BLOCK - 1, 2 * BLOCK + 1)) == -1  # what it needs is damaged
    assert verify((4 * BLOCK, 99 * BLOCK), (-5, 1)) == 2  # nothing outside is read
    assert seen.tolist() == [1, 1, 0, 1, 1, 1]
    content[2 * BLOCK + 5] ^= 1
    assert verify((-9, 10 * BLOCK)) == 1 and verify((0, 6 * BLOCK)) == 0
    content[0] ^= 1  # what was verified once is believed
    assert verify((0, 1)) == 0
