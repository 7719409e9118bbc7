"""What a manifest may say: every value of it is looked at before one is used.

Who writes a manifest can write a digest that fits: it tells damage, and says nothing of intent.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from blcf.collection.film_choices import is_choice
from blcf.index.postings import BUFFER

__all__ = ["MODEL", "is_segment_file", "wrong_values"]

MODEL = "model.h5"

# Larger numbers are none of ours: arrays of so many words would be made before one is used.
MOST_WORDS, MOST_COMPONENTS, LARGEST = 1 << 24, 1 << 16, 1 << 60
LONGEST = 32_767  # characters of a setting, or of a path (of Windows; 4,096 of Linux)


def wrong_values(manifest: dict[str, Any], *, with_ids: bool) -> list[str]:
    """Names of the values that are missing or not of the form; none where all are as we write.

    ``with_ids`` says whether it must have what came with format version 3.
    """
    form = {**_FORM, **(_IDS if with_ids else {})}
    return [key for key, is_right in form.items() if not is_right(manifest.get(key, _MISSING))]


def is_segment_file(name: str) -> bool:
    """Whether a name is that of a segment: a path could name any file of the machine."""
    return re.fullmatch(r"[0-9]{8}\.h5", name) is not None


_MISSING = object()


def _integer(least: int, most: int = LARGEST) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and least <= value <= most


def _text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST and "\0" not in value


def _digest(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{32}", value) is not None


def _scalar(value: Any) -> bool:
    if type(value) is float:
        return math.isfinite(value)
    return value is None or type(value) is bool or _text(value) or _integer(-LARGEST)(value)


def _plain(value: Any) -> bool:
    """Scalars by name, or short lists of them."""
    return isinstance(value, dict) and all(
        _scalar(one) or (isinstance(one, list) and len(one) <= 100 and all(map(_scalar, one)))
        for one in value.values()
    )


def _roots(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))  # "": of pictures in no folder


def _prefixes(value: Any) -> bool:
    return value is _MISSING or (
        isinstance(value, dict)
        and all(map(_text, value))
        and all(_roots(one) and all(one) for one in value.values())
    )


def _choices(value: Any) -> bool:
    return value is _MISSING or (
        isinstance(value, dict)
        and all(map(_text, value))
        and all(value)
        and all(map(is_choice, value.values()))
    )


def _model(value: Any) -> bool:
    return value is None or (
        _plain(value)
        and value.get("file") == MODEL
        and all(is_right(value[key]) for key, is_right in _MODEL.items() if key in value)
    )


def _segments(value: Any) -> bool:
    return isinstance(value, list) and all(map(_entry, value))


def _entry(value: Any) -> bool:
    return isinstance(value, dict) and all(
        is_right(value.get(key, _MISSING)) for key, is_right in _ENTRY.items()
    )


# What the engine adds to the settings, the extractor and the model, the engine looks at.
_MODEL: dict[str, Callable[[Any], bool]] = {
    "n_words": _integer(1, MOST_WORDS),
    "n_components": _integer(1, MOST_COMPONENTS),
    "whitening_digest": _text,
    "vocabulary_digest": _text,
    "bytes": _integer(0),
    "digest": _digest,
}
_ENTRY: dict[str, Callable[[Any], bool]] = {
    "file": lambda value: isinstance(value, str) and is_segment_file(value),
    "n_images": _integer(1, BUFFER),
    "bytes": _integer(1),
    "digest": _digest,
    "names_digest": _digest,
    "deleted": lambda value: value is None or isinstance(value, str),
    "first_id": lambda value: value is _MISSING or _integer(0)(value),
}
_IDS: dict[str, Callable[[Any], bool]] = {
    "videos": lambda value: _roots(value) and all(value),
    "next_id": _integer(0),
}
_FORM: dict[str, Callable[[Any], bool]] = {
    "generation": _integer(0),
    "settings": _plain,
    "extractor": _plain,
    "model": _model,
    "roots": _roots,
    "prefixes": _prefixes,
    "choices": _choices,
    "next_segment": _integer(1, 99_999_999),
    "segments": _segments,
    "digest": _digest,
}
