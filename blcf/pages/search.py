"""The page of one's own search: every query with its hits, each linked to its file, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path

from blcf.images import display_name
from blcf.images.thumbnails import Thumbnails
from blcf.pages.page import (
    HOW_TO_READ,
    Section,
    facts_html,
    guide_html,
    open_page,
    section_html,
)
from blcf.pages.pictures import Pictures

__all__ = ["MOST_SHOWN", "SearchPage", "open_search_page"]

MOST_SHOWN = 200  # hits of a query: 4 MB and three seconds


class SearchPage:
    """A page that is being written; from `open_search_page`."""

    def __init__(self, write, pictures: Pictures):
        self._write, self._pictures, self._n = write, pictures, 0

    def add(self, section: Section) -> None:
        """The next query, with its hits."""
        self._n += 1
        self._write(section_html(self._n, section, self._pictures))

    def skip(self, title: str, reason: str) -> None:
        """The next query, which could not be searched with."""
        self._n += 1
        self._write(
            f'<section class="query"><h2 id="q{self._n}">{escape(display_name(title))}</h2>'
            f'<p class="none">skipped: {escape(display_name(reason))}</p></section>'
        )


@contextmanager
def open_search_page(
    path: Path, titles: Sequence[str], facts: Sequence[tuple[str, str]], about: str
) -> Iterator[SearchPage]:
    """Write the page of a search query by query; it appears whole or not at all.

    Parameters
    ----------
    path : the file
    titles : of the queries, in the order in which they will come
    facts : what stands at the top: (what, how much)
    about : what was searched, in words

    Raises
    ------
    StorageError
    """
    what = titles[0] if len(titles) == 1 else f"{len(titles):,} queries"
    with open_page(path, f"blcf search: {what}") as write:
        write(
            f"<header>\n<h1>What was found</h1>\n<p>{escape(display_name(about))}</p>\n"
            f"{facts_html(facts)}\n</header>"
        )
        write(guide_html(HOW_TO_READ))
        if len(titles) > 1:
            listed = "".join(
                f'<li><a href="#q{number}">{escape(display_name(title))}</a></li>'
                for number, title in enumerate(titles, start=1)
            )
            write(
                '<section aria-labelledby="all"><h2 id="all">All queries</h2>'
                f'<ul class="all">{listed}</ul></section>'
            )
        yield SearchPage(write, Pictures(Thumbnails()))
