"""What tests of clusters share: settings, and how collections are compared."""

import numpy as np
import tiles

from blcf import SearchEngine
from blcf.collection import Collection
from blcf.distributed import Shards, merge


def settings(**others):
    return {"network": tiles.TileNetwork(), **tiles.SETTINGS, "progress": False, **others}


def names_in_order(folder):
    """Names of all pictures of the shards of a folder, in the order of insertion."""
    shards = Shards.read(folder)
    rows = []
    for number, path in enumerate(shards.paths):
        with Collection.open(path) as one:
            shards.check(one)
            order = shards.order_of(one)
            assert (np.diff(order) > 0).all()
            rows += zip(order.tolist(), one.names())
    assert len({order for order, _ in rows}) == len(rows)
    return [name for _, name in sorted(rows)]


def same_rankings(engine, other, folder, n=40):
    """Two engines rank the pictures of a folder alike."""
    for path in sorted(folder.glob("*.png"))[::7]:
        found, expected = (one.search(path, k=n, query_scales=(1,)) for one in (engine, other))
        assert found.names == expected.names
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)


def merged(folder, out):
    merge(out, folder, progress=False)
    return SearchEngine.open(out, network=tiles.TileNetwork())
