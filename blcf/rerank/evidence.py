"""Why a hit has its score: what every pair of cells that show the same word adds to it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from blcf.checks import as_assignment_map, as_cell_weights
from blcf.errors import InvalidInput, VocabularyMismatch
from blcf.records import Evidence, View

__all__ = ["join_evidence", "region_evidence", "scaled"]

# 0.14 s and 63 MB. Whole pictures of logos (34 x 46 cells) have 75,454 pairs at most, shelves
# (70 x 94 cells, 335 words) 238,432; two flat walls of one word would have 43 million.
MOST_PAIRS = 500_000
NO_CELL = -1  # three times: the query's cell of a word that no example shows

_Cells = tuple[np.ndarray, np.ndarray, np.ndarray]  # kinds of word, places, shares of their word


def region_evidence(
    examples: Sequence[View],
    wanted: np.ndarray,
    idf: np.ndarray,
    words: np.ndarray,
    weights: np.ndarray,
    *,
    norm: float | None = None,
    cells: tuple[int, int, int, int] | None = None,
    sqrt: bool = False,
    share: float = 1.0,
) -> Evidence:
    """What the cells of a window, or of a whole image, add to its cosine with a query.

    With ``tf_w`` the weights of the window's cells of word w, summed, and ``g(tf) = tf`` or
    ``sqrt(tf)``, the word contributes ``share * wanted_w g(tf_w) / norm``. Each of its cells in the
    window contributes in proportion to its weight, and so does each of its cells in the examples.
    The contributions sum to ``share`` times the cosine.

    Parameters
    ----------
    examples : the views of the query pictures. A word that none of them shows (query expansion or
        the words near one brought it in) has one row per cell of the image, without a query's cell.
    wanted : float (n_words,), the normalised query vector times idf; may be negative
    idf : float (n_words,), the weights of the words (ones where idf is off)
    words : int (h, w), the assignment map of the image
    weights : float (h, w), >= 0, of its cells. The bag of an image counts in eighths: rounded
        likewise, the sum is the score of the index; unrounded, that of the local search.
    norm : L2 norm of the vector that the window is a part of; None takes the window's own,
        ``sqrt(sum_w (g(tf_w) idf_w)^2)``. A window of norm 0 has no evidence and score 0.
    cells : (x1, y1, x2, y2), half-open, cells: the window; None takes the whole image
    sqrt : whether counts are rooted, as in the index
    share : of this window in a score that several make up

    Returns
    -------
    Evidence
        Equal contributions by cell of the image, then of the query, row by row. Contributions of 0
        are left out. Where there would be more than 500,000 pairs, the words of the most pairs have
        fewer: their cells, row by row, are joined in as few as keep what each cell contributes.

    Raises
    ------
    InvalidInput, VocabularyMismatch

    Examples
    --------
    >>> import numpy as np
    >>> from blcf.records import View
    >>> query = View(np.array([[1, 0]]), np.ones((1, 2)), bag=None)
    >>> one, words = np.ones(3), np.array([[2, 2, 1]])
    >>> found = region_evidence([query], one, one, words, np.ones((1, 3)), norm=4)
    >>> found.words.tolist(), found.image_cells.tolist(), found.contributions.tolist()
    ([2, 2, 1], [[0, 0], [1, 0], [2, 0]], [0.25, 0.25, 0.25])
    >>> found.query_cells.tolist()
    [[-1, -1, -1], [-1, -1, -1], [0, 0, 0]]
    """
    wanted, idf = _checked_words(wanted, idf)
    words, weights = _checked_map("the image", words, weights, wanted.size)
    shown = [
        _checked_map(f"example {number}", example.assignment_map, example.weights, wanted.size)
        for number, example in enumerate(examples)
    ]
    (h, w), (x1, y1, x2, y2) = words.shape, cells or (0, 0, *words.shape[::-1])
    if not (0 <= x1 < x2 <= w and 0 <= y1 < y2 <= h):
        raise InvalidInput(
            f"Expected a window x1,y1,x2,y2 inside a map of {w}x{h} cells, got {cells}."
        )
    if not np.isfinite(share) or (norm is not None and not 0 <= norm < np.inf):
        raise InvalidInput(f"Expected a finite share and norm >= 0, got {share} and {norm}.")

    places, image_weights = _counting(weights[y1:y2, x1:x2])
    places += (x1, y1)
    found, kinds = np.unique(words[places[:, 1], places[:, 0]], return_inverse=True)
    tf = np.bincount(kinds, weights=image_weights, minlength=found.size)
    values = np.sqrt(tf) if sqrt else tf
    if norm is None:
        norm = float(np.linalg.norm(values * idf[found]))
    scores = share * wanted[found] * values / norm if norm > 0 else np.zeros(found.size)
    kept = scores[kinds] != 0
    image = kinds[kept], places[kept], (image_weights / tf[kinds])[kept]
    query = _query_cells(shown, found)
    image_rows, query_rows, shares = _join(image, query, found.size)
    contributions = scores[image[0][image_rows]] * shares
    return _sorted(
        found[image[0][image_rows]],
        query[1][query_rows],
        image[1][image_rows],
        contributions,
        tuple(example_words.shape for example_words, _ in shown),
        words.shape,
    )


def join_evidence(parts: Sequence[Evidence]) -> Evidence:
    """The evidence of a score that is the sum of several, of the same pictures.

    Rows of the same word and cells are added up; equal contributions are ordered as in
    `region_evidence`.

    Raises
    ------
    InvalidInput
        No part, or parts of maps of other shapes.
    """
    shapes = {(part.query_shapes, part.image_shape) for part in parts}
    if len(shapes) != 1:
        raise InvalidInput(
            f"Expected evidence of the same pictures, maps of one shape, got {sorted(shapes)}."
        )
    ((query_shapes, image_shape),) = shapes
    words = np.concatenate([part.words for part in parts])
    query_cells = np.concatenate([part.query_cells for part in parts])
    image_cells = np.concatenate([part.image_cells for part in parts])
    contributions = np.concatenate([part.contributions for part in parts])
    # One number per row: the cell of the image, then of the query, row by row, then the word.
    firsts = np.cumsum([0, *(h * w for h, w in query_shapes)])
    widths = np.array([*(w for _, w in query_shapes), 0])
    example, x, y = query_cells.T.astype(np.int64)
    places = np.where(example < 0, 0, 1 + firsts[example] + y * widths[example] + x)
    places += (image_cells[:, 1] * np.int64(image_shape[1]) + image_cells[:, 0]) * (firsts[-1] + 1)
    known, kinds = np.unique(words, return_inverse=True)
    _, rows, numbers = np.unique(
        places * known.size + kinds, return_index=True, return_inverse=True
    )
    sums = np.bincount(numbers, weights=contributions, minlength=rows.size)
    return _sorted(
        words[rows], query_cells[rows], image_cells[rows], sums, query_shapes, image_shape
    )


def scaled(evidence: Evidence, score: float) -> Evidence:
    """The evidence with all contributions multiplied so that they sum to a score.

    Raises
    ------
    InvalidInput
        A score that is not finite, or not 0 where the contributions sum to 0.
    """
    total = evidence.score
    if not np.isfinite(score) or (total == 0 and score != 0):
        raise InvalidInput(
            f"Expected evidence that can be scaled to its score, got a sum of {total} for a score "
            f"of {score}. Evidence of another image or another query?"
        )
    factor = score / total if total else 1.0
    return _sorted(**vars(evidence) | {"contributions": evidence.contributions * factor})


def _sorted(words, query_cells, image_cells, contributions, query_shapes, image_shape) -> Evidence:
    """Evidence by contribution descending; rows come in the order of ties."""
    order = np.argsort(-contributions, kind="stable")
    order = order[contributions[order] != 0]
    return Evidence(
        words[order].astype(np.int32),
        query_cells[order].astype(np.int32),
        image_cells[order].astype(np.int32),
        contributions[order],
        query_shapes,
        image_shape,
    )


def _counting(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cells of weights above 0, row by row: int64 (n, 2), x and y; float64 (n,)."""
    y, x = np.nonzero(weights)
    return np.stack([x, y], axis=1), weights[y, x]


def _query_cells(shown: list[tuple[np.ndarray, np.ndarray]], found: np.ndarray) -> _Cells:
    """The query's cells of each found word, row by row; where there are none, one `NO_CELL`."""
    kinds, places, values = [], [], []
    for number, (words, weights) in enumerate(shown):
        cells, value = _counting(weights)
        word = words[cells[:, 1], cells[:, 0]]
        same = np.isin(word, found)
        kinds.append(np.searchsorted(found, word[same]))
        places.append(np.insert(cells[same], 0, number, axis=1))
        values.append(value[same])
    missing = np.setdiff1d(np.arange(found.size), np.concatenate([*kinds, []]))
    kind = np.concatenate([*kinds, missing])
    place = np.concatenate([*places, np.full((missing.size, 3), NO_CELL)])
    value = np.concatenate([*values, np.ones(missing.size)])
    order = np.argsort(kind, kind="stable")
    kind, place, value = kind[order], place[order], value[order]
    return kind, place, value / np.bincount(kind, weights=value, minlength=found.size)[kind]


def _join(image: _Cells, query: _Cells, n_kinds: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of the image's and of the query's cells that are pairs, and their shares of a word.

    In the order of the image's cells, then of the query's; `MOST_PAIRS` and one per cell at most.
    """
    image_counts = np.bincount(image[0], minlength=n_kinds)
    query_counts = np.bincount(query[0], minlength=n_kinds)
    n_pairs = image_counts * query_counts
    by_size = np.argsort(n_pairs, kind="stable")
    paired = np.empty(n_kinds, dtype=bool)
    paired[by_size] = np.cumsum(n_pairs[by_size]) <= MOST_PAIRS

    image_rows = np.flatnonzero(paired[image[0]])
    kinds = image[0][image_rows]
    n_each = query_counts[kinds]
    starts = np.cumsum(query_counts) - query_counts  # the query's cells are sorted by kind
    skipped = np.cumsum(n_each) - n_each
    query_rows = np.arange(n_each.sum()) + np.repeat(starts[kinds] - skipped, n_each)
    shares = np.repeat(image[2][image_rows], n_each) * query[2][query_rows]
    image_rows = np.repeat(image_rows, n_each)
    if paired.all():
        return image_rows, query_rows, shares

    more = _side_by_side(image, query, np.flatnonzero(~paired & (image_counts > 0)))
    joined = [np.concatenate(both) for both in zip((image_rows, query_rows, shares), more)]
    order = np.lexsort((joined[1], joined[0]))
    return joined[0][order], joined[1][order], joined[2][order]


def _side_by_side(image: _Cells, query: _Cells, chosen: np.ndarray):
    """Pairs of chosen kinds whose shares sum to the shares of each cell, as few as that takes.

    On a line each kind has a unit of its own, cut by the image's cells and by the query's.
    """
    rows, ends = [], []
    for kinds, _, shares in (image, query):
        row = np.flatnonzero(np.isin(kinds, chosen))
        row = row[np.argsort(kinds[row], kind="stable")]
        unit = np.searchsorted(chosen, kinds[row])
        end = np.clip(np.cumsum(shares[row]), unit, unit + 1)
        end[np.flatnonzero(np.diff(unit, append=chosen.size))] = np.arange(1, chosen.size + 1)
        rows.append(row)
        ends.append(end)
    cuts = np.unique(np.concatenate(ends))
    image_rows, query_rows = (row[np.searchsorted(end, cuts)] for row, end in zip(rows, ends))
    return image_rows, query_rows, np.diff(cuts, prepend=0)


def _checked_words(wanted: np.ndarray, idf: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    wanted, idf = np.asarray(wanted, dtype=np.float64), np.asarray(idf, dtype=np.float64)
    if wanted.ndim != 1 or wanted.shape != idf.shape:
        raise VocabularyMismatch(
            "Expected wanted and idf of one figure per word, got shapes "
            f"{wanted.shape} and {idf.shape}. Use LocalSearch.prepare."
        )
    if not np.isfinite(wanted).all() or not np.isfinite(idf).all():
        raise InvalidInput("Expected wanted and idf to be finite.")
    return wanted, idf


def _checked_map(
    what: str, words: np.ndarray, weights: np.ndarray, n_words: int
) -> tuple[np.ndarray, np.ndarray]:
    """A map and its weights, int (h, w) and float64 (h, w)."""
    words = as_assignment_map(words, n_words, what)
    return words.astype(np.int64), as_cell_weights(weights, words.shape, what).astype(
        np.float64
    )
