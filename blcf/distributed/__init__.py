"""More than one machine: a collection in shards, which are collections of one model.

- shards.py is the layout: a folder that lists its shards, and the order of all their pictures.

Nothing here imports Dask before a cluster is asked for.
"""

from blcf.distributed.shards import Shards, is_sharded, model_digest

__all__ = ["Shards", "is_sharded", "model_digest"]
