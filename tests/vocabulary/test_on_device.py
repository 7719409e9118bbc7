"""The steps of k-means on a device, on tensors of the CPU, and on a GPU where there is one."""

import numpy as np
import pytest
import torch

from blcf.errors import OutOfMemory
from blcf.vocabulary import kmeans as kmeans_module
from blcf.vocabulary import on_device
from blcf.vocabulary.kmeans import kmeans
from blcf.vocabulary.on_device import DeviceSteps, two_best
from blcf.vocabulary.rows import Rows

DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(60, 16))
    found = centres[rng.integers(60, size=3_000)] + 0.3 * rng.normal(size=(3_000, 16))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def run(sample, device, precision, resident, n_words=40, n_iter=8):
    rows = Rows(sample, None, 0)
    steps = DeviceSteps(rows, rows.first_distinct(n_words), device, precision, resident)
    history = []
    for number in range(n_iter):
        history.append(steps.look())
        steps.move(0 if number + 1 == n_iter else 0.8)
    return steps, history


@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("device", DEVICES)
def test_steps_are_those_of_the_other_k_means(sample, monkeypatch, device, precision, resident):
    monkeypatch.setattr(on_device, "_ROWS", 700)
    monkeypatch.setattr(on_device, "_SCORES", 5_000)
    wanted = kmeans(sample, 40, max_iter=8, tol=0, precision=precision)
    assert set(wanted.looks) == {"exact"}
    steps, history = run(sample, device, precision, resident)
    np.testing.assert_allclose(history, wanted.inertia_history, rtol=1e-6)
    np.testing.assert_allclose(steps.centroids.cpu().numpy(), wanted.centroids, atol=1e-5)
    assert np.array_equal(np.bincount(steps.words.cpu().numpy(), minlength=40), wanted.counts)
    again, _ = run(sample, device, precision, resident)
    assert torch.equal(again.centroids, steps.centroids) and torch.equal(again.words, steps.words)


@pytest.mark.parametrize("device", DEVICES)
def test_words_without_features_go_to_the_farthest(device):
    sample = np.repeat(np.eye(4, dtype=np.float32), [5, 4, 3, 1], axis=0)
    rows = Rows(sample, None, 0)
    begin = np.array([[1, 0, 0, 0], [9, 9, 9, 9], [8, 8, 8, 8]], np.float32)
    steps = DeviceSteps(rows, begin.copy(), device, "float32")
    steps.look()
    assert steps.move(0.0) == 2
    placed = steps.centroids[1:].cpu().numpy()
    assert sorted(placed.argmax(1).tolist()) == [1, 1] and (placed.max(1) == 1).all()


@pytest.mark.parametrize("low", [False, True])
def test_of_equal_words_the_lowest(low):
    centroids = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [0.5, 0.5]])
    features = torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
    half_norms = centroids.square().sum(1) / 2
    words, scores = two_best(features, centroids, half_norms, centroids.bfloat16() if low else None)
    assert words.tolist() == [1, 0, 3]
    assert scores.tolist() == [0.5, 1.5, -0.25]
    words, _ = two_best(features, centroids[:1], half_norms[:1])
    assert words.tolist() == [0, 0, 0]


def test_k_means_takes_them_where_the_device_is_another(sample, monkeypatch, tmp_path):
    """As on a GPU: "cpu" stands for it. A run that was stopped goes on, to the same words."""

    def steps_at_home(rows, centroids, device, precision):
        assert device == "elsewhere"
        return DeviceSteps(rows, centroids, "cpu", precision)

    monkeypatch.setattr(kmeans_module, "DeviceSteps", steps_at_home)
    how = {"max_iter": 6, "tol": 0, "device": "elsewhere", "precision": "float32"}
    whole = kmeans(sample, 40, **how)
    assert whole.looks == ["exact"] * 6
    wanted = kmeans(sample, 40, max_iter=6, tol=0, precision="float32")
    np.testing.assert_allclose(whole.centroids, wanted.centroids, atol=1e-5)
    assert np.array_equal(whole.counts, wanted.counts)

    def stop(iteration, _):
        if iteration == 2:
            raise KeyboardInterrupt

    checkpoint = tmp_path / "k.h5"
    with pytest.raises(KeyboardInterrupt):
        kmeans(sample, 40, **how, checkpoint=checkpoint, on_iteration=stop)
    resumed = kmeans(sample, 40, **how, checkpoint=checkpoint)
    assert np.array_equal(resumed.centroids, whole.centroids)
    assert resumed.inertia_history == whole.inertia_history


@pytest.mark.parametrize("resident", [True, False])
def test_nothing_of_the_size_of_the_sample_is_made(sample, monkeypatch, resident):
    """At home pieces are copied, and beside a sample that fills the device there is room for a
    piece; of few words the two candidates of a feature are what is large."""
    monkeypatch.setattr(on_device, "_ROWS", 700)
    monkeypatch.setattr(on_device, "_SCORES", 5_000)
    copied, looked_at, sorted_ = [], [], []
    copy, best, reduce = DeviceSteps._copied, on_device.two_best, torch.segment_reduce

    def seen(into, call, of):
        return lambda *args, **how: (into.append(of(args)), call(*args, **how))[1]

    rows_of = seen(copied, copy, lambda args: args[1].stop - args[1].start)
    monkeypatch.setattr(DeviceSteps, "_copied", rows_of)
    monkeypatch.setattr(on_device, "two_best", seen(looked_at, best, lambda args: len(args[0])))
    monkeypatch.setattr(torch, "segment_reduce", seen(sorted_, reduce, lambda args: len(args[0])))
    run(sample, "cpu", "float32", resident, n_words=2, n_iter=2)
    assert max(copied) == max(sorted_) == 700
    assert max(looked_at) * 8 * sample.shape[1] <= 5_000


def test_pieces_go_to_the_device(sample):
    """Of others than CUDA they stayed on the CPU."""
    steps = DeviceSteps(Rows(sample, None, 0), sample[:3], "meta", "float32", resident=False)
    assert {piece.device.type for _, piece in steps._pieces()} == {"meta"}
    assert steps._whole_sample().device.type == "meta"


def test_a_device_without_room(sample, monkeypatch):
    def full(*args):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(kmeans_module, "DeviceSteps", full)
    with pytest.raises(OutOfMemory, match="k-means of 3,000 features on elsewhere .*device='cpu'"):
        kmeans(sample, 40, device="elsewhere", precision="float32")
