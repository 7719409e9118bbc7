"""Kernel of the best k: a heap of hits that several parts of an index fill one after the other."""

from __future__ import annotations

import numpy as np

from blcf.kernels.compiling import kernel

__all__ = ["raise_to_tiles", "sort_top", "take_top"]


@kernel
def _is_worse(score, image, other_score, other_image):
    """Whether (score, image) comes after the other in a ranking."""
    return score < other_score or (score == other_score and image > other_image)


@kernel
def _sift_down(scores, images, size):
    """Restore the heap below its root, the worst of the kept hits."""
    position = 0
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


@kernel
def take_top(scores, scale, first_image, top_scores, top_images):
    """Offer the images of a part to a heap of the best, and wipe their scores.

    Parameters
    ----------
    scores : float64 (n,), dot products; zeros afterwards
    scale : float64 (n,), what a dot product is multiplied with; NaN for an image that is removed
    first_image : number of the first image
    top_scores, top_images : float32 and int64 (k,), the heap: -inf and anything before the first
        part. Parts are offered in ascending order of their images.

    Notes
    -----
    Order is decided on float32, the scores that are shown: equal figures are ties, and the image
    that came first stays.
    """
    for i in range(scores.size):
        score = np.float32(scores[i] * scale[i])
        scores[i] = 0.0
        if score > top_scores[0]:
            top_scores[0] = score
            top_images[0] = first_image + i
            _sift_down(top_scores, top_images, top_scores.size)


@kernel
def raise_to_tiles(scores, scale, n_tiles, cosines):
    """Raise the cosine of each image to the largest of its tiles, and wipe their scores.

    Parameters
    ----------
    scores : float64 (n n_tiles,), dot products of tiles; zeros afterwards
    scale : float64 (n n_tiles,), what a dot product is multiplied with
    n_tiles : of an image, which lie together
    cosines : in and out, float64 (n,); NaN of an image that is removed stays
    """
    for image in range(cosines.size):
        for i in range(image * n_tiles, (image + 1) * n_tiles):
            cosine = scores[i] * scale[i]
            scores[i] = 0.0
            if cosine > cosines[image]:
                cosines[image] = cosine


@kernel
def sort_top(top_scores, top_images):
    """Turn a heap into a ranking: score descending, then image ascending."""
    for last in range(top_scores.size - 1, 0, -1):
        top_scores[0], top_scores[last] = top_scores[last], top_scores[0]
        top_images[0], top_images[last] = top_images[last], top_images[0]
        _sift_down(top_scores, top_images, last)
