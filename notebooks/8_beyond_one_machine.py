# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 8. Beyond one machine
#
# An archive of a hundred million frames is more than the memory of most machines holds. It is dealt in *shards*, each a
# collection of its own on a machine of its own; they are indexed and searched by the workers
# of a [Dask](https://www.dask.org) cluster, and what they find is what one collection of everything would find. Here
# the machines are four processes of this one. It needs the extra `dask`.

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np

from blcf import SearchEngine, SearchOptions
from blcf.demo import write_scenes
from blcf.distributed import Cluster, Shards, merge
from blcf.exporting import coco_of
from blcf.images import read_image
from blcf.visualization import draw_box

COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"]  # of the shards
work = TemporaryDirectory()
folder = Path(work.name)
truth = write_scenes(folder / "scenes")
query = truth.queries[0]

# %% [markdown]
# ## Four processes index a folder
#
# `Cluster()` starts processes here; `Cluster("tcp://10.0.0.1:8786")` takes the workers of a scheduler that runs
# already. A sample of the pictures makes the vocabulary, on all of them together; then each shard is indexed by a
# worker. The same call goes on where it was stopped, and adds what is new.

# %%
cluster = Cluster(n_workers=4)
with cluster:
    report = cluster.index(
        folder / "scenes" / "images", folder / "archive.blcf", n_shards=4, progress=False, dtype="float32"
    )
    with cluster.open(folder / "archive.blcf", dtype="float32") as engine:
        hits = engine.search(query.image, box=query.box, k=12)
        names = list(engine.names)
print(f"{report.n_added} pictures in {len(Shards.read(folder / 'archive.blcf'))} shards")

# %% [markdown]
# `hits` came over the cluster: the query went through the network here; every worker ranked its own pictures, and
# looked for boxes in those that were among the best of all. Vectors and boxes travel, pictures do not.
#
# ## What each shard found
#
# A shard is a collection like any other, and opens alone. Which of the hits are whose?

# %% tags=["varies", "picture"]
shard_of = {}
for number, path in enumerate(Shards.read(folder / "archive.blcf").paths):
    with SearchEngine.open(path) as shard:
        shard_of |= dict.fromkeys(shard.names, number)
figure, axes = plt.subplots(2, 6, figsize=(12, 4.2), layout="constrained")
for ax, hit in zip(axes.ravel(), hits):
    colour = COLOURS[shard_of[hit.name]]
    ax.imshow(read_image(folder / "scenes" / "images" / hit.name))
    draw_box(ax, hit.box, colour)
    ax.set_title(f"{hit.score:.2f}, shard {shard_of[hit.name]}", fontsize=9, color=colour)
    ax.set_axis_off()

# %% [markdown]
# ## One ranking
#
# A cosine of bags needs two numbers that no shard knows: how many pictures there are, and in how many of them each
# word occurs. They are sums over shards; every shard weighs by the sums, and its scores are those of the whole, to the
# last bit. `merge` makes one collection of the shards, without the network, to see it.

# %%
merge(folder / "whole.blcf", folder / "archive.blcf", progress=False)
with SearchEngine.open(folder / "whole.blcf") as whole:
    described = hits.asked.queries[0]  # went through the network already
    expected = whole.search_query(described, SearchOptions(k=12))
    print("the same names:", hits.names == expected.names and names == list(whole.names))
    print("scores differ by", float(np.abs(hits.scores - expected.scores).max()))

# %% [markdown]
# Had each shard weighed by its own pictures alone, the same picture would score differently from shard to shard, and
# the order of hits of different shards would mean nothing:

# %% tags=["varies"]
alone = {}
for path in Shards.read(folder / "archive.blcf").paths:
    with SearchEngine.open(path) as shard:
        alone |= {hit.name: hit.score for hit in shard.search_query(described, SearchOptions())}
[(hit.name, round(hit.score, 3), round(alone[hit.name], 3)) for hit in hits[:4]]

# %% [markdown]
# ## Without a cluster, and out of it
#
# The folder opens in one process as well, which is enough for some million pictures. What it holds can be exported
# like any hits, here as COCO: pictures and boxes.

# %%
with SearchEngine.open(folder / "archive.blcf") as engine:
    again = engine.search_query(described, SearchOptions(k=12), query.image)
    exported = coco_of([(query.object, again)])
print("the same again:", again.names == hits.names)
print(len(exported["images"]), "pictures,", len(exported["annotations"]), "boxes")

# %% [markdown]
# On the command line all of this is
#
# ```sh
# blcf index archive.blcf frames/ --cluster tcp://10.0.0.1:8786 --shards 30
# blcf search archive.blcf query.jpg --box 120,80,420,310 --cluster tcp://10.0.0.1:8786
# blcf serve archive.blcf --cluster tcp://10.0.0.1:8786
# blcf merge whole.blcf archive.blcf
# ```

# %%
work.cleanup()
