"""A picture of the collection, searched with a part of itself, comes first with score 1."""

from __future__ import annotations

import numpy as np
import pytest

from blcf import Example

BOXES = [(5, 9, 70, 61), (33, 40, 118, 90), (80, 3, 125, 30), (17, 60, 40, 127)]


@pytest.mark.parametrize("windows", ["votes", "grid"])
@pytest.mark.parametrize("box", BOXES, ids=str)
def test_a_box(planted, box, windows):
    """Votes and grid alone come near the box; it is known where it is."""
    engine = planted.engine(weighting="norm", idf=False)
    for number in range(6, 12):  # of the others a box in the object may be found again, exactly
        hits = engine.search(frame=f"{number:02d}.png", box=box, windows=windows)
        assert hits[0].name == f"{number:02d}.png"
        assert hits[0].score == pytest.approx(1, abs=1e-6)
        assert hits[0].score > hits[1].score
        own = hits[0].box
        assert own[0] <= box[0] + 16 and own[2] >= box[2] - 16, "its box, or one of equal cells"
        assert hits[0].evidence().score == pytest.approx(hits[0].score, abs=1e-6)


@pytest.mark.parametrize(
    "region",
    [
        {"polygon": [(3, 3), (100, 20), (40, 110)]},
        {"polygon": [(3, 3), (100, 20), (40, 110)], "how": "soft"},
        {"box": (20, 20, 90, 75), "how": "distance"},
        {"mask": np.eye(128, dtype=bool)},
        {},
    ],
    ids=str,
)
def test_other_regions(planted, region):
    """A window is a box; the region itself is compared with itself."""
    engine = planted.engine(weighting="norm", idf=False)
    hits = engine.search(frame="07.png", keep_whole=False, **region)
    assert hits[0].name == "07.png" and hits[0].score == pytest.approx(1, abs=1e-6)


def test_expansion_keeps_it_a_candidate_only(planted):
    """What is searched for is then more than the picture: its score is that of the region."""
    engine = planted.engine(weighting="norm", idf=False)
    options = {"expand": "local", "guard": "none", "n_expand": 3}
    hits = engine.search(frame="02.png", box=(33, 40, 118, 90), **options)
    own = hits.scores[hits.names.index("02.png")]
    assert 0.5 < own < 1
    assert (np.diff(hits.scores) <= 1e-6).all()


def test_several_examples(planted):
    """One query of two pictures: neither is all of it; evidence sums to the scores."""
    engine = planted.engine(weighting="norm", idf=False)
    hits = engine.search(frame="02.png", box=BOXES[0], examples=[Example(frame="07.png")])
    own = [hits[hits.names.index(name)] for name in ("02.png", "07.png")]
    assert max(hit.score for hit in own) < 1
    for hit in own:
        assert hit.evidence().score == pytest.approx(hit.score, abs=2e-5)
