"""A part of a map alone: the words and norms that the whole map has there, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

from blcf.features import Whitening
from blcf.vocabulary import Vocabulary
from blcf.vocabulary.parts import part_around, part_norms


@pytest.mark.parametrize("factor", [1, 2, 4])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_part_has_the_words_of_the_whole(factor, precision):
    rng = np.random.default_rng(factor)
    rows = rng.gamma(1, size=(2_000, 48)).astype(np.float32)
    whitening = Whitening(16).fit(rows)
    vocabulary = Vocabulary(300, max_iter=2).fit(whitening.transform(rows))
    for _ in range(20):
        h, w = (int(n) for n in rng.integers(1, 24, 2))
        feature_map = rng.gamma(1, size=(48, h, w)).astype(np.float32)
        feature_map[:, rng.random((h, w)) < 0.1] = 0
        how = {"upsample": factor, "whitening": whitening, "precision": precision}
        words, norms = vocabulary.assign_maps(feature_map[None], **how)
        needed = np.zeros((factor * h, factor * w), bool)
        y1, x1 = (int(rng.integers(0, side)) for side in needed.shape)
        needed[y1 : y1 + int(rng.integers(1, 9)), x1 : x1 + int(rng.integers(1, 9))] = True
        np.testing.assert_array_equal(part_norms(feature_map, factor), norms[0])
        part = part_around(needed, factor)
        if part is None:
            continue
        found = np.full(needed.shape, -1)
        rows_, columns = part.source
        found[part.large] = vocabulary.assign_maps(feature_map[None, :, rows_, columns], **how)[0]
        np.testing.assert_array_equal(found[needed], words[0][needed])


def test_where_a_part_saves_nothing():
    needed = np.zeros((20, 30), bool)
    assert part_around(needed, 2) is None  # nothing is needed
    needed[4:6, 8:10] = True
    part = part_around(needed, 2)
    assert part.source == (slice(1, 4), slice(3, 6)) and part.shape == (20, 30)
    assert part.large == (slice(2, 8), slice(6, 12))
    assert part_around(needed, 3) is None  # thirds are rounded
    needed[0, 0] = needed[-1, -1] = True
    assert part_around(needed, 2) is None
