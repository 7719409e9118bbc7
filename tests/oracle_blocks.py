"""Check sums of blocks, word by word in plain Python."""

from __future__ import annotations

BLOCK, FACTOR, WHOLE = 1_024, 0x9E3779B97F4A7C15, (1 << 64) - 1


def mixed(value: int, word: int) -> int:
    rotated = (value << 29 | value >> 35) & WHOLE
    return (rotated ^ word) * FACTOR & WHOLE


def sum_of_block(content: bytes, is_last: bool) -> int:
    """The sum of one block; only the last of an array has bytes behind its last word."""
    n_words = len(content) // 8
    words = [int.from_bytes(content[8 * i : 8 * i + 8], "little") for i in range(n_words)]
    lanes = [1, 2, 3, 4]
    for i, word in enumerate(words):
        lane = i % 4 if i < n_words // 4 * 4 else 0
        lanes[lane] = mixed(lanes[lane], word)
    if is_last and n_words < BLOCK // 8:
        for byte in content[8 * n_words :]:
            lanes[1] = mixed(lanes[1], byte)
    return mixed(mixed(mixed(lanes[0], lanes[1]), lanes[2]), lanes[3])


def sums_of(content: bytes) -> list[int]:
    starts = range(0, len(content), BLOCK)
    return [sum_of_block(content[one : one + BLOCK], one == starts[-1]) for one in starts]
