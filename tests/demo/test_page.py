"""The page of a demo: whole, offline, and safe whatever a picture is called."""

from __future__ import annotations

import shlex

import pytest
import tiles
from html_page import read_page


def test_the_page_of_scenes(composed_demo):
    page = read_page(composed_demo.page)
    shown = [len(one.shown) for one in composed_demo.results]
    assert sum(tag == "li" and "class" in found for tag, found in page.elements) == sum(shown)
    for one in composed_demo.results:
        assert f"AP {one.average_precision:.3f}, {one.n_first} of {len(one.truth)}" in page.text
    n_right = sum(name in one.truth for one in composed_demo.results for name in one.shown.names)
    marks = [found for tag, found in page.elements if tag == "li" and found.get("class") == "right"]
    assert len(marks) == n_right
    commands = composed_demo.next_commands()
    assert page.codes[: len(commands)] == [shlex.join(words) for _, words in commands]
    assert (["blcf", "serve"], "--open") in [(words[:2], words[-1]) for _, words in commands]
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
    page = read_page(demo.page)
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
    page = read_page(tile_demo(tmp_path / "out", tmp_path / "own").page)
    assert "no picture: there is no such file" in page.text
