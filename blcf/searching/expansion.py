"""The third stage of a search: the query and its trusted hits to a better query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from blcf.expansion import (
    average_query,
    discriminative_query,
    joint_query,
    sure_hits,
    sure_weights,
    trusted_hits,
)
from blcf.records import Ranking
from blcf.searching.confidence import HEAD, confidences
from blcf.searching.options import SearchOptions
from blcf.searching.outcome import Found, Outcome, bags_of_windows
from blcf.searching.searchable import Searchable

__all__ = ["expand", "sure_of"]

N_NEGATIVES = 200  # of the end of the ranking, for "svm"


def expand(
    searchable: Searchable,
    options: SearchOptions,
    vector: sp.csr_matrix,
    outcome: Outcome,
    among: Any = None,
) -> sp.csr_matrix:
    """The expanded query; the query itself where no hit may be trusted.

    Parameters
    ----------
    vector : of the query, CSR float64 (1, n_words)
    outcome : its hits, and what reranking found in them
    among : which images are searched, see `Searchable.chosen`; None for all
    """
    if options.expand == "auto":
        return _expand_surely(searchable, options, vector, outcome)
    index, ranking, found = searchable.index, outcome.ranking, outcome.found
    rows = _trusted(ranking, options)[: options.n_expand]
    if not rows.size:
        return vector
    ids = ranking.ids[rows].tolist()
    hits = _vectors(searchable, ids, found if options.expand == "local" else {})
    if options.expand_by == "alpha":
        return average_query(vector, hits, ranking.scores[rows], alpha=options.alpha)
    if options.expand_by == "svm":
        last = searchable.last(vector, N_NEGATIVES, among).tolist()
        negatives = [image_id for image_id in last if image_id not in set(ids)]
        if negatives:
            negative_bags = index.weigh(searchable.bags_of(negatives))
            return discriminative_query(sp.vstack([vector, hits]), negative_bags)
    return average_query(vector, hits)


def _expand_surely(
    searchable: Searchable, options: SearchOptions, vector: sp.csr_matrix, outcome: Outcome
) -> sp.csr_matrix:
    """The query with the best windows of hits that are sure; the query itself where too few are."""
    sure = sure_of(outcome, options)
    rows = sure_hits(outcome.ranking.scores, sure)
    if not rows.size:
        return vector
    ids, found = outcome.ranking.ids[rows].tolist(), outcome.found
    hits = _vectors(searchable, ids, found)
    known = [one in found and found[one].weights is not None for one in ids]
    weights = sure_weights(hits, sure[rows], known)
    if not weights.any():
        return vector
    return joint_query(sp.vstack([vector, hits]), [1.0, *weights])


def _vectors(
    searchable: Searchable, ids: Sequence[int], found: Mapping[int, Found]
) -> sp.csr_matrix:
    """Vectors of images, of their windows where these are known: CSR float64 (n, n_words)."""
    known = np.array([one in found for one in ids], dtype=bool)
    windows = bags_of_windows([found[one] for one in ids if one in found], searchable.index.n_words)
    bags = windows
    if not known.all():
        whole = searchable.bags_of([one for one in ids if one not in found])
        order = np.argsort(~known, kind="stable")
        bags = sp.vstack([windows, whole], format="csr")[np.argsort(order)]
    return searchable.index.weigh(bags)


def sure_of(outcome: Outcome, options: SearchOptions) -> np.ndarray:
    """How sure each hit is: float32 (n,), see `confidences`."""
    return confidences(outcome.ranking.scores, options.depth if outcome.found else None)


def _trusted(ranking: Ranking, options: SearchOptions) -> np.ndarray:
    """Rows of the ranking that may take part."""
    if options.guard == "none":
        return np.arange(min(len(ranking), options.n_expand))
    return np.flatnonzero(trusted_hits(ranking.scores[:HEAD]))
