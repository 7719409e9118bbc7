"""The flat index beyond its contract: its file, damage, and the margin of its estimates."""

from __future__ import annotations

import os
from fractions import Fraction

import h5py
import numpy as np
import pytest

from blcf.errors import BlcfError, FormatError, InvalidInput
from blcf.index import FlatIndex, InvertedFile, dense, merging
from blcf.kernels.top import take_top

VECTORS = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32)
NAMES = ["new\nline.jpg", "\U0001f600/é.jpg", os.fsdecode(b"\xe9.jpg"), "plain.jpg"]


def an_index():
    return FlatIndex(5).add(NAMES[:3], VECTORS[:3]).add(NAMES[3:], VECTORS[3:])


def same(ranking, other):
    assert ranking.names == other.names
    np.testing.assert_array_equal(ranking.scores, other.scores)
    np.testing.assert_array_equal(ranking.ids, other.ids)


def test_add_takes_a_copy():
    names, vectors = list(NAMES), VECTORS.copy()
    index = FlatIndex(5).add(names, vectors)
    names[0] = "other"
    vectors[:] = 1
    same(index.search(VECTORS[0]), an_index().search(VECTORS[0]))


def test_parts_stay_few():
    index = FlatIndex(3)
    for i in range(300):
        index.add([str(i)], np.full((1, 3), i + 1.0))
    assert len(index._state.parts) <= merging.FACTOR * 2
    assert [index.name(i) for i in range(300)] == [str(i) for i in range(300)]


@pytest.mark.parametrize("n_components", [0, -1, 2.5, "5", None])
def test_number_of_components(n_components):
    with pytest.raises(InvalidInput, match="n_components, the entries of a vector, to be 1 or"):
        FlatIndex(n_components)


@pytest.mark.parametrize("n", [0, 4])
def test_saved_and_opened(tmp_path, n):
    index = FlatIndex(5).add(NAMES[:n], VECTORS[:n])
    index.save(tmp_path / "flat.h5")
    opened = FlatIndex.open(tmp_path / "flat.h5")
    assert opened.n_components == 5 and opened.n_images == n
    same(opened.search(VECTORS[1]), index.search(VECTORS[1]))
    opened.add(["more"], VECTORS[:1]).save(tmp_path / "again.h5")
    again = FlatIndex.open(os.fspath(tmp_path / "again.h5"))
    same(again.search(VECTORS[1]), index.add(["more"], VECTORS[:1]).search(VECTORS[1]))


def test_files_that_are_none(tmp_path):
    with pytest.raises(FormatError, match="missing"):
        FlatIndex.open(tmp_path / "nothing.h5")
    InvertedFile(5).save(tmp_path / "inverted.h5")
    with pytest.raises(FormatError, match="to be a flat index of format version 1, got inverted"):
        FlatIndex.open(tmp_path / "inverted.h5")


def damage(file, what):
    group = file["000000"]
    if what == "components":
        file.attrs["n_components"] = 4
    elif what == "no components":
        del file.attrs["n_components"]
    elif what == "odd components":
        file.attrs["n_components"] = "five"
    elif what == "no vectors":
        del group["vectors"]
    elif what == "a group too many":
        file.create_group("000009")
    elif what == "no group":
        file.create_dataset("000009", data=np.zeros(3))
    else:
        rows = group["vectors"][:]
        del group["vectors"]
        rows = {"dtype": rows.astype(np.float64), "rows": rows[:-1], "flat": rows.ravel()}[what]
        group.create_dataset("vectors", data=rows)


@pytest.mark.parametrize(
    "what",
    "components,no components,odd components,no vectors,a group too many,no group,dtype,rows,flat"
    .split(","),
)
def test_damaged_structure(tmp_path, what):
    path = tmp_path / "flat.h5"
    an_index().save(path)
    with h5py.File(path, "r+") as file:
        damage(file, what)
    with pytest.raises(FormatError, match="is damaged"):
        FlatIndex.open(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -3.0, 1e30])
def test_damaged_vectors(tmp_path, value):
    """Said when they are first needed, whatever needs them."""
    path = tmp_path / "flat.h5"
    an_index().save(path)
    with h5py.File(path, "r+") as file:
        file["000000/vectors"][1, 2] = value
    for need in (
        lambda index: index.search(VECTORS[0]),
        lambda index: index.search_many(VECTORS),
        lambda index: index.vectors([0]),
        lambda index: index.remove(NAMES[:1]),
        lambda index: index.save(tmp_path / "copy.h5"),
    ):
        with pytest.raises(FormatError, match="its vectors are not of length 1"):
            need(FlatIndex.open(path))


def test_any_damaged_byte_or_end(tmp_path):
    path, other = tmp_path / "flat.h5", tmp_path / "other.h5"
    an_index().save(path)
    content, rng = path.read_bytes(), np.random.default_rng(1)
    for place in rng.choice(len(content), 150, replace=False).tolist():
        other.write_bytes(content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :])
        _use(other)
    for end in rng.choice(len(content), 30, replace=False).tolist():
        other.write_bytes(content[:end])
        _use(other)


def _use(path):
    try:
        index = FlatIndex.open(path)
        index.search(np.ones(index.n_components), k=3)
        index.remove(["plain.jpg"])
    except BlcfError:
        pass


@pytest.mark.parametrize("d", [1, 2, 37, 512])
def test_estimates_are_off_by_the_margin_at_most(d):
    """Sums in float32, in orders that are bad on purpose, against exact fractions."""
    rng, worst = np.random.default_rng(d), 0.0
    for kind in range(6):
        query, vector = rng.standard_normal((2, d)) if kind % 2 else rng.random((2, d))
        query, vector = (one / np.linalg.norm(one) for one in (query, vector))
        query, vector = query.astype(np.float32), vector.astype(np.float32)
        exact = sum(Fraction(float(a)) * Fraction(float(b)) for a, b in zip(query, vector))
        products = query * vector
        for order in (np.argsort(products), np.argsort(-np.abs(products)), np.arange(d)):
            total = np.float32(0)
            for product in products[order]:
                total += product
            worst = max(worst, abs(float(total) - float(exact)))
        for total in (query @ vector, np.einsum("j,j->", query, vector)):
            worst = max(worst, abs(float(total) - float(exact)))
    assert worst <= dense._rounding(d)


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("order", [1, -1])
def test_estimates_as_wrong_as_they_may_be(monkeypatch, many, order):
    """Estimates off by nearly the margin, each in its own direction, change no ranking."""
    rng = np.random.default_rng(3)
    query = rng.standard_normal(40)
    vectors = query + 1e-3 * rng.standard_normal((3000, 40))
    vectors[::9] = vectors[1]
    vectors = vectors[np.argsort(order * (vectors @ query) / np.linalg.norm(vectors, axis=1))]
    queries, looked_at = np.stack([query, -query, rng.standard_normal(40)]), []
    exactly, estimate = dense.score_candidates, dense._estimate
    monkeypatch.setattr(merging, "LARGEST", 700)
    index = FlatIndex(40).add([str(i) for i in range(3000)], vectors)
    monkeypatch.setattr(dense, "_limit", lambda *_: -np.inf)
    expected = [index.search(one, 25) for one in queries]
    monkeypatch.undo()

    def wrong(queries, vectors):
        exact = queries.astype(np.float64) @ vectors.T.astype(np.float64)
        error = 0.98 * dense._rounding(40) * rng.choice([-1, 1], exact.shape)
        assert np.abs(estimate(queries, vectors) - exact).max() < dense._rounding(40)
        return (exact + error).astype(np.float32)

    def counting(estimates, limit, vectors, query, scores):
        exactly(estimates, limit, vectors, query, scores)
        looked_at.append(np.isfinite(scores).mean())

    monkeypatch.setattr(dense, "_estimate", wrong)
    monkeypatch.setattr(dense, "score_candidates", counting)
    rankings = index.search_many(queries, 25) if many else [index.search(q, 25) for q in queries]
    for ranking, one in zip(rankings, expected):
        same(ranking, one)
    assert np.mean(looked_at) < 0.6  # many were left out: the margin was put to the test


def test_scores_left_out_do_not_enter_a_heap():
    top_scores, top_images = np.full(2, -np.inf, dtype=np.float32), np.zeros(2, dtype=np.int64)
    take_top(np.array([-np.inf, 0.5, -np.inf, -1.0]), np.ones(4), 0, top_scores, top_images)
    assert sorted(top_images.tolist()) == [1, 3]
