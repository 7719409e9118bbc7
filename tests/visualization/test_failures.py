"""The contact sheet of failures: a row per query, frames by truth, what was missed."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from blcf.errors import InvalidInput, StorageError
from blcf.visualization import Failure, FailurePicture, plot_failures
from blcf.visualization.failures import COLOURS, MAX_ROWS
from blcf.visualization.ranking import FRAME as THIN
from blcf.visualization.ranking import HIT_COLOUR, QUERY_COLOUR


def pixels(width: int = 30, height: int = 20, value: int = 90) -> np.ndarray:
    return np.full((height, width, 3), value, dtype=np.uint8)


BOX = np.array([2, 3, 12, 13])
QUERY = FailurePicture(pixels(), "Mini\nAP 0.135, 34 to find", BOX)
HITS = [
    FailurePicture(pixels(), "junk  0.9\na.jpg", BOX, "junk"),
    FailurePicture(pixels(20, 30), "1.  0.5\nb.jpg", None, "wrong"),
    FailurePicture(pixels(), "2.  0.4\nc.jpg", BOX, "positive"),
]
MISSED = FailurePicture(pixels(value=200), "next true: 57.  0.1\nd.jpg", BOX, "positive")


def frame(axes) -> str:
    (colour,) = {to_hex(spine.get_edgecolor(), keep_alpha=True) for spine in axes.spines.values()}
    return "" if colour.endswith("00") else colour[:7]


def test_a_row_is_the_query_its_hits_and_what_was_missed():
    figure = plot_failures([Failure(QUERY, HITS, MISSED)], title="the worst $of$ all")
    expected = [QUERY, *HITS, MISSED]
    assert [axes.get_title() for axes in figure.axes] == [one.title for one in expected]
    assert [frame(axes) for axes in figure.axes] == [
        THIN if one.truth is None else COLOURS[one.truth] for one in expected
    ]
    for axes, one in zip(figure.axes, expected):
        np.testing.assert_array_equal(axes.images[0].get_array(), one.picture)
        colour = QUERY_COLOUR if one is QUERY else HIT_COLOUR
        edges = [to_hex(patch.get_edgecolor()) for patch in axes.patches]
        assert edges == ([] if one.box is None else ["#ffffff", colour])
    assert figure.get_suptitle() == "the worst $of$ all"
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert shown == ["shows the object", "does not show it", "counts neither way"]


def test_the_places_of_the_pictures():
    """Left to right in a row, the rows below each other, nothing upon another or cut off."""
    rows = [Failure(QUERY, HITS, MISSED), Failure(QUERY, HITS[:1], "none found")]
    figure = plot_failures(rows)
    places = [axes.get_position(original=True) for axes in figure.axes]
    first, second = places[:5], places[5:]
    assert len(second) == 3
    for row in (first, second):
        assert all(a.x1 < b.x0 and a.y0 == b.y0 for a, b in zip(row, row[1:]))
    assert second[0].y1 < first[0].y0
    assert [one.x0 for one in second] == [first[0].x0, first[1].x0, first[-1].x0]
    assert all(0 < one.x0 < one.x1 < 1 and 0 < one.y0 < one.y1 < 1 for one in places)
    assert figure.axes[-1].texts[0].get_text() == "none found"


def test_a_picture_that_is_missing_and_a_long_name():
    title = f"1.  0.5\n{'folder/' * 9}end.jpg"
    gone = FailurePicture("there is no such file", title, None, "wrong")
    figure = plot_failures([Failure(FailurePicture("gone", "q"), [gone], "none found")])
    assert "no picture:\ngone" in figure.axes[0].texts[0].get_text()
    assert "no such file" in figure.axes[1].texts[0].get_text()
    assert frame(figure.axes[1]) == COLOURS["wrong"]
    name = figure.axes[1].get_title().split("\n")[1]
    assert name.startswith("…") and name.endswith("end.jpg") and len(name) < 30


def test_no_hits():
    assert len(plot_failures([Failure(QUERY, [], "none found")]).axes) == 2


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_it_writes_a_picture(tmp_path, ending):
    path = tmp_path / f"sheet.{ending}"
    figure = plot_failures([Failure(QUERY, HITS, MISSED)], path=path)
    assert path.stat().st_size > 1000
    if ending == "png":
        with Image.open(path) as written:
            seen = np.asarray(written.convert("RGB"))
        assert seen.shape[1] == pytest.approx(100 * figure.get_figwidth(), abs=1)
        for colour in COLOURS.values():
            rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
            assert (seen == rgb).all(axis=2).sum() > 200


def test_mistakes(tmp_path):
    row = Failure(QUERY, HITS, MISSED)
    for rows in ([], [row] * (MAX_ROWS + 1)):
        with pytest.raises(InvalidInput, match=f"1 to 100 failures to draw, got {len(rows)}"):
            plot_failures(rows)
    with pytest.raises(InvalidInput, match="positive, wrong, junk, got None"):
        plot_failures([Failure(QUERY, [QUERY], MISSED)])
    with pytest.raises(InvalidInput, match="got 'good'"):
        plot_failures([Failure(QUERY, [], FailurePicture(pixels(), truth="good"))])
    with pytest.raises(StorageError, match="No such file"):
        plot_failures([row], path=tmp_path / "no" / "where.png")
    with pytest.raises(InvalidInput, match="xyz"):
        plot_failures([row], path=tmp_path / "sheet.xyz")
