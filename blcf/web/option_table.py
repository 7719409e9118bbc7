"""The options of a search as a table: what a request may say, with defaults, bounds and meanings.

All of it is read from `SearchOptions`, `blcf.bounds` and this server's limits: the page makes its
switches of it, OpenAPI its schema, and a request is held to it.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from typing import Any

from blcf.bounds import BOUNDS
from blcf.checks import check_choice, check_known
from blcf.collection.where import LONGEST
from blcf.errors import InvalidInput
from blcf.searching.grouping import GROUPS
from blcf.searching.options import CHOICES, SearchOptions
from blcf.web.limits import MOST_OF_OPTIONS
from blcf.web.refusals import Refusal

__all__ = ["GROUP", "OPTIONS", "Option", "check_group", "checked_options", "option_texts"]

_LONGEST_WORD = 64  # letters of a name or a choice: near ones are looked for
_LOOKED_AT = 64_000_000  # pixels of all sizes of all examples of a search
_LARGEST = 2_048  # longer side of a query picture in one of its sizes, pixels


@dataclass(frozen=True)
class Option:
    """An option of a search.

    Attributes
    ----------
    name : as of the library and the command line
    type : boolean, integer, number, string, or numbers (several)
    default : of the library
    choices : what a string may be; None: anything
    least, most : what numbers may be; None: no bound, or no number
    says : what it does
    """

    name: str
    type: str
    default: Any
    choices: list[str | None] | None
    least: float | None
    most: float | None
    says: str

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    def read(self, text: str) -> Any:
        """The value of a text, as it stands in the query of an address.

        Raises
        ------
        Refusal
            400: it is none.
        """
        try:
            if self.type == "boolean":
                return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
            if self.type == "string":
                return text
            kind = int if self.type == "integer" or BOUNDS[self.name].whole else float
            return (
                [kind(part) for part in text.split(",")] if self.type == "numbers" else kind(text)
            )
        except (KeyError, ValueError):
            raise Refusal(
                400, f"Expected {self.name} in the address to be a {self.type}, got {text[:80]!r}."
            ) from None


def _meanings() -> dict[str, str]:
    """What the docstring of `SearchOptions` says of each field."""
    text = (SearchOptions.__doc__ or "").partition("----------\n")[2]
    found: dict[str, str] = {}
    for part in re.split(r"\n(?=    \w+ : )", "\n" + text):
        name, _, meaning = part.strip().partition(" : ")
        found[name] = " ".join(meaning.split())
    return found


def _options() -> list[Option]:
    meanings, found = _meanings(), []
    for field in fields(SearchOptions):
        name, bounds = field.name, BOUNDS.get(field.name)
        if bounds is None:
            kind = "boolean" if isinstance(field.default, bool) else "string"
        else:
            kind = "numbers" if bounds.row else "integer" if bounds.whole else "number"
        default = list(field.default) if isinstance(field.default, tuple) else field.default
        choices: list[str | None] | None = list(CHOICES[name]) if name in CHOICES else None
        most = None if bounds is None else min(bounds.most, MOST_OF_OPTIONS.get(name, bounds.most))
        least = None if bounds is None else bounds.least
        says = meanings.get(name, "")
        found.append(Option(name, kind, default, choices, least, most, says))
    return found


GROUP = Option(
    "group",
    "string",
    None,
    [None, *GROUPS],
    None,
    None,
    "hits of one shot or one film (video), or near-duplicate pictures (near), as one: the best, "
    "with the time in which it was seen; k says how many of these",
)
OPTIONS = {option.name: option for option in [*_options(), GROUP]}
"""By name, in the order of the library."""


def checked_options(given: dict[str, Any], side: int, n_examples: int) -> SearchOptions:
    """The options of a request.

    Parameters
    ----------
    given : by name, as they came
    side : of the collection, pixels
    n_examples : pictures that are looked at

    Raises
    ------
    InvalidInput
        One is unknown, or of another kind or size than this server takes.
    """
    for name, value in given.items():
        _check_length(name)
        if isinstance(value, str) and name != "where":
            _check_length(value)
        if isinstance(value, str) and len(value) > LONGEST:
            raise InvalidInput(f"Expected where of at most {LONGEST:,} characters.")
    check_known(SearchOptions, given)
    options = SearchOptions(**given)
    for name, most in MOST_OF_OPTIONS.items():
        value = getattr(options, name)
        if value is not None and value > most:
            raise InvalidInput(f"Expected {name} of at most {most:,} from a server, got {value:,}.")
    _check_looks(options, side, n_examples)
    return options


def _check_looks(options: SearchOptions, side: int, n_examples: int) -> None:
    """Raise `InvalidInput` where the network would see too many pixels."""
    side = options.query_side or side
    sides = [side * scale for scale in options.query_scales]
    seen = n_examples * sum(one * one for one in sides) * (2 if options.query_flip else 1)
    if max(sides) > max(_LARGEST, side) or seen > _LOOKED_AT:
        raise InvalidInput(
            f"Expected query pictures of at most {_LARGEST:,} pixels a side, and {_LOOKED_AT:,} "
            f"pixels in all sizes of all examples together, got {max(sides):,.0f} and {seen:,.0f}. "
            "Take fewer examples, a smaller query_side, or fewer query_scales."
        )


def check_group(group: Any) -> str | None:
    """Give back what hits are grouped by, or raise `InvalidInput`."""
    if group is not None:
        _check_length(group)
        check_choice("group", group, GROUPS)
    return group


def _check_length(word: Any) -> None:
    if len(str(word)[: _LONGEST_WORD + 1]) > _LONGEST_WORD:
        raise InvalidInput(f"Expected a word, got {str(word)[:_LONGEST_WORD]!r} and more.")


def option_texts() -> list[dict[str, Any]]:
    """The table as plain values."""
    return [option.to_dict() for option in OPTIONS.values()]
