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
# # 2. The pipeline by hand
#
# Notebook 1 called two methods of an engine. Here we do what they do, stage by stage, and look at
# every intermediate result:
#
#     picture -> feature map -> words -> bag -> inverted file -> window
#
# The method is that of Mohedano et al., *Bags of Local Convolutional Features for Scalable Instance
# Search*, ICMR 2016. Each stage is a class of the library that works alone.

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np

from blcf import BagOfWords, ConvFeatures, InvertedFile, LocalSearch, Vocabulary, Whitening
from blcf.boxes import cells_to_boxes, iou
from blcf.demo import write_scenes
from blcf.evaluation import average_precision
from blcf.images import find_images, read_image, resize_image
from blcf.visualization import draw_box

work = TemporaryDirectory()
folder = Path(work.name)
truth = write_scenes(folder)
(query,) = (one for one in truth.queries if one.object == "cat")
names = list(find_images(folder / "images").names)
pictures = {name: read_image(folder / "images" / name) for name in names}
photograph = read_image(query.image)
size = photograph.shape[1], photograph.shape[0]  # width, height


def show(ax, picture, title="", **how):
    """A picture or a map without axes."""
    ax.imshow(picture, **how)
    ax.set_title(title, fontsize=9)
    ax.set_axis_off()


# %% [markdown]
# ## Picture to feature map
#
# A convolutional network turns a picture into a stack of smaller pictures, its *channels*. We take
# what one layer says, `(n_channels, h, w)`. The network of the package has 512 channels here, and
# one cell for 16 x 16 pixels (the paper: `conv5_1` of VGG16, which has as many). Ours is taken in
# front of its last ReLU: how much a pattern is *not* there tells things apart, too.

# %%
extractor = ConvFeatures(dtype="float32")  # blcf-lite, layer conv5:signed, side 384
feature_map = extractor.extract(photograph)
maps = {name: extractor.extract(pictures[name]) for name in names}
print(f"the photograph {photograph.shape} became a map {feature_map.shape}")

# %%
lit = feature_map[(feature_map > 0).mean(axis=(1, 2)) > 0.1]  # channels that see something here
lit = lit[np.argsort(-lit.std(axis=(1, 2)))]
likeness = np.corrcoef(lit.reshape(len(lit), -1))  # correlation of every two channels
chosen = [0]
while len(chosen) < 17:  # the next one is as unlike the chosen ones as there is
    chosen.append(int(likeness[chosen].max(axis=0).argmin()))
figure, axes = plt.subplots(3, 6, figsize=(12, 4.4), layout="constrained")
show(axes[0, 0], photograph, "the photograph")
for ax, channel in zip(axes.ravel()[1:], chosen):
    show(ax, lit[channel], cmap="magma")
print(f"the 100 strongest channels correlate with the first by {likeness[0, :100].mean():.2f}")

# %% [markdown]
# What one should see: a channel lights up at some kind of thing, wherever it is: eyes, fur, a
# contour, the soft background. Nobody told the network to; the channels are what was useful for
# other tasks. (These 17 were chosen for their variety. The strongest of the 512 all look like the
# first one; we shall have to do something about that.)
#
# Now turn the stack by 90 degrees. One *cell* across all channels is a vector of 512 numbers that
# describes one place: a **local feature**. A map of 15 x 24 cells is 360 of them.
#
# ## Whitening
#
# What local features have in common dominates: any two are similar. So they are divided by their
# length, centred, and every direction is scaled to the same variance (L2 -> PCA whitening -> L2;
# Jegou & Chum, ECCV 2012; section 5 of the paper):
#
# $$y = \mathrm{L2}\big(W^\top(\mathrm{L2}(x) - \mu)\big).$$


# %%
def local_features(feature_map):
    """The cells of a map as rows."""
    return feature_map.reshape(len(feature_map), -1).T


sample = np.concatenate([local_features(one) for one in maps.values()])
whitening = Whitening(n_components=128).fit(sample)
print(f"learned from {len(sample):,} local features; {whitening.n_components_} numbers are kept")

# %%
eye = 5, 9  # row and column of the cell on its left eye
scene = "gravel-3.jpg"
raw = local_features(maps[scene])
raw_query = local_features(feature_map)[eye[0] * feature_map.shape[2] + eye[1]][None]
shape = maps[scene].shape[1:]
cosines = {
    "raw": raw @ raw_query[0] / np.linalg.norm(raw, axis=1) / np.linalg.norm(raw_query),
    "whitened": whitening.transform(raw) @ whitening.transform(raw_query)[0],
}
figure, axes = plt.subplots(1, 4, figsize=(12, 3), layout="constrained")
show(axes[0], photograph, "one cell of the query")
axes[0].plot(*(np.array(eye[::-1]) + 0.5) * 16 * size[0] / 384, "o", ms=14, mfc="none", mec="cyan")
show(axes[1], pictures[scene], scene)
for ax, (title, values) in zip(axes[2:], cosines.items()):
    show(ax, values.reshape(shape), f"cosine, {title}", vmin=0, vmax=1)
for title, values in cosines.items():
    print(f"{title:8s} mean cosine {values.mean():.2f}, largest {values.max():.2f}")

# %% [markdown]
# Raw, the eye of the query is similar to everything. Whitened, it is similar to one place: the
# eyes of the cat in the scene. This one step decides whether the rest works.
#
# ## Words
#
# k-means puts the whitened features into groups; the centre of a group is a **visual word**. Each
# cell gets the number of the nearest word. Before that the maps are interpolated to twice their
# size (section 5), so cells are 8 pixels apart.

# %%
vocabulary = Vocabulary(n_words=300, random_state=0).fit(whitening.transform(sample))
encoded = {
    name: vocabulary.assign_maps(one[None], upsample=2, whitening=whitening)
    for name, one in maps.items()
}
words = {name: found[0][0] for name, found in encoded.items()}  # assignment maps, int (h, w)
norms = {name: found[1][0] for name, found in encoded.items()}  # lengths of the raw features
print(f"{vocabulary.n_words_} words; {scene} is now {words[scene].shape} integers")

# %% [markdown]
# A word has no name, but it can be shown: cells of it, cut out of the pictures.


# %%
def patch(name, y, x, cells=6):
    """The surroundings of a cell, 48 x 48 pixels."""
    picture, cell = pictures[name], pictures[name].shape[1] / words[name].shape[1]
    side = int(cells * cell)
    starts = (int((place + 0.5) * cell - side / 2) for place in (y, x))
    top, left = (min(max(0, a), n - side) for a, n in zip(starts, picture.shape))
    return resize_image(picture[top : top + side, left : left + side], 48)


def strip(word, n):
    """Patches of a word, one below the other: its strongest cell in each of n pictures."""
    strength = {name: norms[name] * (words[name] == word) for name in names}
    best = sorted(names, key=lambda name: -strength[name].max())[:n]
    cells = [np.unravel_index(strength[name].argmax(), strength[name].shape) for name in best]
    patches = [
        patch(name, *cell) if strength[name].any() else np.full((48, 48, 3), 255, dtype=np.uint8)
        for name, cell in zip(best, cells)
    ]
    return np.pad(np.concatenate(patches), ((0, 0), (4, 4), (0, 0)), constant_values=255)


df = sum(np.bincount(np.unique(one), minlength=300) for one in words.values())
shown = np.flatnonzero(df >= 5)[::8][:18]
figure, ax = plt.subplots(figsize=(12, 3.6), layout="constrained")
show(ax, np.hstack([strip(word, n=5) for word in shown]), f"{shown.size} words, one a column")

# %% [markdown]
# Good words are one thing in different pictures: petals, a wheel, an eye of the cat. Many are a
# piece of background; some are mixtures. That is normal: words need not be concepts, they must only
# *repeat* when the same thing is seen again. (A patch is smaller than what the cell has seen: its
# receptive field spans many cells.)
#
# ## Assignment maps
#
# A picture is now a map of integers. Every word has a colour of its own, the same in all three:

# %%
query_words, query_norms = (
    found[0] for found in vocabulary.assign_maps(feature_map[None], whitening=whitening)
)
colours = np.random.default_rng(4).permutation(plt.get_cmap("hsv")(np.linspace(0, 1, 300)))
scenes = ["gravel-3.jpg", "photographer-2.jpg"]
figure, axes = plt.subplots(2, 3, figsize=(11, 6), layout="constrained")
for column, (title, picture, one) in enumerate(
    [("query", photograph, query_words)] + [(s, pictures[s], words[s]) for s in scenes]
):
    show(axes[0, column], picture, title)
    show(axes[1, column], colours[one], f"{np.unique(one).size} different words")

# %% [markdown]
# Look at the gravel: a texture is a salad of a few words that come again and again, while the dark
# coat of the photographer is one flat colour. The cat is a mosaic of its own. Look for the colours
# of the eyes, nose and ears in all three maps, and note that the large cat of the query is *not* a
# magnified small cat: at twice the size the network sees other details. We come back to that.
#
# ## Bag
#
# A **bag** forgets where the words are, and counts: $\mathrm{tf}_w$ is the number of cells of word
# $w$, each weighted by the length of its raw feature (strong activations are things, weak ones are
# sky). For a query, the cells inside the box count.

# %%
bag_of_words = BagOfWords(n_words=300, weighting="norm")
bags = bag_of_words.encode_many(list(words.values()), list(norms.values()))
query_bag = bag_of_words.encode(query_words, channel=query_norms, box=query.box, size=size)
print(f"bags: {bags.shape}, {bags.nnz / len(names):.0f} words in a picture of 300")
print(f"the query has {query_bag.nnz} words in its box")

# %% tags=["picture"]
top = query_bag.indices[np.argsort(-query_bag.data)][:16]
figure, axes = plt.subplots(2, 1, figsize=(12, 4.4), height_ratios=[2, 3], layout="constrained")
axes[0].bar(range(16), query_bag[0, top].toarray()[0], color="#0072b2", width=0.6)
axes[0].set(xticks=range(16), xticklabels=top, xlim=(-0.5, 15.5), ylabel="tf")
axes[0].set_title("the bag of the query: its 16 most frequent words, and what they look like")
mosaic = np.hstack([strip(word, n=3) for word in top])
show(axes[1], mosaic, extent=(-0.5, 15.5, 0, 1), aspect="auto")

# %% [markdown]
# Bars are counts, patches are what a word looks like in the collection. The first three are the
# eyes and the nose. Some further ones are fur, which to this network looks like stained tissue
# under a microscope, and will bring the wrong pictures up.
#
# ## Inverted file
#
# To compare the query with every picture would be a waste: two pictures that share no word have
# similarity 0. So the matrix of bags is stored by *word*: the **posting list** of a word names the
# pictures that contain it, with their tf. A search reads the lists of the query's words only.

# %% tags=["varies"]
lists = bags.tocsc()
for word in top[:5]:
    rows, tf = lists[:, word].nonzero()[0], lists[:, word].data
    shown_names = ", ".join(f"{names[row]} ({count:.1f})" for row, count in zip(rows[:4], tf))
    print(f"word {word}, {len(rows)} pictures: {shown_names}{', ...' if len(rows) > 4 else ''}")

# %%
order = sorted(range(len(names)), key=lambda row: (names[row] not in query.positives, names[row]))
rows = bags[order][:, top].toarray()
figure, ax = plt.subplots(figsize=(12, 3.6), layout="constrained")
y, x = np.nonzero(rows.T)
right = x < len(query.positives)
ax.scatter(x, y, s=2 * rows.T[y, x] + 4, c=np.where(right, "#009e73", "#d55e00"))
ax.set(yticks=range(16), yticklabels=top, ylabel="word of the query", ylim=(16, -1))
ax.set_xticks(range(len(names)), [names[row][:-4] for row in order], rotation=90, fontsize=7)
ax.set_xlim(-1, len(names))
ax.set_title("posting lists: a line is a list, a dot a picture in it, its size the tf", fontsize=9)
ax.grid(axis="y", alpha=0.3)

# %% [markdown]
# Green are the pictures with the cat. The green block is dense, the rest is thin: that is why this
# works (and there are the scenes of tissue, on the right). A line that goes through many pictures
# says little; its word weighs less, by the *inverse document frequency*. The vector and the score
# are (Sivic & Zisserman, ICCV 2003; the root against bursts: Jegou et al., CVPR 2009)
#
# $$v_w = \sqrt{\mathrm{tf}_w}\;\log\frac{N}{\mathrm{df}_w}, \qquad
# \text{score} = \frac{v_q \cdot v_d}{\lVert v_q\rVert\,\lVert v_d\rVert}.$$

# %%
index = InvertedFile(n_words=300, idf=True, sqrt=True).add(names, bags)
ranking = index.search(query_bag)
ranking[:6]


# %%
def weigh(bags):
    """The formula above, with dense arrays."""
    vectors = np.sqrt(bags.toarray()) * np.log(len(names) / np.maximum(index.df, 1))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


by_formula = np.sort(weigh(bags) @ weigh(query_bag)[0])[::-1]
print(f"largest difference to the formula: {np.abs(by_formula - ranking.scores).max():.0e}")
print(f"average precision {average_precision(ranking.names, query.positives):.2f}")

# %% [markdown]
# ## The size of the query
#
# Not perfect: tissue before cats. In the photograph the cat is about twice as large as in the
# scenes, and a network is not invariant to scale. So look at the query at half the size:

# %%
for side in (384, 256, 192):
    found = vocabulary.assign_maps(extractor.extract(photograph, side)[None], whitening=whitening)
    query_words, query_norms = found[0][0], found[1][0]
    query_bag = bag_of_words.encode(query_words, channel=query_norms, box=query.box, size=size)
    ranking = index.search(query_bag)
    ap = average_precision(ranking.names, query.positives)
    print(f"longer side {side}: average precision {ap:.2f}")

# %% [markdown]
# Which size is right is not known beforehand: `SearchEngine.search` takes five
# (`query_scales`), and averages their vectors; in a collection of 100 pictures and more the sizes
# that find something count more.
#
# ## Window
#
# A bag of the *whole* scene also counts the gravel. The bag of a **window** around the cat would be
# more similar, and would say where it is. So slide a window over the map (section 5: local
# reranking, R); the heat is the cosine of the query with the window that is centred there.

# %%
search = LocalSearch(index.idf_, sqrt=True, windows="all")
prepared = search.prepare(index.weigh(query_bag))
aspect = (query.box[2] - query.box[0]) / (query.box[3] - query.box[1])  # windows have about this
cell_weights = {name: one / one.max() for name, one in norms.items()}


def best_window(name):
    """The best window of a picture, and its box in pixels."""
    size = pictures[name].shape[1::-1]
    how = {"weights": cell_weights[name], "aspect": aspect, "size": size}
    window = search.best_window(prepared, words[name], **how)
    return window, cells_to_boxes(np.array(window.cells), size, words[name].shape)


def heat_of(name, width, height):
    """The cosine of every window of a size, at its centre."""
    h, w = words[name].shape
    heat = np.full((h, w), np.nan)
    for y in range(h - height + 1):
        for x in range(w - width + 1):
            heat[y + height // 2, x + width // 2] = search.score_of_window(
                prepared, words[name], (x, y, x + width, y + height), weights=cell_weights[name]
            )
    return heat


window, box = best_window(scene)
x1, y1, x2, y2 = window.cells
figure, axes = plt.subplots(1, 4, figsize=(13, 3.5), layout="constrained")
colours_of_heat = plt.get_cmap("inferno").with_extremes(bad="0.85")
for ax, share in zip(axes, (0.5, 1, 1.6)):
    width, height = int((x2 - x1) * share), int((y2 - y1) * share)
    heat = heat_of(scene, width, height)
    title = f"windows of {width} x {height} cells, best {np.nanmax(heat):.2f}"
    show(ax, heat, title, vmin=0, vmax=1, cmap=colours_of_heat)
draw_box(axes[1], np.array(window.cells) - 0.5, "#0072b2")
show(axes[3], pictures[scene], f"the best window, {window.score:.2f}")
draw_box(axes[3], box, "#0072b2")
whole = dict(zip(ranking.names, ranking.scores))[scene]
print(f"the whole picture {whole:.2f}, its best window {window.score:.2f}")
print(f"IoU of that window with the true box {iou(box, query.boxes[scene]).max():.2f}")

# %% [markdown]
# (Grey: a window centred there would stick out.) Small windows are already bright on the eyes,
# large ones take gravel with them, the best one lies on the cat. It tends to be a little small: the
# most typical part of a thing is more similar to it than all of it. Notebook 3 compares other ways.
#
# Ranking the best pictures again by their best window is all that is left. That was the engine.

# %%
found = {name: best_window(name) for name in ranking.names[:20]}
reranked = sorted(found, key=lambda name: -found[name][0].score)[:12]
figure, axes = plt.subplots(2, 6, figsize=(13, 4.6), layout="constrained")
for ax, name in zip(axes.ravel(), reranked):
    window, box = found[name]
    show(ax, pictures[name], f"{window.score:.2f}  {name}")
    draw_box(ax, box, "#009e73" if name in query.positives else "#d55e00")
print(f"average precision {average_precision(reranked, query.positives):.2f}")
