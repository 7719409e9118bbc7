"""Searches with examples, from pictures to hits; the engine and the server ask so."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing

from blcf.images import ImageLike, read_ahead
from blcf.processor import n_cores
from blcf.rerank.transforms import opencv
from blcf.searching.hits import Hits
from blcf.searching.options import SearchOptions
from blcf.searching.queries import Asked, Example, describe_each, describe_examples
from blcf.searching.searcher import Searcher
from blcf.threads import in_one_thread

__all__ = ["search_each", "search_examples"]


def search_examples(
    searcher: Searcher,
    examples: Sequence[Example],
    options: SearchOptions,
    negatives: Sequence[Example] = (),
) -> Hits:
    """The pictures that show an object.

    Parameters
    ----------
    searcher : over a snapshot of a collection
    examples : pictures of the object, one or more
    options : how
    negatives : pictures of what is not meant

    Raises
    ------
    InvalidInput, UnreadableImage, VocabularyMismatch
    """
    if options.refine is not None:
        opencv()  # says what is missing before the network is asked
    asked = describe_examples(searcher.searchable, examples, options)
    unwanted = describe_examples(searcher.searchable, negatives, options).queries
    return Hits.find(searcher, asked, options, unwanted)


def search_each(
    searcher: Searcher, queries: Iterable[Example | ImageLike], options: SearchOptions
) -> Generator[Hits, None, None]:
    """The pictures that show each of many objects, in the order of the queries.

    Their pictures go through the network together; meanwhile those that went are searched with,
    each in one thread, as many as there are cores.

    Parameters
    ----------
    searcher : over a snapshot of a collection
    queries : one example each; taken as they are needed, some ahead
    options : how

    Raises
    ------
    InvalidInput, UnreadableImage, VocabularyMismatch
        At its place; the message says which query it was, 0 the first.
    """
    if options.refine is not None:
        opencv()

    def search(asked: Asked) -> Hits:
        with in_one_thread():
            return Hits.find(searcher, asked, options)

    with closing(describe_each(searcher.searchable, queries, options)) as asked:
        found = read_ahead(asked, search, n_workers=n_cores(), patience=None)
        with closing(found):
            for _, hits in found:
                if isinstance(hits, Exception):
                    raise hits
                yield hits
