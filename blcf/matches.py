"""What a drawing of evidence shows: the pairs of cells that it joins, and shares of the score."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from blcf.records import Evidence

__all__ = ["middles", "share_text", "strongest_pairs", "summary"]


def strongest_pairs(evidence: Evidence, examples: Collection[int], n: int) -> np.ndarray:
    """The pairs of cells that add the most to the score; a cell is in one of them at most.

    The words of an upsampled map fill squares of cells, whose pairs would draw the same line
    sixteen times.

    Parameters
    ----------
    evidence : with the cells of query pictures
    examples : the query pictures that are shown, 0 the first
    n : how many pairs, at most

    Returns
    -------
    int64 (n,), rows of the evidence, the strongest first
    """
    shown = np.isin(evidence.query_cells[:, 0], list(examples))
    rows = np.flatnonzero((evidence.contributions > 0) & shown)
    for cells in (evidence.image_cells, evidence.query_cells):
        numbers = cells[rows] @ (2 ** (20 * np.arange(cells.shape[1])))  # one figure per cell
        _, firsts = np.unique(numbers, return_index=True)
        rows = rows[np.sort(firsts)]
    return rows[:n]


def middles(cells: np.ndarray, size: tuple[int, int], shape: tuple[int, int]) -> np.ndarray:
    """Middles of cells in a picture: float64 (n, 2), x and y, pixels from its upper left corner.

    Parameters
    ----------
    cells : int (n, 2), x and y
    size : (width, height) of the picture, pixels
    shape : (h, w) of the map
    """
    return (cells + 0.5) * np.array(size) / np.array(shape[::-1])


def summary(
    evidence: Evidence, rows: np.ndarray, box: np.ndarray | None, size: tuple[int, int] | None
) -> str:
    """How much there is to see, and the shares of the score.

    Parameters
    ----------
    evidence : of the score
    rows : the pairs that are joined, from `strongest_pairs`
    box : of the hit, xyxy, pixels; None where there is none
    size : (width, height) of the picture of the hit, pixels; None where it is not shown
    """
    score, contributions = evidence.score, evidence.contributions
    elsewhere = evidence.query_cells[:, 0] < 0
    parts = [f"{np.unique(evidence.words[~elsewhere]).size} words in common"]
    joined = np.isin(evidence.words, evidence.words[rows])
    if rows.size:
        share = share_text(contributions[joined].sum(), score, " ({} of the score)")
        parts.append(f"{np.unique(evidence.words[rows]).size} joined by lines{share}")
    if box is not None and size is not None:
        x, y = middles(evidence.image_cells, size, evidence.image_shape).T
        x1, y1, x2, y2 = (float(edge) for edge in box)
        inside = (x1 <= x) & (x < x2) & (y1 <= y) & (y < y2)
        parts.append(share_text(contributions[inside].sum(), score, "{} in the box"))
    if elsewhere.any():
        share = share_text(contributions[elsewhere].sum(), score, "{} by ")
        parts.append(f"{share}words that no example shows")
    return "; ".join(part for part in parts if part)


def share_text(part: float, score: float, text: str) -> str:
    """A share of a score within a text; nothing where the score has none."""
    return text.format(f"{part / score:.0%}") if score > 0 else ""
