"""The inverted file beyond the contract of every index: its statistics and its file."""

from __future__ import annotations

import math
import os

import h5py
import numpy as np
import oracle
import pytest
import scipy.sparse as sp

from blcf.errors import BlcfError, FormatError, InvalidInput, VocabularyMismatch
from blcf.index import InvertedFile

BAGS = sp.csr_matrix(
    np.array([[2, 0, 1, 0], [0, 1, 0, 0], [4, 0, 0, 9], [1, 1, 1, 0]], dtype=np.float32)
)
NAMES = ["new\nline.jpg", "\U0001f600/é.jpg", os.fsdecode(b"\xe9.jpg"), "plain.jpg"]


def an_index(**options):
    index = InvertedFile(4, **options).add(NAMES[:3], BAGS[:3])
    return index.add(NAMES[3:], BAGS[3:])


def test_statistics():
    index = an_index(idf=True)
    assert index.df.tolist() == [3, 2, 2, 1]
    expected = [math.log(4 / 3), math.log(2), math.log(2), math.log(4)]
    np.testing.assert_allclose(index.idf_, expected, rtol=1e-15)
    norms = np.sqrt(((BAGS.toarray() * expected) ** 2).sum(axis=1))
    np.testing.assert_allclose(index.norms_, norms, rtol=1e-14)
    assert an_index().idf_.tolist() == [1, 1, 1, 1]
    np.testing.assert_allclose(an_index().norms_ ** 2, [5, 1, 97, 3], rtol=1e-14)
    np.testing.assert_allclose(an_index(sqrt=True).norms_ ** 2, [3, 1, 13, 3], rtol=1e-14)


def test_words_of_no_image_weigh_0():
    index = InvertedFile(3, idf=True).add(["a", "b"], sp.csr_matrix([[1.0, 0, 2], [1, 0, 0]]))
    assert index.idf_[1] == 0 and index.idf_[0] == 0 and index.idf_[2] == math.log(2)
    assert index.weigh(sp.csr_matrix([[0.0, 5, 0]])).toarray().tolist() == [[0, 0, 0]]


@pytest.mark.parametrize("idf", [False, True])
@pytest.mark.parametrize("sqrt", [False, True])
def test_weigh(idf, sqrt):
    index = an_index(idf=idf, sqrt=sqrt)
    vectors = index.weigh(BAGS)
    assert vectors.dtype == np.float64
    for row, bag in zip(vectors, BAGS):
        counts = dict(zip(bag.indices.tolist(), bag.data.tolist()))
        wanted = oracle.vector(counts, index.idf_.tolist(), sqrt)
        np.testing.assert_allclose(
            row.toarray()[0], [wanted.get(word, 0) for word in range(4)], rtol=1e-14
        )
        weighed, plain = index.search(row, weighed=True), index.search(bag)
        assert weighed.names == plain.names
        np.testing.assert_array_equal(weighed.scores, plain.scores)
    many = index.search_many(vectors, weighed=True, n_threads=2)
    assert [hit.names for hit in many] == [index.search(bag).names for bag in BAGS]


def test_search_does_not_write_its_argument():
    index, bags = an_index(idf=True, sqrt=True), BAGS.copy()
    index.search_many(bags)
    index.search(bags[0])
    index.weigh(bags)
    assert (bags != BAGS).nnz == 0


def test_add_takes_a_copy():
    names, bags = list(NAMES), BAGS.copy()
    index = InvertedFile(4).add(names, bags)
    names[0] = "other"
    bags.data[:] = 0
    assert index.search(BAGS[0])[0].name == NAMES[0] and index.search(BAGS[0])[0].score > 0.99


@pytest.mark.parametrize("idf", [False, True])
@pytest.mark.parametrize("sqrt", [False, True])
def test_save_and_open(tmp_path, idf, sqrt):
    index = an_index(idf=idf, sqrt=sqrt)
    index.save(tmp_path / "index.h5")
    opened = InvertedFile.open(str(tmp_path / "index.h5"))
    assert (opened.n_words, opened.idf, opened.sqrt, opened.n_images) == (4, idf, sqrt, 4)
    assert [opened.name(i) for i in range(4)] == NAMES
    for query in BAGS:
        ranking, expected = opened.search(query), index.search(query)
        assert ranking.names == expected.names
        np.testing.assert_array_equal(ranking.scores, expected.scores)


def test_opened_index_grows_and_is_saved_over_itself(tmp_path):
    path = tmp_path / "index.h5"
    an_index().save(path)
    opened = InvertedFile.open(path)
    opened.add(["more.jpg"], BAGS[1])
    opened.save(path)
    again = InvertedFile.open(path)
    assert [again.name(i) for i in range(5)] == [*NAMES, "more.jpg"]
    assert again.search(BAGS[1], k=2).ids.tolist() == [1, 4]
    assert opened.search(BAGS[1], k=2).ids.tolist() == [1, 4]  # its old file is gone, mapped
    assert [path.name for path in tmp_path.iterdir()] == ["index.h5"]


def test_empty_index(tmp_path):
    for index in (InvertedFile(4), InvertedFile(4).add([], BAGS[:0])):
        index.save(tmp_path / "index.h5")
        opened = InvertedFile.open(tmp_path / "index.h5")
        assert opened.n_images == 0 and len(opened.search(BAGS[0])) == 0
        assert opened.add(NAMES, BAGS).n_images == 4


def test_missing_or_other_file(tmp_path):
    with pytest.raises(FormatError, match="index.h5 is missing"):
        InvertedFile.open(tmp_path / "index.h5")
    an_index().save(tmp_path / "index.h5")
    with h5py.File(tmp_path / "index.h5", "r+") as file:
        file.attrs["format_version"] = 2
    with pytest.raises(FormatError, match="inverted file of format version 1, got .* version 2"):
        InvertedFile.open(tmp_path / "index.h5")
    with h5py.File(tmp_path / "index.h5", "r+") as file:
        file.attrs["format_version"] = 1
        del file.attrs["n_words"]
    with pytest.raises(FormatError, match="is damaged .*n_words"):
        InvertedFile.open(tmp_path / "index.h5")


def test_cut_short(tmp_path):
    path = tmp_path / "index.h5"
    an_index().save(path)
    whole = path.read_bytes()
    for size in [*range(0, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(FormatError, match="index.h5 is damaged or cut short"):
            InvertedFile.open(path)


def test_bytes_changed_never_escape_as_another_error(tmp_path):
    path = tmp_path / "index.h5"
    an_index().save(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.choice(len(whole), 300, replace=False):
        damaged = bytearray(whole)
        damaged[place] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            InvertedFile.open(path)  # bytes of the lists themselves are not checked
        except BlcfError:
            pass


def test_mistakes():
    index = an_index()
    with pytest.raises(VocabularyMismatch, match="this index"):
        index.weigh(BAGS[:, :3])
    with pytest.raises(InvalidInput, match="finite"):
        index.search(sp.csr_matrix([[np.inf, 0, 0, 0]]), weighed=True)
