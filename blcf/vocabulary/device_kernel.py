"""`blcf.kernels.assignment.keep_best_words` for a GPU, in Triton.

One program looks at one interpolated cell: it goes through the words in blocks, interpolates their
scores from the products of four source cells, and keeps the best two of each lane. Nothing of the
size of cells times words is written: of a map of 21 x 16 cells that is enlarged twice, 25,000 words
and float32, the products of the source cells are 34 MB, and the scores would be 134, written once
and read for each maximum. The products stay in the second-level cache, where each is read 16 times.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
import triton
import triton.language as tl

__all__ = ["keep_best_on_device", "try_kernel"]

_LANES = 1_024  # words of a block, of one program
_WARPS = 4

# Pictures have many shapes: a kernel for each that is a multiple of 16, or 1, would be compiled.
_SHAPES = ("h", "w", "height", "width", "first_word")


@triton.jit(do_not_specialize=_SHAPES)
def _keep_best(
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
    top_scores,
    top_words,
    h,
    w,
    height,
    width,
    n_words,
    first_word,
    kept: tl.constexpr,
    lanes: tl.constexpr,
):
    cell = tl.program_id(0).to(tl.int64)
    x = cell % width
    y = (cell // width) % height
    image = cell // (width * height)
    left, right, across = tl.load(x_near + x), tl.load(x_far + x), tl.load(x_shares + x)
    top, bottom, down = tl.load(y_near + y), tl.load(y_far + y), tl.load(y_shares + y)
    above, below = (image * h + top) * w, (image * h + bottom) * w
    at_above_left, at_above_right = (above + left) * n_words, (above + right) * n_words
    at_below_left, at_below_right = (below + left) * n_words, (below + right) * n_words
    shift, scale = tl.load(shifts + cell), tl.load(scales + cell)
    lane = tl.arange(0, lanes)
    best = tl.full((lanes,), float("-inf"), tl.float32)
    second = tl.full((lanes,), float("-inf"), tl.float32)
    best_word = tl.zeros((lanes,), tl.int32)
    second_word = tl.zeros((lanes,), tl.int32)
    for first in range(0, n_words, lanes):
        at = first + lane
        inside = at < n_words
        a = tl.load(products + at_above_left + at, mask=inside, other=0.0).to(tl.float32)
        b = tl.load(products + at_above_right + at, mask=inside, other=0.0).to(tl.float32)
        c = tl.load(products + at_below_left + at, mask=inside, other=0.0).to(tl.float32)
        d = tl.load(products + at_below_right + at, mask=inside, other=0.0).to(tl.float32)
        # Rows first, then columns, as the kernel of the CPU.
        near = (1.0 - down) * a + down * c
        far = (1.0 - down) * b + down * d
        score = (1.0 - across) * near + across * far
        cost = shift * tl.load(bias + at, mask=inside, other=0.0).to(tl.float32)
        cost += scale * tl.load(half_norms + at, mask=inside, other=0.0)
        score = tl.where(inside, score - cost, float("-inf"))
        # Never true of a NaN; of equal scores the earlier word, which is the lower, stays.
        is_best = score > best
        is_second = score > second
        if kept == 2:
            second_word = tl.where(is_best, best_word, tl.where(is_second, at, second_word))
            second = tl.where(is_best, best, tl.where(is_second, score, second))
        best_word = tl.where(is_best, at, best_word)
        best = tl.where(is_best, score, best)
    found = tl.max(best, axis=0)
    word = tl.min(tl.where(best == found, best_word, n_words), axis=0)
    old, old_word = tl.load(top_scores + cell * kept), tl.load(top_words + cell * kept)
    is_new = found > old
    if kept == 2:
        is_found = (best == found) & (best_word == word)
        best_word = tl.where(is_found, second_word, best_word)
        best = tl.where(is_found, second, best)
        next_found = tl.max(best, axis=0)
        next_word = tl.min(tl.where(best == next_found, best_word, n_words), axis=0)
        old_next = tl.load(top_scores + cell * kept + 1)
        old_next_word = tl.load(top_words + cell * kept + 1)
        # What is second now: of what was kept and what was found, the better of those left over.
        rival = tl.where(is_new, old, old_next)
        rival_word = tl.where(is_new, old_word, old_next_word)
        other = tl.where(is_new, next_found, found)
        other_word = tl.where(is_new, next_word, word)
        takes = other > rival
        tl.store(top_scores + cell * kept + 1, tl.where(takes, other, rival))
        taken = tl.where(takes, first_word + other_word, rival_word)
        tl.store(top_words + cell * kept + 1, taken)
    tl.store(top_scores + cell * kept, tl.where(is_new, found, old))
    tl.store(top_words + cell * kept, tl.where(is_new, first_word + word, old_word))


def keep_best_on_device(
    products: torch.Tensor,
    bias: torch.Tensor,
    half_norms: torch.Tensor,
    shifts: torch.Tensor,
    scales: torch.Tensor,
    y_places: tuple[np.ndarray, np.ndarray, np.ndarray],
    x_places: tuple[np.ndarray, np.ndarray, np.ndarray],
    first_word: int,
    top_scores: torch.Tensor,
    top_words: torch.Tensor,
) -> None:
    """Offer a block of words to the interpolated cells of some maps.

    Parameters
    ----------
    products : float32 or bfloat16 (n, h, w, n_words), contiguous
    bias : of the same type, (n_words,); half_norms : float32 (n_words,)
    shifts, scales : float32 (n, H, W), contiguous
    y_places, x_places : see `blcf.vocabulary.interpolation.places_of`
    first_word : number of the first word of the block
    top_scores, top_words : float32 and int32 (n, H, W, k), k 1 or 2, changed: see
        `blcf.kernels.assignment.keep_best_words`
    """
    _, h, w, n_words = products.shape
    height, width, kept = top_scores.shape[1:]
    places = [_on(products.device, *one) for one in (y_places, x_places)]
    with torch.cuda.device_of(products):  # Triton starts kernels on the thread's current GPU
        _keep_best[(shifts.numel(),)](
            *(products, bias, half_norms, shifts, scales),
            *places[0],
            *places[1],
            *(top_scores, top_words, h, w, height, width, n_words, first_word),
            kept=kept,
            lanes=_LANES,
            num_warps=_WARPS,
        )


def try_kernel(device: torch.device) -> None:
    """Run the kernel once; raises what Triton raises where it cannot.

    It compiles its launcher with the C compiler and the headers of Python that it finds when it is
    first used, which images of containers often lack; old GPUs it does not know.
    """
    products, ones = torch.ones((1, 1, 1, 2), device=device), torch.ones((1, 1, 1), device=device)
    top_scores = torch.full((1, 1, 1, 1), -torch.inf, device=device)
    top_words = torch.zeros((1, 1, 1, 1), dtype=torch.int32, device=device)
    place = np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros(1, np.float32)
    half_norms = torch.tensor([3.0, 1.0], device=device)
    keep_best_on_device(
        products, half_norms * 0, half_norms, ones, ones, place, place, 0, top_scores, top_words
    )
    if (top_words.item(), top_scores.item()) != (1, 0.0):
        raise RuntimeError(f"it gave word {top_words.item()} of score {top_scores.item()}")


def _on(device: torch.device, *places: np.ndarray) -> list[torch.Tensor]:
    """Places on a device, copied once for each side."""
    return [_copied(str(device), one.tobytes(), one.dtype.str) for one in places]


@cache
def _copied(device: str, content: bytes, dtype: str) -> Any:
    return torch.from_numpy(np.frombuffer(content, dtype).copy()).to(device)
