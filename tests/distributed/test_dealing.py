"""Which pictures go where, whatever the workers; the looks of k-means on workers are those here."""

import numpy as np
import pytest

from blcf.distributed.dealing import Plan, deal, n_of_part, parts_of
from blcf.distributed.learning import ClusterLook
from blcf.distributed.parts import _runs
from blcf.vocabulary.kmeans import kmeans
from blcf.vocabulary.looks import look
from blcf.vocabulary.rows import Rows


def owners(runs, n):
    found = np.full(n, -1)
    for shard, first, last in runs:
        assert (found[first:last] == -1).all()
        found[first:last] = shard
    return found


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([0, 0], [5, 5]),
        ([0, 0, 0], [3, 4, 3]),
        ([100, 0], [0, 10]),
        ([4, 0], [3, 7]),
        ([9, 9, 1], [1, 0, 9]),
        ([0] * 20, None),
    ],
)
def test_new_pictures_go_where_there_are_fewest(sizes, expected):
    names = [f"{number}.jpg" for number in range(10)]
    found = owners(deal(names, np.arange(10), {}, sizes), 10)
    assert (np.diff(found) >= 0).all() and found.min() >= 0
    got = np.bincount(found, minlength=len(sizes))
    after = got + sizes
    touched = after[got > 0]
    assert touched.max() - touched.min() <= 1
    if expected is not None:
        assert abs(got - expected).max() <= 1


def test_frames_of_a_film_stay_together():
    frames = [f"a.mp4@00:00:{second:02d}" for second in range(30)]
    names = ["0.jpg", *frames, "1.jpg", *(name.replace("a.", "b.") for name in frames)]
    runs = deal(names, np.arange(len(names)), {}, [0, 0, 0])
    found = owners(runs, len(names))
    assert len(set(found[1:31])) == 1 and len(set(found[32:])) == 1
    plan = Plan("x", [0], len(names), 8, runs, {})
    parts = [places.tolist() for shard in range(3) for places in parts_of(names, plan, shard)]
    assert sorted(sum(parts, [])) == list(range(len(names)))
    for film in (set(range(1, 31)), set(range(32, 62))):
        assert sum(bool(film.intersection(part)) for part in parts) == 1


def test_what_is_known_goes_back_to_its_shard():
    names = [f"{number}.jpg" for number in range(10)]
    runs = deal(names, np.array([0, 9]), {1: np.array([2, 3, 8]), 0: np.array([4])}, [5, 0])
    assert owners(runs, 10).tolist() == [1, -1, 1, 1, 0, -1, -1, -1, 1, 1]


def test_a_plan_is_read_as_it_was_written():
    plan = Plan("x", [3, 50], 10, 4, [(0, 0, 5), (1, 5, 9)], {1: 4}, (1, 2, 3))
    assert Plan.from_dict(plan.to_dict()) == plan and plan.first == 50
    assert plan.places(1).tolist() == [5, 6, 7, 8]
    for wrong in ({"runs": [[0, 5, 3]]}, {"runs": [[0, 0, 11]]}, {"part": 0}, {"firsts": []}):
        with pytest.raises((ValueError, KeyError, TypeError)):
            Plan.from_dict({**plan.to_dict(), **wrong})


def test_small_sources_have_small_parts():
    assert [n_of_part(n, 4) for n in (1, 1_000, 100_000)] == [16, 32, 512]


@pytest.mark.parametrize("places", [[], [0], [0, 1, 2], [3, 5, 6, 9]])
def test_places_are_kept_as_runs(places):
    runs = _runs(np.array(places, dtype=np.int64))
    assert [first + i for first, n in runs for i in range(n)] == places


@pytest.mark.parametrize("kind", ["exact", "near", "two-level"])
def test_a_look_of_workers_is_the_look_of_one_process(cluster, kind, monkeypatch):
    monkeypatch.setattr("blcf.distributed.learning._ROWS", 300)
    rng = np.random.default_rng(3)
    features = rng.standard_normal((1_000, 16)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    rows, centroids = Rows(features, 900, 0), features[:128].copy()
    words = look("exact", rows, centroids, np.empty(0, np.int32), "cpu", "float32")[0]
    there = ClusterLook(cluster.work)
    for moved in (centroids, centroids * 0.9):
        here = look(kind, rows, moved, words, "cpu", "float32")
        found = there(kind, rows, moved, words, "cpu", "float32")
        np.testing.assert_array_equal(found[0], here[0])
        np.testing.assert_allclose(found[1], here[1], atol=1e-6)


def test_words_are_those_of_one_process(cluster, monkeypatch):
    rng = np.random.default_rng(3)
    features = rng.standard_normal((3_000, 16)).astype(np.float32)
    here = kmeans(features, 64)
    for n_rows in (500, 5_000):
        monkeypatch.setattr("blcf.distributed.learning._ROWS", n_rows)
        found = kmeans(features, 64, look=ClusterLook(cluster.work))
        np.testing.assert_allclose(found.centroids, here.centroids, atol=1e-5)
        np.testing.assert_allclose(found.inertia_history, here.inertia_history, rtol=1e-4)
