"""Kernels of packed assignment maps: a cell whose word its neighbour has costs two bits.

Maps are interpolated, so that neighbours mostly share their word: on photographs 65 % of the cells
have the word of the cell on their left, and a packed map takes a third of its bytes.
"""

from __future__ import annotations

import numpy as np

from blcf.kernels.compiling import kernel

__all__ = ["pack_map", "unpack_map", "unpack_maps"]

_NEW, _LEFT, _ABOVE = 0, 1, 2


@kernel
def pack_map(words, marks, new_words):
    """Say of every cell whether its word is that of the cell on its left, of that above, or new.

    Parameters
    ----------
    words : int (h, w), an assignment map
    marks : out, uint8 (ceil(h w / 4),), zeros: 2 bits a cell, the first cell in the lowest
    new_words : out, int (h w,), the words of the cells that are new, in order

    Returns
    -------
    n : how many words are new
    """
    h, w = words.shape
    n = 0
    for y in range(h):
        for x in range(w):
            word = words[y, x]
            if x > 0 and words[y, x - 1] == word:
                mark = _LEFT
            elif y > 0 and words[y - 1, x] == word:
                mark = _ABOVE
            else:
                mark = _NEW
                new_words[n] = word
                n += 1
            cell = y * w + x
            marks[cell >> 2] |= np.uint8(mark << 2 * (cell & 3))
    return n


@kernel
def unpack_map(marks, new_words, words):
    """Undo `pack_map`.

    Parameters
    ----------
    marks : uint8 (ceil(h w / 4),)
    new_words : int (n,)
    words : out, int (h, w)

    Returns
    -------
    n : how many new words the marks ask for, or -1 where they point outside the map; the map is
        right if n is the size of ``new_words``
    """
    h, w = words.shape
    n = 0
    for y in range(h):
        for x in range(w):
            cell = y * w + x
            mark = marks[cell >> 2] >> 2 * (cell & 3) & 3
            if mark == _LEFT and x > 0:
                words[y, x] = words[y, x - 1]
            elif mark == _ABOVE and y > 0:
                words[y, x] = words[y - 1, x]
            elif mark == _NEW and n < new_words.size:
                words[y, x] = new_words[n]
                n += 1
            else:
                return -1
    return n


@kernel
def unpack_maps(marks, new_words, mark_firsts, word_firsts, word_lasts, starts, shapes, words):
    """`unpack_map` of several images, one behind the other.

    Parameters
    ----------
    marks, new_words : uint8 and int, of all images of a file
    mark_firsts, word_firsts, word_lasts : int64 (n,), where those of each image are
    starts, shapes : int64 (n,) and (n, 2), the first cell of each map, and its rows and columns
    words : out, int32 (n_cells,)

    Returns
    -------
    number : of the first map that cannot be unpacked, or -1
    """
    for i in range(starts.size):
        h, w = shapes[i]
        found = words[starts[i] : starts[i] + h * w].reshape((h, w))
        own = new_words[word_firsts[i] : word_lasts[i]]
        if unpack_map(marks[mark_firsts[i] :], own, found) != own.size:
            return i
    return -1
