"""Kernels of the inverted file: building posting lists, scoring a query, the best k.

The posting lists of all words lie one behind the other: word ``w`` owns the slice
``word_indptr[w]:word_indptr[w + 1]`` of ``image_ids`` (ascending) and of ``tf``.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["accumulate_scores", "accumulate_squared_norms", "build_postings", "select_top"]


@njit(cache=True, nogil=True)
def build_postings(indptr, indices, values, word_indptr, image_ids, tf):
    """Turn bags (CSR rows = images) into posting lists (rows = words) by a counting sort.

    Parameters
    ----------
    indptr, indices, values : CSR arrays of the bags, (n_images + 1,), (n,), (n,)
    word_indptr : out, int64 (n_words + 1,), zeros
    image_ids : out, int32 (n,), ascending within a word
    tf : out, float32 (n,), raw term frequencies
    """
    for word in indices:
        word_indptr[word + 1] += 1
    for word in range(word_indptr.size - 1):
        word_indptr[word + 1] += word_indptr[word]
    ends = word_indptr[:-1].copy()
    for image in range(indptr.size - 1):
        for entry in range(indptr[image], indptr[image + 1]):
            place = ends[indices[entry]]
            image_ids[place] = image
            tf[place] = values[entry]
            ends[indices[entry]] = place + 1


@njit(cache=True, nogil=True)
def accumulate_scores(words, weights, word_indptr, image_ids, tf, sqrt, scores):
    """Add the dot products of one query with every image: one walk over its posting lists.

    Parameters
    ----------
    words : int (n,), the words of the query, ascending
    weights : float64 (n,), what one unit of (root of) tf of each word adds
    sqrt : bool, whether tf counts as its square root
    scores : out, float64 (n_images,), added to

    Notes
    -----
    Words are walked in ascending order, so that two images with the same bag get the same sum
    to the last bit and tie exactly.
    """
    for i in range(words.size):
        weight = weights[i]
        for entry in range(word_indptr[words[i]], word_indptr[words[i] + 1]):
            value = np.float64(tf[entry])
            if sqrt:
                value = np.sqrt(value)
            scores[image_ids[entry]] += weight * value


@njit(cache=True, nogil=True)
def accumulate_squared_norms(word_indptr, image_ids, tf, idf, sqrt, squared_norms):
    """Add the squared L2 norm of every image's (rooted) tf-idf vector.

    Parameters
    ----------
    idf : float64 (n_words,), ones where idf is off
    squared_norms : out, float64 (n_images,), added to
    """
    for word in range(word_indptr.size - 1):
        weight = idf[word] * idf[word]
        for entry in range(word_indptr[word], word_indptr[word + 1]):
            value = np.float64(tf[entry])
            if not sqrt:
                value = value * value
            squared_norms[image_ids[entry]] += weight * value


@njit(cache=True, nogil=True)
def _is_worse(score, image, other_score, other_image):
    """Whether (score, image) comes after the other in a ranking."""
    return score < other_score or (score == other_score and image > other_image)


@njit(cache=True, nogil=True)
def _sift_down(scores, images, position, size):
    """Restore the heap below ``position``; its root is the worst of the kept hits."""
    while True:
        child = 2 * position + 1
        if child >= size:
            return
        right = child + 1
        if right < size and _is_worse(scores[right], images[right], scores[child], images[child]):
            child = right
        if not _is_worse(scores[child], images[child], scores[position], images[position]):
            return
        scores[position], scores[child] = scores[child], scores[position]
        images[position], images[child] = images[child], images[position]
        position = child


@njit(cache=True, nogil=True)
def select_top(scores, top_scores, top_images):
    """The k best images, by score descending, then by id ascending (k = size of the outputs).

    Parameters
    ----------
    scores : float32 (n_images,), n_images >= k
    top_scores, top_images : out, float32 (k,) and int64 (k,)
    """
    k = top_scores.size
    if k == 0:
        return
    for image in range(k):
        top_scores[image] = scores[image]
        top_images[image] = image
    for position in range(k // 2 - 1, -1, -1):
        _sift_down(top_scores, top_images, position, k)
    for image in range(k, scores.size):
        # Images come in ascending order, so an equal score never displaces a kept hit.
        if scores[image] > top_scores[0]:
            top_scores[0] = scores[image]
            top_images[0] = image
            _sift_down(top_scores, top_images, 0, k)
    for last in range(k - 1, 0, -1):
        top_scores[0], top_scores[last] = top_scores[last], top_scores[0]
        top_images[0], top_images[last] = top_images[last], top_images[0]
        _sift_down(top_scores, top_images, 0, last)
