"""Real processes that die, stop and hang while they index: it goes on, or says what is wrong."""

import os
import random
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tiles
from in_shards import names_in_order, same_rankings, settings

from blcf import SearchEngine
from blcf.collection import Collection, check_collection
from blcf.distributed import Cluster, Shards, merge
from blcf.errors import BlcfError, ClusterError

distributed = pytest.importorskip("distributed")


@pytest.fixture
def processes():
    """Two workers, processes of their own, that are started again when they die."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    ) as cluster:
        with distributed.Client(cluster, set_as_default=False) as client:
            yield client


def pids(client):
    return list(client.run(os.getpid).values())


def kill_at(client, seconds, number=0):
    """Kill a worker in a while."""
    found = pids(client)
    victim = found[number % len(found)]  # one that was killed as it started comes no more

    def kill():
        time.sleep(seconds)
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            pass

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def check(folder, out, at_once, pictures):
    assert names_in_order(folder) == list(at_once.collection.names())
    assert all(check_collection(path).is_sound for path in Shards.read(folder).paths)
    merge(out, folder, progress=False)
    same_rankings(SearchEngine.open(out, network=tiles.TileNetwork()), at_once, pictures)


class SlowNetwork(tiles.TileNetwork):
    """The same features, in a tenth of a second a batch."""

    def forward(self, x):
        time.sleep(0.1)
        return super().forward(x)


def slow(**others):
    return settings(network=SlowNetwork(), **others)


def test_a_worker_that_dies_is_no_matter(processes, pictures, at_once, tmp_path):
    folder = tmp_path / "s.blcf"
    with Cluster(processes) as cluster:
        thread = kill_at(processes, 0.7)
        report = cluster.index(pictures, folder, n_shards=2, **slow())
        thread.join()
    assert report.skipped == {} and report.n_added + report.n_present == 40
    check(folder, tmp_path / "m.blcf", at_once, pictures)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_workers_die_at_random_instants(processes, pictures, at_once, tmp_path, seed):
    folder, rng = tmp_path / "s.blcf", random.Random(seed)
    for _ in range(10):
        threads = [kill_at(processes, rng.uniform(0, 4), rng.randrange(2)) for _ in range(2)]
        try:
            with Cluster(processes) as cluster:
                report = cluster.index(pictures, folder, n_shards=3, **slow())
            break
        except ClusterError:
            continue
        finally:
            for thread in threads:
                thread.join()
            processes.wait_for_workers(1, timeout=60)
    assert report.skipped == {}
    check(folder, tmp_path / "m.blcf", at_once, pictures)


class DeadlyNetwork(tiles.TileNetwork):
    """Ends its process where a picture is black in a corner."""

    def forward(self, x):
        import distributed

        try:
            distributed.get_worker()
        except ValueError:
            return super().forward(x)  # not on a worker
        if (x[:, :, :16, :16].amax(dim=(1, 2, 3)) == x.amin()).any():
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(x)


@pytest.mark.slow
def test_a_part_that_kills_every_worker_is_named(processes, pictures, tmp_path):
    copy = tmp_path / "scenes"
    copy.mkdir()
    for path in pictures.iterdir():
        os.link(path, copy / path.name)
    maps = tiles.planted_scenes(1)[0][0].copy()
    maps[0, 0] = 0  # black
    tiles.save(copy / "99.png", maps)
    folder = tmp_path / "s.blcf"
    cluster = Cluster(processes)
    with cluster:
        cluster.index(pictures, folder, n_shards=2, **settings())
        report = cluster.index(copy, folder, root=copy, **settings(network=DeadlyNetwork()))
    assert all("KilledWorker" in one for one in report.skipped.values())
    processes.wait_for_workers(2, timeout=60)


@pytest.mark.slow
def test_a_worker_that_is_stopped_is_named(pictures, tmp_path, at_once):
    folder = tmp_path / "s.blcf"
    with Cluster(n_workers=2, time_limit=4) as cluster:
        victim = pids(cluster.client)[0]
        timer = threading.Timer(2, os.kill, (victim, signal.SIGSTOP))
        timer.start()
        try:
            began = time.monotonic()
            with pytest.raises(ClusterError, match="was not heard of for 4 s"):
                cluster.index(pictures, folder, n_shards=2, **slow())
            assert time.monotonic() - began < 60
        finally:
            timer.join()
            os.kill(victim, signal.SIGCONT)
    with Cluster(n_workers=2) as cluster:
        cluster.index(pictures, folder, n_shards=2, **settings())
    check(folder, tmp_path / "m.blcf", at_once, pictures)


@pytest.mark.slow
def test_a_scheduler_that_is_gone_is_told_and_the_run_goes_on(pictures, tmp_path, at_once):
    import subprocess
    import sys

    folder = tmp_path / "s.blcf"
    ready = tmp_path / "scheduler.json"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0"]
    command += ["--scheduler-file", str(ready), "--dashboard-address", ":0"]
    paths = [str(Path(tiles.__file__).parent), str(Path(tiles.__file__).parents[1])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    scheduler = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(ready)]
    worker += ["--nthreads", "1", "--dashboard-address", ":0"]
    started = subprocess.Popen(worker, env=environment, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            if ready.exists():
                break
            time.sleep(0.1)
        client = distributed.Client(scheduler_file=str(ready), set_as_default=False, timeout=60)
        with client, Cluster(client, time_limit=60) as cluster:
            threading.Timer(2.5, scheduler.kill).start()
            began = time.monotonic()
            with pytest.raises(ClusterError, match="scheduler|result was lost"):
                cluster.index(pictures, folder, n_shards=2, **slow())
            assert time.monotonic() - began < 100
    finally:
        scheduler.kill()
        started.terminate()
        scheduler.wait()
        started.wait()
    with Cluster(n_workers=2) as cluster:
        cluster.index(pictures, folder, n_shards=2, **settings())
    check(folder, tmp_path / "m.blcf", at_once, pictures)


@pytest.mark.slow
def test_two_programs_at_once(processes, pictures, tmp_path, at_once):
    folder, said = tmp_path / "s.blcf", []

    def index():
        try:
            with Cluster(processes) as cluster:
                cluster.index(pictures, folder, n_shards=2, **slow())
                said.append("done")
        except BlcfError as error:
            said.append(str(error))

    threads = [threading.Thread(target=index) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "done" in said
    check(folder, tmp_path / "m.blcf", at_once, pictures)


@pytest.mark.slow
def test_real_photographs(processes, data, tmp_path):
    """blcf-lite, four workers' worth of parts: the same words and rankings as one machine."""
    folder = data / "shelves"
    with Cluster(processes) as cluster:
        cluster.index(folder, tmp_path / "s.blcf", n_shards=3, progress=False, n_words=500)
    merge(tmp_path / "m.blcf", tmp_path / "s.blcf", progress=False)
    one = SearchEngine.create(tmp_path / "o.blcf", n_words=500)
    one.add(folder, progress=False)
    other = SearchEngine.open(tmp_path / "m.blcf")
    assert list(one.collection.names()) == list(other.collection.names())
    inertia = [e.model.vocabulary.inertia_history_[-1] for e in (one, other)]
    assert abs(inertia[0] - inertia[1]) < 0.005 * inertia[0]
    first = Collection.open(tmp_path / "s.blcf" / "model.blcf")
    assert first.n_images == 0 and np.isfinite(inertia).all()
