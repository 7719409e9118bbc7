"""Made-up files and pictures, and the check that a collection holds exactly these."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from blcf.bags import BagOfWords
from blcf.index import Batch, InvertedFile

DESCRIPTION = {"settings": {"n_words": 20}, "extractor": {"network": "none"}}


def picture(number, n_words=20):
    """Name, size, words and norms of a made-up picture."""
    rng = np.random.default_rng(number)
    shape = tuple(int(n) for n in rng.integers(1, 6, 2))
    size = (int(rng.integers(10, 5000)), int(rng.integers(10, 5000)))
    words = rng.integers(0, n_words, shape).astype(np.int32)
    return f"folder/{number}.jpg", size, words, rng.integers(0, 256, shape).astype(np.uint8)


def append(collection, numbers, n_words=20):
    batch = Batch()
    for number in numbers:
        batch.append(*picture(number, n_words))
    bags = BagOfWords(n_words).encode_many(batch.maps)
    return collection.append(batch, bags, "/pictures")


def check(collection, numbers, n_words=20):
    """The collection holds exactly these pictures, in this order."""
    pictures = [picture(number, n_words) for number in numbers]
    assert collection.n_images == len(pictures)
    assert list(collection.names()) == [name for name, *_ in pictures]
    for i, (name, size, words, norms) in enumerate(pictures):
        assert collection.size(i) == size
        np.testing.assert_array_equal(collection.words(i), words)
        np.testing.assert_array_equal(collection.norms(i), norms)
        assert collection.image_path(i).as_posix() == f"/pictures/{name}"
        assert collection.paths_by_name()[name] == collection.image_path(i)
    index, afresh = InvertedFile(n_words), InvertedFile(n_words)
    for segment in collection.segments:
        index.add_postings(segment.names, segment.postings)
    bags = BagOfWords(n_words).encode_many([words for _, _, words, _ in pictures])
    afresh.add([name for name, *_ in pictures], bags)
    for bag in bags:
        ranking, expected = index.search(bag), afresh.search(bag)
        assert ranking.names == expected.names
        np.testing.assert_array_equal(ranking.scores, expected.scores)


def touch(root: Path, *names: str) -> None:
    """Make empty files: listing never opens them."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
