"""What a drawing of evidence shows."""

from __future__ import annotations

import numpy as np

from blcf.matches import middles, strongest_pairs, summary
from blcf.records import Evidence


def evidence(*rows: tuple) -> Evidence:
    """Rows of a word, a cell of the query, a cell of the image, a contribution, descending."""
    return Evidence(
        np.array([row[0] for row in rows], dtype=np.int32),
        np.array([row[1] for row in rows], dtype=np.int32).reshape(-1, 3),
        np.array([row[2] for row in rows], dtype=np.int32).reshape(-1, 2),
        np.array([row[3] for row in rows], dtype=np.float64),
        ((2, 4), (2, 4)),
        (2, 4),
    )


SOME = evidence(
    (1, (0, 0, 0), (0, 0), 0.4),
    (1, (0, 1, 0), (0, 0), 0.3),  # a cell of the image that has a line
    (2, (1, 2, 1), (3, 1), 0.2),
    (3, (-1, -1, -1), (1, 1), 0.1),
    (4, (0, 3, 0), (2, 0), -0.5),
)


def test_the_strongest_pairs():
    assert strongest_pairs(SOME, [0, 1], 9).tolist() == [0, 2]
    assert strongest_pairs(SOME, [0, 1], 1).tolist() == [0]
    assert strongest_pairs(SOME, [1], 9).tolist() == [2]
    assert strongest_pairs(SOME, [], 9).size == strongest_pairs(evidence(), [0], 9).size == 0


def test_middles():
    cells = np.array([[0, 0], [3, 1]])
    np.testing.assert_allclose(middles(cells, (80, 20), (2, 4)), [[10, 5], [70, 15]])


def test_the_summary():
    rows = strongest_pairs(SOME, [0, 1], 9)
    box = np.array([0, 0, 20, 10])
    assert summary(SOME, rows, box, (80, 20)) == (
        "3 words in common; 2 joined by lines (180% of the score); 140% in the box; "
        "20% by words that no example shows"
    )
    assert summary(evidence(), rows[:0], None, None) == "0 words in common"
