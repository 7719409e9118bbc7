"""Maps, samples and vocabularies, kept in a folder between runs."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from blcf import ConvFeatures, Vocabulary, Whitening
from blcf.images import read_image
from blcf.vocabulary import interpolate_map

SIDE, UPSAMPLE, COMPONENTS, SEED = 384, 2, 128, 0
N_FEATURES = 5_000_000
TRAINING = ("grocery/train", "natural/imagenet", "natural/bsds")
SEARCHED = {"logos": ("logos/images",), "grocery": ("grocery/images", "grocery/queries")}
MAX_ITER, PER_WORD = 4, 16


class Maps:
    """The raw maps of a folder of pictures, float16 on the disk, float32 in the hand."""

    def __init__(self, data: Path, work: Path, folder: str):
        path = work / f"maps-{folder.replace('/', '-')}.npz"
        if not path.exists():
            _extract(data, folder, path)
        with np.load(path) as file:
            self.names = [str(name) for name in file["names"]]
            self._flat, self._shapes = file["flat"], file["shapes"]
        self._starts = np.concatenate([[0], np.cumsum(self._shapes.prod(axis=1))])

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, number: int) -> np.ndarray:
        flat = self._flat[self._starts[number] : self._starts[number + 1]]
        return flat.reshape(self._shapes[number]).astype(np.float32)


def _extract(data: Path, folder: str, path: Path) -> None:
    extractor = ConvFeatures(
        "squeezenet1_1",
        layer="fire9",
        weights=data / "weights" / "squeezenet1_1_features.pth",
        side=SIDE,
        device="cpu",
    )
    pictures = sorted(p for p in (data / folder).rglob("*") if p.suffix.lower() in (".jpg", ".png"))
    maps: list[np.ndarray] = []
    for first in range(0, len(pictures), 32):
        images = [read_image(one) for one in pictures[first : first + 32]]
        maps += [one.astype(np.float16) for one in extractor.extract_many(images)]
    names = [str(one.relative_to(data / folder)) for one in pictures]
    flat = np.concatenate([one.ravel() for one in maps])
    np.savez(path, flat=flat, shapes=np.array([one.shape for one in maps]), names=np.array(names))


def features_of(one: np.ndarray) -> np.ndarray:
    """The interpolated local features of a raw map: float32 (n, C)."""
    return np.ascontiguousarray(interpolate_map(one, UPSAMPLE).reshape(len(one), -1).T)


def training(data: Path, work: Path) -> tuple[Whitening, Path]:
    """The whitening, and the file of whitened features that vocabularies are learned from."""
    path, kept = work / "features.npy", work / "whitening.npz"
    if path.exists() and kept.exists():
        with np.load(kept) as file:
            return Whitening.from_parts(file["mean"], file["projection"]), path
    rng = np.random.default_rng(SEED)
    maps = [Maps(data, work, folder) for folder in TRAINING]
    places = [(i, j) for i, one in enumerate(maps) for j in range(len(one))]
    places = [places[i] for i in rng.permutation(len(places))]
    whitening = Whitening(COMPONENTS)
    whitening.fit(np.concatenate([features_of(maps[i][j])[::8] for i, j in places[:600]]))
    per_picture = N_FEATURES // len(places) + 1
    found = []
    for i, j in places:
        features = features_of(maps[i][j])
        features = features[rng.permutation(len(features))[:per_picture]]
        found.append(whitening.transform(features))
    sample = np.concatenate(found)[:N_FEATURES]
    np.save(path, sample[rng.permutation(len(sample))])
    np.savez(kept, mean=whitening.mean_, projection=whitening.projection_)
    return whitening, path


def learned(work: Path, features: Path, n_words: int) -> tuple[Vocabulary, dict]:
    """A vocabulary of the training sample, and what it took; an earlier run's if there is one."""
    path, took = work / f"vocabulary-{n_words}.h5", {}
    if not path.exists():
        vocabulary = Vocabulary(
            n_words,
            max_features_per_word=PER_WORD,
            max_iter=MAX_ITER,
            random_state=SEED,
            device="cpu",
        )
        start = time.perf_counter()
        vocabulary.fit(np.load(features, mmap_mode="r"))
        took["fit_seconds"] = time.perf_counter() - start
        start = time.perf_counter()
        vocabulary.save(path)
        took["save_seconds"] = time.perf_counter() - start
        np.savez(work / f"took-{n_words}.npz", **took)
    with np.load(work / f"took-{n_words}.npz") as file:
        took = {name: float(file[name]) for name in file.files}
    start = time.perf_counter()
    vocabulary = Vocabulary.open(path, device="cpu")
    took["open_seconds"] = time.perf_counter() - start
    took["file_bytes"] = path.stat().st_size
    return vocabulary, took
