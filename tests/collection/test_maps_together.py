"""Maps of many images in one call are those that one call each gives."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from damaged import forged
from made_up import DESCRIPTION, append, name

from blcf.bags import spatial_weights
from blcf.collection import Collection, Segment
from blcf.collection.maps import Maps
from blcf.errors import FormatError
from blcf.weighed_maps import WeighedMaps


@pytest.fixture
def collection(tmp_path):
    made = Collection.create(tmp_path / "some.blcf", DESCRIPTION)
    with made.writing():
        for first, last in ((0, 4), (4, 9), (9, 12)):
            append(made, range(first, last))
        made.remove([name(5), name(0)])
    return made


@pytest.mark.parametrize("weighting", ["norm", "uniform"])
def test_they_are_those_of_one_call_each(collection, weighting):
    rng = np.random.default_rng(0)
    for n in (0, 1, 4, 10):
        ids = rng.permutation(collection.n_images)[:n].tolist()
        seen = [collection.seen(weighting, one) for one in ids]
        weights = [spatial_weights(weighting, one.shape, channel) for _, one, channel in seen]
        expected = WeighedMaps.of([words for _, words, _ in seen], weights, 20)
        sizes, maps = collection.weighed(weighting, ids)
        assert sizes.shape == (n, 2) and sizes.tolist() == [list(size) for size, _, _ in seen]
        assert len(maps) == n and maps.n_words == 20 and maps.words.dtype == np.int32
        for row in range(n):
            np.testing.assert_array_equal(maps.words_of(row), expected.words_of(row))
            np.testing.assert_array_equal(maps.weights_of(row), expected.weights_of(row))
    twice = collection.weighed(weighting, [3, 3])[1]
    assert np.array_equal(twice.words_of(1), twice.words_of(0)) and len(twice) == 2


def test_of_no_norms_all_cells_count(tmp_path):
    """Quantised norms of a picture of one colour are zeros."""
    made = Collection.create(tmp_path / "some.blcf", DESCRIPTION)
    with made.writing():
        append(made, range(3))
        entry = dict(made.manifest["segments"][0])
    with forged(made.path / "segments" / entry["file"], entry) as file:
        file["maps/norms"][...] = 0
    segment = Segment.read(made.file("segments"), entry, "")
    maps = segment.weighed("norm", np.arange(3))
    assert (maps.weights == 1).all() and maps.weights.size == maps.words.size


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file["maps/shapes"].__setitem__(1, (0, 5)), "has no cells|lie one behind"),
        (lambda file: file["maps/cell_words"].__setitem__(0, 20), "holds words that the vocab"),
        (lambda file: file["maps/marks"].__setitem__(0, 255), "cannot be unpacked"),
    ],
)
def test_damage_is_told_of(collection, change, message):
    entry = dict(collection.manifest["segments"][1])
    with forged(collection.path / "segments" / entry["file"], entry) as file:
        change(file)
    with pytest.raises(FormatError, match=message):
        Segment.read(collection.file("segments"), entry, "").weighed("norm", np.arange(5))


def test_a_changed_byte_is_noticed(collection):
    entry = collection.manifest["segments"][1]
    path = collection.path / "segments" / entry["file"]
    with h5py.File(path) as file:
        places = {
            one: file[f"maps/{one}"].id.get_offset() for one in ("norms", "marks", "cell_words")
        }
    sound = path.read_bytes()
    for one, place in places.items():
        path.write_bytes(sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :])
        with pytest.raises(FormatError, match=f"{one} are not as they were written"):
            Segment.read(collection.file("segments"), entry, "").weighed("norm", np.arange(5))


def test_sizes_whose_sum_wraps_are_no_maps(collection):
    """2^30 x 2^30 cells sixteen times over are 0 in 64 bits: a kernel would read anywhere."""
    maps = collection.segments[1].maps
    shapes = np.repeat(maps.shapes[:1], 66, axis=0)
    shapes[:16], shapes[18:] = 2**30, 2**30
    sizes = shapes.prod(axis=1, dtype=np.int64)

    def ends(each):
        return np.concatenate([[0], np.cumsum(each)])

    n_cells, n_marks = int(ends(sizes)[-1]), int(ends((sizes + 3) // 4)[-1])
    assert n_cells == 2 * maps.shapes[0].prod()
    forged_maps = Maps(
        shapes,
        ends(sizes),
        ends((sizes + 3) // 4),
        np.zeros(67, dtype=np.int64),
        np.zeros(max(n_marks, 0), dtype=np.uint8),
        np.empty(0, dtype=np.uint16),
        {"norm": np.zeros(n_cells, dtype=np.uint8)},
    )
    with pytest.raises(FormatError, match="lie one behind the other"):
        forged_maps.check_form(66, 20)
