"""By what the frames of each film were taken, so that `sync` takes them alike: in the manifest.

``choices`` of the manifest is {name of a film: [every as "n/d" s, frames, shot_threshold]}. It is
committed with the first of a film's frames, and moves along with them. Collections of earlier
versions, and films of which single frames were named, have none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from blcf.errors import InvalidInput
from blcf.images import FrameChoice, film_of

__all__ = ["choice_of", "is_choice", "moved_choices", "with_choices"]

_EVERY = re.compile(r"[0-9]{1,40}(/[1-9][0-9]{0,40})?")


def choice_of(manifest: Mapping[str, Any], film: str) -> FrameChoice | None:
    """By what a film's frames were taken; None where it is not known."""
    stored = manifest.get("choices", {}).get(film)
    return None if stored is None else _read(stored)


def with_choices(
    manifest: Mapping[str, Any], choices: Mapping[str, FrameChoice]
) -> dict[str, list[Any]]:
    """What the manifest will say when frames of films have been added."""
    stored = {
        film: [str(one.seconds), one.frames, float(one.shot_threshold)]
        for film, one in choices.items()
    }
    return {**manifest.get("choices", {}), **stored}


def moved_choices(manifest: Mapping[str, Any], moves: Mapping[str, str]) -> dict[str, list[Any]]:
    """What the manifest will say when pictures have other names: {name: new name}."""
    choices = dict(manifest.get("choices", {}))
    if not choices:
        return choices
    films = {film_of(old): film_of(new) for old, new in moves.items()}
    moved = {new: choices.pop(old) for old, new in films.items() if new and old in choices}
    return {**choices, **moved}


def is_choice(value: Any) -> bool:
    """Whether a value of a manifest is one that we write."""
    if not isinstance(value, list) or len(value) != 3 or type(value[2]) is not float:
        return False
    if not isinstance(value[0], str) or not _EVERY.fullmatch(value[0]):
        return False
    try:
        _read(value)
    except InvalidInput:
        return False
    return True


def _read(stored: list[Any]) -> FrameChoice:
    every, frames, threshold = stored
    return FrameChoice(Fraction(every), frames, threshold)
