"""A made-up archive of films and pictures, in shards and in one piece, for tests of shards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tiles

from blcf.bags import BagOfWords
from blcf.collection import Batch, Collection
from blcf.distributed import merge, split
from blcf.images import PictureFacts

N_WORDS = tiles.N_COLOURS


def maps_of(numbers, seed=0):
    """Maps of colours; every fifth is a copy of another, so that scores are tied."""
    rng = np.random.default_rng(seed)
    planted = rng.permutation(16).reshape(4, 4) % 8
    maps = []
    for number in range(max(numbers, default=-1) + 1):
        one = rng.integers(6, N_WORDS, (8, 8))
        if number % 3 == 0:
            x, y = (int(edge) for edge in rng.integers(0, 5, 2))
            one[y : y + 4, x : x + 4] = planted
        if number % 5 == 4:
            one = maps[number - 2].copy()
        maps.append(one)
    return [maps[number] for number in numbers]


def name_of(number):
    """Most are frames of three films, every seventh is a picture."""
    if number % 7 == 6:
        return f"photos/{number:03d}.png"
    return f"film{number // 10 % 3}.mkv@00:00:{number:02d}.000"


def facts_of(number):
    if number % 7 == 6:
        return PictureFacts(mtime_ns=number * 10**9, n_bytes=100 + number)
    film = f"film{number // 10 % 3}.mkv"
    return PictureFacts(video=film, time=float(number), shot=number // 4 % 5)


def append(path: Path, numbers, seed=0):
    """Append pictures to a collection, without the network; those of held names are replaced."""
    with Collection.open(path) as collection, collection.writing():
        manifest, batch = collection.manifest, Batch()
        maps = maps_of(numbers, seed)
        for number, one in zip(numbers, maps):
            norms = np.random.default_rng(number + seed).integers(1, 256, one.shape)
            words, facts = one.astype(np.int32), facts_of(number)
            given = {"camera": "AB"[number % 2], "rating": number % 4}
            batch.append(name_of(number), (128, 128), words, norms.astype(np.uint8), facts, given)
        weighting = manifest["settings"]["weighting"]
        bags = BagOfWords(manifest["model"]["n_words"], weighting=weighting)
        encoded = bags.encode_many(batch.maps, batch.channel(weighting))
        collection.append(batch, encoded, "/pictures")


@dataclass
class Archive:
    """A collection in shards, and the same in one piece.

    Attributes
    ----------
    path : of the sharded one
    shards : the folders of the shards
    whole : of one that was merged of them
    """

    path: Path
    shards: list[Path]
    whole: Path

    def merge(self):
        """Make one piece of the shards as they are now."""
        self.whole = self.whole.with_name(f"{self.whole.stem}x.blcf")
        merge(self.whole, self.path, progress=False)
        return tiles.reopen(self.whole)

    def open(self, **options):
        """An engine of the shards."""
        return tiles.reopen(self.path, **options)


def make_source(path: Path, n_images: int = 60, **settings) -> Path:
    """A collection in one piece: what the network made first, and pictures that were appended."""
    with tiles.create(path, **settings) as engine:
        first = {f"first/{n}.png": tiles.paint(one) for n, one in enumerate(maps_of(range(12), 5))}
        engine.add(first, progress=False)
    for begin in range(0, n_images, 20):
        append(path, range(begin, min(begin + 20, n_images)))
    return path


def make_archive(source: Path, folder: Path, n_shards: int) -> Archive:
    """Split a collection; some shards are changed then: removed from, added to, compacted."""
    path, whole = folder / f"{n_shards}.blcf", folder / f"whole{n_shards}.blcf"
    shards = split(source, path, n_shards, progress=False).paths
    return Archive(path, shards, whole)


def change(archive: Archive) -> None:
    """Remove, add, replace and compact, in shards."""
    for number, path in enumerate(archive.shards):
        with Collection.open(path) as one, one.writing():
            names = list(one.names())
            one.remove(names[number % 3 :: 5])
        append(path, [100 + 3 * number, 101 + 3 * number], seed=0)
        with Collection.open(path) as one:
            held = next(iter(one.names()))
        if held[:4] == "film":  # replaced by another picture
            append(path, [int(held.split(":")[2][:2])], seed=1)
        if number % 2:
            with Collection.open(path) as one, one.writing():
                one.compact()


def same(found, expected, atol=1e-5):
    """Two rankings agree: names and numbers, scores, boxes, how sure they are."""
    assert found.names == expected.names
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_allclose(found.scores, expected.scores, atol=atol)
    assert (found.boxes is None) == (expected.boxes is None)
    if expected.boxes is not None:
        np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-3)
    np.testing.assert_allclose(found.answer.confidences, expected.answer.confidences, atol=1e-3)
    assert found.paths == expected.paths
    assert {*found.answer.boxes} == {*expected.answer.boxes}
    for image_id, boxes in expected.answer.boxes.items():
        np.testing.assert_allclose(found.answer.boxes[image_id], boxes, atol=1e-3)
