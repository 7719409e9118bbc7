"""Every colour of text, of borders that matter and of the focus is told from what it lies on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import blcf
from blcf.pages.style import SHARED

TEXT, EDGE = 4.5, 3.0  # WCAG 2.2, AA: 1.4.3 and 1.4.11
TEXTS = [
    ("ink", "ground"),
    ("ink", "card"),
    ("ink", "line"),
    ("soft", "ground"),
    ("soft", "card"),
    ("right", "card"),
    ("wrong", "card"),
    ("on-press", "press"),
    ("warns", "warn-ground"),
]
EDGES = [
    ("edge", "ground"),
    ("edge", "card"),
    ("focus", "ground"),
    ("focus", "card"),
    ("press", "ground"),
    ("found", "card"),
    ("wrong", "line"),
]


def colours(scheme: str) -> dict[str, str]:
    """The colours of a scheme by name: "#rrggbb"."""
    own = (Path(blcf.__file__).parent / "web" / "page" / "style.css").read_text("utf-8")
    found: dict[str, str] = {}
    for text in (SHARED, own):
        dark = re.findall(
            r"@media \(prefers-color-scheme: dark\) { :root {(.*?)} }", text, re.DOTALL
        )
        plain = re.findall(r"^:root {(.*?)}", text, re.DOTALL | re.MULTILINE)
        assert len(dark) == 1 and len(plain) == 1
        for block in plain + (dark if scheme == "dark" else []):
            for name, digits in re.findall(r"--([\w-]+): #([0-9a-f]{3,6});", block):
                found[name] = digits if len(digits) == 6 else "".join(2 * one for one in digits)
    return found


def luminance(digits: str) -> float:
    """Relative luminance of a colour of sRGB (WCAG 2.2)."""
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """How far two colours are apart, 1 to 21 (WCAG 2.2)."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_measure_is_that_of_the_standard() -> None:
    assert contrast("000000", "ffffff") == pytest.approx(21)
    assert contrast("777777", "ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_are_told_apart(scheme: str) -> None:
    known = colours(scheme)
    pairs = [(pair, TEXT) for pair in TEXTS] + [(pair, EDGE) for pair in EDGES]
    short = {
        f"{one} on {other}": round(contrast(known[one], known[other]), 2)
        for (one, other), least in pairs
        if contrast(known[one], known[other]) < least
    }
    assert short == {}
