"""Numbers of live images: those of an index built afresh from the survivors."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from blcf.index.numbering import Numbering

masks = st.lists(st.lists(st.booleans(), max_size=6), max_size=6)


def test_empty():
    assert Numbering([]).n_images == 0
    assert Numbering([(0, None), (2, np.zeros(2, dtype=bool))]).n_images == 0


def test_nothing_is_removed():
    numbering = Numbering([(3, None), (2, None)])
    assert numbering.n_images == 5 and numbering.starts.tolist() == [0, 3, 5]
    assert [numbering.locate(i) for i in range(5)] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    assert numbering.ids(1, np.array([1, 0])).tolist() == [4, 3]


@settings(max_examples=200, derandomize=True, database=None, deadline=None)
@given(masks, st.booleans())
def test_ids_and_places(parts, none_where_all_live):
    given_parts = [
        (len(part), None if none_where_all_live and all(part) else np.array(part, dtype=bool))
        for part in parts
    ]
    numbering = Numbering(given_parts)
    places = [(p, i) for p, part in enumerate(parts) for i, live in enumerate(part) if live]
    assert numbering.n_images == len(places)
    for image_id, (part, position) in enumerate(places):
        assert numbering.locate(image_id) == (part, position)
        assert numbering.locate(np.int64(image_id)) == (part, position)
        assert numbering.ids(part, np.array([position])).tolist() == [image_id]


@settings(max_examples=100, derandomize=True, database=None, deadline=None)
@given(masks, st.randoms(use_true_random=False))
def test_chosen(parts, random):
    given_parts = [(len(part), np.array(part, dtype=bool)) for part in parts]
    numbering = Numbering(given_parts)
    places = [(p, i) for p, part in enumerate(parts) for i, live in enumerate(part) if live]
    mask = np.array([random.random() < 0.5 for _ in places], dtype=bool)
    found = [(p, i) for p in range(len(parts)) for i in numbering.chosen(p, mask).tolist()]
    assert found == [place for place, is_chosen in zip(places, mask) if is_chosen]
