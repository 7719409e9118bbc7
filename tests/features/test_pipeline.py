"""Pictures through reading, network and encoding at once: order, errors, bounds, no thread left."""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiles
import torch
from PIL import Image

from blcf.errors import InvalidInput, OutOfMemory, UnreadableImage
from blcf.features import ConvFeatures, pipeline
from blcf.features.pipeline import extract_pictures
from blcf.images import PictureFacts, find_images, read_image

SHAPES = [(4, 6), (6, 4), (4, 6), (6, 6), (6, 4), (4, 6), (2, 6), (6, 4), (6, 4), (4, 6), (6, 6)]


def extractor_of(**changes) -> ConvFeatures:
    options = {"layer": "relu", "side": 96, "device": "cpu", "dtype": "float32", "batch_size": 3}
    return ConvFeatures(tiles.TileNetwork(), **{**options, **changes})


@pytest.fixture(scope="module")
def extractor() -> ConvFeatures:
    return extractor_of()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures of mixed shapes; the third and the eighth are none."""
    rng = np.random.default_rng(0)
    for number, shape in enumerate(SHAPES):
        tiles.save(tmp_path / f"{number:02d}.png", rng.integers(0, tiles.N_COLOURS, shape))
    for number in (2, 7):
        (tmp_path / f"{number:02d}.png").write_bytes(b"no picture")
    return tmp_path


@pytest.fixture(autouse=True, params=[1, 3])
def n_at_once(request, monkeypatch):
    """Batches that are in the network at the same time."""
    monkeypatch.setattr(ConvFeatures, "n_at_once", request.param)
    return request.param


@pytest.fixture(autouse=True)
def no_threads_left():
    before = set(threading.enumerate())  # other tests of this process may have left some
    yield
    left = set(threading.enumerate()) - before
    assert [thread for thread in left if "blcf" in thread.name] == []


def stream(extractor, folder, encode=list):
    images = find_images(folder)
    return extract_pictures(extractor, map(images.original, images.names), encode)


@pytest.mark.parametrize("looked_at", [1, 2, 5, 64])
def test_maps_in_order(extractor, folder, monkeypatch, looked_at) -> None:
    """Whatever shares a batch: each picture's own map, at its place; bad ones in theirs."""
    monkeypatch.setattr(pipeline, "_LOOKED_AT", looked_at)
    found = list(stream(extractor, folder))
    assert [picture.name for picture in found] == find_images(folder).names
    for picture in found:
        if picture.name in ("02.png", "07.png"):
            assert isinstance(picture.content, UnreadableImage)
            assert picture.name in str(picture.content) and picture.facts.n_bytes == -1
            continue
        image = read_image(folder / picture.name)
        assert picture.size == (image.shape[1], image.shape[0])
        assert picture.facts.n_bytes == (folder / picture.name).stat().st_size
        np.testing.assert_allclose(picture.content, extractor.extract(image), atol=1e-5)


def test_only_bad_pictures(extractor, tmp_path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(b"no picture")
    encode = pytest.fail
    contents = [picture.content for picture in stream(extractor, tmp_path, encode)]
    assert [type(content) for content in contents] == [UnreadableImage] * 3


def test_no_pictures(extractor, folder) -> None:
    assert list(extract_pictures(extractor, [])) == []


def test_batches_are_encoded_together(extractor, folder) -> None:
    shapes = []

    def encode(maps):
        shapes.append(maps.shape)
        return [number for number in range(len(maps))]

    rows = list(stream(extractor, folder, encode))
    assert len(rows) == len(SHAPES)
    # Whole batches first; threads that begin at once may note theirs in another order.
    assert sorted(shapes, key=lambda shape: (-shape[0], -shape[2])) == [
        (3, 64, 6, 4),  # 01, 04, 08
        (3, 64, 4, 6),  # 00, 05, 09
        (2, 64, 6, 6),  # 03, 10
        (1, 64, 2, 6),  # 06
    ]


def test_a_whole_batch_waits_for_no_other(extractor, folder) -> None:
    """The network has a batch as soon as it is whole; one that is not, once it lags behind."""
    loaded = [
        pipeline.Loaded(np.zeros((16 * h, 16 * w, 3), np.uint8), (w, h))
        for h, w in [(6, 6), *[(4, 6)] * 8, (6, 6)]
    ]
    n_read = 0

    def read():
        nonlocal n_read
        for n_read, one in enumerate(loaded, start=1):
            yield n_read - 1, one

    for n_looked_at, wanted in (
        (64, [(4, [1, 2, 3]), (7, [4, 5, 6]), (10, [0, 9]), (10, [7, 8])]),
        (5, [(4, [1, 2, 3]), (6, [0]), (7, [4, 5, 6]), (10, [7, 8]), (10, [9])]),
        (1, [(one + 2 if one < 9 else 10, [one]) for one in range(10)]),
    ):
        batches = pipeline._batches(extractor, read(), n_looked_at)
        assert [(n_read, batch.positions) for batch in batches] == wanted


def test_a_picture_that_the_network_refuses(folder) -> None:
    """The others of its batch go through alone."""
    extractor = extractor_of()
    part = extractor._part

    def forward(inputs):
        # Of pictures of 4 x 6 tiles, the one whose first tile is that of picture 05.
        if inputs.shape[2:] == (64, 96) and bool((inputs[:, :, 0, 0] == marked).all(1).any()):
            raise RuntimeError("not this one")
        return part(inputs)

    image = read_image(folder / "05.png")
    marked = extractor._inputs([image])[0, :, 0, 0]
    others = [read_image(folder / name)[0, 0].tolist() for name in ("00.png", "09.png")]
    assert image[0, 0].tolist() not in others
    extractor._part = forward
    found = {picture.name: picture.content for picture in stream(extractor, folder)}
    assert list(found) == find_images(folder).names
    refused = [name for name, content in found.items() if isinstance(content, UnreadableImage)]
    assert refused == ["02.png", "05.png", "07.png"]
    assert "not this one" in found["05.png"].reason
    np.testing.assert_allclose(
        found["09.png"], extractor_of().extract(read_image(folder / "09.png")), atol=1e-5
    )


def test_a_batch_that_the_memory_does_not_hold(folder) -> None:
    """It ended a run; what cannot hold one picture still does."""
    extractor = extractor_of()
    part, most, seen = extractor._part, [1], []

    def forward(inputs):
        seen.append(len(inputs))
        if len(inputs) > most[0]:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return part(inputs)

    extractor._part = forward
    found = {picture.name: picture.content for picture in stream(extractor, folder)}
    assert list(found) == find_images(folder).names and max(seen) == 3
    bad = [name for name, content in found.items() if isinstance(content, UnreadableImage)]
    assert bad == ["02.png", "07.png"]
    most[0] = 0
    with pytest.raises(OutOfMemory, match="1 pictures of .* a smaller side"):
        list(stream(extractor, folder))


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_an_error_of_encode_comes_behind_what_was_finished(
    extractor, folder, kind, n_at_once
) -> None:
    calls = []

    def encode(maps):
        calls.append(len(maps))
        if len(maps) == 2:  # not by a count, which several threads make at once
            raise kind
        return list(maps)

    names = []
    with pytest.raises(kind):
        for picture in stream(extractor, folder, encode):
            names.append(picture.name)
    assert names == ["00.png", "01.png", "02.png"]  # 03 was in the batch that failed
    # Batches are handed over ahead: their turn may come before the caller meets the error.
    assert 2 in calls and len(calls) <= 4


def test_an_error_of_the_network_comes_at_once(folder, n_at_once) -> None:
    extractor = extractor_of(batch_size=1)
    part, seen = extractor._part, []
    fourth = extractor._inputs([extractor.prepare(read_image(folder / "04.png"))])  # 02 is none

    def forward(inputs):
        seen.append(len(inputs))
        if torch.equal(inputs, fourth):  # not by a count, which several threads make at once
            raise MemoryError("defect")
        return part(inputs)

    extractor._part = forward
    names = []
    with pytest.raises(MemoryError, match="defect"):
        for picture in stream(extractor, folder):
            names.append(picture.name)
    assert names == [f"{n:02d}.png" for n in range(len(names))]
    if n_at_once == 1:
        assert len(names) == 3 and len(seen) == 4  # 03 was with encode
    else:
        assert len(names) <= 4 and len(seen) <= 4 + 2 * n_at_once


def test_the_network_goes_on_while_a_batch_is_encoded(folder) -> None:
    """Encoding the first batch waits until the network has begun the second one."""
    extractor = extractor_of()
    part, begun = extractor._part, threading.Semaphore(0)

    def forward(inputs):
        begun.release()
        return part(inputs)

    extractor._part = forward
    waited = []

    def encode(maps):
        if not waited:
            waited.append(begun.acquire(timeout=5) and begun.acquire(timeout=5))
        return list(maps)

    assert len(list(stream(extractor, folder, encode))) == len(SHAPES)
    assert waited == [True]


def test_what_is_ahead_is_bounded(tmp_path, monkeypatch, n_at_once) -> None:
    """Reading runs at most two looks ahead of what was given, the network one batch."""
    for number in range(60):
        tiles.save(tmp_path / f"{number:02d}.png", np.full((3, 3), number % tiles.N_COLOURS))
    monkeypatch.setattr(pipeline, "_LOOKED_AT", 4)
    extractor = extractor_of()
    part, read, computed = extractor._part, [], []
    load = pipeline._load

    def loading(name, **options):
        read.append(name)
        return load(name, **options)

    def forward(inputs):
        computed.extend(range(len(inputs)))
        return part(inputs)

    monkeypatch.setattr(pipeline, "_load", loading)
    extractor._part = forward
    more = 3 * (n_at_once + 1) if n_at_once > 1 else 0  # in the network, and before it
    for given, _ in enumerate(stream(extractor, tmp_path)):
        time.sleep(0.005)  # a slow caller: the threads run as far as they may
        assert len(read) <= given + 3 * 4 + 1 + more
        assert len(computed) <= given + 3 * 3 + more
    assert given == 59 and len(read) == len(computed) == 60


def test_what_is_made_beside(extractor, folder) -> None:
    """Of the pixels as they go through the network; an error takes the place of the picture."""

    def corner(pixels):
        if pixels.shape[:2] == (32, 96):  # of the seventh
            error = UnreadableImage("it is too flat")
            error.reason = "too flat"
            raise error
        return pixels[0, 0].tolist()

    images = find_images(folder)
    originals = [images.original(name) for name in images.names]
    found = list(extract_pictures(extractor, originals, beside=corner))
    assert [picture.name for picture in found] == images.names
    for original, picture in zip(originals, found):
        if picture.name in ("02.png", "06.png", "07.png"):
            assert isinstance(picture.content, UnreadableImage) and picture.beside is None
            continue
        assert picture.beside == extractor.load(original).content[0, 0].tolist()
        assert picture.content.shape[0] == 64


def test_what_is_made_beside_a_map_that_was_kept(extractor, folder) -> None:
    """The network has nothing to do, unless the file has changed since."""
    images = find_images(folder)
    originals = [images.original(name) for name in ("00.png", "01.png")]
    loaded = [extractor.load(original) for original in originals]
    ones = [np.ones((64, *(n // tiles.TILE for n in one.content.shape[:2]))) for one in loaded]
    kept = {
        one.name: replace(each, content=content.astype(np.float32))
        for one, each, content in zip(originals, loaded, ones)
    }
    kept["01.png"] = replace(kept["01.png"], facts=PictureFacts(digest=1))
    found = list(extract_pictures(extractor, originals, kept=Kept(kept), beside=np.shape))
    assert [picture.beside for picture in found] == [one.content.shape for one in loaded]
    assert (found[0].content == 1).all() and not (found[1].content == 1).all()
    assert found[1].facts == loaded[1].facts


class Kept:
    """Maps that were kept, whatever has become of the files."""

    def __init__(self, maps):
        self.get = lambda original: maps[original.name]


@pytest.mark.parametrize("how", ["close", "break", "raise"])
def test_stopping_early_leaves_no_thread(extractor, folder, how) -> None:
    rows = stream(extractor, folder)
    assert next(rows).name == "00.png"
    if how == "close":
        rows.close()
    elif how == "break":
        del rows
    else:
        with pytest.raises(RuntimeError):
            rows.throw(RuntimeError())


@pytest.mark.parametrize("where", ["network", "encode"])
def test_an_interrupt(folder, where) -> None:
    """A real signal, while a batch is computed or encoded, ends it soon."""
    extractor, calls = extractor_of(), []
    part = extractor._part
    # A job in the background is started with interrupts ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt(of: str) -> None:
        calls.append(of)
        if calls.count(where) == 2 and of == where:
            signal.raise_signal(signal.SIGINT)

    def forward(inputs):
        interrupt("network")
        return part(inputs)

    def encode(maps):
        interrupt("encode")
        return list(maps)

    extractor._part = forward
    try:
        with pytest.raises(KeyboardInterrupt):
            list(stream(extractor, folder, encode))
    finally:
        signal.signal(signal.SIGINT, before)
    assert calls.count(where) >= 2


def test_batches_of_an_extractor(extractor) -> None:
    images = [np.zeros((h * 16, w * 16, 3), np.uint8) for h, w in SHAPES]
    assert extractor.batches(images) == [[0, 2, 5], [1, 4, 7], [3, 10], [6], [8], [9]]
    assert extractor.batches([]) == []
    maps = extractor.extract_batch([images[0], images[2]])
    assert maps.shape == (2, 64, 4, 6) and maps.dtype == np.float32
    with pytest.raises(InvalidInput, match=r"one shape .* got \(64, 96\), \(96, 64\)\. extract_ma"):
        extractor.extract_batch(images[:2])
    with pytest.raises(InvalidInput, match="got no picture"):
        extractor.extract_batch([])


def test_wide_layers_make_small_batches() -> None:
    """On the CPU the largest activation of a batch is bounded; one picture goes in any case."""
    torch.manual_seed(0)
    wide = torch.nn.Sequential(torch.nn.Conv2d(3, 64, 1), torch.nn.MaxPool2d(16))
    options = {"layer": "1", "device": "cpu", "dtype": "float32", "batch_size": 8}
    extractor = ConvFeatures(wide, side=96, **options)  # 96 x 96 x 64 x 4 bytes: 2.36 MB
    images = [np.zeros((96, 96, 3), np.uint8)] * 16
    assert [len(batch) for batch in extractor.batches(images)] == [7, 7, 2]
    images = [np.zeros((1024, 1024, 3), np.uint8)] * 2
    assert extractor.batches(images) == [[0], [1]]


class OnDevice:
    """An extractor whose maps are tensors; of some pictures they are not finite."""

    def __init__(self, extractor):
        self._extractor = extractor
        self.n_at_once, self.is_elsewhere = 1, True
        self.loaded_bytes = extractor.loaded_bytes
        self.load, self.n_together = extractor.load, extractor.n_together

    def extract_batch(self, images):
        pytest.fail("these are arrays")

    def extract_on_device(self, images):
        maps = self._extractor.extract_on_device(images)
        maps[[bool((image == (255, 0, 0)).all()) for image in images]] = torch.nan
        return maps


def test_tensors_of_a_device_and_pictures_that_give_none(extractor, folder):
    """What is not finite is known where words are looked for; the others of a batch get theirs."""
    Image.new("RGB", (64, 64), (255, 0, 0)).save(folder / "05.png")

    def encode(maps):
        assert isinstance(maps, torch.Tensor)
        if not maps.isfinite().all():
            raise InvalidInput("not finite")
        return maps.numpy()

    images = find_images(folder)
    originals = map(images.original, images.names)
    found = list(extract_pictures(OnDevice(extractor), originals, encode, on_device=True))
    assert [one.name for one in found] == images.names
    for one in found:
        if one.name in ("02.png", "05.png", "07.png"):
            assert isinstance(one.content, UnreadableImage)
        else:
            wanted = extractor.extract(folder / one.name)
            np.testing.assert_allclose(one.content, wanted, atol=1e-5)
