"""Learning for the bag on made-up pictures: it learns, goes on where it was killed, or stops."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from blcf import ConvFeatures
from blcf.errors import Diverged, FormatError, InvalidInput
from blcf.features.network_file import read_network_file
from blcf.images import GivenPictures
from blcf.learning import bag_training
from blcf.learning.bag_losses import kept_features_loss, soft_bag_similarities
from blcf.learning.bag_settings import BagSettings
from blcf.learning.bag_training import BagTraining
from blcf.learning.embedding import mean_average_precision_of
from blcf.learning.held_out import _all_similarities, cell_norms, measure_held_out
from blcf.learning.local_network import LocalNetwork
from blcf.learning.photographs import Photographs

SETTINGS = BagSettings(epochs=2, side=64, n_groups=3, n_each=3, rate=3e-4, warm_up=2, n_cells=12)
NAMES = [f"{thing}/{number}.png" for thing in range(6) for number in range(4)]
CLASSES = np.repeat(np.arange(6), 4)


def _picture(thing: int, number: int) -> np.ndarray:
    """Things are textures; pictures of them differ by light, size and noise."""
    rng = np.random.default_rng(thing)
    texture = np.kron(rng.integers(0, 200, (4, 4, 3)), np.ones((8, 8, 1)))
    rng = np.random.default_rng([thing, number])
    pixels = np.tile(texture, (3, 4, 1)) * rng.uniform(0.7, 1.2) + rng.normal(0, 8, (96, 128, 3))
    return np.clip(pixels, 0, 255).astype(np.uint8)


SOURCE = GivenPictures({name: _picture(*map(int, name[:-4].split("/"))) for name in NAMES})


class Killed(Exception):
    pass


def _photographs(names=NAMES) -> Photographs:
    return Photographs(SOURCE, names, SETTINGS.side)


def _training(**changes) -> BagTraining:
    return BagTraining(LocalNetwork(), replace(SETTINGS, **changes))


def _weights(training: BagTraining) -> list[torch.Tensor]:
    return list(training.network.state_dict().values())


def _same_weights(one: BagTraining, other: BagTraining) -> bool:
    return all(torch.equal(mine, its) for mine, its in zip(_weights(one), _weights(other)))


def test_it_learns_and_says_how(tmp_path):
    training = _training(epochs=4, held_out=0.34)
    record = training.run(_photographs(), CLASSES, tmp_path)
    assert [entry["epoch"] for entry in record] == [1, 2, 3, 4]
    assert record[-1]["loss"] < record[0]["loss"]
    assert all(0.2 < entry["mAP"] <= 1 for entry in record)
    lines = (tmp_path / "record.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == record


def test_first_layers_are_kept_and_the_file_is_taken(tmp_path):
    training = _training(epochs=1)
    before = {name: one.clone() for name, one in training.network.part.state_dict().items()}
    training.run(_photographs(), CLASSES, tmp_path)
    after = training.network.part.state_dict()
    kept = {name for name in before if torch.equal(before[name], after[name])}
    assert kept == {name for name in before if ".conv1." in name or ".conv2_" in name}
    training.network.write(tmp_path / "w.h5", {"trained on": "textures"})
    extractor = ConvFeatures(weights=tmp_path / "w.h5", side=64, device="cpu", dtype="float32")
    picture = _picture(0, 0)[:64, :64]
    with torch.inference_mode(), torch.autocast("cpu", enabled=False):
        pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
        normal = (pixels - training.network.pixel_mean) / training.network.pixel_std
        expected = training.network.part(normal)["map"][0].numpy()
    np.testing.assert_allclose(extractor.extract(picture), expected, rtol=1e-3, atol=1e-3)


def test_a_blend_is_between_both(tmp_path):
    network = LocalNetwork()
    before = {name: one.clone() for name, one in network.part.state_dict().items()}
    with torch.no_grad():
        for one in network.parameters():
            one.add_(1.0)
    network.write(tmp_path / "w.h5", {}, 0.25)
    found = read_network_file(tmp_path / "w.h5")
    for name, tensor in found.tensors.items():
        torch.testing.assert_close(tensor, before[name] + 0.25)


@pytest.mark.parametrize("steps", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_a_killed_run_ends_with_the_same_weights(tmp_path, monkeypatch, steps):
    whole = _training()
    whole.run(_photographs(), CLASSES, tmp_path / "whole")
    killed = _training()
    left = [steps]

    def descend(*arguments):
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return BagTraining._descend(killed, *arguments)

    monkeypatch.setattr(killed, "_descend", descend)
    with pytest.raises(Killed):
        killed.run(_photographs(), CLASSES, tmp_path / "killed")
    resumed = _training()
    torch.rand(3)
    resumed.run(_photographs(), CLASSES, tmp_path / "killed")
    assert _same_weights(whole, resumed) and not _same_weights(whole, _training())
    other = _training(seed=1)
    other.run(_photographs(), CLASSES, tmp_path / "other")
    assert not _same_weights(whole, other)


@pytest.mark.parametrize("fails", ["weights", "loss", "growth"])
def test_a_training_that_diverges_keeps_its_last_good_state(tmp_path, monkeypatch, fails):
    training = _training()
    good = []

    def learn(*arguments):
        if training.epoch == 1:
            good.extend(one.clone() for one in _weights(training))
            if fails == "growth":
                monkeypatch.setattr(bag_training, "_GROWTH", 1e-3)
            elif fails == "loss":
                monkeypatch.setattr(
                    bag_training, "contrastive_softmax_loss", lambda rows, *_, **__: rows.sum() / 0
                )
            else:
                training.network.part.features.conv5.conv.bias.data.fill_(torch.nan)
                monkeypatch.setattr(training, "_descend", lambda *_: 1.0)
        return BagTraining.learn(training, *arguments)

    monkeypatch.setattr(training, "learn", learn)
    with pytest.raises(Diverged, match="state after 1 epochs: go on with a rate less than 0.0003"):
        training.run(_photographs(), CLASSES, tmp_path)
    assert training.epoch == 1 and len(good)
    assert all(torch.equal(mine, its) for mine, its in zip(good, _weights(training)))
    assert len((tmp_path / "record.jsonl").read_text().splitlines()) == 1


def test_states_that_do_not_fit_are_named(tmp_path):
    _training(epochs=1).run(_photographs(), CLASSES, tmp_path)
    with pytest.raises(FormatError, match="width was 0.1, and is 0.2"):
        _training(epochs=1, width=0.2).run(_photographs(), CLASSES, tmp_path)
    with pytest.raises(FormatError, match="classes of the pictures were other ones"):
        _training(epochs=1).run(_photographs(NAMES[::-1]), CLASSES, tmp_path)
    other = _training(epochs=1)
    other.network.begins_with = "of another file"
    with pytest.raises(FormatError, match="it began with other weights"):
        other.run(_photographs(), CLASSES, tmp_path)
    (tmp_path / "state.pt").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(FormatError, match="no state of this training"):
        _training(epochs=1).run(_photographs(), CLASSES, tmp_path)


def test_pictures_that_cannot_be_read_are_left_out(tmp_path):
    source = GivenPictures({**{name: SOURCE.picture(name) for name in NAMES}, "bad": b"no picture"})
    photographs = Photographs(source, [*NAMES, "bad"], 64)
    _training(epochs=1).run(photographs, np.append(CLASSES, 0), tmp_path / "some")
    assert list(photographs.skipped) == ["bad"]
    bad = GivenPictures({name: b"no picture" for name in NAMES})
    with pytest.raises(InvalidInput, match="photographs that can be read"):
        _training().run(Photographs(bad, NAMES, 64), CLASSES, tmp_path / "none")


def test_views_depend_on_their_seeds_alone():
    batches = [np.array([3, 1]), np.array([0]), np.array([7, 8, 9])]
    first, second = (list(_photographs().batches(batches, [1, 2], 5)) for _ in range(2))
    for one, again, positions in zip(first, second, batches):
        assert one.positions.tolist() == again.positions.tolist() == positions.tolist()
        assert np.array_equal(one.views, again.views)
        assert np.array_equal(one.canvases, again.canvases)
        assert one.views.shape == (len(positions), 3, 64, 64)
        assert one.canvases.shape == (5, 3, 64, 64)
    (other,) = _photographs().batches(batches[:1], [1, 3])
    assert not np.array_equal(first[0].views, other.views) and not len(other.canvases)


def test_canvases_of_other_photographs(tmp_path):
    """They are of these alone, one that cannot be read is left out, and a run knows them."""
    green = np.full((64, 64, 3), (0, 200, 0), np.uint8)
    source = GivenPictures({"green": green, "bad": b"no picture"})
    others = Photographs(source, ["green", "bad"], 64)
    photographs = Photographs(SOURCE, NAMES, 64, others)
    batches = [np.arange(4)] * 3
    made, again = (list(photographs.batches(batches, [1], 6)) for _ in range(2))
    assert all(len(one.views) == 4 and 0 < len(one.canvases) <= 6 for one in made)
    assert all(
        np.array_equal(*both) for both in zip(*[[b.canvases for b in m] for m in (made, again)])
    )
    flat = np.concatenate([one.canvases for one in made]).std(axis=(2, 3))
    assert flat.max() < 12 and list(others.skipped) == ["bad"]
    nothing = Photographs(GivenPictures({"bad": b"no picture"}), ["bad"], 64)
    (batch,) = Photographs(SOURCE, NAMES, 64, nothing).batches(batches[:1], [1], 6)
    assert batch.canvases.shape == (0, 3, 64, 64)
    _training(epochs=1).run(photographs, CLASSES, tmp_path)
    with pytest.raises(FormatError, match="Expected|training"):
        _training(epochs=1).run(_photographs(), CLASSES, tmp_path)


def test_what_is_kept_changes_less(tmp_path):
    """Of canvases the network says more nearly what it said, the more that weighs."""
    gone = []
    for keep in (0.0, 4.0):
        training = _training(keep=keep, n_canvases=6)
        training.run(_photographs(), CLASSES, tmp_path / str(keep))
        (batch,) = _photographs().batches([np.arange(12)], [9], 12)
        with torch.inference_mode():
            pixels = torch.from_numpy(batch.canvases)
            maps = [one.eval()(pixels) for one in (training.network, LocalNetwork())]
            now, before = (one.flatten(2).transpose(1, 2) for one in maps)
            rows = [training.whitening(now), cell_norms(now)]
            gone.append(
                float(kept_features_loss(*rows, training.whitening(before), cell_norms(before)))
            )
    assert gone[1] < 0.8 * gone[0]


def test_what_is_held_out_is_measured_by_the_smooth_bags():
    training = _training()
    held = np.array([0, 1, 2, 3, 8, 9, 10, 11, 20, 21, 23])
    training._take(training._first_whitening(_photographs(), np.arange(24)))
    training.learn(_photographs(), CLASSES, np.arange(24), 10)
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(45, 5, 7, generator=generator)
    rows = torch.nn.functional.normalize(rows, dim=2)
    weights = torch.rand(45, 5, generator=generator)
    torch.testing.assert_close(
        _all_similarities(rows, weights, 0.1), soft_bag_similarities(rows, weights, width=0.1)
    )
    found = measure_held_out(
        training.network, training.whitening, _photographs(), CLASSES, held, SETTINGS
    )
    assert 0.3 < found <= 1
    similar = (CLASSES[held][:, None] == CLASSES[held]).astype(float)
    assert mean_average_precision_of(similar, CLASSES[held]) == 1


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: replace(SETTINGS, n_each=1), "n_each to be 2 or more"),
        (lambda: replace(SETTINGS, rate=0), "rate to be a number above 0, at most 1"),
        (lambda: replace(SETTINGS, held_out=0.9), "held_out to be a number from 0 to 0.5"),
        (lambda: replace(SETTINGS, temperature=float("nan")), "temperature .* got nan"),
        (lambda: _training().run(_photographs(), np.zeros(24, int), None), "two classes or more"),
        (lambda: _training().run(_photographs(), np.zeros(3, int), None), "classes"),
    ],
)
def test_what_nothing_is_learned_from(call, match):
    with pytest.raises(InvalidInput, match=match):
        call()


def test_a_layer_in_front_of_the_activation_begins_otherwise():
    """Both have the same weights: a state of one is none of the other."""
    behind, front = (LocalNetwork(layer=layer) for layer in ("conv5", "conv5:signed"))
    assert behind.begins_with != front.begins_with
    assert behind.begins_with == ConvFeatures(layer="conv5", device="cpu").weights_digest_
