"""Shards on the workers of a cluster: the same rankings; workers that die, hang, or are others."""

from __future__ import annotations

import os
import pickle
import random
import signal
import threading
import time
from contextlib import contextmanager

import archive
import pytest
import tiles
from archive import same

from blcf import Example
from blcf.collection import Collection
from blcf.errors import InvalidInput, ShardUnavailable, VocabularyMismatch

pytest.importorskip("distributed", reason="a cluster needs Dask (blcf[dask])")

from distributed import Client, LocalCluster  # noqa: E402

from blcf.distributed import placement, remote  # noqa: E402
from blcf.distributed.remote import OnWorkers  # noqa: E402

PICTURE = tiles.paint(archive.maps_of([0])[0])
BOX = (16, 16, 100, 100)
LIMIT = 120  # s: two cores may be busy


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("remote")
    made = archive.make_archive(archive.make_source(folder / "a.blcf", 30), folder, 3)
    archive.change(made)
    return made


@pytest.fixture(scope="module")
def whole(made):
    with made.merge() as engine:
        yield engine


@contextmanager
def cluster():
    options = {"threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    with LocalCluster(n_workers=2, silence_logs=50, **options) as local:
        with Client(local, set_as_default=False) as client:
            yield client


@pytest.fixture(scope="module")
def client():
    with cluster() as client:
        yield client


@pytest.fixture
def workers(client):
    """The processes of the workers, both of which are there."""
    client.wait_for_workers(2, timeout=LIMIT)
    return [*client.run(os.getpid).values()]


def test_rankings_are_those_of_one_collection(made, whole, client):
    with made.open(cluster=OnWorkers(client, LIMIT)) as engine:
        asked = {"examples": [Example(PICTURE, box=BOX), Example(frame=whole.names[2])]}
        for options in (
            {},
            {"expand": "local", "guard": "none", "rounds": 2, "n_boxes": 3},
            {"expand": "global", "expand_by": "svm", "guard": "none", "where": "rating < 3"},
            {"fusion": "max", "pyramid": True, "k": 5},
        ):
            found, expected = engine.search(**asked, **options), whole.search(**asked, **options)
            same(found, expected)
        assert found[1].evidence().score == pytest.approx(expected[1].score, abs=1e-6)
        assert found.group("near").rows == expected.group("near").rows
        assert list(engine.names) == list(whole.names) and found[0].facts == expected[0].facts
        archive.append(made.shards[1], [90])  # the next search knows it
        assert len(engine.search(PICTURE, k=999)) == len(engine) == len(whole) + 1
        assert archive.name_of(90) in engine
        assert engine.remove([archive.name_of(90)]) == 1
        same(engine.search(PICTURE), whole.search(PICTURE))


def test_an_engine_is_sent_elsewhere(made, whole, client):
    with made.open(cluster=OnWorkers(client, LIMIT)) as engine:
        other = pickle.loads(pickle.dumps(engine))
    with other:
        same(other.search(frame=whole.names[2]), whole.search(frame=whole.names[2]))
        opener, _ = other.collection._reopened
        opener._client.close()


def test_the_command_line_asks_a_cluster(made, whole, client, call):
    asked = [whole.names[2], "--frame", "--json", "--quiet"]
    options = ["--cluster", client.scheduler.address, "--time-limit", LIMIT]
    assert call("search", made.path, *asked, *options) == call("search", whole.path, *asked)
    status, out, _ = call("info", made.path, *options[:2])
    assert status == 0 and f"{len(whole):,}" in out
    status, _, said = call("search", whole.path, *asked, *options[:2])
    assert status == 2 and "in one piece. Make shards of it" in said


def test_two_clients_do_not_disturb_each_other(made, whole, client):
    with Client(client.scheduler.address, set_as_default=False) as second:
        engines = [made.open(cluster=OnWorkers(one, LIMIT)) for one in (client, second)]
        before = engines[0].searcher
        archive.append(made.shards[0], [91])
        frame = whole.names[2]
        assert len(engines[1].search(frame=frame, k=999)) == len(whole) + 1
        query = engines[0].describe(PICTURE, box=BOX)
        from blcf.searching import SearchOptions

        old = before.search(query, SearchOptions(k=999))  # in the epoch that it began with
        assert old.names == whole.search_query(query, SearchOptions(k=999)).names
        engines[1].remove([archive.name_of(91)])
        for engine in engines:
            same(engine.search(frame=frame), whole.search(frame=frame))


def kill_while_searching(made, whole, client, pids, seed):
    """The answer is right, or names a shard."""
    rng = random.Random(seed)
    options = {"expand": "local", "guard": "none", "rounds": 2}
    with made.open(cluster=OnWorkers(client, LIMIT)) as engine:
        if rng.random() < 0.7:  # else what it asks first is killed, too
            engine.search(frame=whole.names[1])
        delay = rng.uniform(0, 0.5)
        killer = threading.Timer(delay, os.kill, (rng.choice(pids), signal.SIGKILL))
        killer.start()
        end = time.monotonic() + delay + 0.3
        while time.monotonic() < end:
            try:
                found = engine.search(frame=whole.names[1], **options)
            except ShardUnavailable as error:
                assert "shard-000" in str(error)
            else:
                same(found, whole.search(frame=whole.names[1], **options))
        killer.join()
        same(engine.search(frame=whole.names[1]), whole.search(frame=whole.names[1]))


def test_a_worker_is_killed_in_a_search(made, whole, client, workers):
    kill_while_searching(made, whole, client, workers, 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 13))
def test_workers_are_killed_at_many_instants(made, whole, seed):
    """Each time in a cluster of its own: a worker that is killed as it starts comes no more."""
    with cluster() as client:
        kill_while_searching(made, whole, client, [*client.run(os.getpid).values()], seed)


def test_a_worker_that_hangs_is_named_or_done_without(made, whole, client, workers, monkeypatch):
    monkeypatch.setattr(placement, "_PING", 1.0)
    frame, here, there = whole.names[2], *client.run(os.getpid)
    strict = made.open(cluster=OnWorkers(client, LIMIT))
    lenient = made.open(cluster=OnWorkers(client, LIMIT), allow_partial=True)
    engines = strict, lenient

    def within(seconds):
        for engine in engines:
            for handle in engine.collection.coordinator.handles:
                handle._time_limit = seconds

    with strict, lenient:
        for engine in engines:
            placed = engine.collection.coordinator.handles[0]._placement
            placed._worker_of = {0: here, 1: there, 2: there}
            same(engine.search(frame=frame), whole.search(frame=frame))
        process = client.run(os.getpid, workers=[here])[here]
        os.kill(process, signal.SIGSTOP)
        # As if only this worker had the disk.
        monkeypatch.setattr(placed, "lost", lambda *given, **how: None)
        try:
            within(5.0)
            with pytest.raises(
                ShardUnavailable, match=r"shard-0000.blcf on the worker tcp.* did no"
            ):
                strict.search(frame=frame)
            known = Collection.open(made.shards[2]).name(0)
            for _ in range(2):  # the second asks it no more, for a time
                found = lenient.search(frame=known, k=999)
                assert found.missing_shards == (str(made.shards[0]),)
                assert 0 < len(found) < len(whole) == len(lenient)
            within(LIMIT)
            same(strict.search(frame=frame), whole.search(frame=frame))  # another serves it now
        finally:
            os.kill(process, signal.SIGCONT)
        lenient.collection.coordinator._absent.clear()  # the time has passed
        same(lenient.search(frame=frame), whole.search(frame=frame))


def test_another_version_is_refused_in_a_sentence(made, client, monkeypatch):
    monkeypatch.setattr(remote, "__version__", "0.0.1")
    with pytest.raises(
        VocabularyMismatch, match="worker tcp://.* runs blcf .*, who asks runs 0.0.1"
    ):
        made.open(cluster=OnWorkers(client, LIMIT))
    monkeypatch.undo()
    monkeypatch.setattr(placement, "__version__", "0.0.1")
    with pytest.raises(ShardUnavailable, match="the worker tcp://.* runs blcf .*, this is 0.0.1"):
        made.open(cluster=OnWorkers(client, 3.0))


def test_another_model_is_refused_in_a_sentence(made, client):
    from blcf.collection.shards import Shards

    shards = Shards.read(made.path)
    other = Shards(shards.folder, "0" * 32, shards.paths, shards.shifts)
    handle = OnWorkers(client, LIMIT).handles(other, lambda: None)[0]
    with pytest.raises(VocabularyMismatch, match="shard-0000.blcf"):
        handle.ask("state")


def test_a_folder_that_no_worker_sees(made, client):
    from blcf.collection.shards import Shards

    shards = Shards.read(made.path)
    lost = Shards(shards.folder, shards.model, [made.path / "none.blcf"], [0])
    handle = OnWorkers(client, 3.0).handles(lost, lambda: None)[0]
    with pytest.raises(ShardUnavailable, match="No worker serves .*none.blcf: of 2 workers none"):
        handle.ask("state")


@pytest.mark.parametrize("limit", [0, -1, float("nan"), "soon"])
def test_a_time_limit_is_seconds(client, limit):
    with pytest.raises(InvalidInput, match="time_limit"):
        OnWorkers(client, limit)


class Seen:
    """A cluster whose workers see some folders each."""

    def __init__(self, **seen):
        self.seen = seen
        self.status = "running"

    def nthreads(self):
        return dict.fromkeys(self.seen, 1)


def test_shards_are_spread_over_those_who_see_them(monkeypatch, tmp_path):
    client = Seen(a=[True, True, False, False], b=[True, True, True, True])
    monkeypatch.setattr(
        placement.Placement, "_see", lambda self, workers, end: {w: client.seen[w] for w in workers}
    )
    placed = placement.Placement(client, [tmp_path / str(n) for n in range(4)])
    found = [placed.worker_of(n, 0) for n in range(4)]
    assert found[2:] == ["b", "b"] and "a" in found[:2]
    placed.lost(0, found[0])
    client.seen = {"b": client.seen["b"]}
    assert placed.worker_of(0, 0) == "b"
    client.seen = {"b": [False] * 4}
    placed.lost(3, "b")
    with pytest.raises(ShardUnavailable, match="No worker serves the shard .*3: of 1 workers"):
        placed.worker_of(3, 0)
