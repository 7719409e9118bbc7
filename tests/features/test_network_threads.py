"""Several threads make the first use of networks, and of what is learned late, at once."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from blcf.features import ConvFeatures, FeatureStore
from blcf.features.map_file import MapFile
from blcf.features.networks import build_network

HOUSE = Path(__file__).resolve().parents[2]
N_THREADS = 8


@pytest.fixture(autouse=True)
def many_switches() -> Iterator[None]:
    """Threads take turns every 10 us, in the place of 5 ms."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of the convolutions of SqueezeNet 1.1."""
    random = torch.Generator().manual_seed(0)
    state = build_network("squeezenet1_1").state_dict()
    path = tmp_path_factory.mktemp("weights") / "squeezenet1_1.pth"
    made = {name: 0.1 * torch.randn(each.shape, generator=random) for name, each in state.items()}
    torch.save({name: each for name, each in made.items() if "classifier" not in name}, path)
    return path


def at_once(tasks: list[Callable[[], Any]]) -> list[Any]:
    """What tasks give that threads begin together; the first error that one raised."""
    barrier = threading.Barrier(len(tasks))
    results: list[Any] = [None] * len(tasks)

    def run(number: int) -> None:
        barrier.wait(60)
        try:
            results[number] = tasks[number]()
        except Exception as error:  # whatever it is, it fails the test
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(tasks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    errors = [each for each in results if isinstance(each, Exception)]
    if errors:
        raise errors[0]
    return results


def test_threads_open_and_run_networks_at_once(weights: Path) -> None:
    """While one is traced, others are traced too, and others run."""
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)

    def use(network: str, file: Path | None) -> np.ndarray:
        found = ConvFeatures(network, weights=file, side=64, device="cpu", dtype="float32")
        return np.concatenate([found.extract(image).ravel() for _ in range(3)])

    def squeezenet() -> np.ndarray:
        return use("squeezenet1_1", weights)

    def lite() -> np.ndarray:
        return use("blcf-lite", None)

    expected = [squeezenet(), lite()]
    for _ in range(2):
        for number, found in enumerate(at_once([squeezenet, lite] * (N_THREADS // 2))):
            np.testing.assert_array_equal(found, expected[number % 2])


class ReadAtOnce(MapFile):
    """Reads what its list names before `append` has come to its end, as another thread may."""

    def note(self, name: str, **facts: Any) -> None:
        super().note(name, **facts)
        assert self.read(name) is not None


def test_what_the_list_names_can_be_read(tmp_path: Path) -> None:
    ReadAtOnce(tmp_path).append("a", np.ones((2, 3, 4), np.float32), "float32")


def test_what_was_skipped_can_be_asked_while_more_is(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, {"dtype": "float32"})
    done = threading.Event()

    entries = store._file.entries
    entries.update((str(number), {"skipped": "too small"}) for number in range(1000))

    def skip() -> None:
        for number in range(1000, 4000):
            entries[str(number)] = {"skipped": "too small"}
        done.set()

    def ask() -> None:
        while not done.is_set():
            assert set(store.skipped.values()) == {"too small"}

    at_once([skip, ask])


CODE = """
import sys, threading
sys.path.insert(0, sys.argv[1])
sys.setswitchinterval(1e-5)
network, weights = sys.argv[2:4]
barrier, found = threading.Barrier(8), []

def stages(number):
    barrier.wait(60)
    from blcf import BagOfWords, ConvFeatures, InvertedFile, Vocabulary, Whitening
    import numpy as np
    image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    options = {"weights": weights} if number % 2 else {"network": "blcf-lite"}
    extractor = ConvFeatures(**{"network": network, "side": 128, "device": "cpu"} | options)
    maps = [extractor.extract(one) for one in (image, image[:, ::-1], image[::-1])]
    sample = np.concatenate([one.reshape(len(one), -1).T for one in maps])
    whitening = Whitening(n_components=16).fit(sample)
    vocabulary = Vocabulary(n_words=20, assignment="two_level").fit(whitening.transform(sample))
    words = [vocabulary.assign(one, upsample=2, whitening=whitening) for one in maps]
    bags = BagOfWords(n_words=20).encode_many(words)
    index = InvertedFile(n_words=20, idf=True, sqrt=True).add(["a", "b", "c"], bags)
    found.append((number % 2, [str(hit) for hit in index.search(bags[0], k=3)]))

threads = [threading.Thread(target=stages, args=(number,)) for number in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert len(found) == 8, len(found)
assert len({str(each) for each in found}) == 2, found
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", range(20))
def test_the_first_use_of_every_stage_in_a_fresh_process(
    number: int, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Imports included, and once the compilation of the kernels."""
    if number == 0:
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    command = [sys.executable, "-c", CODE, str(HOUSE), "squeezenet1_1", str(weights)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0 and not done.stderr, done.stderr
