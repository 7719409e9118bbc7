"""More than one machine: a collection in shards, which are collections of one model.

- the layout is `blcf.collection.shards`: which folders are shards, and the order of all pictures;
- merging.py makes one collection of several or of shards, splitting.py makes shards of one, in a
  folder that appears whole (new_folder.py), where no name stands twice (names_once.py).

Nothing here imports Dask before a cluster is asked for.
"""

from blcf.collection.shards import Shards, is_sharded, model_digest
from blcf.distributed.merging import merge
from blcf.distributed.splitting import split

__all__ = ["Shards", "is_sharded", "merge", "model_digest", "split"]
