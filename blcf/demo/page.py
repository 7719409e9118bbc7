"""The page of results: one HTML file that works without a connection, pictures included.

The pictures lie in it as data URIs: the file can be moved, mailed and kept without losing any.
Nothing is fetched and no script runs, which a content security policy says as well.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from html import escape

import numpy as np

from blcf.demo.drawing import Thumbnail, Thumbnails
from blcf.demo.results import Demo, DemoResult
from blcf.demo.style import STYLE
from blcf.images import display_name
from blcf.storage import replace_file

__all__ = ["write_page"]

_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>blcf demo: what was found</title>
<style>
{style}</style>
</head>
<body>
"""


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
    parts = [_HEAD.format(style=STYLE), "<main>", _top(demo), _guide(demo)]
    if demo.has_truth:
        parts.append(_summary(demo))
    for number, result in enumerate(demo.results, start=1):
        parts.append(_query(number, result, thumbnails))
    parts += [_next(demo, program), "</main>\n</body>\n</html>\n"]
    # A name that is no UTF-8 is shown with escapes; a path within a command may hold one as well.
    text = "\n".join(parts).encode("utf-8", "backslashreplace")
    with replace_file(demo.page) as temporary:
        temporary.write_bytes(text)


def _top(demo: Demo) -> str:
    facts = [("pictures", f"{len(demo.engine):,}"), ("box queries", str(len(demo.results)))]
    if demo.has_truth:
        facts.append(("mean AP", _figure(demo.mean_average_precision)))
        facts.append(("mean IoU", _figure(demo.localisation.mean_iou)))
    seconds = np.median([one.seconds for one in demo.results])
    facts += [("a search", f"{seconds:.2f} s"), ("everything", f"{demo.seconds:.0f} s")]
    listed = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)
    return (
        f"<header>\n<h1>Find this object, and where it is</h1>\n<p>{escape(demo.about)}. "
        f"Network: {escape(demo.network)}. Nobody told the engine what is in these pictures: it "
        f"was given the files.</p>\n"
        f'<dl class="facts">{listed}</dl>\n</header>'
    )


def _guide(demo: Demo) -> str:
    lines = [
        "Each query is a picture with a <b class=asked>box</b> around a thing. The engine looks "
        "for that thing in all pictures, ranks them by <b>score</b> (cosine similarity, 1 at most) "
        "and draws a <b class=found>box</b> where it found it.",
    ]
    if demo.has_truth:
        lines += [
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
    else:
        lines += [
            "Nobody said what is in your pictures: the boxes were put around the most striking "
            "part of a few of them, those whose hits score highest. So there is no right or wrong "
            "here; the picture of the query itself should come first, and what follows is worth "
            "a look.",
        ]
    items = "".join(f"<li>{line}</li>" for line in lines)
    return (
        '<section aria-labelledby="how"><h2 id="how">How to read this</h2>'
        f"<ul>{items}</ul></section>"
    )


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


def _query(number: int, result: DemoResult, thumbnails: Thumbnails) -> str:
    name = escape(display_name(result.name))
    if result.truth is None:
        says = f"{len(result.hits)} pictures ranked in {result.seconds:.2f} s"
    else:
        says = (
            f"AP {_figure(result.average_precision)}, {result.n_first} of "
            f"{len(result.truth)} right among the first {len(result.truth)}, "
            f"mean IoU {_figure(result.localisation.mean_iou)}"
        )
    box = np.array(result.box, dtype=np.float64)
    query = _picture(
        thumbnails[result.image],
        f"query picture: {name}, with a box around what is looked for",
        [("asked", box)],
    )
    shown = result.shown
    hits = "\n".join(
        _hit(rank, result, hit, path, thumbnails)
        for rank, (hit, path) in enumerate(zip(shown, shown.paths), start=1)
    )
    edges = ", ".join(str(edge) for edge in result.box)
    return (
        f'<section class="query" aria-labelledby="q{number}">\n'
        f'<h2 id="q{number}">{name} <small>{says}</small></h2>\n<div class="row">\n'
        f'<figure class="asked">{query}<figcaption>the query<br><small>box {edges}</small>'
        f"</figcaption></figure>\n<ol>\n{hits}\n</ol>\n</div>\n</section>"
    )


def _hit(rank: int, result: DemoResult, hit, path, thumbnails: Thumbnails) -> str:
    name = escape(display_name(hit.name))
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
    picture = _picture(thumbnails[path], f"hit {rank}: {name}", boxes)
    width = 100 * max(0.0, min(1.0, hit.score))
    return (
        f'<li class="{kind}"><figure>{picture}<figcaption><span>{rank}. {mark}</span>'
        f'<span class="score"><i style="width:{width:.0f}%"></i></span>'
        f"<span>score {hit.score:.3f}{says}</span><small>{name}</small></figcaption></figure></li>"
    )


def _picture(thumbnail: Thumbnail, text: str, boxes: Sequence[tuple[str, np.ndarray]]) -> str:
    """A picture with boxes over it, xyxy in pixels of the original; `text` is HTML already."""
    if isinstance(thumbnail.picture, str):
        return f'<p class="none">no picture: {escape(display_name(thumbnail.picture))}</p>'
    width, height = thumbnail.size
    drawn = "".join(
        f'<rect class="{kind}{layer}" x="{x1:.1f}" y="{y1:.1f}" width="{x2 - x1:.1f}" '
        f'height="{y2 - y1:.1f}"/>'
        for kind, (x1, y1, x2, y2) in boxes
        for layer in (" under", "")
    )
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{text}">'
        f'<image href="{thumbnail.uri}" width="{width}" height="{height}"/>{drawn}</svg>'
    )


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
