"""Learning to rank on made-up pictures: it learns, goes on where it was killed, stops in time."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import oracle_losses as oracle
import pytest
import torch
from torch import nn

from blcf.errors import Diverged, FormatError, InvalidInput
from blcf.evaluation import trec_average_precision
from blcf.learning import ranking
from blcf.learning.embedding import embed, mean_average_precision
from blcf.learning.heads import GeMHead
from blcf.learning.ranking import RankingTraining
from blcf.learning.ranking_settings import RankingSettings
from blcf.learning.tuple_losses import TUPLE_LOSSES

SETTINGS = RankingSettings(
    epochs=3, n_queries=10, n_pool=30, n_negatives=3, batch=4, rate=3e-3, decay=0.1
)
CPU = torch.device("cpu")


def _network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    norm = nn.BatchNorm2d(8)
    with torch.no_grad():
        norm.running_mean.normal_(0, 0.1)
    return nn.Sequential(
        nn.Conv2d(3, 8, 5, 2), norm, nn.ReLU(), nn.Dropout(0.1), nn.Conv2d(8, 12, 3), nn.ReLU()
    ).append(GeMHead())


def _pictures(seed: int, n_classes: int = 10, each: int = 4) -> tuple[list, np.ndarray]:
    """Things are textures; pictures of them differ by colour and contrast, and are of two sizes."""
    rng = np.random.default_rng(seed)
    classes = np.repeat(np.arange(n_classes), each)
    textures = rng.normal(size=(n_classes, 1, 5, 5))
    pictures = []
    for its in classes:
        side = int(rng.choice([20, 25]))
        pixels = np.tile(textures[its], (1, side // 5, side // 5)) * rng.uniform(
            0.5, 1.5, (3, 1, 1)
        )
        pixels = pixels + rng.normal(0, 1, (3, 1, 1)) + rng.normal(0, 0.3, pixels.shape)
        pictures.append(torch.tensor(pixels, dtype=torch.float32))
    return pictures, classes


PICTURES, CLASSES = _pictures(0)


@pytest.fixture(autouse=True)
def one_thread():
    """Of pictures so small several threads only wait for each other: 52 s instead of 8."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Killed(Exception):
    pass


class Dying(list):
    """Pictures of which so many can be read before the power fails."""

    left = 0

    def __getitem__(self, position):
        self.left -= 1
        if not self.left:
            raise Killed
        return super().__getitem__(position)


def _training(**changes) -> RankingTraining:
    return RankingTraining(_network(), replace(SETTINGS, **changes))


def _same_weights(one: RankingTraining, other: RankingTraining) -> bool:
    pairs = zip(one.network.state_dict().values(), other.network.state_dict().values())
    return all(torch.equal(mine, its) for mine, its in pairs)


def test_it_learns(tmp_path):
    """Textures that it has never seen are found as well."""
    training = _training(epochs=4, n_queries=40, n_pool=40)
    held = _pictures(1)
    before = mean_average_precision(
        embed(training.network, held[0], range(40), device=CPU), held[1]
    )
    record = training.run(PICTURES, CLASSES, tmp_path, validation=held)
    assert record[-1]["mAP"] > 0.5 > 0.25 > before  # .68, .18
    assert [entry["epoch"] for entry in record] == [1, 2, 3, 4]
    assert record[-1]["loss"] < record[0]["loss"]
    assert record[1]["rate"] == pytest.approx(3e-3 * np.exp(-0.1))
    lines = (tmp_path / "record.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == record
    assert sorted(path.name for path in tmp_path.iterdir()) == ["record.jsonl", "state.pt"]


@pytest.mark.parametrize("reads", [3, 80, 110])
def test_a_killed_run_ends_with_the_same_weights(tmp_path, reads):
    whole = _training()
    whole.run(PICTURES, CLASSES, tmp_path / "whole")
    killed = _training(epochs=1)
    killed.run(PICTURES, CLASSES, tmp_path / "killed")
    dying = Dying(PICTURES)
    dying.left = reads  # while it mines, while it learns, and in the epoch after that
    with pytest.raises(Killed):
        _training().run(dying, CLASSES, tmp_path / "killed")
    (tmp_path / "killed" / "record.jsonl").unlink()
    resumed = _training()
    torch.rand(7)  # whatever else was drawn in between
    resumed.run(PICTURES, CLASSES, tmp_path / "killed")
    assert _same_weights(whole, resumed) and not _same_weights(whole, _training())
    assert resumed.epoch == 3
    for one, other in zip(whole.record, resumed.record):
        assert one | {"seconds": 0} == other | {"seconds": 0}
    assert len((tmp_path / "killed" / "record.jsonl").read_text().splitlines()) == 3


def test_another_seed_learns_otherwise(tmp_path):
    one, other = _training(epochs=1), _training(epochs=1, seed=1)
    one.run(PICTURES, CLASSES, tmp_path / "one")
    other.run(PICTURES, CLASSES, tmp_path / "other")
    assert not _same_weights(one, other)


def test_no_seed_of_the_caller_is_touched():
    torch.manual_seed(5)
    expected = torch.rand(1)
    training = _training()
    torch.manual_seed(5)
    training.learn(PICTURES, CLASSES)
    assert torch.equal(torch.rand(1), expected)


def test_statistics_are_frozen_and_the_power_learns_faster():
    training = _training(weight_decay=0.5)
    before = {name: one.clone() for name, one in training.network.state_dict().items()}
    training.learn(PICTURES, CLASSES)
    after = training.network.state_dict()
    for name in ("1.running_mean", "1.running_var", "1.num_batches_tracked"):
        assert torch.equal(before[name], after[name]), name
    for name in ("0.weight", "1.weight", "4.bias", "6.p"):
        assert not torch.equal(before[name], after[name]), name
    power = training.optimiser.param_groups[1]
    assert len(power["params"]) == 1 and power["params"][0] is training.network[6].p
    assert (power["lr"], power["weight_decay"]) == (pytest.approx(3e-2), 0)


def test_gradients_of_a_batch_are_summed():
    """Of a last batch as well, which may be smaller."""
    settings = replace(SETTINGS, n_queries=5, batch=7)
    one, two = (RankingTraining(_network(), settings) for _ in range(2))
    one.network[3].p = two.network[3].p = 0.0  # no dropout
    tuples = one._mine(PICTURES, CLASSES, None, iter)
    total = torch.zeros(())
    for row in tuples.rows.tolist():
        vectors = torch.cat([two.network.eval()(PICTURES[position][None]) for position in row])
        total = total + TUPLE_LOSSES["contrastive"](vectors, 0.7)
    total.backward()
    seen = []
    step = one.optimiser.step
    one.optimiser.step = (
        lambda: seen.append([each.grad.clone() for each in one.network.parameters()]) or step()
    )
    one.learn(PICTURES, CLASSES)
    assert len(seen) == 1
    for mine, its in zip(seen[0], two.network.parameters()):
        torch.testing.assert_close(mine, its.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("loss", TUPLE_LOSSES)
def test_losses_of_a_tuple(loss):
    vectors = embed(_network(), PICTURES, [0, 1, 9, 13, 21], device=CPU)
    found = float(TUPLE_LOSSES[loss](torch.from_numpy(vectors).double(), 0.5))
    query, positive, *negatives = vectors.astype(float).tolist()
    three, several = ([query] * 3, [positive] * 3, negatives), [query] * 4
    similar = [[oracle.dot(query, each) for each in (positive, *negatives)]]
    flags = [True, False, False, False]
    expected = {
        "contrastive": oracle.contrastive(several, [positive, *negatives], flags, 0.5, "chopra"),
        "lifted": oracle.lifted_structure([query, positive, *negatives], [0, 0, 1, 2, 3], 0.5),
        "listwise": oracle.listwise_ap(similar, [flags], 25),
        "ranking": oracle.ranking(*three, 0.5, "paper"),
        "triplet": oracle.triplet(*three, 0.5),
    }
    assert found == pytest.approx(expected[loss], rel=1e-6)
    assert _training(loss=loss, margin=0.5).learn(PICTURES, CLASSES) > 0


@pytest.mark.parametrize("fails", ["weights", "loss", "vectors", "growth"])
def test_a_training_that_diverges_keeps_its_last_good_state(tmp_path, monkeypatch, fails):
    good = _training(epochs=1)
    good.run(PICTURES, CLASSES, tmp_path)
    training = _training()
    if fails == "weights":
        monkeypatch.setattr(
            training.optimiser, "step", lambda: training.network[6].p.data.fill_(torch.nan)
        )
    elif fails == "growth":
        monkeypatch.setattr(ranking, "_GROWTH", 1e-3)
    elif fails == "loss":
        monkeypatch.setitem(TUPLE_LOSSES, "contrastive", lambda vectors, _: vectors.sum() / 0)
    else:
        monkeypatch.setattr(ranking, "embed", lambda *_, **__: np.full((99, 12), np.nan))
    with pytest.raises(Diverged, match="state after 1 epochs: go on with a rate less than 0.003"):
        training.run(PICTURES, CLASSES, tmp_path)
    assert training.epoch == 1 and _same_weights(training, good)
    assert len((tmp_path / "record.jsonl").read_text().splitlines()) == 1
    monkeypatch.undo()
    slower = _training(rate=1e-4)
    slower.run(PICTURES, CLASSES, tmp_path)
    assert slower.epoch == 3


def test_states_that_do_not_fit_are_named(tmp_path):
    _training(epochs=1).run(PICTURES, CLASSES, tmp_path)
    with pytest.raises(FormatError, match="margin was 0.7, and is 0.8"):
        _training(margin=0.8).run(PICTURES, CLASSES, tmp_path)
    with pytest.raises(FormatError, match="classes of the pictures were other ones"):
        _training().run(PICTURES, CLASSES[::-1], tmp_path)
    other = RankingTraining(_network().append(nn.Linear(12, 4)), SETTINGS)
    with pytest.raises(FormatError, match="another network: RuntimeError"):
        other.run(PICTURES, CLASSES, tmp_path)
    for content in (b"", b"no state", b"PK\x03\x04 cut"):
        (tmp_path / "state.pt").write_bytes(content)
        with pytest.raises(FormatError, match="no state of this training"):
            _training().run(PICTURES, CLASSES, tmp_path)


@pytest.mark.parametrize("seed", range(3))
def test_map_is_the_mean_of_trec_average_precisions(seed):
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-2, 3, (20, 3)).astype(np.float32)
    classes = rng.permutation([0, 0, 1, 1, 1, 2, *[3] * 6, *range(4, 12)])
    found = []
    for query, its in enumerate(classes):
        others = [i for i in range(20) if i != query]
        positives = {str(i) for i in others if classes[i] == its}
        order = sorted(others, key=lambda i: (-float(vectors[i] @ vectors[query]), i))
        if positives:
            found.append(trec_average_precision(map(str, order), positives))
    assert mean_average_precision(vectors, classes) == pytest.approx(np.mean(found))


def test_embedding_leaves_the_network_as_it_was():
    network = _network().train()
    network[1].eval()
    rows = embed(network, PICTURES, [3, 1, 3], device=CPU)
    assert rows.shape == (3, 12) and np.array_equal(rows[0], rows[2]), "no dropout"
    assert network.training and network[3].training and not network[1].training
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: replace(SETTINGS, loss="contrast"), "mean 'contrastive'"),
        (lambda: replace(SETTINGS, batch=0), "batch to be 1 or more"),
        (lambda: replace(SETTINGS, rate=0), "rate to be a number above 0, got 0"),
        (lambda: replace(SETTINGS, decay=-1), "decay to be a number 0 or more, got -1"),
        (lambda: replace(SETTINGS, margin=float("nan")), "margin .* got nan"),
        (lambda: _training().learn(PICTURES, np.arange(40)), "40 pictures of 40 classes"),
        (lambda: _training(n_negatives=10).learn(PICTURES, CLASSES), "at least 10 classes"),
        (lambda: _training().learn([one[0] for one in PICTURES], CLASSES), r"float \(3, h, w\)"),
        (
            lambda: RankingTraining(nn.Conv2d(3, 2, 3), SETTINGS).learn(PICTURES, CLASSES),
            "Put a head on it",
        ),
        (lambda: mean_average_precision(np.eye(3), np.arange(3)), "3 pictures of as many"),
    ],
)
def test_what_nothing_is_learned_from(call, match):
    with pytest.raises(InvalidInput, match=match):
        call()
