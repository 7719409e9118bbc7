"""The inverted file beyond the contract of every index: its statistics and its file."""

from __future__ import annotations

import math
import os
import re
from contextlib import suppress

import h5py
import numpy as np
import oracle
import pytest
import scipy.sparse as sp

from blcf.errors import BlcfError, FormatError, InvalidInput, VocabularyMismatch
from blcf.index import InvertedFile, merging, parts
from blcf.index.statistics import take_statistics

BAGS = sp.csr_matrix(
    np.array([[2, 0, 1, 0], [0, 1, 0, 0], [4, 0, 0, 9], [1, 1, 1, 0]], dtype=np.float32)
)
NAMES = ["new\nline.jpg", "\U0001f600/é.jpg", os.fsdecode(b"\xe9.jpg"), "plain.jpg"]


def an_index(**options):
    index = InvertedFile(4, **options).add(NAMES[:3], BAGS[:3])
    return index.add(NAMES[3:], BAGS[3:])


def same(ranking, other):
    assert ranking.names == other.names
    np.testing.assert_array_equal(ranking.scores, other.scores)
    np.testing.assert_array_equal(ranking.ids, other.ids)


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


def other_parts(**options):
    """The images of `an_index` in other parts, with removed ones in between."""
    index = InvertedFile(4, **options).add(["gone.jpg"] * 2, BAGS[2:])
    for name, bag in zip(NAMES, BAGS):
        index.add([name, "gone.jpg"], sp.vstack([bag, 300 * bag], format="csr"))
    index.remove(["gone.jpg"])
    return index


@pytest.mark.parametrize("idf", [False, True])
@pytest.mark.parametrize("sqrt", [False, True])
def test_set_statistics(idf, sqrt):
    """Those of an equal index, whatever its parts, give the same figures to the last bit."""
    one, other = an_index(idf=idf, sqrt=sqrt), other_parts(idf=idf, sqrt=sqrt)
    for index, of in ((an_index, other), (other_parts, one)):
        taken, computed = (index(idf=idf, sqrt=sqrt) for _ in range(2))
        for source in (of, taken):  # and once more, of statistics that were taken themselves
            taken.set_statistics(source.df, source.norms_)
            np.testing.assert_array_equal(taken.df, computed.df)
            np.testing.assert_array_equal(taken.idf_, computed.idf_)
            np.testing.assert_array_equal(taken.norms_, computed.norms_)
            for query in BAGS:
                same(taken.search(query), computed.search(query))


def test_statistics_are_taken_without_rounding():
    """An image's scale is one over its norm, and back: 1 / (1 / (1 / x)) is 1 / x."""
    bags = sp.csr_matrix(np.random.default_rng(0).integers(1, 99, (9_000, 2)).astype(np.float32))
    index, taken = (InvertedFile(2).add([""] * 9_000, bags) for _ in range(2))
    taken.set_statistics(index.df, index.norms_)
    for ours, theirs in zip(taken._live().parts, index._live().parts):
        np.testing.assert_array_equal(ours.scale, theirs.scale)


def test_statistics_hold_until_the_images_change():
    index = an_index(idf=True)
    index.set_statistics(np.array([1, 1, 1, 1]), np.ones(4))
    assert index.df.tolist() == [1, 1, 1, 1] and index.norms_.tolist() == [1, 1, 1, 1]
    index.remove([NAMES[0]])
    assert index.df.tolist() == [2, 2, 1, 1]


def test_statistics_are_not_those_of_images_that_another_thread_adds(monkeypatch):
    index, whole = an_index(idf=True), an_index(idf=True)
    df, norms = whole.df, whole.norms_

    def take(*arguments):
        index.add(["e.jpg"], BAGS[0])  # as another thread may, between two lines
        return take_statistics(*arguments)

    monkeypatch.setattr(parts, "take_statistics", take)
    index.set_statistics(df, norms)
    whole.add(["e.jpg"], BAGS[0])
    np.testing.assert_array_equal(index.df, whole.df)
    same(index.search(BAGS[1]), whole.search(BAGS[1]))


@pytest.mark.parametrize("df, norms", [((3,), (4,)), ((4,), (5,)), ((4, 1), (4,)), ((4,), ())])
def test_statistics_of_another_index(df, norms):
    for index in (an_index(), other_parts()):
        message = f"statistics of 4 words and 4 images, got shapes {df} and {norms}"
        with pytest.raises(InvalidInput, match=re.escape(message)):
            index.set_statistics(np.ones(df, dtype=np.int64), np.ones(norms))


def test_part_of_another_vocabulary():
    part = other_parts()._state.parts[0]
    with pytest.raises(VocabularyMismatch, match="posting lists of 5 words, got 4"):
        InvertedFile(5).add_part(part.names, part.postings)
    added = InvertedFile(4).add_part(part.names, part.postings, part.live)
    assert added.n_images == part.n_live


@pytest.mark.parametrize("idf", [False, True])
@pytest.mark.parametrize("sqrt", [False, True])
def test_save_and_open(tmp_path, idf, sqrt):
    index = an_index(idf=idf, sqrt=sqrt)
    index.save(tmp_path / "index.h5")
    opened = InvertedFile.open(str(tmp_path / "index.h5"))
    assert (opened.n_words, opened.idf, opened.sqrt, opened.n_images) == (4, idf, sqrt, 4)
    assert [opened.name(i) for i in range(4)] == NAMES
    for query in BAGS:
        same(opened.search(query), index.search(query))


@pytest.mark.parametrize("idf", [False, True])
@pytest.mark.parametrize("sqrt", [False, True])
def test_save_and_open_with_removed_images(tmp_path, idf, sqrt):
    index = other_parts(idf=idf, sqrt=sqrt)
    assert any(part.live is not None for part in index._state.parts)
    index.save(tmp_path / "index.h5")
    opened = InvertedFile.open(tmp_path / "index.h5")
    assert [opened.name(i) for i in range(opened.n_images)] == NAMES
    for query in BAGS:
        same(opened.search(query), an_index(idf=idf, sqrt=sqrt).search(query))
    assert opened.remove(["gone.jpg"]) == 0 and opened.remove(NAMES[1:3]) == 2
    afresh = InvertedFile(4, idf=idf, sqrt=sqrt).add(NAMES[::3], BAGS[::3])
    same(opened.search(BAGS[3]), afresh.search(BAGS[3]))


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
        file.attrs["format_version"] = 1
    with pytest.raises(FormatError, match="inverted file of format version 2, got .* version 1"):
        InvertedFile.open(tmp_path / "index.h5")
    with h5py.File(tmp_path / "index.h5", "r+") as file:
        file.attrs["format_version"] = 2
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


def use(path):
    """All that may be done with an index; `BlcfError` where something is damaged."""
    index, query = InvertedFile.open(path), BAGS[3]
    for run in (
        lambda: index.search(query),
        lambda: index.search(query, k=2, approximate=0.5),
        lambda: index.search_many(BAGS, n_threads=2),
        lambda: [index.name(i) for i in range(index.n_images)],
        lambda: index.add(["more.jpg"], BAGS[0] * 1.1),
        lambda: index.remove([NAMES[0], "more.jpg"]),
        lambda: index.search(query),
        lambda: index.save(path),
    ):
        try:
            run()
        except BlcfError:
            pass


@pytest.mark.filterwarnings("ignore:invalid value encountered")  # NaN among damaged frequencies
@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_bytes_changed_never_escape_as_another_error(tmp_path, monkeypatch):
    merge_all = {"LARGEST": 9, "TIERS": (2, 4, 9), "FACTOR": 2}
    path = tmp_path / "index.h5"
    index = other_parts(idf=True)
    index.add([NAMES[1]], BAGS[0] * 0.3)  # frequencies that are no sixteenths
    index.save(path)
    whole = path.read_bytes()
    for name, value in merge_all.items():
        monkeypatch.setattr(merging, name, value)
    with h5py.File(path) as file:
        arrays = []
        file.visititems(lambda _, one: arrays.append(one) if hasattr(one, "dtype") else None)
        arrays = [(one.id.get_offset(), one.nbytes) for one in arrays if one.size]
    rng = np.random.default_rng(0)
    places = [place + i for place, n in arrays for i in range(n)]  # these have no check sum
    places = [*rng.choice(places, 100, replace=False), *rng.choice(len(whole), 30)]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        with suppress(BlcfError):
            use(path)


def test_lists_of_another_vocabulary_are_not_opened(tmp_path):
    an_index().save(tmp_path / "index.h5")
    with h5py.File(tmp_path / "index.h5", "r+") as file:
        file.attrs["n_words"] = 5
    with pytest.raises(FormatError, match="index.h5 is damaged: its posting lists are not of 5"):
        InvertedFile.open(tmp_path / "index.h5")


def test_mistakes():
    index = an_index()
    with pytest.raises(VocabularyMismatch, match="this index"):
        index.weigh(BAGS[:, :3])
    with pytest.raises(InvalidInput, match="finite"):
        index.search(sp.csr_matrix([[np.inf, 0, 0, 0]]), weighed=True)
