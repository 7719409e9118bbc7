"""Moments as an edit decision list, CMX 3600: what a cutting program takes up, in their order."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

from blcf.bounds import check_bounds
from blcf.images import display_name
from blcf.searching import Moment

__all__ = ["edl_of"]

RATE = 25  # frames a second of the list's time codes, whatever the films have


def edl_of(moments: Iterable[Moment], title: str, margin: float = 1.0, rate: int = RATE) -> str:
    """Moments of films as text: an event each, in their order.

    Time codes count from the film's first frame (``FCM: NON-DROP FRAME``), which a program may have
    to add its own start to. A moment that is of no film has no event.

    Parameters
    ----------
    title : of the list
    margin : s before and behind each moment
    rate : frames a second of the time codes
    """
    check_bounds("margin", margin)
    lines = [f"TITLE: {display_name(title)}", "FCM: NON-DROP FRAME", ""]
    record, number = 0, 0
    for one in moments:
        if one.first is None or one.last is None:
            continue
        number += 1
        begin = max(0, math.floor(Fraction(one.first - margin) * rate))
        end = max(begin + 1, math.ceil(Fraction(one.last + margin) * rate))
        codes = [begin, end, record, record + end - begin]
        record += end - begin
        spans = " ".join(_code(code, rate) for code in codes)
        lines += [
            f"{number:03d}  AX       V     C        {spans}",
            f"* FROM CLIP NAME: {display_name(one.name)}",
            f"* COMMENT: score {one.score:.4f}",
        ]
    return "\n".join(lines) + "\n"


def _code(frames: int, rate: int) -> str:
    """HH:MM:SS:FF."""
    seconds, rest = divmod(frames, rate)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{rest:02d}"
