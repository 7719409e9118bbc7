"""Names of frames: their times are exact, sort, and lead back to the frame."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blcf.images.frame_names import canonical_frame, film_of, format_time, frame_name, split_frame

TIMES = st.fractions(0, 400_000, max_denominator=90_000)


@given(TIMES, TIMES)
def test_times_sort_as_their_text(one, other):
    if one < other < 360_000 and other - one > Fraction(1, 1000):
        assert format_time(one) < format_time(other)


@given(TIMES, st.fractions("1/50000", 2, max_denominator=90_000))
def test_a_frame_is_on_the_screen_at_the_time_of_its_name(time, gap):
    _, written = split_frame(frame_name("f.mp4", time, time + gap))
    assert time <= written < time + gap


@given(TIMES, st.fractions("1/50000", 2, max_denominator=90_000))
def test_a_canonical_name_stays(time, gap):
    name = frame_name("f.mp4", time, time + gap)
    assert canonical_frame(name) == name and film_of(name) == "f.mp4"


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("f.mp4@00:01:12.5", "f.mp4@00:01:12.500"),
        ("f.mp4@1:12", "f.mp4@00:01:12.000"),
        ("a@b/f.mp4@00:01:12.123456", "a@b/f.mp4@00:01:12.123456"),
        ("f.mp4@00:01:12.1230000", "f.mp4@00:01:12.123"),
        ("f.mp4@100:00:00", "f.mp4@100:00:00.000"),
    ],
)
def test_a_time_may_be_written_in_any_way(written, name):
    assert canonical_frame(written) == name
    assert split_frame(written) == split_frame(name)


@pytest.mark.parametrize(
    "name", ["f.mp4", "f.mp4@", "@00:01:12.5", "f@1,2,3,4", "f.mp4@00:61:00", "f@12", "f@1:2"]
)
def test_other_names_are_no_frames(name):
    assert split_frame(name) is None and film_of(name) == "" and canonical_frame(name) == name
