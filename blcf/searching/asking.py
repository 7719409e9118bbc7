"""One search with examples, from pictures to hits; the engine and the server ask so."""

from __future__ import annotations

from collections.abc import Sequence

from blcf.rerank.transforms import opencv
from blcf.searching.hits import Hits
from blcf.searching.options import SearchOptions
from blcf.searching.queries import Example, describe_examples
from blcf.searching.searcher import Searcher

__all__ = ["search_examples"]


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
