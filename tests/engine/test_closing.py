"""A closed engine has given its files back, whoever still holds hits, and says so when used."""

from __future__ import annotations

import gc
import pickle
import sys

import pytest
import tiles
from made_up import mapped
from matplotlib.text import Text

from blcf import InvertedFile
from blcf.datasets import GroundTruth, TrueExample, TrueQuery
from blcf.errors import InvalidInput


@pytest.fixture
def engine(planted, tmp_path):
    """An engine of two generations, each of which somebody has searched in."""
    with tiles.create(tmp_path / "c.blcf") as engine:
        engine.add(planted.folder, progress=False)
    return tiles.reopen(tmp_path / "c.blcf")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks /proc")
def test_files_are_given_back_at_once(engine):
    gc.collect()
    gc.disable()  # what is freed below is so by counting references
    try:
        before = engine.search(frame="00.png", windows="grid", expand="local")
        names = engine.names
        engine.remove(["11.png"])
        after = engine.search(frame="01.png", pyramid=True)
        hit, searcher, collection = after[0], engine.searcher, engine.collection
        assert hit.evidence().score and mapped(engine.path)
        engine.close()
        assert mapped(engine.path) == []
    finally:
        gc.enable()
    for one in (before[0].evidence, hit.evidence, names.__len__, lambda: names[0]):
        with pytest.raises(InvalidInput, match="was closed, .* Open it again"):
            one()
    for use in (collection.names().__next__, lambda: collection.n_images):
        with pytest.raises(InvalidInput, match="was closed"):
            use()
    with pytest.raises(InvalidInput, match="This index was closed"):
        searcher.searchable.index.search(after.asked.queries[0].bag)
    assert before.names and len(before.to_dicts()) == 12 and "of 12 images" in repr(before)
    before.plot()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks /proc")
def test_an_engine_that_is_gone_holds_no_files(engine):
    """Without `close` as well, once nobody holds its hits: no circle waits for a collection."""
    path = engine.path
    gc.collect()
    gc.disable()
    try:
        other = tiles.reopen(path)
        other.search(frame="00.png")
        engine.close()
        assert mapped(path)
        del other
        assert mapped(path) == []
    finally:
        gc.enable()


def test_later_use_is_an_error_that_says_so(engine, planted):
    with engine as same:
        assert same is engine and len(engine) == 12
    engine.close()  # once more is no mistake
    uses = [
        lambda: engine.search(frame="00.png"),
        lambda: engine.search(planted.path(0)),
        lambda: engine.search_many([planted.path(0)]),
        lambda: engine.describe(planted.path(0)),
        lambda: engine.evaluate(planted.folder),
        lambda: engine.add(planted.folder),
        lambda: engine.remove(["00.png"]),
        lambda: engine.names,
        lambda: "00.png" in engine,
        lambda: len(engine),
        lambda: engine.model.bags_of_images,
        engine.compact,
        engine.refresh,
        engine.info,
    ]
    for use in uses:
        with pytest.raises(InvalidInput, match="is closed. Use SearchEngine.open again"):
            use()
    assert repr(engine).endswith("c.blcf'): closed") and "closed" in engine._repr_html_()
    with tiles.reopen(engine.path) as again:
        assert len(again.search(frame="00.png")) == 12


def test_an_error_closes_too(engine):
    with pytest.raises(KeyError), engine:
        raise KeyError("of the caller")
    with pytest.raises(InvalidInput, match="is closed"):
        len(engine)


def test_what_was_measured_can_be_drawn(engine, planted, tmp_path):
    query = TrueQuery("1", "tiles", (TrueExample(planted.path(0)),), frozenset(["01.png", "9.png"]))
    truth = GroundTruth(planted.folder, [query])
    with engine:
        (found,) = engine.evaluate(truth, progress=False, query_scales=(1,))
    for one in (found, pickle.loads(pickle.dumps(found))):
        assert len(one.places) >= 8
        one.plot_failures(tmp_path / "worst.png")
        drawn = [text.get_text() for text in one.plot_failures().findobj(Text)]
        assert not [text for text in drawn if "no picture" in text]


def test_a_closed_index_prints():
    index = InvertedFile(3)
    index.close()
    assert repr(index) == "InvertedFile(n_words=3): closed"
    with pytest.raises(InvalidInput, match="This index was closed. Open it again"):
        index.remove(["a.jpg"])
