"""Collections as tables: read back by pandas, and ranked by a plain product of scipy."""

from __future__ import annotations

import csv
import io
import json
import os
import sys

import numpy as np
import pytest
import scipy.sparse as sp
import tiles

from blcf.errors import InvalidInput
from blcf.exporting import parquet, write_descriptors, write_parquet, write_picture_list
from blcf.index import FlatIndex, InvertedFile, parts
from blcf.index.postings import Postings

pandas = pytest.importorskip("pandas")
pq = pytest.importorskip("pyarrow.parquet", reason="Parquet needs pyarrow (blcf[tables])")

ODD = os.fsdecode(b"caf\xe9.png")  # Latin-1, as old file systems have it


def can_hold(folder, name):
    try:
        (folder / name).touch()
    except (OSError, UnicodeError):
        return False
    return True


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A collection with facts, a removed picture, and a name that is no UTF-8."""
    folder = tmp_path_factory.mktemp("tables")
    maps = tiles.planted_scenes()[0]
    frames = folder / "frames"
    frames.mkdir()
    odd = ODD if can_hold(frames, ODD) else "11.png"
    for number, one in enumerate(maps):
        tiles.save(frames / (odd if number == 11 else f"{number:02d}.png"), one)
    engine = tiles.create(folder / "c.blcf")
    engine.add(frames, progress=False)
    engine.annotate({"01.png": {"camera": "A", "level": 3}, "02.png": {"level": 0.5, "mixed": 1}})
    engine.annotate({"03.png": {"mixed": "une", "many": 7}})
    engine.remove(["05.png"])
    return engine, odd


def read(path):
    """The rows, and what the metadata say."""
    metadata = pq.read_schema(next(path.glob("*")) if path.is_dir() else path).metadata
    return pandas.read_parquet(path), json.loads(metadata[b"blcf"])


def vectors_of(table, said):
    """Weighted vectors by the formula alone: CSR float64."""
    lengths = table["bag.words"].map(len)
    words, tf = np.concatenate([*table["bag.words"]]), np.concatenate([*table["bag.tf"]])
    idf = np.log(said["n_images"] / np.maximum(said["df"], 1)) if said["idf"] else None
    values = np.sqrt(tf.astype(np.float64)) if said["sqrt"] else tf.astype(np.float64)
    values = values if idf is None else values * idf[words]
    ends = np.concatenate([[0], np.cumsum(lengths)])
    rows = sp.csr_matrix((values, words, ends), shape=(len(table), said["n_words"]))
    norms = np.sqrt(rows.multiply(rows).sum(axis=1)).A1
    return sp.diags(np.divide(1, norms, out=np.zeros_like(norms), where=norms > 0)) @ rows


def check_rankings(engine, path):
    """Every picture as a query: a product ranks as the engine's index does."""
    table, said = read(path)
    vectors, index = vectors_of(table, said), engine.searcher.searchable.index
    bags = sp.vstack(list(index.bags()), format="csr")
    given = np.concatenate([*table["bag.tfidf_l2"]])
    unit = sp.csr_matrix((given, bags.indices, bags.indptr), shape=bags.shape)
    np.testing.assert_allclose(unit.toarray(), vectors.toarray(), atol=1e-6)
    np.testing.assert_array_equal(np.concatenate([*table["bag.tf"]]), bags.data)
    assert list(table["name"]) == [parquet.as_text(name) for name in engine.names]
    for row in range(len(table)):
        scores = (vectors @ vectors[[row]].T).toarray()[:, 0]
        order = np.lexsort((np.arange(scores.size), -scores.astype(np.float32)))
        ranking = index.search(bags[row], k=len(table))
        assert ranking.ids.tolist() == order.tolist()
        np.testing.assert_allclose(ranking.scores, scores[order], atol=1e-5)


def test_pandas_reads_what_is_there(made, tmp_path):
    engine, odd = made
    assert write_parquet(engine, tmp_path / "p.parquet") == len(engine) == 11
    table, said = read(tmp_path / "p.parquet")
    assert "05.png" not in set(table["name"])
    assert (table["width"] == 128).all() and (table["height"] == 128).all()
    first = table[table["name"] == "01.png"].iloc[0]
    assert (first["camera"], first["level"], first["bytes"]) == (
        "A",
        3.0,
        engine.facts("01.png")["bytes"],
    )
    # Numbers of two kinds are floats, numbers and texts are texts.
    assert table["level"].dtype == np.float64 and set(table["mixed"].dropna()) == {"1", "une"}
    assert first["path"].endswith("frames/01.png")
    assert table["id"].is_unique and (np.diff(table["id"]) > 0).all()
    raw = dict(zip(table["name"], table["name.bytes"]))
    if odd == ODD:
        assert raw["caf\ufffd.png"] == b"caf\xe9.png"
    assert raw["01.png"] is None
    manifest = engine.collection.manifest
    assert said["format_version"] == 1 and said["n_images"] == 11
    assert said["vocabulary_digest"] == manifest["model"]["vocabulary_digest"]
    assert (said["network"], said["layer"]) == (manifest["extractor"]["network"], "relu")
    assert said["df"] == engine.searcher.searchable.index.df.tolist()


def test_a_plain_product_ranks_alike_after_every_change(tmp_path):
    maps = tiles.planted_scenes(n=20)[0]
    for number, one in enumerate(maps):
        tiles.save(tmp_path / "a" / f"{number:02d}.png", one)
    engine = tiles.create(tmp_path / "c.blcf")
    engine.add([tmp_path / "a" / f"{number:02d}.png" for number in range(14)], progress=False)
    changes = [
        lambda: None,
        lambda: engine.remove(["03.png", "07.png", "08.png"]),
        lambda: engine.add(tmp_path / "a", progress=False),
        lambda: engine.compact(),
    ]
    for number, change in enumerate(changes):
        change()
        write_parquet(engine, tmp_path / f"{number}.parquet")
        check_rankings(engine, tmp_path / f"{number}.parquet")


def test_a_folder_of_parts(made, tmp_path, monkeypatch):
    engine, _ = made
    monkeypatch.setattr(parquet, "ROWS_OF_PART", 4)
    monkeypatch.setattr(parts, "BAGS", 3)
    assert write_parquet(engine, tmp_path / "new" / "folder") == 11
    files = sorted(path.name for path in (tmp_path / "new" / "folder").iterdir())
    assert files == ["part-00000.parquet", "part-00001.parquet"]  # of 3 and 3, of 3 and 2
    assert [one.name for one in (tmp_path / "new").iterdir()] == ["folder"]
    check_rankings(engine, tmp_path / "new" / "folder")
    with pytest.raises(InvalidInput, match="new or empty folder, or a file that ends in .parquet"):
        write_parquet(engine, tmp_path / "new" / "folder")
    (tmp_path / "empty").mkdir()
    write_parquet(engine, tmp_path / "empty")
    check_rankings(engine, tmp_path / "empty")


@pytest.mark.parametrize("name", ["p.parquet", "folder"])
def test_it_appears_whole_or_not_at_all(made, tmp_path, monkeypatch, name):
    engine, _ = made
    monkeypatch.setattr(parts, "BAGS", 3)
    (tmp_path / "p.parquet").write_bytes(b"before")
    count, make = [0], parquet._lists

    def full(*arguments):
        count[0] += 1
        if count[0] > 7:
            raise OSError(28, "No space left on device")
        return make(*arguments)

    monkeypatch.setattr(parquet, "_lists", full)
    with pytest.raises(OSError, match="No space left"):
        write_parquet(engine, tmp_path / name)
    assert (tmp_path / "p.parquet").read_bytes() == b"before"
    assert [one.name for one in tmp_path.iterdir()] == ["p.parquet"]


def test_a_missing_library_is_said(made, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InvalidInput, match=r"needs 'blcf\[tables\]': pip install 'blcf\[tables\]'"):
        write_parquet(made[0], tmp_path / "p.parquet")
    assert not list(tmp_path.iterdir())


def test_csv_holds_the_same(made, tmp_path):
    engine, odd = made
    assert write_picture_list(engine, tmp_path / "p.csv") == 11
    text = (tmp_path / "p.csv").read_bytes().decode("utf-8", "surrogateescape")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    table = engine.to_pandas()
    assert list(rows[0]) == list(table.columns)
    assert [row["name"] for row in rows] == list(engine.names) == list(table["name"])
    assert odd in list(table["name"])
    for row, (_, other) in zip(rows, table.iterrows()):
        for name, cell in row.items():
            assert (
                cell == ""
                if pandas.isna(other[name])
                else cell
                in (
                    str(other[name]),
                    str(float(other[name])) if name == "level" else None,
                    "3",
                )
            ), name


def test_a_table_of_the_pictures(made):
    engine, _ = made
    table = engine.to_pandas()
    assert len(table) == 11 and str(table["bytes"].dtype) == "Int64"
    assert table.set_index("name").loc["03.png", "many"] == 7
    for name in ("01.png", "03.png"):
        row = table.set_index("name").loc[name]
        for column, value in engine.facts(name).items():
            assert pandas.isna(row[column]) if value is None else row[column] in (value, str(value))


def test_a_column_of_facts_called_path_wins(tmp_path):
    tiles.save(tmp_path / "f" / "a.png", tiles.planted_scenes()[0][0])
    for number, one in enumerate(tiles.planted_scenes()[0]):
        tiles.save(tmp_path / "f" / f"{number}.png", one)
    engine = tiles.create(tmp_path / "c.blcf")
    engine.add(tmp_path / "f", progress=False)
    engine.annotate({"a.png": {"Path": "mine"}})
    table = engine.to_pandas().set_index("name")
    assert "path" not in table.columns and table.loc["a.png", "Path"] == "mine"


def test_dense_descriptors(tmp_path):
    rng = np.random.default_rng(0)
    index = FlatIndex(5).add([*map(str, range(9)), ODD], rng.standard_normal((10, 5)))
    index.remove(["4"])
    assert write_descriptors(index, tmp_path / "d.parquet", {"network": "rmac"}) == 9
    table, said = read(tmp_path / "d.parquet")
    assert said == {"format_version": 1, "n_components": 5, "network": "rmac"}
    field = pq.read_schema(tmp_path / "d.parquet").field("descriptor")
    assert str(field.type).startswith("fixed_size_list<") and str(field.type).endswith("[5]")
    np.testing.assert_array_equal(np.stack(table["descriptor"]), index.vectors(np.arange(9)))
    assert list(table["name"])[-2:] == ["8", "caf\ufffd.png"]


def test_bags_are_what_was_added():
    rng = np.random.default_rng(1)
    bags = sp.random(300, 40, 0.2, format="csr", random_state=rng, dtype=np.float32)
    bags.sort_indices()
    index = InvertedFile(40).add([str(i) for i in range(300)], bags)
    found = sp.vstack(list(index.bags()), format="csr")
    for name in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(found, name), getattr(bags, name))
    index.remove([str(i) for i in range(0, 300, 7)])
    left = bags[np.flatnonzero(np.arange(300) % 7)]
    assert (abs(sp.vstack(list(index.bags())) - left)).max() == 0
    for some in Postings.from_bags(bags).bags(7):
        assert some.has_sorted_indices and some.shape[0] in (7, 300 % 7)
    assert list(InvertedFile(40).bags()) == []
