"""The state of the page and its address say the same, whatever stands in either."""

from __future__ import annotations

from typing import Any

import numpy as np

from blcf.pages.pictures import outlines, rectangles

STATES = [
    {"collection": "a b&c=#", "folder": "x/ü/<b>", "film": "f @ 1.mp4", "opened": "id%20"},
    {
        "collection": "frames",
        "examples": [
            {"kind": "id", "id": "a@box=1,2,3,4", "box": [1, 2.5, 30, 40], "polygon": None},
            {"kind": "upload", "id": "0f", "box": None, "polygon": [[1, 2], [3.5, 4], [5, 6]]},
            {"kind": "id", "id": "ü&q=;,:", "box": None, "polygon": None},
        ],
        "negatives": [{"kind": "id", "id": "%", "box": [0, 0, 1, 1], "polygon": None}],
        "options": {"k": "5", "where": "camera = 'A' AND x LIKE '%&;#%'", "shares": "1,2"},
        "searched": True,
        "why": True,
    },
]
SAME = """async (states) => {
  const { EMPTY, read, written } = await import("/page/state.js");
  return states.map((state) => {
    const whole = { ...EMPTY, ...state };
    history.replaceState(null, "", written(whole));  // a browser may write it in another way
    return [whole, read(location.hash), written(read(location.hash)) === written(whole)];
  });
}"""
HURT = """async (texts) => {
  const { read, written } = await import("/page/state.js");
  return texts.map((text) => written(read(text)) === written(read(written(read(text)))));
}"""


def test_an_address_says_its_state(page: Any) -> None:
    for whole, again, is_same in page.evaluate(SAME, STATES):
        assert again == whole and is_same


def test_any_text_is_an_address(page: Any) -> None:
    rng = np.random.default_rng(0)
    letters = list("#&=%@:;,.<>q0123456789boxidnt/\\ \u00fc\u0000")
    texts = ["".join(rng.choice(letters, size=rng.integers(1, 60))) for _ in range(300)]
    texts += ["q=id:%E0%A4%A@box=1,2,3,4", "q=id:a@box=1,2,3", "q=id:a@polygon=1;2", "hits=1"]
    assert all(page.evaluate(HURT, texts))


def test_boxes_are_drawn_as_in_the_pages_that_are_files(page: Any) -> None:
    drawn = page.evaluate(
        """async (box) => {
          const { rectangles } = await import("/page/elements.js");
          return rectangles("found", box).map((one) =>
            ["class", "x", "y", "width", "height"].map((name) => one.getAttribute(name)));
        }""",
        [1, 2, 31, 42.5],
    )
    written = rectangles("found", np.array([1, 2, 31, 42.5]))
    for kind, *figures in drawn:
        x, y, width, height = (float(one) for one in figures)
        same = f'class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
        assert same in written


def test_an_outline_stands_for_the_first_box(page: Any) -> None:
    corners = [[1, 2], [31, 4], [30, 42.5], [0, 40]]
    drawn = page.evaluate(
        """async (outline) => {
          const { boxesOf, framed } = await import("/page/pictures.js");
          const box = [0, 2, 31, 42.5];
          const boxes = boxesOf({ box, boxes: [box, [5, 5, 9, 9]], outline });
          const frame = framed("/none", { width: 40, height: 50 }, boxes);
          return [...frame.querySelectorAll("polygon, rect")].map((one) =>
            [one.tagName, one.getAttribute("class"), one.getAttribute("points")]);
        }""",
        corners,
    )
    kinds = [("polygon", "found under"), ("polygon", "found")]
    assert [tuple(one[:2]) for one in drawn[:2]] == kinds
    assert [one[0] for one in drawn[2:]] == ["rect", "rect"]
    assert drawn[0][2] == "1,2 31,4 30,42.5 0,40"
    assert outlines("found", np.array(corners)).count('points="1.0,2.0 31.0,4.0 30.0,42.5') == 2
