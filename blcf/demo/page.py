"""The page of a demo: what was searched, every query with its hits, what to type next."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from functools import partial
from html import escape

import numpy as np

from blcf.demo.results import Demo, DemoResult
from blcf.images import display_name
from blcf.images.thumbnails import Thumbnails
from blcf.pages import Card, Pictures, Section, open_page, section_html
from blcf.pages.page import HOW_TO_READ, facts_html, guide_html
from blcf.searching import Hits

__all__ = ["write_page"]


def write_page(demo: Demo, thumbnails: Thumbnails, program: Sequence[str] = ("blcf",)) -> None:
    """Write the page of a demo to its folder.

    Parameters
    ----------
    demo : with its results
    thumbnails : small versions of the pictures
    program : how `blcf` is called, for the commands

    Raises
    ------
    StorageError
    """
    pictures = Pictures(thumbnails)
    with open_page(demo.page, "blcf demo: what was found") as write:
        write(_top(demo))
        write(guide_html([*HOW_TO_READ, *_guide(demo)]))
        if demo.has_truth:
            write(_summary(demo))
        for number, result in enumerate(demo.results, start=1):
            write(section_html(number, _section(result), pictures))
        write(_next(demo, program))


def _top(demo: Demo) -> str:
    facts = [("pictures", f"{len(demo.engine):,}"), ("box queries", str(len(demo.results)))]
    if demo.has_truth:
        facts.append(("mean AP", _figure(demo.mean_average_precision)))
        facts.append(("mean IoU", _figure(demo.localisation.mean_iou)))
    seconds = np.median([one.seconds for one in demo.results])
    facts += [("a search", f"{seconds:.2f} s"), ("everything", f"{demo.seconds:.0f} s")]
    return (
        f"<header>\n<h1>Find this object, and where it is</h1>\n<p>{escape(demo.about)}. "
        f"Network: {escape(demo.network)}. Nobody told the engine what is in these pictures: it "
        f"was given the files.</p>\n{facts_html(facts)}\n</header>"
    )


def _guide(demo: Demo) -> list[str]:
    if demo.has_truth:
        return [
            "The scenes are composed, so it is known what is right: <b class=right>✓ right</b> "
            "shows the thing, <b class=wrong>✗ wrong</b> does not, and the <b class=truth>dashed "
            "box</b> is where it really is. Behind the last right one come pictures that do "
            "not show it: the ranking has no end, look how their scores drop.",
            "<b>AP</b> (average precision) is 1 if all right pictures come before all wrong ones. "
            "<b>IoU</b> is how much the found box and the true one share: 1 is the same box, "
            "above .5 counts as found.",
            "The scenes differ from the query in size, rotation, perspective, light and "
            "compression. No query picture is itself in the collection.",
        ]
    return [
        "Nobody said what is in your pictures: the boxes were put around the most striking "
        "part of a few of them, those whose hits score highest. So there is no right or wrong "
        "here: what follows the picture of the query is worth a look.",
        "Each query is one of the pictures, as it was indexed: it finds itself first, with score "
        "1, and its own box.",
    ]


def _summary(demo: Demo) -> str:
    rows = [
        f'<tr><th scope="row"><a href="#q{number}">{escape(one.name)}</a></th>'
        f"<td>{_figure(one.average_precision)}</td>"
        f"<td>{one.n_first} of {len(one.truth or {})}</td>"
        f"<td>{_figure(one.localisation.mean_iou)}</td><td>{one.seconds:.2f} s</td></tr>"
        for number, one in enumerate(demo.results, start=1)
    ]
    return (
        '<section aria-labelledby="all"><h2 id="all">All queries</h2>\n<div class="wide"><table>'
        '<thead><tr><th scope="col">looked for</th><th scope="col">AP</th>'
        '<th scope="col">right among the first</th><th scope="col">mean IoU</th>'
        '<th scope="col">time</th></tr></thead>\n<tbody>'
        + "\n".join(rows)
        + "</tbody></table></div></section>"
    )


def _section(result: DemoResult) -> Section:
    if result.truth is None:
        says = f"{len(result.hits):,} pictures ranked in {result.seconds:.2f} s"
    else:
        says = (
            f"AP {_figure(result.average_precision)}, {result.n_first} of "
            f"{len(result.truth)} right among the first {len(result.truth)}, "
            f"mean IoU {_figure(result.localisation.mean_iou)}"
        )
    shown = result.shown
    cards = [_card(result, shown, row) for row in range(len(shown))]
    box = np.array(result.box, dtype=np.float64)
    return Section(result.name, says, [(result.image, box)], cards)


def _card(result: DemoResult, shown: Hits, row: int) -> Card:
    hit, path = shown[row], shown.paths[row]
    boxes = [] if hit.box is None else [("found", hit.box)]
    overlap = result.overlap(hit.name, hit.box)
    kind, mark, says = "", "", ""
    if result.truth is not None:
        is_right = hit.name in result.truth
        kind = "right" if is_right else "wrong"
        mark = f'<b class="{kind}">{"✓ right" if is_right else "✗ wrong"}</b>'
        boxes = [("truth", box) for box in result.truth.get(hit.name, [])] + boxes
        says = "" if overlap is None else f" · IoU {_figure(overlap)}"
    elif path == result.image:
        kind, mark = "itself", "<b>the query itself</b>"
    evidence = partial(shown.picture_evidence, row)
    return Card(hit.name, hit.score, path, boxes, evidence, kind, mark, says)


def _next(demo: Demo, program: Sequence[str]) -> str:
    rows = "\n".join(
        f"<dt>{escape(what)}</dt><dd><pre><code>{escape(shlex.join(words))}</code></pre></dd>"
        for what, words in demo.next_commands(program)
    )
    return (
        '<section aria-labelledby="next"><h2 id="next">What to type next</h2>\n'
        f'<dl class="next">{rows}</dl>\n'
        f"<p>The collection, the pictures and these results as JSON are in "
        f"<code>{escape(display_name(demo.folder))}</code>. Run the demo again to replace them, or "
        "remove the folder.</p></section>"
    )


def _figure(value: float | None) -> str:
    """Three digits; a dash where there is nothing to measure."""
    return "–" if value is None or np.isnan(value) else f"{value:.3f}"
