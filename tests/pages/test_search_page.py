"""The page of a search: whole, offline, each hit linked to its file and to why it was found."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from html_page import read_page
from PIL import Image

from blcf.pages import Card, Section, open_search_page
from blcf.records import Evidence

BOX = np.array([2, 3, 20, 17], dtype=np.float32)
FACTS = [("pictures", "1,234")]


@pytest.fixture
def images(tmp_path):
    made = []
    for name in ("q.png", "a & b.png", "c.png"):
        pixels = np.random.default_rng(len(made)).integers(0, 256, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
        made.append(tmp_path / name)
    return made


def evidence(n_examples: int = 1) -> Evidence:
    """Two matches of each example, and what takes from the score."""
    rows = [((n, x, 1), (x + n, 0), 0.2) for n in range(n_examples) for x in (0, 2)]
    rows.append(((0, 3, 2), (3, 2), -0.05))
    return Evidence(
        np.arange(len(rows), dtype=np.int32),
        np.array([row[0] for row in rows], dtype=np.int32),
        np.array([row[1] for row in rows], dtype=np.int32),
        np.array([row[2] for row in rows]),
        ((3, 4),) * n_examples,
        (3, 4),
    )


def section(images, n_examples=1, **changes) -> Section:
    query, *hits = images
    cards = [
        Card(path.name, 0.5, path, [("found", BOX)], partial(evidence, n_examples))
        for path in hits
    ]
    how = {"title": "q.png", "says": "2 hits", "cards": cards, "examples": [(query, BOX)]}
    return Section(**{**how, **changes})


def write(path: Path, *sections, titles=None):
    titles = titles or [one.title for one in sections]
    with open_search_page(path, titles, FACTS, "In c.blcf") as page:
        for one in sections:
            page.add(one)
    return read_page(path)


def test_a_query_and_its_hits(images, tmp_path):
    page = write(tmp_path / "page.html", section(images))
    cards = [found for tag, found in page.elements if tag == "li" and "class" in found]
    assert len(cards) == 2
    assert "1. score 0.500a & b.png" in page.text and "2. score 0.500c.png" in page.text
    assert "box 2, 3, 20, 17 (pixels)" in page.text and "1,234" in page.text
    links = {reference for tag, reference in page.references if tag == "a"}
    assert links == {path.as_uri() for path in images}
    assert sum(tag == "image" and "id" in found for tag, found in page.elements) == 3
    assert "All queries" not in page.text, "there is one"


def test_why(images, tmp_path):
    """Heat over both, a line for each match, and the shares in words."""
    page = write(tmp_path / "page.html", section(images))
    assert sum(tag == "details" for tag, _ in page.elements) == 2
    assert page.text.count("3 words in common; 2 joined by lines (114% of the score)") == 2
    lines = [f for tag, f in page.elements if tag == "path" and f["class"].startswith("line")]
    assert len(lines) == 4
    # Cells (0, 1) and (0, 0) of 3 x 4: a picture of 40 x 30 is drawn 480 x 360, 24 between them.
    assert "M60.0 180.0L564.0 60.0" in [one["d"] for one in lines]
    heats = [f for tag, f in page.elements if tag == "image" and "id" not in f]
    assert len(heats) == 4 and all(one["href"].startswith("data:image/png") for one in heats)


def test_several_examples_stand_below_each_other(images, tmp_path):
    query, *hits = images
    both = [(query, None), (hits[0], BOX)]
    page = write(tmp_path / "page.html", section(images, 2, examples=both))
    assert "example 1the whole picture" in page.text and "example 2box 2" in page.text
    lines = [f["d"] for tag, f in page.elements if tag == "path" and f["class"].startswith("line")]
    starts = {float(one.split()[1].split("L")[0]) for one in lines}
    assert starts == {90.0, 270.0}, "180 high each"


def test_several_queries_are_listed_and_pictures_embedded_once(images, tmp_path):
    page = write(tmp_path / "page.html", section(images), section(images, title="b"))
    assert "All queries" in page.text
    assert [ref for tag, ref in page.references if ref.startswith("#q")] == ["#q1", "#q2"]
    assert sum(tag == "image" and "id" in found for tag, found in page.elements) == 3


def test_no_picture_and_no_evidence(images, tmp_path):
    gone = [images[0], tmp_path / "gone.png"]
    page = write(
        tmp_path / "page.html",
        section(gone),
        section(images, examples=[(None, None)]),
        section(images, cards=[Card("c.png", 0.25, images[2])]),
    )
    assert "no picture: there is no such file" in page.text
    assert "no picture: it is not at hand" in page.text
    assert page.text.count("words in common") == 3


@pytest.mark.parametrize("name", ['<b onclick="x">&', "two\nlines", "caf\udce9"])
def test_names_are_text(images, tmp_path, name):
    cards = [Card(name, 0.5, images[1], mark="<b>the query itself</b>")]
    page = write(tmp_path / "page.html", section(images, title=name, cards=cards))
    assert not [found for tag, found in page.elements if "onclick" in found]


def test_a_query_that_was_skipped(images, tmp_path):
    with open_search_page(tmp_path / "p.html", ["a", "b"], FACTS, "In c.blcf") as page:
        page.skip("a", "it is <gone>")
        page.add(section(images))
    page = read_page(tmp_path / "p.html")
    assert "skipped: it is <gone>" in page.text and "q.png" in page.text


def test_whole_or_not_at_all(images, tmp_path):
    path = tmp_path / "page.html"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt):
        with open_search_page(path, ["a"], FACTS, "In c.blcf") as page:
            page.add(section(images))
            raise KeyboardInterrupt
    assert path.read_text() == "before" and len(list(tmp_path.iterdir())) == 4
