"""Parts of an index: additions are split and merged, removals marked, and a state never changes."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import scipy.sparse as sp

from blcf.errors import FormatError
from blcf.index import InvertedFile, merging
from blcf.index.parts import NamedPart, State, with_bags, without_names
from blcf.storage import open_h5, write_h5


def bags_of(first, last):
    """Image i holds word 0, i + 1 times."""
    return sp.csr_matrix(np.arange(first + 1, last + 1, dtype=np.float32)[:, None])


def names_of(first, last):
    return [f"{i}.jpg" for i in range(first, last)]


def grown(parts, first, last):
    return with_bags(parts, names_of(first, last), bags_of(first, last))


def content(parts):
    """[(name, tf of word 0)] of the images that live, in order."""
    found = []
    for part in parts:
        tf = np.zeros((1, 65_536))
        one, words = np.ones(1), np.zeros(1, dtype=np.int32)
        starts = np.array([0, 1], dtype=np.int32)
        part.postings.add_scores(words, starts, words, one, False, tf)
        live = np.ones(len(part.names), dtype=bool) if part.live is None else part.live
        found += [(part.names[int(i)], int(tf[0, i])) for i in np.flatnonzero(live)]
    return found


def expected(numbers):
    return [(f"{i}.jpg", i + 1) for i in numbers]


@pytest.fixture
def early(monkeypatch):
    monkeypatch.setattr(merging, "LARGEST", 9)
    monkeypatch.setattr(merging, "TIERS", (2, 4, 9))
    monkeypatch.setattr(merging, "FACTOR", 2)


def test_a_large_addition_is_split(early):
    parts = grown([], 0, 25)
    assert [part.n_live for part in parts] == [9, 9, 7]
    assert content(parts) == expected(range(25))


def test_small_additions_are_merged(early):
    parts = []
    for i in range(40):
        before, was = list(parts), content(parts)
        parts = grown(parts, i, i + 1)
        assert content(parts) == expected(range(i + 1)) and content(before) == was
        assert len(parts) <= 2 * (1 + 40 // 9) + 2
        assert all(part.live is None and 0 < part.n_live <= 9 for part in parts)


def test_no_images_add_no_part():
    assert with_bags([], [], sp.csr_matrix((0, 3), dtype=np.float32)) == []


def test_removed_images_are_marked_then_dropped():
    parts = grown(grown([], 0, 6), 6, 10)
    before = list(parts)
    marked = without_names(parts, ["0.jpg", "4.jpg", "9.jpg", "unknown"])
    assert [part.n_live for part in marked] == [4, 3]
    assert [part.postings.n_images for part in marked] == [6, 4]
    assert content(marked) == expected([1, 2, 3, 5, 6, 7, 8])
    again = without_names(marked, ["0.jpg", "1.jpg"])  # half of the part: still marks
    assert [part.postings.n_images for part in again] == [6, 4] and again[0].n_live == 3
    dropped = without_names(again, ["2.jpg"])
    assert [part.postings.n_images for part in dropped] == [2, 4] and dropped[0].live is None
    assert content(dropped) == expected([3, 5, 6, 7, 8])
    assert content(without_names(dropped, names_of(0, 6))) == expected([6, 7, 8])
    assert without_names(dropped, names_of(0, 10)) == []
    # What a search under way holds is as it was.
    assert content(before) == expected(range(10)) and parts == before
    assert all(part.live is None for part in before)


def test_parts_without_such_names_are_the_same_parts():
    parts = grown(grown([], 0, 6), 6, 10)
    left = without_names(parts, ["7.jpg"])
    assert left[0] is parts[0] and left[1] is not parts[1]
    assert left[1].postings is parts[1].postings  # marks, no copy


def write(path, parts):
    with write_h5(path, "parts", 1) as file:
        for number, part in enumerate(parts):
            part.write(file.create_group(str(number)))


def read(path):
    with open_h5(path, "parts", 1) as file:
        return [NamedPart.read(file.group(number)) for number in file]


def test_write_and_read(tmp_path):
    parts = without_names(grown(grown([], 0, 6), 6, 10), ["1.jpg", "2.jpg"])
    write(tmp_path / "parts.h5", parts)
    again = read(tmp_path / "parts.h5")
    assert content(again) == content(parts) == expected([0, 3, 4, 5, 6, 7, 8, 9])
    assert again[0].live.tolist() == [True, False, False, True, True, True]
    assert again[1].live is None
    # Merged, over read-only maps.
    assert content(without_names(again, ["0.jpg", "3.jpg"])) == expected([4, 5, 6, 7, 8, 9])


@pytest.mark.parametrize(
    "live",
    [np.ones(5, dtype=bool), np.ones((6, 1), dtype=bool), np.ones(6, dtype=np.uint8), "byte", None],
)
def test_parts_that_do_not_fit_together(live, tmp_path):
    path = tmp_path / "parts.h5"
    write(path, without_names(grown([], 0, 6), ["1.jpg"]))
    with h5py.File(path, "r+") as file:
        if isinstance(live, np.ndarray):
            del file["0/live"]
            file["0/live"] = live
        elif live is None:
            file["0"].attrs["n_images"] = 7
        else:
            place = file["0/live"].id.get_offset()
    if isinstance(live, str):
        whole = bytearray(path.read_bytes())
        whole[place] = 2  # neither true nor false
        path.write_bytes(whole)
    with pytest.raises(FormatError, match="parts.h5 is damaged: its names, posting lists"):
        read(path)


def test_damage_goes_into_no_new_part():
    parts = grown([], 0, 6)
    parts[0].postings.image_ids[2] = 60_000
    with pytest.raises(FormatError, match="Expected postings of 6 images, got one of image 60000"):
        without_names(parts, names_of(0, 4))


def test_a_state_keeps_what_it_had():
    """A search that holds a state is not disturbed by what is added and removed meanwhile."""
    index = InvertedFile(1).add(names_of(0, 6), bags_of(0, 6))
    state = index._state
    statistics = state.weighed(1, False, False)
    assert state.weighed(1, False, False) is statistics  # computed once
    index.remove(names_of(0, 4))
    index.add(names_of(6, 9), bags_of(6, 9))
    assert index._state is not state and state.weighed(1, False, False) is statistics
    assert state.numbering.n_images == 6 and content(state.parts) == expected(range(6))
    assert index._state.numbering.n_images == 5 and index.df.tolist() == [5]
    assert State([]).numbering.n_images == 0
