"""Feature maps on disk: what is kept comes back, once made; damage and changes are seen."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image
from torch import nn

from blcf.adding.kept_maps import KeptMaps
from blcf.errors import (
    CollectionLocked,
    FormatError,
    InvalidInput,
    StorageError,
    VocabularyMismatch,
)
from blcf.features import CodeFeatures, ConvFeatures, FeatureStore, feature_key
from blcf.features.map_file import MapFile
from blcf.images import ImageList, Large, Loaded, Original, find_images, read_image


class Means:
    """An extractor of exact values: a (2, 1, 3) map of the means of the channels, and of -1/3."""

    kind = "feature map"

    def __init__(self, dtype: str = "bfloat16", refuse: int = -1, **described: Any):
        self.dtype_ = dtype
        self.described = {"network": "means", "node": "all", "side": 8} | described
        self.refuse = refuse
        self.seen: list[int] = []

    def describe(self) -> dict[str, Any]:
        return {"weights": f"/somewhere/{id(self)}", "layer": "mine", **self.described}

    loaded_bytes = 3 * 8 * 40

    def load(self, original: Original, large: Large | None = None) -> Loaded[np.ndarray]:
        return original.through(lambda image: image[:8])

    def n_together(self, height: int, width: int) -> int:
        return 64

    def extract_batch(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        if any(image[0, 0, 0] == self.refuse for image in images):
            raise InvalidInput("the network does not like red")
        self.seen += [int(image[0, 0, 0]) for image in images]
        return [self.map_of(image) for image in images]

    def map_of(self, image: np.ndarray) -> np.ndarray:
        means = image[:8].mean(axis=(0, 1), dtype=np.float64)
        values = torch.tensor(np.stack([means, means * 0 - 1 / 3])[:, None])
        return values.to(getattr(torch, self.dtype_)).float().numpy()


@pytest.fixture
def images(tmp_path: Path) -> ImageList:
    """Six plain pictures of red 0, 10, .. 50."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(6):
        colour = np.full((20 + i, 40, 3), (10 * i, 7, 255), dtype=np.uint8)
        Image.fromarray(colour).save(folder / f"{i}.png")
    return find_images(folder)


def opened(folder: Path, extractor: Any) -> FeatureStore:
    return FeatureStore(folder / "maps", feature_key(extractor))


def assert_holds(store: FeatureStore, images: ImageList, extractor: Means) -> None:
    for name, found in zip(images.names, store.maps(images.names), strict=True):
        image = read_image(images.path(name))
        np.testing.assert_array_equal(found, extractor.map_of(image))
        assert found.dtype == np.float32 and found.flags.writeable
        assert store.size(name) == (image.shape[1], image.shape[0])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_made_once_and_read_again(tmp_path: Path, images: ImageList, dtype: str) -> None:
    extractor, said = Means(dtype), []
    store = opened(tmp_path, extractor)
    assert len(store) == store.n_bytes == 0 and store.missing(images) == images.names
    assert not (tmp_path / "maps").exists()  # nothing is written before the first picture
    store.extract(images, extractor, lambda *done: said.append(done))
    assert said == [(i, 6) for i in range(7)] and extractor.seen == [0, 10, 20, 30, 40, 50]
    other = Means(dtype)
    again = opened(tmp_path, other)  # other weights' path, same key
    for each in (store, again):
        paths = [images.path(name) for name in ("x.png", *images.names)]
        assert len(each) == 6 and each.missing((["x.png", *images.names], paths)) == ["x.png"]
        assert_holds(each, images, extractor)
        assert each.n_bytes == each.estimate(6, (2, 1, 3)) == 36 * (4 if dtype == "float32" else 2)
    again.extract(images, other)
    assert other.seen == []


def test_names_and_paths(tmp_path: Path, images: ImageList) -> None:
    extractor = Means()
    store = opened(tmp_path, extractor)
    store.extract((["a", "b"], [images.path("3.png"), str(images.path("1.png"))]), extractor)
    assert [store.size(name) for name in "ab"] == [(40, 23), (40, 21)]
    for wrong in ((["a"], []), ["a"], 3):
        with pytest.raises(InvalidInput, match="Expected an ImageList, or as many names as paths"):
            store.extract(wrong, extractor)  # type: ignore[arg-type]


def test_a_stopped_run_goes_on(tmp_path: Path, images: ImageList) -> None:
    extractor = Means()

    def stop(n_done: int, n_wanted: int) -> None:
        if n_done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        opened(tmp_path, extractor).extract(images, extractor, stop)
    store = opened(tmp_path, extractor)
    assert len(store) == 2
    # What a kill leaves: bytes without a line, a line without its end.
    with open(store.path / "maps.raw", "ab") as file:
        file.write(b"half a map")
    with open(store.path / "maps.jsonl", "a") as lines:
        lines.write('\n{"name": "2.png", "start"')
    rest = Means()
    store = opened(tmp_path, rest)
    store.extract(images, rest)
    assert rest.seen == [20, 30, 40, 50]
    assert_holds(opened(tmp_path, rest), images, rest)


def test_a_picture_that_changed_is_missing(tmp_path: Path, images: ImageList) -> None:
    extractor = Means()
    store = opened(tmp_path, extractor)
    store.extract(images, extractor)
    Image.new("RGB", (9, 9)).save(images.path("3.png"))
    images.path("4.png").unlink()  # what is kept of it stays
    assert store.missing(images) == opened(tmp_path, extractor).missing(images) == ["3.png"]


def test_bad_pictures_are_skipped_and_remembered(tmp_path: Path, images: ImageList) -> None:
    images.path("1.png").write_bytes(b"no picture")
    images.path("4.png").unlink()
    extractor = Means(refuse=20)
    store = opened(tmp_path, extractor)
    store.extract(images, extractor)
    for each in (store, opened(tmp_path, extractor)):
        assert len(each) == 3 and not each.missing(images)
        assert sorted(each.skipped) == ["1.png", "2.png", "4.png"]
        assert "not a picture" in each.skipped["1.png"]
        assert each.skipped["2.png"] == "the network does not like red"
        assert "no such file" in each.skipped["4.png"]
        with pytest.raises(InvalidInput, match=r"keeps nothing of 1\.png: it was skipped \("):
            each.map("1.png")
        with pytest.raises(InvalidInput, match=r"keeps nothing of 9\.png: call extract first"):
            each.size("9.png")
    extractor.seen.clear()
    store.extract(images, extractor)  # nothing has changed
    assert extractor.seen == []
    Image.new("RGB", (19, 19), (90, 0, 0)).save(images.path("1.png"))
    store.extract(images, extractor)
    assert extractor.seen == [90] and sorted(store.skipped) == ["2.png", "4.png"]
    assert store.size("1.png") == (19, 19)


def test_a_picture_that_changed_is_made_anew(tmp_path: Path, images: ImageList) -> None:
    extractor = Means()
    store = opened(tmp_path, extractor)
    store.extract(images, extractor)
    Image.new("RGB", (40, 30), (99, 0, 0)).save(images.path("3.png"))
    images.path("5.png").unlink()  # what is kept of it stays
    again = Means()
    opened(tmp_path, again).extract(images, again)
    assert again.seen == [99]
    found = opened(tmp_path, again)
    assert len(found) == 6 and found.size("3.png") == (40, 30) and found.map("5.png")[0, 0, 0] == 50
    np.testing.assert_array_equal(found.map("3.png")[0, 0], [99, 0, 0])


def test_no_damage_gives_a_wrong_map(tmp_path: Path, images: ImageList) -> None:
    """Every byte of both files, flipped: a map is right, or an error, or made anew."""
    extractor = Means()
    store = opened(tmp_path, extractor)
    few = ImageList(images.root, images.names[:2])
    store.extract(few, extractor)
    right = {name: extractor.map_of(read_image(few.path(name))) for name in few.names}
    for file in MapFile.FILES:
        content = (store.path / file).read_bytes()
        for place in range(len(content)):
            damaged = bytearray(content)
            damaged[place] ^= 1 << place % 8
            (store.path / file).write_bytes(damaged)
            found = opened(tmp_path, extractor)
            assert set(found._file.entries) <= set(few.names)
            lost = 0
            for name in few.names:
                try:
                    np.testing.assert_array_equal(found.map(name), right[name])
                except (FormatError, InvalidInput):
                    lost += 1
            assert lost <= 1 or file == "maps.jsonl"
        (store.path / file).write_bytes(content[:-3])
        again = opened(tmp_path, extractor)
        extractor.seen.clear()
        again.extract(few, extractor)
        assert extractor.seen == [10]  # the last one, and no other
        assert_holds(again, few, extractor)


def test_damage_is_said_and_mended(tmp_path: Path, images: ImageList) -> None:
    extractor = Means()
    store = opened(tmp_path, extractor)
    store.extract(images, extractor)
    raw = store.path / "maps.raw"
    raw.write_bytes(bytes(12) + raw.read_bytes()[12:])
    with pytest.raises(FormatError, match=r"keeps of 0\.png is damaged\. Call extract again"):
        list(store.maps(images.names))
    extractor.seen.clear()
    store.extract(images, extractor)
    assert extractor.seen == [0]
    assert_holds(store, images, extractor)


def test_strangers_are_refused(tmp_path: Path, images: ImageList) -> None:
    extractor = Means()
    store = opened(tmp_path, extractor)
    store.extract(images, extractor)
    said = store.path / "key.json"
    content = json.loads(said.read_text())
    for change in ({"format_version": 2}, {"key": {"network": "other"}}):
        said.write_text(json.dumps(content | change))
        with pytest.raises(FormatError, match=r"key\.json to say .* Use another folder"):
            opened(tmp_path, extractor)
    said.write_text("{")
    with pytest.raises(FormatError, match="is damaged"):
        opened(tmp_path, extractor)
    said.unlink()
    with pytest.raises(FormatError, match=r"has maps and no key\.json"):
        opened(tmp_path, extractor)


@pytest.mark.parametrize(
    "change", [{"side": 9}, {"node": "one"}, {"weights_digest": "0"}, {"dtype": "float32"}]
)
def test_each_key_has_a_folder_of_its_own(
    tmp_path: Path, images: ImageList, change: dict[str, Any]
) -> None:
    extractor, other = Means(), Means(**change)
    store = opened(tmp_path, extractor)
    assert store.path != opened(tmp_path, other).path
    assert store.path == opened(tmp_path, Means()).path
    with pytest.raises(VocabularyMismatch, match=rf"got one with other {next(iter(change))} \('?"):
        store.extract(images, other)
    other.kind = "code"
    assert opened(tmp_path, other).path != opened(tmp_path, Means(**change)).path


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ({"dtype": "float64"}, "a key with dtype float32, bfloat16 or float16, got 'float64'"),
        ({"network": "vgg16"}, "a key with dtype .* got None"),
        ({"dtype": "float32", "side": np.int64(3)}, "a key of plain values"),
        (3, "a key of plain values, got 3"),
    ],
)
def test_keys_that_cannot_be(key: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        FeatureStore("maps", key)


def test_one_writer_and_no_place(tmp_path: Path, images: ImageList) -> None:
    extractor = Means()
    store = opened(tmp_path, extractor)
    store.extract(images, extractor)
    with FileLock(store.path / "writer.lock"):
        with pytest.raises(CollectionLocked, match="Another process is extracting into"):
            opened(tmp_path, extractor).extract(images, extractor)
        assert_holds(opened(tmp_path, extractor), images, extractor)  # readers do not wait
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="Could not write"):
        FeatureStore(tmp_path / "file", store.key).extract(images, extractor)
    with pytest.raises(InvalidInput, match="whole numbers from 0"):
        store.estimate(-1, (2, 3))


def test_values_of_more_digits_are_kept_whole(tmp_path: Path) -> None:
    values = np.array([1 / 3, 1e30, 0, -np.inf, np.nan], dtype=np.float32)
    for dtype in ("bfloat16", "float16", "float32"):
        file = MapFile(tmp_path)
        file.append(dtype, values, dtype)
        np.testing.assert_array_equal(MapFile(tmp_path).read(dtype), values)
    assert MapFile(tmp_path).read("x") is None and MapFile(tmp_path / "nowhere").n_bytes == 0
    assert KeptMaps.FILES == MapFile.FILES  # what the engine takes away when it has done


def test_maps_and_codes_of_real_extractors(tmp_path: Path, images: ImageList) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3, stride=8), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    maps = ConvFeatures(module, layer="1", side=64, device="cpu", dtype="bfloat16")
    codes = CodeFeatures(module, layer="2", input_size=64, device="cpu", dtype="float32")
    for extractor, shape in ((maps, (4, 4, 8)), (codes, (4,))):
        store = opened(tmp_path, extractor)
        store.extract(images, extractor)
        assert store.map("0.png").shape == shape
        for name in images.names:
            made = extractor.extract(read_image(images.path(name)))
            np.testing.assert_allclose(store.map(name), made, rtol=1e-2, atol=1e-3)
    assert len(os.listdir(tmp_path / "maps")) == 2
