"""What the page of refinement counts."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.refinement.__main__ import by_size, corners_of, overlap


def test_the_overlap_of_outlines():
    one, other = corners_of((0, 0, 99, 99)), corners_of((50, 0, 149, 99))
    assert overlap(one, one, (200, 100)) == 1
    assert overlap(one, other, (200, 100)) == pytest.approx(1 / 3, abs=0.01)
    rhombus = np.array([(50, 0), (99, 50), (50, 99), (0, 50)])
    assert overlap(one, rhombus, (200, 100)) == pytest.approx(0.5, abs=0.02)
    assert overlap(one, corners_of((150, 0, 199, 99)), (200, 100)) == 0


def test_what_is_not_ranked_counts_as_not_found():
    # Refined, share of the picture, IoU by votes and by keypoints.
    rows = np.array([(1, 0.03, 0.4, 0.9), (0, 0.04, 0.6, 0.6), (0, 0.3, 0.7, 0.7)])
    found = {one["least"]: one for one in by_size(rows, np.array([0.03, 0.005]))}
    assert found[0.02] == {
        **{"least": 0.02, "most": 0.05, "true": 3},
        **{"ranked": 0.6667, "votes": 0.3333, "keypoints": 0.6667},
    }
    assert found[0]["true"] == 1 and found[0]["ranked"] == 0 and found[0.1]["true"] == 0
    assert found[0.25]["votes"] == 1
