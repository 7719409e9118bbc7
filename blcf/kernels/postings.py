"""Kernels of the inverted file: building, merging and walking posting lists.

The lists of a part of at most 65,536 images lie one behind the other: word ``w`` owns the slice
``word_indptr[w]:word_indptr[w + 1]`` of ``image_ids`` (uint16, ascending) and of ``codes`` (uint8
or uint16). A code stands for a term frequency through a table; code 0 marks a frequency that has
no code, an escape, listed apart by its place. Buffers indexed by an image id have 65,536 entries
and tables as many as there are codes, so that no damaged byte leads a kernel out of its arrays.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, overload

__all__ = [
    "accumulate_scores",
    "accumulate_squared_norms",
    "build_postings",
    "copy_postings",
    "count_postings",
    "score_images",
]


def _prefetch(array, index):
    """Ask for the cache line of ``array[index]``, which may lie outside; no effect otherwise."""


@intrinsic
def _prefetch_line(typing_context, array, index):
    def generate(context, builder, signature, arguments):
        kind = signature.args[0]
        view = context.make_array(kind)(context, builder, arguments[0])
        pointer = cgutils.get_item_pointer(context, builder, kind, view, [arguments[1]])
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        ask = builder.module.declare_intrinsic(
            "llvm.prefetch", [byte], ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        )
        builder.call(ask, [builder.bitcast(pointer, byte), word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(array, index), generate


@overload(_prefetch)
def _compile_prefetch(array, index):
    return lambda array, index: _prefetch_line(array, index)


@njit(cache=True, nogil=True)
def build_postings(indptr, indices, codes, word_indptr, image_ids, list_codes, places):
    """Turn bags (CSR rows = images) into posting lists (rows = words) by a counting sort.

    Parameters
    ----------
    indptr, indices, codes : CSR arrays of the bags, (n_images + 1,), (n,), (n,)
    word_indptr : out, int32 (n_words + 1,), zeros
    image_ids : out, uint16 (n,), ascending within a word
    list_codes : out, like codes, (n,)
    places : out, int32 (n_escapes,), where the codes 0 went, in the order of the rows
    """
    for word in indices:
        word_indptr[word + 1] += 1
    for word in range(word_indptr.size - 1):
        word_indptr[word + 1] += word_indptr[word]
    ends = word_indptr[:-1].copy()
    n_escapes = 0
    for image in range(indptr.size - 1):
        for entry in range(indptr[image], indptr[image + 1]):
            place = ends[indices[entry]]
            ends[indices[entry]] = place + 1
            image_ids[place] = image
            list_codes[place] = codes[entry]
            if codes[entry] == 0:
                places[n_escapes] = place
                n_escapes += 1


@njit(cache=True, nogil=True)
def count_postings(word_indptr, image_ids, live, counts):
    """Add the number of postings of live images to ``counts``, int64 (n_words,).

    ``live`` is bool (65,536,).
    """
    for word in range(word_indptr.size - 1):
        n = 0
        for entry in range(word_indptr[word], word_indptr[word + 1]):
            n += live[image_ids[entry]]
        counts[word] += n


@njit(cache=True, nogil=True)
def copy_postings(
    word_indptr, image_ids, codes, new_ids, ends, out_image_ids, out_codes, escapes, places
):
    """Append the postings of a part's live images to the lists of a new part.

    Parameters
    ----------
    word_indptr, image_ids, codes : of the part
    new_ids : int32 (65,536,), the id of each image in the new part, -1 where it is removed
    ends : int64 (n_words,), where the next posting of each word goes; moved on
    out_image_ids, out_codes : out, of the new part
    escapes : int32 (n_escapes,), places of the part's codes 0, ascending
    places : out, int32 (n_escapes,), where they went, -1 where their image is removed
    """
    n_escapes = 0
    for word in range(word_indptr.size - 1):
        place = ends[word]
        for entry in range(word_indptr[word], word_indptr[word + 1]):
            image = new_ids[image_ids[entry]]
            if image >= 0:
                out_image_ids[place] = image
                out_codes[place] = codes[entry]
            if codes[entry] == 0 and n_escapes < escapes.size and escapes[n_escapes] == entry:
                places[n_escapes] = place if image >= 0 else -1
                n_escapes += 1
            place += image >= 0
        ends[word] = place


@njit(cache=True, nogil=True)
def accumulate_scores(
    words, starts, rows, weights, word_indptr, image_ids, codes, table, escapes, escaped, scores
):
    """Add the dot products of some queries with every image of a part.

    Parameters
    ----------
    words : int32 (n,), the words of all the queries, ascending, distinct
    starts : int32 (n + 1,); word i is wanted by the queries ``rows[starts[i]:starts[i + 1]]``
    rows : int32 (m,), rows of ``scores``
    weights : float64 (m,), what one unit of (root of) tf of the word adds to that query
    word_indptr, image_ids, codes : of the part
    table : float64 (n_codes,), (root of) tf of each code, 0 for code 0
    escapes, escaped : int32 and float64 (n_escapes,), places of codes 0, and their (root of) tf
    scores : out, float64 (n_queries, 65,536), added to

    Notes
    -----
    A list is fetched once for all the queries that want it. Words are walked in ascending order
    whatever queries come together, so that an image gets the same sum to the last bit alone and
    in company, and two images with the same bag tie exactly.

    The lists of two consecutive words lie far apart: asking for the next ones before walking this
    one saves a quarter of the time, and four postings at a time (ids of a list are distinct) a
    tenth: 100,000 images, 630 words a query, 2.8 -> 2.0 ms.
    """
    n = words.size
    for i in range(n):
        if i + 6 < n:
            _prefetch(word_indptr, words[i + 6])
        if i + 2 < n:
            first = np.int64(word_indptr[words[i + 2]])
            for ahead in range(0, 96, 32):
                _prefetch(image_ids, first + ahead)
            _prefetch(codes, first)
            _prefetch(codes, first + 64)
        first, last = np.int64(word_indptr[words[i]]), np.int64(word_indptr[words[i] + 1])
        for entry in range(starts[i], starts[i + 1]):
            part_scores = scores[rows[entry]]
            weight = weights[entry]
            fours = first + (last - first) // 4 * 4
            for e in range(first, fours, 4):
                a, b, c, d = image_ids[e], image_ids[e + 1], image_ids[e + 2], image_ids[e + 3]
                score_a = part_scores[a] + weight * table[codes[e]]
                score_b = part_scores[b] + weight * table[codes[e + 1]]
                score_c = part_scores[c] + weight * table[codes[e + 2]]
                score_d = part_scores[d] + weight * table[codes[e + 3]]
                part_scores[a] = score_a
                part_scores[b] = score_b
                part_scores[c] = score_c
                part_scores[d] = score_d
            for e in range(fours, last):
                part_scores[image_ids[e]] += weight * table[codes[e]]
            if escapes.size:
                e = np.searchsorted(escapes, first)
                while e < escapes.size and escapes[e] < last:
                    part_scores[image_ids[escapes[e]]] += weight * escaped[e]
                    e += 1


@njit(cache=True, nogil=True)
def accumulate_squared_norms(word_indptr, image_ids, codes, table, escapes, escaped, idf, squared):
    """Add the squared L2 norm of the (rooted) tf-idf vector of every image of a part.

    Parameters
    ----------
    table, escaped : as in `accumulate_scores`
    idf : float64 (n_words,), ones where idf is off
    squared : out, float64 (65,536,), added to
    """
    squares = table * table
    e = 0
    for word in range(word_indptr.size - 1):
        weight = idf[word] * idf[word]
        for entry in range(word_indptr[word], word_indptr[word + 1]):
            squared[image_ids[entry]] += weight * squares[codes[entry]]
        # Here, not at the end: a norm is the same to the last bit whatever has a code.
        while e < escapes.size and escapes[e] < word_indptr[word + 1]:
            squared[image_ids[escapes[e]]] += weight * (escaped[e] * escaped[e])
            e += 1


@njit(cache=True, nogil=True)
def score_images(
    words, weights, positions, word_indptr, image_ids, codes, table, escapes, escaped, scores
):
    """The dot products of one query with some images of a part, as `accumulate_scores` has them.

    Parameters
    ----------
    words, weights : int32 and float64 (n,), of the query, ascending
    positions : int64 (m,), of the images, ascending
    scores : out, float64 (m,), zeros
    """
    for i in range(words.size):
        first, last = word_indptr[words[i]], word_indptr[words[i] + 1]
        for j in range(positions.size):
            first += np.searchsorted(image_ids[first:last], positions[j])
            if first == last:
                break
            if image_ids[first] == positions[j]:
                value = table[codes[first]]
                if codes[first] == 0 and escapes.size:
                    e = np.searchsorted(escapes, first)
                    if e < escapes.size and escapes[e] == first:
                        value = escaped[e]
                scores[j] += weights[i] * value
