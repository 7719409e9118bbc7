"""An engine in several processes: pickled as its path, spawned, and refused after a fork."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import signal

import pytest

from blcf import SearchEngine
from blcf.errors import InvalidInput

ONE = {"k": 4, "query_scales": (1,), "progress": False}


def found(engine, picture):
    """What a search finds, as values."""
    hits = engine.search_many([picture], **ONE)[0]
    return hits.names, hits.scores.tolist()


def test_an_engine_is_pickled_as_its_path(planted):
    engine = planted.engine()
    data = pickle.dumps(engine)
    assert len(data) < 100_000, "the network of the tests, and no arrays of the collection"
    for other in (pickle.loads(data), copy.deepcopy(engine)):
        assert other.path == engine.path and other is not engine
        assert found(other, planted.picture) == found(engine, planted.picture)


def test_a_closed_engine_is_not_pickled(planted):
    engine = SearchEngine.open(planted.engine().path)
    engine.close()
    with pytest.raises(InvalidInput, match="is closed"):
        pickle.dumps(engine)


def test_a_spawned_process_searches(planted):
    engine = planted.engine()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        there = pool.apply(found, (engine, planted.picture))
    assert there == found(engine, planted.picture)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_search_after_a_fork_is_refused_in_a_sentence(planted, tmp_path):
    """It hung: the threads of the network are not there."""
    engine, said = planted.engine(), tmp_path / "said"
    found(engine, planted.picture)
    child = os.fork()
    if not child:  # pragma: no cover
        signal.alarm(60)  # a hang is no pass
        try:
            found(engine, planted.picture)
        except InvalidInput as error:
            said.write_text(str(error))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert "forked from a process in which a network" in said.read_text()
    assert found(engine, planted.picture), "the process itself goes on"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_frame_of_the_collection_is_searched_with_after_a_fork_too(planted, tmp_path):
    """No network is needed for it."""
    engine, said = planted.engine(), tmp_path / "said"
    box = (0, 0, 64, 64)
    names = engine.search(frame="03.png", box=box, k=4).names
    child = os.fork()
    if not child:  # pragma: no cover
        signal.alarm(60)
        try:
            said.write_text(" ".join(engine.search(frame="03.png", box=box, k=4).names))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert said.read_text() == " ".join(names)
