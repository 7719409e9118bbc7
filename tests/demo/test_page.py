"""The page of results: whole, offline, and safe whatever a picture is called."""

from __future__ import annotations

import shlex
from html.parser import HTMLParser

import pytest
import tiles

VOID = {"meta", "br", "image", "rect", "link", "img", "input"}


class Page(HTMLParser):
    """Tags that are open, references, names of elements, and the text."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []
        self.elements: list[tuple[str, dict]] = []
        self.codes: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.elements.append((tag, found))
        self.references += [found[name] for name in ("src", "href") if name in found]
        if tag == "code":
            self.codes.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text += data
        if self.open and self.open[-1] == "code":
            self.codes[-1] += data


def read(demo) -> Page:
    page = Page(demo.page.read_text("utf-8"))
    assert page.open == []
    ids = [found["id"] for _, found in page.elements if "id" in found]
    assert len(ids) == len(set(ids))
    for reference in page.references:  # nothing is fetched
        assert reference.startswith("data:image/jpeg;base64,") or reference[1:] in ids
    assert not {"script", "link", "iframe"} & {tag for tag, _ in page.elements}
    for tag, found in page.elements:
        if tag == "svg":
            assert found["role"] == "img" and found["aria-label"]
        assert not [name for name in found if name.startswith("on")]
    return page


def test_the_page_of_scenes(composed_demo):
    page = read(composed_demo)
    shown = [len(one.shown) for one in composed_demo.results]
    assert sum(tag == "li" and "class" in found for tag, found in page.elements) == sum(shown)
    for one in composed_demo.results:
        assert f"AP {one.average_precision:.3f}, {one.n_first} of {len(one.truth)}" in page.text
    n_right = sum(name in one.truth for one in composed_demo.results for name in one.shown.names)
    marks = [found for tag, found in page.elements if tag == "li" and found.get("class") == "right"]
    assert len(marks) == n_right
    commands = composed_demo.next_commands()
    assert page.codes[: len(commands)] == [shlex.join(words) for _, words in commands]
    assert "How to read this" in page.text and "What to type next" in page.text


@pytest.mark.parametrize("name", ['<b onclick="x">&.png', "it's a\nday.png", "b\udcffd.png"])
def test_names_are_shown_as_text(tile_demo, tmp_path, name):
    scenes = tiles.planted_scenes()[0]
    for number, one in enumerate(scenes[:6]):
        tiles.save(tmp_path / "own" / f"{number}.png", one)
    try:
        tiles.save(tmp_path / "own" / "odd.png", scenes[6]).rename(tmp_path / "own" / name)
    except OSError:
        pytest.skip("this file system takes no such name")
    demo = tile_demo(tmp_path / "out", tmp_path / "own")
    page = read(demo)
    assert "query itself" in page.text
    assert not [tag for tag, found in page.elements if tag == "b" and "onclick" in found]


def test_a_picture_that_is_gone(tile_demo, tmp_path, monkeypatch):
    """Between indexing and drawing: its reason stands in its place."""
    from blcf.demo import running

    for number, one in enumerate(tiles.planted_scenes()[0][:6]):
        tiles.save(tmp_path / "own" / f"{number}.png", one)
    true = running.draw_results

    def draw(demo, thumbnails):
        (tmp_path / "own" / "3.png").unlink()
        return true(demo, thumbnails)

    monkeypatch.setattr(running, "draw_results", draw)
    page = read(tile_demo(tmp_path / "out", tmp_path / "own"))
    assert "no picture: there is no such file" in page.text
