"""Rounds and training: seeds, targets that follow the pictures, and a run that was stopped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from blcf.errors import FormatError, InvalidInput
from blcf.learning import rounds
from blcf.learning.rounds import SIDE, Round, draw_photographs, learn_targets, make_round
from blcf.learning.teachers import TAUGHT, Taught, Teachers
from blcf.learning.training import Training, TrainingSettings

FEW = (Taught("one", "n", "l", 16, 15, 1.0), Taught("fine", "n", "l", 8, 7, 0.2))
SETTINGS = TrainingSettings(rounds=2, passes=2, batch=4, decay_rounds=1)


def _round(seed: int, n: int = 8) -> Round:
    rng = np.random.default_rng(seed)
    canvases = rng.integers(0, 256, (n, SIDE, SIDE, 3), dtype=np.uint8)
    directions, norms = {}, {}
    for taught in FEW:
        size = SIDE // taught.stride
        maps = rng.normal(size=(n, 128, size, size))
        directions[taught.name] = maps / np.linalg.norm(maps, axis=1, keepdims=True)
        norms[taught.name] = rng.random((n, size, size))
    return Round(
        canvases,
        {name: maps.astype(np.float16) for name, maps in directions.items()},
        {name: maps.astype(np.float16) for name, maps in norms.items()},
    )


def _weights(training: Training) -> dict[str, torch.Tensor]:
    return training.network().state_dict()


@pytest.mark.slow
def test_a_stopped_run_ends_with_the_same_weights(tmp_path):
    whole = Training(SETTINGS, taught=FEW)
    for number in range(2):
        whole.learn(_round(number))
    first = Training(SETTINGS, taught=FEW)
    first.learn(_round(0))
    first.save(tmp_path / "state.pt")
    torch.rand(7)  # whatever else was drawn in between
    second = Training(SETTINGS, taught=FEW)
    second.resume(tmp_path / "state.pt")
    assert (second.round, second.step) == (1, 8)  # half the batch before the rate falls
    second.learn(_round(1))
    for name, tensor in _weights(whole).items():
        assert torch.equal(tensor, _weights(second)[name]), name
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


@pytest.mark.slow
def test_a_run_begins_with_the_weights_of_another():
    before = Training(SETTINGS, taught=FEW)
    before.learn(_round(0))
    after = Training(replace(SETTINGS, seed=1), taught=FEW)
    after.begin(before.network(), _round(1))
    for name, tensor in _weights(before).items():
        torch.testing.assert_close(_weights(after)[name], tensor, rtol=1e-3, atol=1e-4)
    after.learn(_round(1))


def test_a_damaged_state_is_named(tmp_path):
    training = Training(SETTINGS, taught=FEW)
    path = tmp_path / "state.pt"
    for content in (b"", b"no state", b"PK\x03\x04 cut"):
        path.write_bytes(content)
        with pytest.raises(FormatError, match="no state of this training"):
            training.resume(path)
    torch.save({"round": 1}, path)
    with pytest.raises(FormatError, match="KeyError"):
        training.resume(path)
    training.save(path)
    others = [replace(each, name=f"other {each.name}") for each in FEW]
    with pytest.raises(FormatError, match="no state of this training"):
        Training(SETTINGS, taught=others).resume(path)


def test_views_of_neighbours_stay_together():
    training = Training(replace(SETTINGS, photographs=0, views=2, together=4), taught=FEW)
    rng = np.random.default_rng(0)
    starts = set()
    for _ in range(10):
        order = training._order(20, rng)
        assert sorted(order) == list(range(20))
        for group in order.reshape(-1, 4):
            assert np.array_equal((group - group[0]) % 20, np.arange(4)) and group[0] % 2 == 0
        starts |= {int(group[0]) % 4 for group in order.reshape(-1, 4)}
    assert starts == {0, 2}, "other neighbours each time"


def test_pairs_that_were_drawn_stay_together():
    training = Training(replace(SETTINGS, photographs=10, views=2, together=4), taught=FEW)
    rng = np.random.default_rng(0)
    for _ in range(10):
        groups = training._order(20, rng).reshape(-1, 4)
        assert all(np.array_equal(group, group[0] + np.arange(4)) for group in groups)
        assert not (groups[:, 0] % 4).any()


def test_rate():
    training = Training(TrainingSettings(rounds=10, decay_rounds=2))
    rates = []
    for step, round_, done in [(0, 0, 0.0), (299, 0, 0.5), (5_000, 7, 0.9), (6_000, 8, 0.0)] + [
        (7_000, 9, 0.0),
        (8_000, 9, 0.5),
        (9_000, 9, 0.999),
    ]:
        training.step, training.round = step, round_
        rates.append(training.rate(done))
    assert rates == pytest.approx([2e-3 / 300, 2e-3, 2e-3, 2e-3, 1e-3, 5e-4, 1e-5])


def test_targets_follow_the_pictures(monkeypatch):
    """A mirrored, enlarged picture has mirrored, enlarged targets."""
    made = _round(3, n=1)
    ramp = np.linspace(0, 1, SIDE // 16, dtype=np.float16)
    made.norms["one"][:] = ramp
    made.canvases[:] = (np.linspace(0, 1, SIDE) * 255).astype(np.uint8)[None, :, None]
    monkeypatch.setattr(rounds, "disturb", lambda canvas, rng: canvas)
    seen = set()
    for seed in range(20):
        batch = made.batch(np.array([0]), FEW, np.random.default_rng(seed))
        side = batch.pixels.shape[-1]
        assert batch.directions["one"].shape == (1, 128, side // 16, side // 16)
        assert batch.directions["fine"].shape == (1, 128, side // 8, side // 8)
        grey = torch.nn.functional.avg_pool2d(batch.pixels.mean(1), 16)[0]
        norms = batch.norms["one"][0]
        mirrored = bool(norms[0, 0] > norms[0, -1])
        assert float(torch.corrcoef(torch.stack([grey.ravel(), norms.ravel()]))[0, 1]) > 0.99
        seen.add((mirrored, side))
    assert {mirrored for mirrored, _ in seen} == {False, True}
    assert len({side for _, side in seen}) > 2


def test_the_photographs_of_a_round():
    """Pairs of neighbours, as many of every folder, others each time; what is odd is left out."""
    drawn = [draw_photographs([11, 30], 8, number, seed=1) for number in range(40)]
    for numbers in drawn:
        pairs = numbers.reshape(-1, 2)
        assert (pairs[:, 1] == pairs[:, 0] + 1).all() and len(set(numbers.tolist())) == 16
        of_second = pairs[pairs[:, 0] >= 11]
        assert len(of_second) == 4 and (of_second[:, 0] % 2 == 1).all()
        assert (pairs[pairs[:, 0] < 11, 0] % 2 == 0).all()
    assert len({tuple(sorted(one.tolist())) for one in drawn}) > 30
    assert set(np.concatenate(drawn).tolist()) == set(range(41)) - {10}
    again = draw_photographs([11, 30], 8, 5, seed=1)
    assert np.array_equal(drawn[5], again)
    assert draw_photographs([3, 2], 0, 5, seed=1).tolist() == [0, 1, 2, 3, 4]
    assert sorted(draw_photographs([3, 9], 5, 0, seed=1))[:2] == [0, 1]
    for n_of_each in (-2, 1):
        with pytest.raises(InvalidInput, match="Expected 2 photographs of a folder or more"):
            draw_photographs([3, 2], n_of_each, 0, seed=1)


def test_a_round_is_drawn_by_its_seed(data):
    paths = sorted((data / "natural" / "bsds").rglob("*.jpg"))[:4]
    photographs = [np.array(Image.open(path).convert("RGB")) for path in paths]
    teachers = Teachers(data / "weights", TAUGHT[:2])
    targets = learn_targets(photographs, teachers, seed=1)
    one, again, other = (
        make_round(photographs, teachers, targets, number, seed=1) for number in (0, 0, 1)
    )
    assert one.canvases.shape == (4, SIDE, SIDE, 3)
    assert np.array_equal(one.canvases, again.canvases)
    assert not np.array_equal(one.canvases, other.canvases)
    two = make_round(photographs, teachers, targets, 0, seed=1, views=2)
    assert two.canvases.shape == (8, SIDE, SIDE, 3)
    assert not np.array_equal(two.canvases[0], two.canvases[1])
    assert np.array_equal(two.canvases[0], one.canvases[0])
    for name in ("fire9", "fire8"):
        assert np.array_equal(one.directions[name], again.directions[name])
        assert one.norms[name].shape == (4, 14, 14)
    some = make_round(photographs, teachers, targets, 0, seed=1, chosen=np.array([0, 1, 0]))
    assert some.canvases.shape == (3, SIDE, SIDE, 3)
    assert np.array_equal(some.canvases[:2], one.canvases[:2])
    assert not np.array_equal(some.canvases[2], one.canvases[2])
    assert np.array_equal(some.directions["fire9"][:2], one.directions["fire9"][:2])
