"""Check sums of the blocks of an array, and the blocks of some of its bytes looked at once."""

from __future__ import annotations

import numpy as np

from blcf.kernels.compiling import kernel

__all__ = ["BLOCK", "sum_blocks", "verify_blocks"]

# Bytes. A query's posting lists are short: of 555 words in 12,000 pictures they took 2.0 MB, the
# blocks around them 8.1 MB at 4,096 and 4.4 MB at this size. The sums take 8 bytes each.
BLOCK = 1_024
_WORDS = BLOCK // 8

_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd: no two numbers have one product


@kernel
def _mixed(value, word):
    """One word more; the rotation carries a change of the highest bit down to all."""
    return (((value << np.uint64(29)) | (value >> np.uint64(35))) ^ word) * _FACTOR


@kernel
def _sum_block(words, tail, block):
    """The check sum of one block: four sums at once take the time of one."""
    first = block * _WORDS
    last = min(first + _WORDS, words.size)
    a, b, c, d = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
    in_fours = first + (last - first) // 4 * 4
    for i in range(first, in_fours, 4):
        a = _mixed(a, words[i])
        b = _mixed(b, words[i + 1])
        c = _mixed(c, words[i + 2])
        d = _mixed(d, words[i + 3])
    for i in range(in_fours, last):
        a = _mixed(a, words[i])
    if last == words.size and last < first + _WORDS:  # the bytes behind the last word
        for i in range(tail.size):
            b = _mixed(b, np.uint64(tail[i]))
    return _mixed(_mixed(_mixed(a, b), c), d)


@kernel
def sum_blocks(words, tail, sums):
    """The check sum of every block of an array.

    A change of one word always changes the sum; of others one in 2^64 does not.

    Parameters
    ----------
    words : uint64 (n,), the bytes of the array, eight at a time
    tail : uint8 (fewer than 8,), the bytes behind them
    sums : out, uint64 (ceil(n_bytes / BLOCK),)
    """
    for block in range(sums.size):
        sums[block] = _sum_block(words, tail, block)


@kernel
def verify_blocks(words, tail, sums, firsts, lasts, seen):
    """Verify the blocks of some spans of bytes that were not looked at before.

    Parameters
    ----------
    words, tail, sums : see `sum_blocks`
    firsts, lasts : int64 (m,), half-open spans of bytes; what lies outside of the array is passed
        over
    seen : in and out, uint8 (n_blocks,), 1 for blocks that are as they were written

    Returns
    -------
    n : how many blocks were looked at; less than 0 where one is damaged
    """
    n_looked_at = 0
    for span in range(firsts.size):
        if lasts[span] <= firsts[span]:
            continue
        begin = max(firsts[span] // BLOCK, 0)
        end = min((lasts[span] - 1) // BLOCK + 1, sums.size)
        for block in range(begin, end):
            if not seen[block]:
                if _sum_block(words, tail, block) != sums[block]:
                    return -1
                seen[block] = 1
                n_looked_at += 1
    return n_looked_at
