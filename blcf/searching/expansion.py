"""The third stage of a search: the query and its trusted hits to a better query."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from blcf.expansion import average_query, discriminative_query, trusted_hits
from blcf.records import Ranking
from blcf.searching.confidence import HEAD
from blcf.searching.options import SearchOptions
from blcf.searching.outcome import Outcome
from blcf.searching.searchable import Searchable

__all__ = ["expand"]

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
    index, ranking, found = searchable.index, outcome.ranking, outcome.found
    rows = _trusted(ranking, options)[: options.n_expand]
    if not rows.size:
        return vector
    ids = ranking.ids[rows].tolist()
    windows = {one: found[one].cells for one in ids if one in found}
    hits = index.weigh(searchable.bags_of(ids, windows if options.expand == "local" else {}))
    if options.expand_by == "alpha":
        return average_query(vector, hits, ranking.scores[rows], alpha=options.alpha)
    if options.expand_by == "svm":
        last = searchable.last(vector, N_NEGATIVES, among).tolist()
        negatives = [image_id for image_id in last if image_id not in set(ids)]
        if negatives:
            negative_bags = index.weigh(searchable.bags_of(negatives, {}))
            return discriminative_query(sp.vstack([vector, hits]), negative_bags)
    return average_query(vector, hits)


def _trusted(ranking: Ranking, options: SearchOptions) -> np.ndarray:
    """Rows of the ranking that may take part."""
    if options.guard == "none":
        return np.arange(min(len(ranking), options.n_expand))
    return np.flatnonzero(trusted_hits(ranking.scores[:HEAD]))
