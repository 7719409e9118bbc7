"""A page of queries and hits: one HTML file that works without a connection, pictures included.

The pictures lie in it as data URIs: the file can be moved, mailed and kept without losing any.
Nothing is fetched and no script runs, which a content security policy says as well. Links lead to
the files of the hits, where these are still where they were indexed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from blcf.images import ImageLike, display_name, frame_place
from blcf.outputs import open_output
from blcf.pages.pictures import Pictures
from blcf.pages.style import STYLE
from blcf.pages.why import why_html
from blcf.records import Evidence

__all__ = [
    "HOW_TO_READ",
    "Card",
    "Section",
    "facts_html",
    "guide_html",
    "open_page",
    "section_html",
]

_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main>
"""
_FOOT = "</main>\n</body>\n</html>\n"

HOW_TO_READ = (
    "Each query is a picture, most with a <b class=asked>box</b> around a thing. The engine looks "
    "for that thing in all pictures, ranks them by <b>score</b> (cosine similarity, 1 at most) and "
    "draws a <b class=found>box</b> where it found it.",
    "<b>why</b> below a hit opens what its score is made of: warm colours lie where query and hit "
    "show the same visual words, and lines join the cells that add the most.",
)


@dataclass(frozen=True, eq=False)
class Card:
    """A hit.

    Attributes
    ----------
    name, score : of the picture
    picture : its path, or itself, or None where it is not at hand
    boxes : (class, xyxy or corners (n, 2), in pixels of the picture): "found", or "truth"
    evidence : makes that of the score, its examples the pictures of the query; None: not told
    kind, mark : a class, and what stands behind the rank (HTML)
    says : what stands behind the score (HTML)
    """

    name: str
    score: float
    picture: ImageLike | None
    boxes: Sequence[tuple[str, np.ndarray]] = ()
    evidence: Callable[[], Evidence] | None = None
    kind: str = ""
    mark: str = ""
    says: str = ""


@dataclass(frozen=True, eq=False)
class Section:
    """A query and its hits.

    Attributes
    ----------
    title : what is looked for
    says : what there is to say of the result
    examples : (picture, box) of each picture of the query: file, pixels or None; xyxy or None
    cards : the hits that are shown, the best first
    """

    title: str
    says: str
    examples: Sequence[tuple[ImageLike | None, np.ndarray | None]]
    cards: Iterable[Card]


@contextmanager
def open_page(path: Path, title: str) -> Iterator[Callable[[str], None]]:
    """Write a page part by part: gives what takes the next one. It appears whole or not at all.

    Raises
    ------
    StorageError
    """
    with open_output(path) as file:

        def write(part: str) -> None:
            # A name that is no UTF-8 is shown with escapes; a path in a command may hold one too.
            file.write(part.encode("utf-8", "backslashreplace") + b"\n")

        write(_HEAD.format(title=escape(display_name(title)), style=STYLE))
        yield write
        write(_FOOT)


def facts_html(facts: Iterable[tuple[str, str]]) -> str:
    """Figures at the top of a page: (what, how much)."""
    rows = "".join(
        f"<div><dt>{escape(what)}</dt><dd>{escape(much)}</dd></div>" for what, much in facts
    )
    return f'<dl class="facts">{rows}</dl>'


def guide_html(items: Iterable[str]) -> str:
    """How to read the page; `items` are HTML."""
    listed = "".join(f"<li>{item}</li>" for item in items)
    return (
        '<section aria-labelledby="how"><h2 id="how">How to read this</h2>'
        f"<ul>{listed}</ul></section>"
    )


def section_html(number: int, section: Section, pictures: Pictures) -> str:
    """A query with its hits; its heading can be linked as ``#q<number>``."""
    title = escape(display_name(section.title))
    queries = "\n".join(_queries(section, pictures))
    hits = "\n".join(
        _hit(rank, card, section, pictures) for rank, card in enumerate(section.cards, start=1)
    )
    return (
        f'<section class="query" aria-labelledby="q{number}">\n'
        f'<h2 id="q{number}">{title} <small>{escape(section.says)}</small></h2>\n'
        f'<div class="row">\n<div class="queries">{queries}</div>\n<ol>\n{hits}\n</ol>\n</div>\n'
        "</section>"
    )


def _queries(section: Section, pictures: Pictures) -> Iterator[str]:
    """The pictures of a query."""
    for number, (source, box) in enumerate(section.examples, start=1):
        text, boxes = display_name(f"{section.title}: query picture"), []
        which = "the query" if len(section.examples) == 1 else f"example {number}"
        says = "the whole picture"
        if box is not None:
            text, boxes = f"{text}, with a box around what is looked for", [("asked", box)]
            says = f"box {', '.join(f'{edge:.0f}' for edge in box)} (pixels)"
        shown = _linked(source, pictures.show(source, text, boxes))
        yield (
            f'<figure class="asked">{shown}<figcaption>{which}<br><small>{says}</small>'
            "</figcaption></figure>"
        )


def _hit(rank: int, card: Card, section: Section, pictures: Pictures) -> str:
    name = escape(display_name(card.name))
    picture = pictures.show(card.picture, f"hit {rank}: {display_name(card.name)}", card.boxes)
    why = ""
    if card.evidence is not None:
        found = next((box for kind, box in card.boxes if kind == "found"), None)
        if found is not None and found.ndim == 2:  # an outline
            found = np.concatenate([found.min(axis=0), found.max(axis=0)])
        why = why_html(
            card.evidence(),
            [pictures.embedded(source) for source, _ in section.examples],
            [box for _, box in section.examples],
            pictures.embedded(card.picture),
            found,
        )
    width = 100 * max(0.0, min(1.0, card.score))
    return (
        f'<li class="{card.kind}"><figure>{_linked(card.picture, picture)}<figcaption>'
        f'<span>{rank}. {card.mark}</span><span class="score"><i style="width:{width:.0f}%"></i>'
        f"</span><span>score {card.score:.3f}{card.says}</span>"
        f"<small>{_linked(card.picture, name)}</small></figcaption>{why}</figure></li>"
    )


def _linked(source: ImageLike | None, content: str) -> str:
    """Something that leads to the file of a picture; of a frame to its film, and the time in it."""
    if not isinstance(source, Path):
        return content
    frame, moment = frame_place(source), ""
    if frame is not None:
        source, time = frame
        moment = f"#t={round(float(time), 3)}"  # a media fragment
    return f'<a href="{escape(Path(os.path.abspath(source)).as_uri() + moment)}">{content}</a>'
