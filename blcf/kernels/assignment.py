"""Kernel of the assignment: scores of a block of words, interpolated and reduced to the best."""

from __future__ import annotations

import numpy as np

from blcf.kernels.compiling import kernel

__all__ = ["keep_best_words"]

# Words at a time: the scores of a row of 32 cells are 32 KB, which stay in the first-level cache.
_TILE = 256


@kernel
def keep_best_words(
    products,
    bias,
    half_norms,
    shifts,
    scales,
    y_near,
    y_far,
    y_shares,
    x_near,
    x_far,
    x_shares,
    first_word,
    top_scores,
    top_words,
):
    """Offer a block of words to the interpolated cells of some maps.

    The score of word w at a cell is the product interpolated from the four cells around it (rows
    first, then columns) less ``shift bias[w] + scale half_norms[w]``.

    Parameters
    ----------
    products : float32 (n, h, w, n_words), of the cells of the maps with each word of the block
    bias, half_norms : float32 (n_words,)
    shifts, scales : float32 (n, H, W)
    y_near, y_far : int64 (H,), the rows between which a row is interpolated
    y_shares : float32 (H,), the share of the far one
    x_near, x_far, x_shares : the same of the columns, (W,)
    first_word : number of the first word of the block
    top_scores, top_words : float32 and int32 (n, H, W, k), the best so far, best first: -inf and
        0 before the first block. Blocks are offered in ascending order of their words.

    Notes
    -----
    Of equal scores the lower word stays; a score that is NaN is never kept.

    Most tiles hold no better word, so a first pass only counts the scores above the last one
    kept: a count becomes vector instructions without `fastmath`, a maximum does not. 33 million
    scores take 7 ms this way; 22 ms with a maximum, 12 ms with 64 maxima side by side, 8.4 ms with
    the passes in functions of their own or with a second pass in parts; `fastmath` (contraction)
    gains nothing, two threads (bands of rows) about a tenth of the whole assignment.
    """
    kept = top_scores.shape[3] - 1
    rows = np.empty((products.shape[2], _TILE), np.float32)
    for first in range(0, products.shape[3], _TILE):
        size = min(products.shape[3] - first, _TILE)
        tile_bias, tile_norms = bias[first : first + size], half_norms[first : first + size]
        for image in range(products.shape[0]):
            for y in range(y_near.size):
                far_share = y_shares[y]
                near_share = np.float32(1) - far_share
                for x in range(products.shape[2]):
                    near = products[image, y_near[y], x][first : first + size]
                    far = products[image, y_far[y], x][first : first + size]
                    row = rows[x]
                    for w in range(size):
                        row[w] = near_share * near[w] + far_share * far[w]
                for x in range(x_near.size):
                    far_share = x_shares[x]
                    near_share = np.float32(1) - far_share
                    near, far = rows[x_near[x]], rows[x_far[x]]
                    shift, scale = shifts[image, y, x], scales[image, y, x]
                    scores, words = top_scores[image, y, x], top_words[image, y, x]
                    least = scores[kept]
                    n_above = np.int32(0)
                    for w in range(size):
                        score = near_share * near[w] + far_share * far[w]
                        score -= shift * tile_bias[w] + scale * tile_norms[w]
                        n_above = np.int32(n_above + np.int32(score > least))
                    if n_above == 0:
                        continue
                    for w in range(size):
                        score = near_share * near[w] + far_share * far[w]
                        score -= shift * tile_bias[w] + scale * tile_norms[w]
                        if score > least:
                            place = kept
                            while place > 0 and score > scores[place - 1]:
                                scores[place] = scores[place - 1]
                                words[place] = words[place - 1]
                                place -= 1
                            scores[place] = score
                            words[place] = first_word + first + w
                            least = scores[kept]
