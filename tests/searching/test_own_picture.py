"""A picture of the collection, searched with a part of itself, comes first with score 1."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

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


SIZES = (1.0, 0.5, 0.75, 1.5)


@pytest.mark.parametrize("as_array", [False, True])
@pytest.mark.parametrize("box", [*BOXES, None], ids=str)
def test_the_file_of_a_picture(planted, box, as_array):
    """Looked at in several sizes; the one in which it was indexed is recognised."""
    engine = planted.engine(weighting="norm", idf=False)
    for number in range(6, 12):
        path = planted.path(number)
        picture = np.asarray(Image.open(path).convert("RGB")) if as_array else path
        hits = engine.search(picture, box=box, query_scales=SIZES)
        first = hits[0]
        assert first.name == f"{number:02d}.png"
        assert first.score == pytest.approx(1, abs=1e-6) and first.score > hits[1].score
        assert first.box.tolist() == list(box or (0, 0, 128, 128))
        evidence = first.evidence()
        assert evidence.score == pytest.approx(1, abs=1e-6)
        assert set(evidence.query_cells[:, 0]) <= {0}, "of its own size alone"


def test_the_frame_and_the_file_agree(planted):
    engine = planted.engine(weighting="norm", idf=False)
    of_file = engine.search(planted.path(8), box=BOXES[0], query_scales=SIZES)[0]
    of_frame = engine.search(frame="08.png", box=BOXES[0])[0]
    assert of_file.score == pytest.approx(of_frame.score, abs=1e-6)
    assert of_file.box.tolist() == of_frame.box.tolist()


def test_other_things_than_the_picture_alone(planted):
    """An expanded query, or one with negatives, is more than the picture."""
    engine = planted.engine(weighting="norm", idf=False)
    path, box = planted.path(2), (33, 40, 118, 90)
    options = {"box": box, "query_scales": SIZES, "k": 12}
    alone = engine.search(path, **options)
    assert alone.scores[alone.names.index("02.png")] == pytest.approx(1, abs=1e-6)
    expanded = engine.search(path, expand="local", guard="none", n_expand=3, **options)
    negative = engine.search(path, negatives=[Example(frame="07.png")], **options)
    for hits in (expanded, negative):
        own = hits[hits.names.index("02.png")]
        assert 0.5 < own.score < 0.999
        assert own.evidence().score == pytest.approx(own.score, abs=2e-5)


@pytest.mark.parametrize("windows", ["votes", "grid"])
@pytest.mark.parametrize("as_frame", [True, False])
def test_a_small_part_far_from_its_own_picture(planted, as_frame, windows):
    """A tile that fills other scenes more than its own: the first `depth` do not hold its scene."""
    engine = planted.engine(weighting="norm", idf=False)
    missed, step = 0, 7 if as_frame else 28  # a file goes through the network each time
    for number, words in enumerate(planted.maps):
        for y, x in np.argwhere(words >= 0)[number % 7 :: step].tolist():
            box = (16 * x, 16 * y, 16 * x + 16, 16 * y + 16)
            name = f"{number:02d}.png"
            asked = {"frame": name} if as_frame else {"image": planted.path(number)}
            asked |= {"box": box, "depth": 1, "windows": windows}
            plain = engine.search(**asked, rerank=False, k=12)
            missed += plain.names[0] != name
            hits = engine.search(**asked, k=12)
            assert hits.scores[hits.names.index(name)] == pytest.approx(1, abs=1e-6)
            assert sorted(hits.names) == sorted(plain.names)
            assert (np.diff(hits.scores) <= 1e-6).all()
            among = {"where": f"name != '{name}'"}
            assert name not in engine.search(**asked, **among, k=12).names
    assert missed > 60 / step


@pytest.mark.parametrize("scales", [(0.5, 1.0), (2, 1, 0.5)])
def test_whichever_size_comes_first(planted, scales):
    """The size of the collection's pictures is the one by which its own are known."""
    engine = planted.engine(weighting="norm", idf=False)
    hits = engine.search(planted.path(7), box=BOXES[0], query_scales=scales)
    assert hits[0].name == "07.png" and hits[0].score == pytest.approx(1, abs=1e-6)


def test_no_more_pictures_than_are_looked_into(planted):
    engine = planted.engine(weighting="norm", idf=False)
    examples = [Example(frame=f"{number:02d}.png", box=BOXES[2]) for number in (7, 8, 9)]
    hits = engine.search(examples=examples, depth=1)
    assert (np.diff(hits.scores[1:]) <= 1e-6).all()
