"""A small collection, made and searched with as many threads as are said; prints digests.

    python tests/thread_counts.py N FOLDER DTYPE

Run by test_thread_counts.py, in a process of its own for each number of threads.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from threadpoolctl import threadpool_limits

from blcf import SearchEngine


def save_pictures(folder: Path) -> None:
    """Fourteen parts of the two photographs that scikit-learn carries."""
    folder.mkdir()
    for name, photograph in zip(("china", "flower"), load_sample_images().images):
        for number, left in enumerate(range(0, 280, 40)):
            part = photograph[20 * number : 20 * number + 260, left : left + 340]
            Image.fromarray(part).save(folder / f"{name}{number}.png")


def digest(*arrays: np.ndarray) -> str:
    found = hashlib.sha256()
    for each in arrays:
        found.update(np.ascontiguousarray(each).tobytes())
    return found.hexdigest()[:16]


def main(n_threads: int, folder: Path, dtype: str) -> None:
    # OpenBLAS takes no more threads than there are cores unless it is asked like this.
    threadpool_limits(n_threads, "blas")
    torch.set_num_threads(n_threads)
    save_pictures(folder / "pictures")
    settings = {"side": 192, "n_components": 64, "dtype": dtype, "device": "cpu"}
    with SearchEngine.create(folder / "own.blcf", n_words=1_100, **settings) as engine:
        engine.add(folder / "pictures", progress=False)
        engine.refresh()
        model, collection = engine.model, engine.collection
        maps = [collection.words(number) for number in range(len(engine))]
        norms = [collection.norms(number) for number in range(len(engine))]
        found = {
            "whitening": digest(model.whitening.mean_, model.whitening.projection_),
            "words": digest(model.centroids),
            "counts": digest(model.vocabulary.counts_),
            "assignment maps": digest(*maps),
            "norms": digest(*norms),
        }
        query = {"frame": "china3.png", "box": (30, 40, 200, 210)}
        searches = {
            "plain": {"rerank": False},
            "reranked": {},
            "expanded": {"expand": "local", "guard": "none", "n_expand": 3},
            "discriminative": {"expand": "local", "expand_by": "svm", "n_expand": 2},
            "mask": {"box": None, "mask": np.tri(260, 340, 40), "how": "soft"},
            "by the network": {"image": folder / "pictures" / "flower2.png", "frame": None},
        }
        for name, options in searches.items():
            hits = engine.search(**{**query, **options})
            boxes = [hit.box for hit in hits if hit.box is not None]
            scores = np.array([hit.score for hit in hits])
            found[name] = digest(scores, *boxes) + " ".join(hit.name for hit in hits)
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
