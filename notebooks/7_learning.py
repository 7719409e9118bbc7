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
# # 7. Learning: from labelled photographs to a better search
#
# The network that the package carries has seen a thousand kinds of things, none of them yours. Whoever has some
# photographs of what he looks for, in one folder for each thing, can teach it what tells them apart. The command is
#
# ```sh
# blcf train photographs/ --out weights.h5
# blcf index frames.blcf frames/ --weights weights.h5
# ```
#
# and this is what it does.

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import pandas as pd
from PIL import Image

from blcf import SearchEngine
from blcf.boxes import iou
from blcf.demo import write_scenes
from blcf.images import find_images, read_image
from blcf.learning import BagSettings, train_network
from blcf.visualization import draw_box

FOUND, WRONG, QUERY = "#0072b2", "#d55e00", "#e69f00"
work = TemporaryDirectory()
folder = Path(work.name)

# %% [markdown]
# ## Labelled photographs
#
# Objects are cut out of scenes that are not searched later, with something around them. The folder is the label.

# %%
for seed in (1, 2, 3):
    drawn = write_scenes(folder / f"drawn-{seed}", random_state=seed)
    for query in drawn.queries:
        (folder / "photographs" / query.object).mkdir(parents=True, exist_ok=True)
        for name, boxes in query.boxes.items():
            x1, y1, x2, y2 = boxes[0]
            around = 0.15 * max(x2 - x1, y2 - y1)
            scene = Image.open(folder / f"drawn-{seed}" / "images" / name)
            edges = x1 - around, y1 - around, x2 + around, y2 + around
            part = scene.crop([int(max(0, edge)) for edge in edges])
            part.save(folder / "photographs" / query.object / f"{seed}-{name}")

photographs = find_images(folder / "photographs")
labels = pd.Series([name.split("/")[0] for name in photographs.names])
labels.value_counts().sort_index().to_frame("photographs")

# %%
figure, axes = plt.subplots(2, 7, figsize=(12, 3.6), layout="constrained")
for column, label in zip(axes.T, sorted(set(labels))):
    for ax, name in zip(column, [name for name in photographs.names if name.startswith(label)]):
        ax.imshow(read_image(photographs.path(name)))
        ax.set_axis_off()
    column[0].set_title(label, fontsize=9)

# %% [markdown]
# ## Before
#
# The scenes that are searched hold the objects small: an eighth to a third of the shorter side.

# %%
truth = write_scenes(folder / "scenes", sizes=(0.12, 0.3))


def indexed(name, weights=None):
    """The scenes, indexed with some weights."""
    engine = SearchEngine.create(folder / name, weights=weights, dtype="float32")
    engine.add(folder / "scenes" / "images", progress=False)
    return engine


def measured(engine):
    """mAP of queries with their box, of the first ranking and reranked, and the boxes' mean IoU."""
    first, again = (
        engine.evaluate(folder / "scenes" / "gt.json", queries="box", progress=False, rerank=rerank)[0]
        for rerank in (False, True)
    )
    return {
        "mAP": first.mean_average_precision,
        "mAP reranked": again.mean_average_precision,
        "mean IoU": again.localisation.mean_iou,
    }


before = indexed("before.blcf")
rows = {"before": measured(before)}

# %% [markdown]
# ## Learning
#
# A step takes a few photographs of each of several labels, a part of each turned a little and in other light. A bag
# of words cannot be learned through: whether two cells share a word is yes or no. In place of that yes stands how
# near they are,
#
# $$S(X, Y) \propto \sum_{p \in X} \sum_{q \in Y} \lVert x_p \rVert \lVert y_q \rVert \, e^{(f_p \cdot f_q - 1) / .1},$$
#
# with $f$ the whitened local features and $\lVert x \rVert$ their norms, as in the index. Photographs of one label
# must be more alike, by $S$, than others.

# %%
settings = BagSettings(epochs=6, side=160, rate=2e-4, warm_up=5, blend=1.0)
report = train_network(photographs, folder / "weights.h5", settings=settings, progress=False)

# %% tags=["varies"]
figure, ax = plt.subplots(figsize=(5, 2.4), layout="constrained")
ax.plot([entry["epoch"] for entry in report.record], [entry["loss"] for entry in report.record], "o-")
ax.set(xlabel="epoch", ylabel="loss");

# %% [markdown]
# `blend` is the share of what was learned in the weights that are written. Here only these objects are searched for:
# 1, the default. Less keeps some of the old weights: the network then still finds more of what nobody labelled.
#
# ## After

# %% tags=["varies"]
after = indexed("after.blcf", folder / "weights.h5")
rows["after"] = measured(after)
table = pd.DataFrame(rows).T
table.round(2)

# %% [markdown]
# The better the network is to begin with, the less seven objects can add: boxes and the ranking behind the reranking
# gain, the bag alone does not. What gained most, side by side: the query, then the first hits before (above) and
# after (below).

# %% tags=["varies", "picture"]


def right(hits, query):
    """How many of the first five show the object."""
    return sum(hit.name in query.boxes for hit in hits[:5])


found = {
    query.object: [engine.search(query.image, box=query.box) for engine in (before, after)]
    for query in truth.queries
}
best = max(truth.queries, key=lambda query: right(found[query.object][1], query) - right(found[query.object][0], query))
figure, axes = plt.subplots(2, 6, figsize=(12, 4), layout="constrained")
for line, hits, title in zip(axes, found[best.object], ("before", "after")):
    line[0].imshow(read_image(best.image))
    draw_box(line[0], best.box, QUERY)
    line[0].set_title(title, fontsize=9)
    for ax, hit in zip(line[1:], hits):
        is_right = hit.name in best.boxes
        overlap = f"IoU {iou(hit.box, best.boxes[hit.name][0]).max():.2f}" if is_right else "another"
        ax.imshow(read_image(folder / "scenes" / "images" / hit.name))
        draw_box(ax, hit.box, FOUND if is_right else WRONG)
        ax.set_title(f"{hit.score:.2f}, {overlap}", fontsize=9)
for ax in axes.ravel():
    ax.set_axis_off()

# %% [markdown]
# Without labels `blcf train --labels neighbours` takes pictures whose keypoints agree for one thing. How much either
# brings on photographs: `benchmarks/learning/README.md`.

# %%
before.close()
after.close()
work.cleanup()
