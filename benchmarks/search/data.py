"""Workloads of the search benchmark: random words, and real assignment maps tiled with noise.

Images come in batches from a seed and the number of the batch, so that any process makes the same
ones, and a million of them never lie in memory at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import scipy.sparse as sp

BATCH = 32_768
QUERIES = 10_000_000  # number of the batch that queries are drawn from: no image's
SEED = 0

# Popularity 1 / (rank + OFFSET), the Zipf-Mandelbrot law, and DRAWS words an image with repeats:
# solved for 590 distinct words in the mean, and 4 % of the images in the median list of a query.
N_WORDS, OFFSET, DRAWS, LOCAL_WORDS = 25_000, 525, 612, 100


class Workload(Protocol):
    """Bags of any number of images, and queries for them."""

    @property
    def name(self) -> str:
        """For the tables."""

    @property
    def n_words(self) -> int:
        """Size of the vocabulary."""

    def bags(self, n_images: int, number: int) -> sp.csr_matrix:
        """Batch `number`: CSR float32 (n_images, n_words)."""

    def queries(self, n_queries: int) -> dict[str, sp.csr_matrix]:
        """Bags of whole images ("global") and of parts of about 100 words ("local")."""


def batches(workload: Workload, n_images: int, size: int = BATCH) -> Iterator[sp.csr_matrix]:
    """The images of a workload, batch by batch."""
    for number, first in enumerate(range(0, n_images, size)):
        yield workload.bags(min(size, n_images - first), number)


class RandomWords:
    """Independent words of Zipf-like popularity; a word that occurs counts 1, 2, 3 ... halving."""

    name, n_words = "random words", N_WORDS

    def __init__(self) -> None:
        rng = np.random.default_rng(SEED)
        shares = np.cumsum(1 / (np.arange(N_WORDS) + OFFSET))
        slots = (np.arange(1 << 20) + 0.5) / (1 << 20)
        ranks = np.searchsorted(shares / shares[-1], slots)
        self._slots = rng.permutation(N_WORDS).astype(np.uint16)[ranks]
        self._counts = np.minimum(rng.geometric(0.5, size=256), 9).astype(np.float32)

    def words(self, n_images: int, rng: np.random.Generator) -> np.ndarray:
        """Words of the images, ascending, some twice: uint16 (n_images, DRAWS)."""
        drawn = rng.integers(0, 1 << 20, size=(n_images, DRAWS), dtype=np.uint32)
        words = self._slots[drawn]
        words.sort(axis=1)
        return words

    def bags(self, n_images: int, number: int) -> sp.csr_matrix:
        """Batch `number`: CSR float32 (n_images, n_words)."""
        rng = np.random.default_rng([SEED, number])
        words = self.words(n_images, rng)
        is_first = np.ones(words.shape, dtype=bool)
        np.not_equal(words[:, 1:], words[:, :-1], out=is_first[:, 1:])
        indices = words[is_first].astype(np.int32)
        indptr = np.concatenate([[0], np.cumsum(is_first.sum(axis=1))]).astype(np.int32)
        data = self._counts[np.frombuffer(rng.bytes(indices.size), dtype=np.uint8)]
        bags = sp.csr_matrix((data, indices, indptr), shape=(n_images, N_WORDS))
        bags.has_canonical_format = True
        return bags

    def queries(self, n_queries: int) -> dict[str, sp.csr_matrix]:
        """Bags of images that are not in the collection, and 100 words of each."""
        bags = self.bags(n_queries, QUERIES)
        rng = np.random.default_rng([SEED, QUERIES + 1])
        parts = []
        for row in range(n_queries):
            bag = bags[row]
            kept = np.sort(rng.permutation(bag.nnz)[:LOCAL_WORDS])
            part = bag.data[kept], bag.indices[kept], np.array([0, kept.size])
            parts.append(sp.csr_matrix(part, shape=bag.shape))
        return {"global": bags, "local": sp.vstack(parts, format="csr")}


@dataclass(frozen=True)
class RealMaps:
    """Assignment maps of real images, repeated with noise.

    Every image of the workload is one of the real ones with 10 to 60 % of its cells replaced by
    random cells of another one. Bags count cells, or sum their norms in steps of 1/16.

    Attributes
    ----------
    n_words : int, size of the vocabulary
    shapes : int (n_maps, 2), rows and columns
    cells : int32 (n_cells,), words of all maps, one behind the other
    norms : uint8 (n_cells,), norms of the raw features in steps of the map's largest
    weighting : "uniform" or "norm"
    """

    n_words: int
    shapes: np.ndarray
    cells: np.ndarray
    norms: np.ndarray
    weighting: str

    @property
    def name(self) -> str:
        """For the tables."""
        return "real maps, " + {"uniform": "counts", "norm": "norm weights"}[self.weighting]

    @classmethod
    def load(cls, path: Path, weighting: str) -> RealMaps:
        """Read what `keep_maps` wrote."""
        with np.load(path) as file:
            arrays = (file["shapes"], file["cells"], file["norms"])
            return cls(int(file["n_words"]), *arrays, weighting)

    def _bags(self, words: np.ndarray, norms: np.ndarray, ends: np.ndarray) -> sp.csr_matrix:
        # Eighths add without rounding, as in `blcf.bags.BagOfWords`.
        steps = np.rint(norms * (8 / 255)) if self.weighting == "norm" else np.full(words.size, 8)
        bags = sp.csr_matrix(
            (steps.astype(np.float32), words, ends), shape=(ends.size - 1, self.n_words)
        )
        bags = bags.tocsc().tocsr()  # sorts, twice as fast as a sort
        bags.sum_duplicates()
        bags.eliminate_zeros()
        bags.data /= 8
        return bags

    def bags(self, n_images: int, number: int) -> sp.csr_matrix:
        """Batch `number`: CSR float32 (n_images, n_words)."""
        rng = np.random.default_rng([SEED, number])
        sizes = self.shapes.prod(axis=1)
        starts = np.cumsum(sizes) - sizes
        blocks = []
        for first in range(0, n_images, 4_096):
            chosen = rng.integers(len(sizes), size=min(4_096, n_images - first))
            lengths = sizes[chosen]
            ends = np.concatenate([[0], np.cumsum(lengths)])
            places = np.arange(ends[-1]) + np.repeat(starts[chosen] - ends[:-1], lengths)
            words = self.cells[places]
            share = rng.uniform(0.1, 0.6, size=chosen.size).astype(np.float32)
            replaced = np.flatnonzero(rng.random(ends[-1], np.float32) < np.repeat(share, lengths))
            owners = np.repeat(rng.integers(len(sizes), size=chosen.size), lengths)[replaced]
            drawn = rng.random(replaced.size) * sizes[owners]
            words[replaced] = self.cells[starts[owners] + drawn.astype(np.int64)]
            blocks.append(self._bags(words, self.norms[places], ends))
        return sp.vstack(blocks, format="csr")

    def queries(self, n_queries: int) -> dict[str, sp.csr_matrix]:
        """Bags of real images as they are, and of boxes grown to 100 words."""
        rng = np.random.default_rng([SEED, QUERIES])
        starts = np.concatenate([[0], np.cumsum(self.shapes.prod(axis=1))])
        found: dict[str, list[sp.csr_matrix]] = {"global": [], "local": []}
        for chosen in rng.permutation(len(self.shapes))[:n_queries]:
            places = np.arange(starts[chosen], starts[chosen + 1]).reshape(self.shapes[chosen])
            y, x = rng.integers(self.shapes[chosen])
            reach = 1
            while True:
                box = places[max(y - reach, 0) : y + reach, max(x - reach, 0) : x + reach]
                if np.unique(self.cells[box]).size >= LOCAL_WORDS or box.size == places.size:
                    break
                reach += 1
            for kind, cells in (("global", places.ravel()), ("local", box.ravel())):
                ends = np.array([0, cells.size])
                found[kind].append(self._bags(self.cells[cells], self.norms[cells], ends))
        return {kind: sp.vstack(bags, format="csr") for kind, bags in found.items()}


def keep_maps(data: Path, work: Path) -> Path:
    """Index a set of real images and keep their maps in a file of the work folder."""
    path = work / "grocery-maps.npz"
    if path.exists():
        return path
    from blcf import SearchEngine
    from blcf.bags.weighting import quantise_channel

    folder, weights = work / "grocery.blcf", data / "weights" / "squeezenet1_1_features.pth"
    if folder.exists():
        engine = SearchEngine.open(folder, weights=weights)
    else:
        engine = SearchEngine.create(folder, "squeezenet1_1", weights=weights)
    engine.add(data / "grocery" / "images")
    maps = [engine.collection.words(i) for i in range(len(engine))]
    norms = [quantise_channel(engine.collection.norms(i)) for i in range(len(engine))]
    np.savez(
        path,
        n_words=engine.model.n_words,
        shapes=np.array([one.shape for one in maps]),
        cells=np.concatenate([one.ravel() for one in maps]).astype(np.int32),
        norms=np.concatenate([one.ravel() for one in norms]),
    )
    return path
