"""Posting lists of a part: built, merged, counted, written and read; damage is named."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pytest
import scipy.sparse as sp

from blcf.errors import FormatError
from blcf.index.postings import BUFFER, Postings
from blcf.index.term_frequencies import COUNTS, STEPS, VALUES, decode
from blcf.storage import map_file, open_h5, write_h5

UNITS = {
    "counts": [1, 2, 3, 255],
    "large counts": [1, 2, 256, 300, 1000],
    "steps": [1 / 255, 7 / 255, 1, 250],
    "large steps": [1 / 255, 300, 301.4],
    "floats": [0.1, 0.3, 1e-30, 1234.567],
}


def random_bags(unit, n_images=30, n_words=12, seed=0, density=0.4):
    rng = np.random.default_rng(seed)
    tf = (np.rint(np.array(UNITS[unit]) * 255) / 255) if "steps" in unit else np.array(UNITS[unit])
    dense = rng.choice(tf, (n_images, n_words)) * (rng.random((n_images, n_words)) < density)
    return sp.csr_matrix(dense.astype(np.float32))


def many_values(n_images=40, n_words=2_000):
    """More than 65,535 distinct frequencies."""
    dense = np.random.default_rng(1).permutation(n_images * n_words) + np.float32(0.3)
    return sp.csr_matrix(dense.reshape(n_images, n_words).astype(np.float32))


def arrays(postings):
    """What the lists say, whatever the codes."""
    tf = decode(postings.tf)
    np.testing.assert_array_equal(np.flatnonzero(postings.tf.codes == 0), postings.escapes)
    np.testing.assert_array_equal(tf[postings.escapes], postings.tf.escaped)
    return postings.n_images, postings.word_indptr, postings.image_ids, tf


def same(postings, other):
    for one, two in zip(arrays(postings), arrays(other)):
        np.testing.assert_array_equal(one, two)
        assert np.asarray(one).dtype == np.asarray(two).dtype


def to_bags(postings):
    _, word_indptr, image_ids, tf = arrays(postings)
    shape = postings.n_images, postings.n_words
    return sp.csc_matrix((tf, image_ids.astype(np.int32), word_indptr), shape=shape).tocsr()


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (4, 0), (5, 1), (30, 12)])
def test_from_bags(unit, shape):
    bags = random_bags(unit, *shape)
    postings = Postings.from_bags(bags)
    assert (postings.n_images, postings.n_words, postings.n_postings) == (*shape, bags.nnz)
    np.testing.assert_array_equal(to_bags(postings).toarray(), bags.toarray())
    n_escapes = int((bags.data > (255 if "counts" in unit else 257)).sum())
    assert postings.escapes.size == (0 if unit == "floats" else n_escapes)
    postings.check()


def test_from_bags_with_more_values_than_codes():
    bags = many_values()
    postings = Postings.from_bags(bags)
    assert postings.tf.unit == VALUES and postings.escapes.size == 80_000 - 65_535
    np.testing.assert_array_equal(to_bags(postings).toarray(), bags.toarray())
    postings.check()


def test_as_many_images_as_there_can_be():
    bags = sp.csr_matrix(np.ones((BUFFER, 1), dtype=np.float32))
    postings = Postings.from_bags(bags)
    np.testing.assert_array_equal(postings.image_ids, np.arange(BUFFER))
    postings.check()
    same(Postings.merge([(postings, None)]), postings)
    assert postings.squared_norms(np.ones(1), False).shape == (BUFFER,)


MIXES = [
    ["counts"],
    ["counts", "counts", "counts"],
    ["large counts", "counts", "large counts"],
    ["steps", "large steps"],
    ["large counts", "large steps", "counts"],
    ["floats", "floats"],
    ["floats", "large counts", "large steps"],
]


@pytest.mark.parametrize("units", MIXES, ids=" + ".join)
def test_merge_is_from_bags_of_the_survivors(units):
    rng = np.random.default_rng(3)
    for share in (0, 0.1, 0.6, 1, None):
        bags = [random_bags(unit, n, seed=n) for n, unit in enumerate(units, start=9)]
        bags.insert(1, random_bags("counts", 0))
        lives = [None if share is None else rng.random(one.shape[0]) < share for one in bags]
        kept = [one if live is None else one[live] for one, live in zip(bags, lives)]
        merged = Postings.merge(list(zip(map(Postings.from_bags, bags), lives)))
        merged.check()
        same(merged, Postings.from_bags(sp.vstack(kept, format="csr")))


def test_merge_with_more_values_than_codes():
    bags = [many_values(), random_bags("large counts", n_words=2_000)]
    live = np.arange(40) % 3 > 0
    many, few = (Postings.from_bags(one) for one in bags)
    merged = Postings.merge([(many, live), (few, None)])
    same(merged, Postings.from_bags(sp.vstack([bags[0][live], bags[1]], format="csr")))


def test_merge_keeps_narrow_codes_narrow():
    for units, unit, size in ([["counts"] * 3, COUNTS, 1], [["counts", "steps"], STEPS, 2]):
        parts = [(Postings.from_bags(random_bags(one)), None) for one in units]
        merged = Postings.merge(parts)
        assert merged.tf.unit == unit and merged.tf.codes.itemsize == size


@pytest.mark.parametrize("unit", UNITS)
def test_document_frequencies(unit):
    bags = random_bags(unit)
    postings = Postings.from_bags(bags)
    live = np.random.default_rng(4).random(30) < 0.5
    for mask in (None, live, ~live, np.zeros(30, dtype=bool)):
        df = postings.document_frequencies(mask)
        kept = bags if mask is None else bags[mask]
        assert df.dtype == np.int64
        np.testing.assert_array_equal(df, (kept.toarray() > 0).sum(axis=0))


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("sqrt", [False, True])
def test_squared_norms(unit, sqrt):
    bags = random_bags(unit)
    idf = np.random.default_rng(5).random(12)
    tf = bags.toarray().astype(np.float64)
    postings = Postings.from_bags(bags)
    squared = postings.squared_norms(idf, sqrt)
    expected = (((np.sqrt(tf) if sqrt else tf) * idf) ** 2).sum(axis=1)
    np.testing.assert_allclose(squared, expected, rtol=1e-13)
    # To the last bit the same in a part that has other codes.
    mixed = Postings.merge([(postings, None), (Postings.from_bags(random_bags("floats")), None)])
    np.testing.assert_array_equal(mixed.squared_norms(idf, sqrt)[:30], squared)


@pytest.mark.parametrize("weighted, most", [(False, 3.5), (True, 4.5)])
def test_bytes_of_a_posting(weighted, most):
    """2 for the image, 1 for a count or 2 for a weight, and the ends of 25,000 lists."""
    rng = np.random.default_rng(6)
    words = np.cumsum(rng.integers(1, 77, (4_000, 590), dtype=np.int32), axis=1).ravel()
    tf = rng.geometric(0.5, words.size) / (255 if weighted else 1)
    indptr = 590 * np.arange(4_001)
    bags = sp.csr_matrix((tf.astype(np.float32), words, indptr), shape=(4_000, 25_000))
    postings = Postings.from_bags(bags)
    assert postings.n_bytes <= most * postings.n_postings


def write(postings, path):
    with write_h5(path, "postings", 1) as file:
        postings.write(file)


def read(path):
    with open_h5(path, "postings", 1) as file:
        return Postings.read(file, map_file(path))


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("n_images", [0, 30])
def test_write_and_read(unit, n_images, tmp_path):
    postings = Postings.from_bags(random_bags(unit, n_images))
    write(postings, tmp_path / "postings.h5")
    again = read(tmp_path / "postings.h5")
    same(again, postings)
    assert again.tf.unit == postings.tf.unit and again.n_bytes == postings.n_bytes
    again.check()
    same(Postings.merge([(again, None)]), postings)  # over a read-only map


def damaged(**changes):
    """Lists with escapes (counts) or a table (floats), of which some arrays are others."""
    unit = "floats" if "values" in changes else "large counts"
    postings = Postings.from_bags(random_bags(unit))
    tf = {name: changes.pop(name) for name in ("codes", "values", "escaped") if name in changes}
    return replace(postings, **changes, tf=replace(postings.tf, **tf))


GOOD = Postings.from_bags(random_bags("large counts"))
FLOATS = Postings.from_bags(random_bags("floats"))


def changed(array, *values, at=0):
    array = array.copy()
    array[at : at + len(values)] = values
    return array


ESCAPED, COUNTED = int(GOOD.escapes[0]), int(np.flatnonzero(GOOD.tf.codes)[0])
DAMAGE = {
    "twice the same image": (
        {"image_ids": changed(GOOD.image_ids, *GOOD.image_ids[:1], at=1)},
        "posting lists in ascending order of images",
    ),
    "image that is not there": (
        {"image_ids": changed(GOOD.image_ids, 77, at=GOOD.word_indptr[-1] - 1)},
        "postings of 30 images, got one of image 77",
    ),
    "escape without a frequency": (
        {"codes": changed(GOOD.tf.codes, 0, at=COUNTED)},
        "a frequency for every escape",
    ),
    "frequency without an escape": (
        {"codes": changed(GOOD.tf.codes, 1, at=ESCAPED)},
        "a frequency for every escape",
    ),
    "code beyond the table": (
        {"codes": changed(FLOATS.tf.codes, 99), "values": FLOATS.tf.values},
        "a frequency for every code",
    ),
    **{
        f"frequency {tf} in {name}": (
            {name: changed(getattr(one.tf, name), tf)},
            "finite term frequencies > 0",
        )
        for tf in (-1, 0, np.nan, np.inf)
        for name, one in (("escaped", GOOD), ("values", FLOATS))
    },
}


@pytest.mark.parametrize("case", DAMAGE)
def test_check_names_the_damage(case):
    changes, message = DAMAGE[case]
    with pytest.raises(FormatError, match=f"Expected {message}"):
        damaged(**changes).check()


ENDS = GOOD.word_indptr
UNFIT = {
    "unknown unit": {"unit": 2.0},
    "negative number of images": {"n_images": -1},
    "too many images": {"n_images": BUFFER + 1},
    "no lists": {"word_indptr": ENDS[:0]},
    "late beginning": {"word_indptr": changed(ENDS, 1)},
    "early end": {"word_indptr": ENDS[:-1]},
    "late end": {"word_indptr": changed(ENDS, 9_999, at=ENDS.size - 1)},
    "falling ends": {"word_indptr": changed(ENDS, 9_999, at=3)},
    "wide ends": {"word_indptr": ENDS.astype(np.int64)},
    "signed images": {"image_ids": GOOD.image_ids.astype(np.int16)},
    "images in a column": {"image_ids": GOOD.image_ids[:, None]},
    "few images": {"image_ids": GOOD.image_ids[:-1]},
    "few codes": {"codes": GOOD.tf.codes[:-1]},
    "wide codes": {"codes": GOOD.tf.codes.astype(np.uint16)},
    "many values": {"values": np.ones(256, dtype=np.float32)},
    "escape before": {"escapes": changed(GOOD.escapes, -1)},
    "escape behind": {"escapes": changed(GOOD.escapes, ENDS[-1])},
    "few escapes": {"escapes": GOOD.escapes[:-1]},
    "wide escapes": {"escapes": GOOD.escapes.astype(np.int64)},
    "whole escaped": {"escaped": GOOD.tf.escaped.astype(np.int32)},
}


@pytest.mark.parametrize("case", UNFIT)
def test_lists_that_a_search_could_leave_are_not_read(case, tmp_path):
    path = tmp_path / "postings.h5"
    write(GOOD, path)
    with h5py.File(path, "r+") as file:
        for name, value in UNFIT[case].items():
            if name in file.attrs:
                file.attrs[name] = value
            else:
                del file[name]
                file[name] = value
    with pytest.raises(FormatError, match="postings.h5 is damaged: its posting lists do not fit"):
        read(path)
