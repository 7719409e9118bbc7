"""How large the work of the rows is; small, to try every line without a GPU."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LARGE", "SMALL", "Sizes"]


@dataclass(frozen=True)
class Sizes:
    """Sizes of all rows.

    Attributes
    ----------
    samples : (features, components, words) of k-means
    iterations : of k-means
    maps : feature maps whose words are found, of `cells` (h, w), `channels` and `words`
    images, queries, k : of batch search, bags of random words
    pictures, side : that go through a network in memory
    files, file_side : JPEG files that are indexed; among them one search is timed
    words_of : words of the collections of blcf-lite and VGG16
    repeats : of what is timed; the median counts
    """

    samples: tuple[tuple[int, int, int], ...]
    iterations: int
    maps: int
    cells: tuple[int, int]
    channels: int
    words: int
    images: int
    queries: int
    k: int
    pictures: int
    side: int
    files: int
    file_side: int
    words_of: tuple[int, int]
    repeats: int


LARGE = Sizes(
    samples=((500_000, 128, 10_000), (3_000_000, 256, 25_000)),
    iterations=10,
    maps=512,
    cells=(21, 16),
    channels=512,
    words=25_000,
    images=100_000,
    queries=256,
    k=100,
    pictures=1_024,
    side=384,
    files=1_000,
    file_side=500,
    words_of=(4_000, 20_000),
    repeats=5,
)
SMALL = Sizes(
    samples=((600, 8, 20),),
    iterations=3,
    maps=3,
    cells=(4, 3),
    channels=8,
    words=50,
    images=300,
    queries=5,
    k=10,
    pictures=4,
    side=64,
    files=12,
    file_side=80,
    words_of=(20, 20),
    repeats=1,
)
