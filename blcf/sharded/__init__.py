"""Search over the shards of a collection, exactly as over one collection.

- shard.py is one shard, and all that may be asked of it; held.py what it holds, and has held;
- handles.py reaches shards in this process, and says what who reaches them elsewhere must do;
- coordinator.py asks them, several at once, and makes epochs; numbering.py numbers their pictures;
- collection.py is their collection as one: `Collection` to whoever searches, names or describes;
- index.py ranks, searching.py does what a search does with pictures, where these are;
- describing.py says what all of them are.

The flow of a search is that of `blcf.searching`: only where an index or a picture is asked does a
question go out to shards. Nothing here knows Dask.
"""

from blcf.sharded.collection import ShardedCollection, open_collection
from blcf.sharded.handles import Handle, Opener
from blcf.sharded.searching import open_searcher
from blcf.sharded.shard import Shard

__all__ = [
    "Handle",
    "Opener",
    "Shard",
    "ShardedCollection",
    "open_collection",
    "open_searcher",
]
