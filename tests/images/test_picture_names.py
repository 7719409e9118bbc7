"""Names of pictures: printable on one line, relative, tidy."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blcf.images import display_name
from blcf.images.names import absolute_path, name_below


@given(st.text(st.characters(exclude_categories=())))
def test_a_displayed_name_is_one_line_of_utf8(name: str) -> None:
    shown = display_name(name)
    shown.encode("utf-8")
    assert "\n" not in shown and "\r" not in shown and "\x1b" not in shown


def test_ordinary_names_are_displayed_as_they_are() -> None:
    family = "\N{MAN}\u200d\N{WOMAN}"  # held together by a joiner that is "not printable"
    for name in ("a b.jpg", "日本/é.png", f"{family}.jpg", "no\u202fbreak.jpg"):
        assert display_name(name) == name


@pytest.mark.skipif(os.name != "posix", reason="paths as on POSIX")
@given(st.lists(st.sampled_from(["a", "b", "..", ".", "", "c.jpg"]), max_size=8))
def test_names_are_relative_and_tidy(parts: list[str]) -> None:
    name = name_below(absolute_path("/".join(parts) or ".", "/nowhere/base"), "/")
    assert name is None or (not name.startswith("/") and ".." not in name.split("/"))
