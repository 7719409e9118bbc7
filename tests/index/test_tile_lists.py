"""An image scores what its best tile does, whatever was added, removed, merged, saved, opened."""

from __future__ import annotations

import h5py
import numpy as np
import oracle
import pytest
import scipy.sparse as sp

from blcf.errors import FormatError, InvalidInput
from blcf.index import InvertedFile
from blcf.index import tiles as tiles_module
from blcf.index.names import Names
from blcf.index.postings import Postings
from blcf.index.tiles import TileLists
from blcf.storage import open_h5, write_h5

N_WORDS = 12


def bags_of(rng, n):
    dense = rng.integers(0, 5, (n, N_WORDS)) * (rng.random((n, N_WORDS)) < 0.4)
    return sp.csr_matrix(dense.astype(np.float32))


def as_dicts(bags):
    return [
        {int(word): float(tf) for word, tf in zip(row.indices, row.data)}
        for row in (bags[number] for number in range(bags.shape[0]))
    ]


def part_of(rng, n, n_tiles, live=None, first=0, share=1.0):
    """Arguments of `add_part`, and names, bags and bags of tiles of the images that live."""
    whole, tiles = bags_of(rng, n), bags_of(rng, n * n_tiles)
    names = [f"{first + i}" for i in range(n)]
    lists = TileLists.from_bags(tiles, n_tiles, share)
    given = Names.from_list(names), Postings.from_bags(whole), live, lists
    own = as_dicts(tiles)
    kept = range(n) if live is None else np.flatnonzero(live).tolist()
    rows = [(names[i], as_dicts(whole)[i], own[i * n_tiles : (i + 1) * n_tiles]) for i in kept]
    return given, rows


@pytest.fixture(params=[(1, 65_536, 1.0), (4, 20, 0.6), (9, 9, 1.0)], ids=str)
def case(request, monkeypatch):
    """An index of three parts, a list of few tiles at most, and what it holds."""
    n_tiles, buffer, share = request.param
    monkeypatch.setattr(tiles_module, "_images_of_a_list", lambda n: max(1, buffer // n))
    rng = np.random.default_rng(n_tiles)
    live = rng.random(11) < 0.6
    index, rows, first = InvertedFile(N_WORDS, idf=True, sqrt=True), [], 0
    for n, mask in ((6, None), (11, live), (3, None)):
        given, own = part_of(rng, n, n_tiles, mask, first, share)
        index.add_part(*given)
        rows += own
        first += n
    return index, rows, rng


def check(index, rows, rng, among=None):
    """Rankings are those of the oracle, whose weights are of whole images."""
    idf = oracle.idf([whole for _, whole, _ in rows], N_WORDS, True)
    share = index._state.parts[0].tiles.share
    for _ in range(4):
        bag = bags_of(rng, 1)
        vector = index.weigh(bag)
        query = {int(word): float(one) for word, one in zip(vector.indices, vector.data)}
        scores = oracle.best_tile_scores(
            query, [one for _, one, _ in rows], [one for _, _, one in rows], idf, True, share
        )
        found = index.search(bag, 50, among=among)
        expected = {rows[i][0]: one for i, one in enumerate(scores) if among is None or among[i]}
        assert sorted(found.names) == sorted(expected)
        np.testing.assert_allclose(found.scores, [expected[one] for one in found.names], atol=1e-6)
        assert (np.diff(found.scores) <= 0).all()
        (many,) = index.search_many(bag, 50, among=among)
        assert many.names == found.names and np.array_equal(many.scores, found.scores)


def test_the_best_tile_counts(case):
    index, rows, rng = case
    check(index, rows, rng)
    check(index, rows, rng, among=rng.random(len(rows)) < 0.5)
    few = index.search(bags_of(rng, 1), 3)
    assert len(few) == 3


def test_after_images_were_removed_and_parts_merged(case):
    index, rows, rng = case
    gone = [rows[i][0] for i in (0, 1, 2, 3, 7)]
    assert index.remove(gone) == 5
    left = [row for row in rows if row[0] not in gone]
    check(index, left, rng)
    names = [[name for name, _, _ in left[first::3]] for first in (0, 1)]
    for some in names:
        index.remove(some)
        left = [row for row in left if row[0] not in some]
        check(index, left, rng)


def test_merged_lists_are_those_of_the_images_that_live(case):
    index, _, _ = case
    parts = index._state.parts
    merged = TileLists.merge([(part.tiles, part.live) for part in parts])
    n_tiles = parts[0].tiles.n_tiles
    kept = []
    for part in parts:
        bags = sp.vstack([one for lists in part.tiles.lists for one in lists.bags(1000)])
        live = np.ones(part.tiles.n_images, bool) if part.live is None else part.live
        kept.append(bags.tocsr()[np.repeat(live, n_tiles)])
    found = sp.vstack([one for lists in merged.lists for one in lists.bags(1000)])
    np.testing.assert_array_equal(found.toarray(), sp.vstack(kept).toarray())
    for lists in merged.lists:
        lists.check()
    assert merged.n_images == index.n_images


def test_statistics_that_were_kept_are_taken(case):
    index, rows, rng = case
    again = InvertedFile(N_WORDS, idf=True, sqrt=True)
    for part in index._state.parts:
        again.add_part(part.names, part.postings, part.live, part.tiles)
    kept = index.df.copy(), index.norms_.copy(), index.norms_of_tiles_.copy()
    again.set_statistics(*kept)
    assert np.array_equal(again.norms_of_tiles_, kept[2])
    check(again, rows, rng)
    for wrong in (kept[2][1:], np.empty(0)):
        with pytest.raises(InvalidInput, match="Expected statistics of 12 words and .* tiles"):
            again.set_statistics(kept[0], kept[1], wrong)


def test_saved_and_opened(case, tmp_path):
    index, rows, rng = case
    index.save(tmp_path / "index.h5")
    check(InvertedFile.open(tmp_path / "index.h5"), rows, rng)


def test_what_is_refused(case):
    index, _, rng = case
    with pytest.raises(InvalidInput, match="posting lists of tiles beside those of the images"):
        index.add(["new"], bags_of(rng, 1))
    with pytest.raises(InvalidInput, match="without tiles on a device"):
        index.search_many(bags_of(rng, 2), 3, device="cpu")


def test_parts_with_and_without_tiles_are_not_merged(case):
    index, _, rng = case
    index.add_part(Names.from_list(["x"]), Postings.from_bags(bags_of(rng, 1)))
    some = [(part.tiles, part.live) for part in index._state.parts]
    with pytest.raises(FormatError, match="the same number of tiles"):
        TileLists.merge_any(some)
    lists = [TileLists.from_bags(bags_of(rng, 4), 4, share) for share in (0.5, 0.6)]
    with pytest.raises(FormatError, match="the same number of tiles"):
        TileLists.merge_any([(one, None) for one in lists])
    assert TileLists.merge_any([(None, None)]) is None


def test_lists_of_a_file_must_fit(tmp_path):
    rng = np.random.default_rng(0)
    lists = TileLists.from_bags(bags_of(rng, 12), 4, 0.6)
    with write_h5(tmp_path / "a.h5", "tiles", 1) as file:
        lists.write(file)
        file.create_group("none")
    with open_h5(tmp_path / "a.h5", "tiles", 1) as file:
        again = TileLists.read(file, 3)
        assert (again.n_tiles, again.n_images, again.n_postings) == (4, 3, lists.n_postings)
        assert again.share == 0.6
        assert TileLists.read(file.group("none"), 3) is None
        for wrong in (5, 24, 0):
            with pytest.raises(FormatError, match="its tiles are not of"):
                TileLists.read(file, wrong)
    with h5py.File(tmp_path / "a.h5") as file:
        assert list(file) == ["none", "tiles_000"]
    for wrong in (0.0, 1.5, np.nan):
        with write_h5(tmp_path / "a.h5", "tiles", 1) as file:
            lists.write(file)
            file["tiles_000"].attrs["share"] = wrong
        with open_h5(tmp_path / "a.h5", "tiles", 1) as file:
            with pytest.raises(FormatError, match="its tiles count .* of their cosines"):
                TileLists.read(file, 3)
