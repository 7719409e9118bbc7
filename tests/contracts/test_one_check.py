"""One kind of value, one check: the same error wherever an assignment map is given."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from blcf.bags import BagOfWords
from blcf.errors import InvalidInput, VocabularyMismatch
from blcf.records import Query, View
from blcf.rerank import LocalSearch
from blcf.rerank.voting import Voting

N_WORDS = 5
SOUND = np.array([[0, 1, 2], [3, 4, 0]], dtype=np.int32)
MAPS = [
    (SOUND.astype(float), InvalidInput, r"assignment map of integers of shape .* got float64"),
    (SOUND > 0, InvalidInput, r"assignment map of integers of shape .* got bool"),
    (SOUND[None], InvalidInput, r"assignment map of integers of shape .* of shape \(1, 2, 3\)"),
    (SOUND[:0], InvalidInput, r"assignment map of integers of shape .* of shape \(0, 3\)"),
    (SOUND + 1, VocabularyMismatch, "words from 0 to 4.* got 1 to 5. Use the vocabulary that"),
    (SOUND - 1, VocabularyMismatch, "words from 0 to 4.* got -1 to 3. Use the vocabulary that"),
]


def to_bag(words):
    BagOfWords(N_WORDS).encode(words)


def to_local_search(words):
    search = LocalSearch(np.ones(N_WORDS))
    search.best_window(search.prepare(sp.csr_matrix(np.ones((1, N_WORDS)))), words)


def to_voting(words):
    view = View(SOUND, np.ones(SOUND.shape, np.float32), sp.csr_matrix((1, N_WORDS)))
    voting = Voting(N_WORDS)
    voting.locate(voting.prepare(Query((view,), (40, 30), None)), words, (40, 30))


@pytest.mark.parametrize("door", [to_bag, to_local_search, to_voting])
@pytest.mark.parametrize(("words", "kind", "message"), MAPS)
def test_an_assignment_map(door, words, kind, message):
    with pytest.raises(kind, match=message):
        door(words)
    door(SOUND)
