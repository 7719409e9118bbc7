"""Clusters of this process, which start at once, and scenes that come out exactly."""

import pytest
import tiles
from in_shards import settings

from blcf import SearchEngine
from blcf.distributed import Cluster

N_SCENES = 40


@pytest.fixture(scope="module")
def client():
    """Two workers, threads of this process."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=False,
        dashboard_address=":0",
        silence_logs=50,
    ) as cluster:
        with distributed.Client(cluster, set_as_default=False) as client:
            yield client


@pytest.fixture
def cluster(client):
    with Cluster(client, time_limit=30) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of scenes."""
    folder = tmp_path_factory.mktemp("pictures") / "scenes"
    for number, one in enumerate(tiles.planted_scenes(N_SCENES)[0]):
        tiles.save(folder / f"{number:02d}.png", one)
    return folder


@pytest.fixture(scope="module")
def at_once(pictures, tmp_path_factory):
    """The engine of a collection that was indexed on one machine."""
    path = tmp_path_factory.mktemp("at_once") / "one.blcf"
    how = settings()
    how.pop("progress")
    engine = SearchEngine.create(path, **how)
    engine.add(pictures, progress=False)
    return engine
