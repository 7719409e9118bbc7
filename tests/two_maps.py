"""What tests of pictures in two sizes share: a collection of them, and what it keeps of each."""

from __future__ import annotations

import shutil

import numpy as np
import tiles

TWO = {"tiles": 3, "tile_side": 256, "weighting": "norm", "random_state": 3}
PLANTED = tiles.planted_scenes()[1]  # 4 x 4 colours that no scene has
PLACE = (9, 3, 13, 7)  # of 16 x 16 tiles


def scene(seed, n=8):
    return np.random.default_rng(seed).integers(8, tiles.N_COLOURS, (n, n))


def made(path, pictures, words_of=None, **settings):
    engine = tiles.create(path, **{**TWO, **settings})
    if words_of is not None:
        theirs = words_of.collection
        with engine.collection.writing():
            shutil.copyfile(theirs.file("model.h5"), engine.collection.file("model.h5"))
            engine.collection.commit(model=theirs.manifest["model"])
        engine.close()
        engine = tiles.reopen(path)
    engine.add(pictures, progress=False)
    return engine


def seen(engine, name):
    """Everything that is kept of a picture."""
    snapshot = engine.searcher.searchable.snapshot
    (image_id,) = snapshot.find([name]).tolist()
    size, *whole = snapshot.seen("norm", image_id)
    _, *of_tiles = snapshot.seen("norm", image_id, of_tiles=True)
    return size, [*whole, *of_tiles]
