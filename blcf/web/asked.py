"""From the body of a search to its examples and options.

Invariant: what a client says is never a path. A picture is an id, a picture that it uploaded
before, or bytes in the request; a mask is bytes.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from blcf.bags import HOWS
from blcf.bounds import is_number
from blcf.checks import check_choice
from blcf.errors import InvalidInput
from blcf.searching import Example, SearchOptions
from blcf.web.limits import Limits
from blcf.web.option_table import OPTIONS, check_group, checked_options
from blcf.web.refusals import Refusal

__all__ = ["Asked", "key_of", "read_address", "read_asked"]

_SOURCES, _REGIONS = ("id", "upload", "image"), ("box", "polygon", "mask")
_LONGEST_ID = 80


@dataclass(frozen=True, eq=False)
class Asked:
    """A search, before its pictures are looked at.

    Attributes
    ----------
    examples, negatives : of the search
    options : of the search
    group : what hits are grouped by, or None
    given : what a table calls the query
    key : of what was asked, all of it
    """

    examples: list[Example]
    negatives: list[Example]
    options: SearchOptions
    group: str | None
    given: str
    key: str


def read_asked(
    body: Mapping[str, Any],
    limits: Limits,
    side: int,
    name_of: Callable[[str], str],
    upload: Callable[[str], bytes],
) -> Asked:
    """The search of a JSON object.

    Parameters
    ----------
    body : examples, negatives, group, and fields of `SearchOptions`
    side : of the collection, pixels
    name_of : gives the name of the picture of an id
    upload : gives the bytes of a picture that was uploaded

    Raises
    ------
    InvalidInput, Refusal
        Anything in it is of another form or size than expected.
    """
    given = dict(body)
    lists = {name: given.pop(name, []) for name in ("examples", "negatives")}
    group = check_group(given.pop("group", None))
    for name, them in lists.items():
        if not isinstance(them, list):
            raise InvalidInput(f"Expected {name} to be a list of examples, got {_kind(them)}.")
    n_examples = sum(map(len, lists.values()))
    if not lists["examples"]:
        raise InvalidInput('Expected one example or more: {"examples": [{"id": "7"}]}, got none.')
    if n_examples > limits.examples:
        raise InvalidInput(
            f"Expected at most {limits.examples} examples and negatives, got {n_examples:,}."
        )
    options = checked_options(given, side, n_examples)
    if group is not None and options.k > limits.groups:
        raise InvalidInput(
            f"Expected k of at most {limits.groups:,} with group, got {options.k:,}."
        )
    examples, negatives = (
        [_example(one, limits, name_of, upload) for one in them] for them in lists.values()
    )
    first = lists["examples"][0]
    shown = examples[0].frame or first.get("upload") or "picture"
    return Asked(examples, negatives, options, group, str(shown), key_of(body))


def key_of(body: Mapping[str, Any]) -> str:
    """What tells a search from another one."""
    return sha256(json.dumps(body, sort_keys=True).encode("ascii")).hexdigest()


def _example(
    given: Any, limits: Limits, name_of: Callable[[str], str], upload: Callable[[str], bytes]
) -> Example:
    if not isinstance(given, dict):
        raise InvalidInput(f"Expected an example as an object {{...}}, got {_kind(given)}.")
    known = (*_SOURCES, *_REGIONS, "how")
    unknown = [name for name in given if name not in known]
    if unknown:
        raise InvalidInput(
            f"Expected an example of {', '.join(known)}, got {str(unknown[0])[:80]!r}."
        )
    there = [name for name in _SOURCES if given.get(name) is not None]
    regions = [name for name in _REGIONS if given.get(name) is not None]
    if len(there) != 1 or len(regions) > 1:
        raise InvalidInput(
            "Expected each example to have one of id, upload and image, and at most one of box, "
            f"polygon and mask, got {', '.join([*there, *regions]) or 'none'}."
        )
    source, value = there[0], given[there[0]]
    if not isinstance(value, str):
        raise InvalidInput(f"Expected {source} of an example to be a text, got {_kind(value)}.")
    if source != "image" and len(value) > _LONGEST_ID:
        raise InvalidInput(f"Expected an {source} of at most {_LONGEST_ID} letters.")
    how = given.get("how", "hard")
    if not isinstance(how, str) or len(how) > _LONGEST_ID:
        raise InvalidInput(f"Expected how to be one of {', '.join(HOWS)}, got {_kind(how)}.")
    check_choice("how", how, HOWS)
    where = {name: _region(name, given[name], limits) for name in regions}
    if source == "id":
        return Example(frame=name_of(value), how=how, **where)
    image = upload(value) if source == "upload" else _bytes("image", value)
    return Example(image, how=how, **where)


def _region(name: str, value: Any, limits: Limits) -> Any:
    if name == "mask":
        return _bytes(name, value)
    if name == "box":
        return _numbers(name, value, 4)
    if not isinstance(value, list):
        raise InvalidInput(f"Expected polygon to be [[x, y], ...], got {_kind(value)}.")
    if len(value) > limits.corners:
        raise InvalidInput(
            f"Expected polygon to have at most {limits.corners:,} corners, got {len(value):,}. "
            "Send a mask in its place."
        )
    return [_numbers("a corner of polygon", corner, 2) for corner in value]


def _numbers(name: str, value: Any, n: int) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) != n or not all(map(is_number, value)):
        raise InvalidInput(f"Expected {name} to be a list of {n} numbers, got {str(value)[:80]}.")
    try:
        return tuple(map(float, value))
    except OverflowError:
        raise InvalidInput(f"Expected {name} to be {n} numbers in pixels, got too large a one.")


def _bytes(name: str, value: Any) -> bytes:
    """What base64 stands for."""
    if not isinstance(value, str):
        raise InvalidInput(f"Expected {name} to be a picture in base64, got {_kind(value)}.")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput(
            f"Expected {name} to be a picture in base64, got other letters."
        ) from None


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value"}
    return "null" if value is None else names.get(type(value), "a number")


def read_address(query: Mapping[str, str]) -> dict[str, Any]:
    """The options that stand in an address, as the body of a search with one picture has them.

    Returns
    -------
    dict
        Options, and box, polygon and how of the picture under "example".

    Raises
    ------
    Refusal
        400: a value is none.
    """
    found: dict[str, Any] = {"example": {}}
    for name, text in query.items():
        if name in ("box", "polygon"):
            row = _row(name, text)
            pairs = [list(pair) for pair in zip(row[::2], row[1::2])]
            found["example"][name] = row if name == "box" else pairs
        elif name == "how":
            found["example"][name] = text
        elif name in OPTIONS:
            found[name] = OPTIONS[name].read(text)
        elif name != "format":
            raise Refusal(
                400,
                f"There is no option {name[:80]!r} here. Known: box, polygon, how, format, "
                f"{', '.join(OPTIONS)}.",
            )
    return found


def _row(name: str, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise Refusal(
            400, f"Expected {name} in the address to be numbers between commas, got {text[:80]!r}."
        ) from None
