"""Made-up files and pictures, and the check that a collection holds exactly these."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from blcf.bags import BagOfWords
from blcf.bags.weighting import dequantise_channel
from blcf.collection import Batch, Collection
from blcf.index import InvertedFile

DESCRIPTION = {"settings": {"n_words": 20}, "extractor": {"network": "none"}}


def picture(number, n_words=20):
    """Name, size, words and norms of a made-up picture."""
    rng = np.random.default_rng(number)
    shape = tuple(int(n) for n in rng.integers(1, 6, 2))
    size = (int(rng.integers(10, 5000)), int(rng.integers(10, 5000)))
    words = rng.integers(0, n_words, shape).astype(np.int32)
    return name(number), size, words, rng.integers(0, 256, shape).astype(np.uint8)


def name(number):
    """The name of a made-up picture; those of 1,000 more are other pictures of the same name."""
    return f"folder/{number % 1000}.jpg"


def append(collection, numbers, n_words=20, root="/pictures"):
    batch = Batch()
    for number in numbers:
        batch.append(*picture(number, n_words))
    append_batch(collection, batch, n_words, root)


def collection_of(folder, numbers):
    """A collection of made-up pictures, one segment."""
    made = Collection.create(folder / "some.blcf", DESCRIPTION)
    with made.writing():
        append(made, numbers)
    return made


def append_batch(collection, batch, n_words=20, root="/pictures"):
    collection.append(batch, BagOfWords(n_words).encode_many(batch.maps), root)


def check(collection, numbers, n_words=20, root="/pictures", ranked=True):
    """The collection holds exactly these pictures, in this order, and ranks like one afresh."""
    pictures = [picture(number, n_words) for number in numbers]
    names = [name for name, *_ in pictures]
    assert collection.n_images == len(pictures)
    assert list(collection.names()) == names
    assert collection.find(names).tolist() == list(range(len(names)))
    for i, (name, size, words, norms) in enumerate(pictures):
        assert collection.size(i) == size and collection.name(i) == name
        np.testing.assert_array_equal(collection.words(i), words)
        np.testing.assert_array_equal(collection.norms(i), dequantise_channel(norms))
        assert collection.image_path(i).as_posix() == f"{root}/{name}"
    if not ranked:
        return
    index, afresh = InvertedFile(n_words, idf=True), InvertedFile(n_words, idf=True)
    for part in collection.parts:
        index.add_part(*part)
    bags = BagOfWords(n_words).encode_many([words for _, _, words, _ in pictures])
    afresh.add(names, bags)
    for bag in bags:
        ranking, expected = index.search(bag), afresh.search(bag)
        assert ranking.names == expected.names
        np.testing.assert_array_equal(ranking.scores, expected.scores)


def files_of(collection):
    """Names of the files in the folder of segments."""
    return sorted(path.name for path in (collection.path / "segments").iterdir())


def touch(root: Path, *names: str) -> None:
    """Make empty files: listing never opens them."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def mapped(folder: Path) -> list[str]:
    """The files below a folder that this process has mapped or open."""
    found = [line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines()]
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        except OSError:  # that of the listing itself
            continue
    return [one for one in found if one.startswith(str(folder))]
