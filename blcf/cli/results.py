"""What a search gives: lines as they come, JSON, a CSV file, a page."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from blcf.cli.hit_tables import head, lines, moment_head, moment_lines, write_csv
from blcf.cli.outputs import STDOUT
from blcf.cli.queries import Asked
from blcf.cli.units import count
from blcf.engine import SearchEngine
from blcf.errors import InvalidInput
from blcf.images import display_name
from blcf.measuring.run_file import RunFile
from blcf.pages import MOST_SHOWN, Card, SearchPage, Section, open_search_page
from blcf.searching import Hits, Moments
from blcf.searching.hit_rows import CSV_COLUMNS, MOMENT_COLUMNS, csv_rows, csv_text

__all__ = ["Results", "check_results", "drop_output", "open_results"]

_WIDEST = 40  # letters of a query in front of its hits; longer ones push their line to the right


def check_results(options: argparse.Namespace) -> None:
    """Raise `InvalidInput` for two results on stdout."""
    if hasattr(options, "json") and getattr(options, "csv", "") == STDOUT:
        raise InvalidInput("Expected one of --json and --csv - on standard output, got both.")


def drop_output() -> None:
    """Nobody reads standard output any more: what is still to come goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def open_results(
    options: argparse.Namespace, queries: list[Asked], engine: SearchEngine
) -> Iterator[Results]:
    """Gives what takes the hits of query after query; at the end the files are written.

    Parameters
    ----------
    options : json, csv, html, run_file, group
    queries : all that will come
    engine : that is searched

    Raises
    ------
    InvalidInput
        At the end: no query could be searched with, and nothing is written.
    StorageError
    """
    with ExitStack() as stack:
        page = None
        if hasattr(options, "html"):
            page = stack.enter_context(_open_page(options, queries, engine))
        results = Results(options, queries, page)
        yield results
        results.check()
    results.finish()


class Results:
    """Takes the hits of query after query; from `open_results`."""

    def __init__(self, options: argparse.Namespace, queries: list[Asked], page: SearchPage | None):
        self._options, self._queries, self._page = options, queries, page
        self._csv: list[list[Any]] = []
        self._json: list[dict[str, Any]] = []
        self._run = RunFile("LS") if hasattr(options, "run_file") else None
        self._skipped: list[str] = []
        self._most = 0
        self.missing: set[str] = set()  # shards that were done without
        self._prints = not hasattr(options, "json") and getattr(options, "csv", "") != STDOUT
        widest = max(len(display_name(one.label)) for one in queries)
        self._width = min(widest, _WIDEST) if len(queries) > 1 else 0
        self._has_head = not sys.stdout.isatty()  # a program that reads the lines wants none

    @property
    def n_skipped(self) -> int:
        """How many queries could not be searched with."""
        return len(self._skipped)

    def add(self, asked: Asked, hits: Hits, moments: Moments | None = None) -> None:
        """The hits of a query; where they are the best of moments, these."""
        options = self._options
        self.missing.update(hits.missing_shards)
        if self._prints:
            self._print(asked, hits, moments)
        if hasattr(options, "csv"):
            self._csv += csv_rows(asked.given, hits, moments)
        if self._run is not None:
            self._run.take(asked.label, hits if moments is None else moments.ranking())
        if hasattr(options, "json"):
            box = None if hits.query_box is None else [float(x) for x in hits.query_box]
            rows = (hits if moments is None else moments).to_dicts()
            found: dict[str, Any] = {"query": asked.given, "box": box, "hits": rows}
            if hits.missing_shards:
                found["missing_shards"] = list(hits.missing_shards)
            self._json.append(found)
        if self._page is not None:
            self._page.add(_section(asked, hits, moments))
        self._most = max(self._most, len(hits))

    def _print(self, asked: Asked, hits: Hits, moments: Moments | None) -> None:
        try:
            if not self._has_head:
                self._has_head = True
                print((head if moments is None else moment_head)(self._width))
            shown = (
                lines(hits, asked.label, self._width)
                if moments is None
                else moment_lines(moments, asked.label, self._width)
            )
            for line in shown:
                print(line)
        except BrokenPipeError:  # blcf search ... --html FILE | head: the file is wanted
            if not ("csv" in self._options or "html" in self._options):
                raise
            self._prints = False
            drop_output()

    def skip(self, asked: Asked, reason: str) -> None:
        """A query that could not be searched with."""
        self._skipped.append(f"{asked.place}: {display_name(reason)}")
        print(f"blcf: skipped {self._skipped[-1]}", file=sys.stderr)
        if self._page is not None:
            self._page.skip(asked.label, reason)

    def check(self) -> None:
        """Raise `InvalidInput` where no query could be searched with."""
        if self.n_skipped == len(self._queries):
            raise InvalidInput(
                f"None of {self.n_skipped} queries could be searched with, the first: "
                f"{self._skipped[0]}"
            )

    def finish(self) -> None:
        """Write what comes at the end."""
        options = self._options
        if hasattr(options, "csv"):
            more = MOMENT_COLUMNS if hasattr(options, "group") else ()
            text = csv_text((*CSV_COLUMNS, *more), self._csv)
            if options.csv == STDOUT:
                print(text, end="")
            else:
                write_csv(options.csv, text)
        if hasattr(options, "json"):
            is_one = len(self._queries) == 1 and not hasattr(options, "queries")
            print(json.dumps(self._json[0] if is_one else self._json, indent=1))
        if self._run is not None:
            self._run.write(options.run_file)
        if self._most > MOST_SHOWN and ("plot" in options or "html" in options):
            print(
                f"blcf: of {self._most:,} hits the first {MOST_SHOWN} are drawn; -k says how many "
                "there are",
                file=sys.stderr,
            )
        if self._skipped:
            n_all = len(self._queries)
            print(f"blcf: {self.n_skipped:,} of {n_all:,} queries were skipped", file=sys.stderr)


def _open_page(
    options: argparse.Namespace, queries: list[Asked], engine: SearchEngine
) -> AbstractContextManager[SearchPage]:
    extractor = engine.collection.manifest["extractor"]
    about = (
        f"In {os.path.abspath(options.collection)}, with network {extractor['network']}, layer "
        f"{extractor['layer']}."
    )
    facts = [("pictures", f"{len(engine):,}"), ("queries", f"{len(queries):,}")]
    return open_search_page(Path(options.html), [one.label for one in queries], facts, about)


def _section(asked: Asked, hits: Hits, moments: Moments | None) -> Section:
    """A query and its hits as the page shows them."""
    shown = hits[:MOST_SHOWN]
    says = count(len(hits), "hit")
    if len(shown) < len(hits):
        says += f", the first {len(shown):,} are shown"
    boxes = [query.box for query in hits.asked.queries]
    said = [""] * len(shown)
    if moments is not None:
        said = [f", {one.span}, {count(len(one.hits), 'frame')}" for one in moments[: len(shown)]]
    cards = (_card(shown, row, said[row]) for row in range(len(shown)))
    return Section(asked.label, says, list(zip(hits.asked.pictures, boxes)), cards)


def _card(hits: Hits, row: int, says: str) -> Card:
    hit, picture = hits[row], hits.shown[row]
    is_query = isinstance(hits.query, Path) and hits.query.absolute() == picture
    return Card(
        hit.name,
        hit.score,
        picture,
        [("found", place) for place in hit.places],
        partial(hits.picture_evidence, row),
        mark="<b>the query itself</b>" if is_query else "",
        says=says,
    )
