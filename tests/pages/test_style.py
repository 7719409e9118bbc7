"""One place says how pages look: the pages that are files embed it."""

from __future__ import annotations

from blcf.pages.style import SHARED, STYLE, colour


def test_the_pages_that_are_files_embed_the_shared_style() -> None:
    assert STYLE.startswith(SHARED) and "rect.found" in SHARED
    assert "rect.found {" not in STYLE[len(SHARED) :] and ":root" not in STYLE[len(SHARED) :]


def test_colours_are_read_from_it() -> None:
    assert colour("for-strong").tolist() == [200, 0, 38]
    assert colour("against-weak").tolist() == [130, 205, 190]
