"""Texts of arguments to values."""

from __future__ import annotations

import argparse

import pytest

from blcf.cli.values import integer_or, numbers, picture, points


@pytest.mark.parametrize(
    ("text", "file", "box"),
    [
        ("a.jpg", "a.jpg", None),
        ("a.jpg@1,2,3,4", "a.jpg", (1, 2, 3, 4)),
        ("a.jpg@-1,2.5,3e2,4", "a.jpg", (-1, 2.5, 300, 4)),
        ("me@home/a@b.jpg", "me@home/a@b.jpg", None),
        ("me@home/a@b.jpg@1,2,3,4", "me@home/a@b.jpg", (1, 2, 3, 4)),
        ("a@1,2,3,4@5,6,7,8", "a@1,2,3,4", (5, 6, 7, 8)),
        ("a@1,2,3", "a@1,2,3", None),
        ("a@1,2,3,4,5", "a@1,2,3,4,5", None),
        ("a@1,2,3,4.jpg", "a@1,2,3,4.jpg", None),
        ("1,2,3,4", "1,2,3,4", None),
        ("@1,2,3,4", "@1,2,3,4", None),
        ("a@", "a@", None),
        ("", "", None),
    ],
)
def test_picture(text, file, box):
    assert picture(text) == (file, box)


def test_points():
    assert points("1,2,3,4.5,-5,6") == ((1, 2), (3, 4.5), (-5, 6))
    with pytest.raises(argparse.ArgumentTypeError, match="an x and a y .* got 3 numbers"):
        points("1,2,3")
    with pytest.raises(argparse.ArgumentTypeError, match="an x and a y .* got '1,,2'"):
        points("1,,2")


def test_numbers():
    assert numbers(float, "numbers")("1,.5") == (1, 0.5)
    with pytest.raises(argparse.ArgumentTypeError, match="expected integers, got '1,.5'"):
        numbers(int, "integers")("1,.5")
    with pytest.raises(argparse.ArgumentTypeError) as error:
        numbers(int, "integers")("x," * 10_000)
    assert len(str(error.value)) < 120, "a long text is cut"


def test_integer_or():
    read = integer_or("all", None)
    assert (read("all"), read("7")) == (None, 7)
    with pytest.raises(argparse.ArgumentTypeError, match="an integer or 'all', got 'some'"):
        read("some")
