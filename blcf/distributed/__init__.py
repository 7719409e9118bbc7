"""More than one machine: a collection in shards, which are collections of one model.

- the layout is `blcf.collection.shards`: which folders are shards, and the order of all pictures;
- merging.py makes one collection of several or of shards, splitting.py makes shards of one, in a
  folder that appears whole (new_folder.py), where no name stands twice (names_once.py);
- `Cluster` (cluster.py) is the machines of a Dask cluster. It indexes pictures into shards
  (indexing.py), source by source in the flow of source_indexing.py: template.py holds the model,
  learning.py learns it on workers, dealing.py and planning.py say what goes where, homes.py which
  worker sees which shard, outcome.py what became of it;
- jobs.py runs what workers do and watches them: worker.py, parts.py (the pictures of a part),
  shard_jobs.py (what is done to a shard);
- it searches as `blcf.sharded` does: remote.py asks a shard on a worker, where answering.py
  answers; placement.py says which worker that is.

Nothing here imports Dask before a cluster is asked for.
"""

from blcf.collection.shards import Shards, is_sharded, model_digest
from blcf.distributed.cluster import Cluster
from blcf.distributed.merging import merge
from blcf.distributed.splitting import split

__all__ = ["Cluster", "Shards", "is_sharded", "merge", "model_digest", "split"]
