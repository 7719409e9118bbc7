"""Settings of collections that workers make together: tiles of a larger map, refined words."""

import numpy as np
import tiles
from in_shards import merged, same_rankings, settings

from blcf import SearchEngine
from blcf.distributed import Shards


def test_tiles_of_a_larger_map(cluster, pictures, tmp_path):
    how = {"tiles": 2, "tile_side": 256}
    cluster.index(pictures, tmp_path / "s.blcf", n_shards=2, **settings(**how))
    engine = tiles.create(tmp_path / "c.blcf", **how)
    engine.add(pictures, progress=False)
    same_rankings(merged(tmp_path / "s.blcf", tmp_path / "m.blcf"), engine, pictures)
    with tiles.reopen(tmp_path / "s.blcf") as shards:
        assert shards.settings.tile_side == 256
        same_rankings(shards, engine, pictures)


def test_words_that_begin_generic_and_are_refined(cluster, pictures, tmp_path):
    how = {"vocabulary": "refined", "n_words": 10_000, "side": 96}
    cluster.index(pictures, tmp_path / "s.blcf", n_shards=2, progress=False, **how)
    with SearchEngine.create(tmp_path / "c.blcf", **how) as engine:
        engine.add(pictures, progress=False)
        expected, model = engine.model.centroids, engine.collection.manifest["model"]
    for path in Shards.read(tmp_path / "s.blcf").paths:
        with SearchEngine.open(path) as shard:
            assert shard.collection.manifest["model"]["vocabulary"] == "refined"
            assert (
                shard.collection.manifest["model"]["whitening_digest"] == model["whitening_digest"]
            )
            np.testing.assert_allclose(shard.model.centroids, expected, atol=1e-5)
