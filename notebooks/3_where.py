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
# # 3. Where is it
#
# A hit has a score *and a box*. How good is the box, how is it found, what if the thing is there
# several times, and what if a box is a poor way to point at it?

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from PIL import Image
from scipy.ndimage import gaussian_filter

from blcf import SearchEngine, SearchOptions
from blcf.bags import region_weights
from blcf.boxes import iou
from blcf.demo import write_scenes
from blcf.evaluation import localise
from blcf.images import read_image, resize_image
from blcf.visualization import draw_box, draw_heat

FOUND, TRUE, QUERY = "#0072b2", "#009e73", "#e69f00"
work = TemporaryDirectory()
folder = Path(work.name)
truth = write_scenes(folder / "scenes")
queries = {query.object: query for query in truth.queries}
engine = SearchEngine.create(folder / "scenes.blcf", dtype="float32")
engine.add(folder / "scenes" / "images", progress=False)


def picture_of(name):
    """A scene."""
    return read_image(folder / "scenes" / "images" / name)


def show(ax, picture, title="", **how):
    """A picture or a map without axes."""
    ax.imshow(picture, **how)
    ax.set_title(title, fontsize=9)
    ax.set_axis_off()


# %% [markdown]
# ## How good is a box
#
# The measure is **intersection over union** with the true box,
#
# $$\mathrm{IoU}(A, B) = \frac{|A \cap B|}{|A \cup B|}.$$
#
# It is strict: a box that is 10 % too large on every side has an IoU of about .7 only. .5 is the
# usual bar for "found".

# %%
flower = queries["flower"]
hits = engine.search(flower.image, box=flower.box)
figure, axes = plt.subplots(2, 4, figsize=(12, 6), layout="constrained")
show(axes[0, 0], read_image(flower.image), "query")
draw_box(axes[0, 0], flower.box, QUERY)
for ax, hit in zip(axes.ravel()[1:], hits):
    true_box = flower.boxes[hit.name][0]
    show(ax, picture_of(hit.name), f"{hit.name}: IoU {iou(hit.box, true_box).max():.2f}")
    draw_box(ax, true_box, TRUE)
    draw_box(ax, hit.box, FOUND)

# %% [markdown]
# Green is true, blue was found.
#
# ## Windows
#
# The paper (section 5: local reranking, R) slides windows of a few sizes over the map of a hit, and
# takes the one whose bag has the largest cosine with the query's. There are other ways to choose:
#
# | `windows=` | what is looked at |
# |---|---|
# | `"grid"` | windows of {1, 1/2, 1/4} of a side, half overlapping: 121 of them (the paper) |
# | `"all"` | every place and size, exactly: hundreds of thousands |
# | `"votes"` | cells of the hit vote for the place *and the size* (below; the default) |
#
# A query that went through the network once can be searched with again and again:

# %%
described = {
    query.object: engine.describe(query.image, query.box, scales=SearchOptions().query_scales)
    for query in truth.queries
}
ways = {
    "grid (paper)": SearchOptions(windows="grid", shares=(1, 2, 4)),
    "all": SearchOptions(windows="all"),
    "votes": SearchOptions(windows="votes"),
}
found = {
    way: {name: engine.search_query(one, options) for name, one in described.items()}
    for way, options in ways.items()
}
rows = {
    way: {
        name: localise(hits, queries[name].boxes, truth.sizes).mean_iou
        for name, hits in of_way.items()
    }
    for way, of_way in found.items()
}
table = pd.DataFrame(rows).T
table["mean"] = table.mean(axis=1)
table.round(2)

# %%
cup = queries["cup"]
name = "grass-2.jpg"
figure, axes = plt.subplots(1, 3, figsize=(11, 3.9), layout="constrained")
for ax, (way, of_way) in zip(axes, found.items()):
    hit = of_way["cup"][of_way["cup"].names.index(name)]
    show(ax, picture_of(name), f"{way}: IoU {iou(hit.box, cup.boxes[name]).max():.2f}")
    draw_box(ax, cup.boxes[name][0], TRUE)
    draw_box(ax, hit.box, FOUND)

# %% [markdown]
# A grid cannot fit: its windows come in three sizes. But even *all* windows are hardly better. The
# largest cosine is the wrong question to ask: a window on the most typical half of a thing is often
# *more* similar to the query than the window around all of it. The bag does not know that
# something is missing, because it does not know where in the query a word was.
#
# ## Votes
#
# So ask every cell. If a cell shows the word that the query has at its *upper left*, then the thing
# must lie to the lower right of it. Each pair of cells with the same word votes for a centre, at
# every size (a generalised Hough transform: Ballard 1981; visual words that vote: Leibe et al.,
# IJCV 2008). `evidence()` has the pairs, so the idea fits in a few lines:

# %%
temple = queries["temple"]
hits = found["votes"]["temple"]
name = "galaxies-1.jpg"
hit = hits[hits.names.index(name)]
evidence = hit.evidence()

query_size = np.array(read_image(temple.image).shape[1::-1])
image_size = np.array(truth.sizes[name])
view, *cell = evidence.query_cells.T  # the query is looked at in five sizes
shape = np.array(evidence.query_shapes)[view, ::-1]
start = (np.stack(cell, axis=1) + 0.5) / shape * query_size  # pixels of the query
end = (evidence.image_cells + 0.5) / evidence.image_shape[::-1] * image_size  # of the hit
centre = (temple.box[:2] + temple.box[2:]) / 2
offsets = (centre - start) / (temple.box[2] - temple.box[0])  # in widths of the box


def votes(width):
    """Where the centre of the thing is, if it is so wide: votes by place."""
    x, y = (end + offsets * width).T
    bins, limits = image_size[::-1] // 8, [(0, image_size[1]), (0, image_size[0])]
    return gaussian_filter(
        np.histogram2d(y, x, bins, limits, weights=evidence.contributions)[0], sigma=2
    )


# %%
x1, y1, x2, y2 = temple.boxes[name][0]
figure, axes = plt.subplots(1, 4, figsize=(14, 3.4), layout="constrained")
show(axes[0], picture_of(name), f"{name}, and where words match")
axes[0].plot(*end.T, ".", color="cyan", ms=3, alpha=0.6)
for ax, share in zip(axes[1:], (0.4, 1, 2)):
    title = f"votes, if it were {share:g} times as wide as it is"
    show(ax, votes(share * (x2 - x1)), title, vmin=0, vmax=votes(x2 - x1).max(), cmap="inferno")
    ax.plot((x1 + x2) / 16 - 0.5, (y1 + y2) / 16 - 0.5, "+", color="cyan", ms=14)

# %% [markdown]
# At the right size (third picture) the votes meet in one bright spot, at the true centre (cyan). If
# the thing is taken to be too small, every cell votes for a place near itself: the spot is a
# blurred copy of the temple. Too large, and the votes fly past each other. The best place and
# size win, and are refined. `blcf.rerank.Voting` also lets *similar* words vote, and divides by a
# power of the area.
#
# ## Heat
#
# A box is one answer; the heat says where the score comes from, cell by cell. It sums to the score.

# %%
figure, axes = plt.subplots(1, 4, figsize=(13, 3.6), layout="constrained")
for ax, hit in zip(axes, found["votes"]["astronaut"]):
    pale = 0.5 * picture_of(hit.name).mean(axis=2) + 127
    show(ax, pale, f"{hit.score:.2f}  {hit.name}", cmap="gray", vmin=0, vmax=255)
    draw_heat(ax, hit.evidence().image_heat(), truth.sizes[hit.name])
    draw_box(ax, hit.box, FOUND)

# %% [markdown]
# The face, the collar and the suit carry the score. The heat ends at the box, because the score is
# that of the window: whatever else is in the picture neither helps nor harms.
#
# ## Several at once
#
# With `n_boxes` a hit may have several boxes. We hang photographs on a wall, four of them of the
# cup, and add the wall to the collection.

# %% tags=["picture"]
wall = resize_image(picture_of("brick.jpg"), 1000)[:640].copy()
hung = []
spots = [(x, y) for y in (20, 330) for x in (20, 265, 510, 755)]
widths = (235, 150, 140, 150, 160, 225, 220, 225)
things = ("cup", "cat", "cup", "temple", "flower", "cup", "officer", "cup")
for (x, y), width, thing in zip(spots, widths, things):
    x1, y1, x2, y2 = queries[thing].box.astype(int)
    photograph = resize_image(read_image(queries[thing].image)[y1:y2, x1:x2], width)
    height, width = photograph.shape[:2]
    wall[y : y + height, x : x + width] = photograph
    if thing == "cup":
        hung.append((x, y, x + width, y + height))
(folder / "walls").mkdir()
Image.fromarray(wall).save(folder / "walls" / "wall.png")
engine.add(folder / "walls", progress=False)

hits = engine.search(cup.image, box=cup.box, n_boxes=6)
hit = hits[hits.names.index("wall.png")]
figure, ax = plt.subplots(figsize=(7, 4.6), layout="constrained")
show(ax, wall, f"{hit.score:.2f}  wall.png")
for one in hung:
    draw_box(ax, np.array(one), TRUE)
for one in hit.boxes:
    draw_box(ax, one, FOUND)
print(f"{len(hit.boxes)} boxes, IoU {np.sort(iou(hit.boxes, np.array(hung)).max(axis=1)).round(2)}")

# %% [markdown]
# Three of four. The smallest cup is missing: further boxes must have .8 of the best one's score,
# and a small thing scores less. A lower bar would find it, and more that is wrong
# (`Voting(min_share=...)` says what it costs).
#
# ## Polygons and masks
#
# A box around the officer also holds a flag. The flag is not in the scenes; its words only make the
# query less like them. A polygon, a dozen clicks, leaves it out:

# %%
officer = queries["officer"]
outline = [(205, 35), (290, 28), (350, 65), (371, 90), (366, 270), (325, 322), (345, 340)]
outline += [(490, 380), (510, 480), (22, 480), (60, 368), (188, 322), (158, 240), (164, 110)]
photograph = read_image(officer.image)
size = photograph.shape[1::-1]
shape = (48, 42)  # of the map: cells of 8 pixels, at side 384
figure, axes = plt.subplots(1, 4, figsize=(11, 3.4), layout="constrained")
show(axes[0], photograph, "box and polygon")
draw_box(axes[0], officer.box, QUERY)
axes[0].plot(*zip(*outline, outline[0]), color="white", lw=2)
regions = {"box": {"box": officer.box}, "polygon": {"polygon": outline}}
regions["polygon, soft"] = {"polygon": outline, "how": "soft"}
for ax, (title, region) in zip(axes[1:], regions.items()):
    show(ax, region_weights(shape, size, **region), f"{title}: weights of cells", vmin=0, vmax=1)

# %% [markdown]
# `how="soft"` lets a cell count by the share of it that is covered. And a mask can come from
# anywhere: from a segmentation program, from a brush, or from a threshold, as here for an orange
# flower on blue-green leaves.

# %%
photograph = read_image(flower.image)
red, _, blue = photograph.astype(int).transpose(2, 0, 1)
mask = red > blue + 60
mask[370:] = False  # there is a second flower at the lower edge
figure, axes = plt.subplots(1, 2, figsize=(7, 2.6), layout="constrained")
show(axes[0], photograph, "query")
show(axes[1], mask, "mask", cmap="gray")

# %%
asked = {
    ("officer", "box"): {"box": officer.box},
    ("officer", "polygon"): {"polygon": outline},
    ("officer", "polygon, soft"): {"polygon": outline, "how": "soft"},
    ("flower", "box"): {"box": flower.box},
    ("flower", "mask"): {"mask": mask},
}
rows = {}
for (thing, kind), region in asked.items():
    hits = engine.search(queries[thing].image, **region)
    right = np.isin(hits.names, list(queries[thing].positives))
    wrong = ~right & (np.array(hits.names) != "wall.png")  # both hang there
    rows[thing, kind] = {
        "mean score of right hits": hits.scores[right].mean(),
        "best wrong hit": hits.scores[wrong].max(),
        "mean IoU": localise(hits, queries[thing].boxes, truth.sizes).mean_iou,
    }
pd.DataFrame(rows).T.round(2)

# %% [markdown]
# With the polygon the right officers rise and the wrong hits fall; the gap between them is what a
# threshold needs. The boxes of the officer hardly change, those of the flower fit better.
#
# ## What fails: a coin among coins
#
# Small things that are all alike. We ask for one coin, and for every place of it:

# %%
coins = picture_of("coins.jpg")
box = (224, 293, 290, 358)
hits = engine.search(coins, box=box, n_boxes=24)
figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
show(axes[0], coins, "query")
draw_box(axes[0], np.array(box), QUERY)
hit = hits[hits.names.index("coins.jpg")]
show(axes[1], coins, f"rank {hits.names.index('coins.jpg') + 1}: {len(hit.boxes)} of 24 coins")
for one in hit.boxes:
    draw_box(axes[1], one, FOUND)

# %% [markdown]
# A coin is five cells wide, and all coins share their words: the votes of a coin and those of its
# neighbours meet in between, and one box over all of them wins. More pixels alone do not mend it
# (collections of side 640 and 960 give one box as well). These features know *coins*, not coins
# apart.
