"""Hits as lines for a person; and CSV, written to a file."""

from __future__ import annotations

from collections.abc import Iterator

from blcf.cli.units import edges_text
from blcf.images import display_name
from blcf.outputs import open_output
from blcf.searching import Hits, Moments

__all__ = [
    "head",
    "lines",
    "moment_head",
    "moment_lines",
    "write_csv",
]

_WIDEST, _SPAN = 48, 15  # letters of a name, longer ones push their line to the right; of a time
_EDGES = 20  # letters of a box; those of the head are as many


def head(width: int) -> str:
    """What the columns of `lines` are, above them."""
    query = f"{'query':{width}s}  " if width else ""
    return f"{query}rank   score  {'box x1,y1,x2,y2 (px)':{_EDGES}s}  name"


def lines(hits: Hits, label: str = "", width: int = 0) -> Iterator[str]:
    """A line per hit, and one for each further box of it, below the first.

    Parameters
    ----------
    hits : of a query
    label : of the query, which begins each line where there are several
    width : letters of the longest label; 0 where there is one query
    """
    query = f"{display_name(label):{width}s}  " if width else ""
    for rank, hit in enumerate(hits, start=1):
        edges = "-" if hit.box is None else edges_text(hit.box)
        yield f"{query}{rank:4d}  {hit.score:.4f}  {edges:{_EDGES}s}  {display_name(hit.name)}"
        for box in [] if hit.boxes is None else hit.boxes[1:]:
            yield f"{query}{'and':>12s}  {edges_text(box)}"


def moment_head(width: int) -> str:
    """What the columns of `moment_lines` are, above them."""
    query = f"{'query':{width}s}  " if width else ""
    return f"{query}rank  film or picture  seen  score  box in the best frame (px)  frames"


def moment_lines(moments: Moments, label: str = "", width: int = 0) -> Iterator[str]:
    """A line per moment, see `lines`."""
    query = f"{display_name(label):{width}s}  " if width else ""
    shown = list(moments)
    widest = min(_WIDEST, max((len(display_name(one.name)) for one in shown), default=0))
    for rank, one in enumerate(shown, start=1):
        edges = "-" if one.box is None else edges_text(one.box)
        yield (
            f"{query}{rank:4d}  {display_name(one.name):{widest}s}  {one.span:{_SPAN}s}  "
            f"{one.score:.4f}  {edges:{_EDGES}s}  {len(one.hits):,}"
        )


def write_csv(path: str, text: str) -> None:
    """Write CSV to a file, whole or not at all; a name that is no UTF-8 keeps its bytes."""
    with open_output(path) as file:
        file.write(text.encode("utf-8", "surrogateescape"))
