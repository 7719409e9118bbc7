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
# # 6. From film to moments
#
# The method was made for television: hundreds of hours, one object, *in which shots is it?* Here a
# film is a source of pictures like a folder. It needs the extra `video`.

# %%
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from blcf import SearchEngine
from blcf.demo import write_scenes
from blcf.exporting import write_clips
from blcf.images import FrameChoice, as_image, find_images
from blcf.visualization import draw_box

FOUND, TRUE, QUERY = "#0072b2", "#009e73", "#e69f00"
work = TemporaryDirectory()
folder = Path(work.name)
truth = write_scenes(folder / "scenes")
query = truth.queries[0]
query.object, query.box

# %% [markdown]
# ## A film of which everything is known
#
# Sixteen scenes, a camera that pans over each for two to four seconds, and cuts between them. The
# object is in some of them.

# %%
SIZE, RATE = (320, 240), 25
rng = np.random.default_rng(4)
names = sorted(path.name for path in (folder / "scenes" / "images").iterdir())
with_object = [name for name in names if {name, f"images/{name}"} & set(query.positives)]
others = [name for name in names if name not in with_object]
chosen = rng.permutation([*with_object[:5], *rng.permutation(others)[:11]]).tolist()
lengths = rng.integers(2 * RATE, 4 * RATE, len(chosen)).tolist()


def views(name, n_frames):
    """A camera that pans over a scene, and draws near."""
    picture = Image.open(folder / "scenes" / "images" / name).convert("RGB")
    for step in np.linspace(0, 1, n_frames):
        share = 1 - 0.12 * step
        width, height = share * picture.width, share * picture.height
        left, top = step * (picture.width - width), (1 - step) * (picture.height - height)
        yield picture.resize(SIZE, box=(left, top, left + width, top + height))


with av.open(str(folder / "film.mp4"), "w") as container:
    stream = container.add_stream("libx264", rate=RATE)
    stream.width, stream.height = SIZE
    stream.pix_fmt = "yuv420p"
    for name, n_frames in zip(chosen, lengths):
        for view in views(name, n_frames):
            container.mux(stream.encode(av.VideoFrame.from_image(view)))
    container.mux(stream.encode())
starts = np.cumsum([0, *lengths]) / RATE
print(f"{len(chosen)} shots, {starts[-1]:.2f} s, the object in {len(with_object[:5])}")

# %% [markdown]
# ## Frames are pictures
#
# Their times are time stamps times the time base of the stream, exact fractions, and never a count
# of frames: cameras leave frames out. A frame's name says its time, and *is* a picture, wherever
# one is asked for.

# %%
images = find_images(folder / "film.mp4", choice=FrameChoice(Fraction(1, 2)))
print(len(images), images.names[:3], images.names[-1])
as_image(folder / "film.mp4@00:00:07.5").shape  # whatever is on the screen then

# %% [markdown]
# ## Into a collection
#
# `every` is in seconds; frames of one colour would be left out. Each frame knows its film, its
# time, and its shot: PySceneDetect looks at the frames as they are decoded.

# %%
engine = SearchEngine.create(folder / "film.blcf", dtype="float32")
report = engine.add(folder / "film.mp4", every=0.5, progress=False)
print(report.n_added, "frames,", len(report.dropped), "of one colour")
shots = [engine.facts(name)["shot"] for name in engine.names]
times = [engine.facts(name)["time"] for name in engine.names]
true_shots = np.searchsorted(starts[1:], times, side="right").tolist()
print("shots as they were made:", shots == true_shots)

# %% [markdown]
# ## Hits, and moments
#
# One object in one shot is many hits, a frame each. `group("shot")` makes one of them: the score is
# that of the best frame (the maximum over frames, as TRECVID has it), and the others give the time
# in which it was seen.

# %% tags=["varies"]
hits = engine.search(query.image, box=query.box, k=len(engine))
moments = hits.group("shot")
[(moment.span, round(moment.score, 2), len(moment.hits)) for moment in moments[:7]]

# %% [markdown]
# On a line of time: what each frame scores, the moments above, and where the object is in truth.

# %% tags=["picture"]
fig, (top, line) = plt.subplots(
    2, 1, figsize=(9, 4.6), height_ratios=(1.3, 1), layout="constrained"
)
order = sorted(moments[:5], key=lambda moment: moment.first)
top.set_axis_off()
for number, moment in enumerate(order):
    ax = top.inset_axes((number / 5 + 0.005, 0, 0.19, 1))
    ax.imshow(as_image(moment.hits.shown[0]))
    draw_box(ax, moment.box, FOUND)
    ax.set_title(f"{moment.span}\n{moment.score:.2f}", fontsize=8)
    ax.set_axis_off()
when = [hit.time for hit in hits]
line.vlines(when, 0, hits.scores, color=FOUND, lw=2)
for shot, name in enumerate(chosen):
    if name in with_object:
        line.axvspan(starts[shot], starts[shot + 1], color=TRUE, alpha=0.2, lw=0)
for start in starts:
    line.axvline(start, color="0.8", lw=0.5, zorder=0)
line.set(xlim=(0, starts[-1]), ylim=(0, 1), xlabel="time, s", ylabel="score")
plt.show()

# %% [markdown]
# How good is that? Average precision of the ranking of shots, and how far the ends of the moments
# are from those of their shots, in which the object is all the time. Half a second is what `every`
# leaves.

# %% tags=["varies"]
right = [chosen[moment.shot] in with_object for moment in moments]
ranks = np.flatnonzero(right) + 1
print("AP of shots:", round(float(np.mean(np.arange(1, len(ranks) + 1) / ranks)), 3))
found = [moment for moment, is_right in zip(moments, right) if is_right]
ends = [(starts[m.shot], starts[m.shot + 1] - 1 / RATE) for m in found]
errors = [abs(a - b) for m, end in zip(found, ends) for a, b in zip((m.first, m.last), end)]
print("largest error of a time:", round(max(errors), 2), "s")

# %% [markdown]
# ## A frame as a query, and clips
#
# A frame of the collection is searched with as it is, no network is needed; and what was found can
# be cut out of the film, packet by packet, without loss.

# %% tags=["varies"]
again = engine.search(frame=moments[0].best.name, box=moments[0].box)
print([moment.span for moment in again.group("shot")[:3]])
clips, skipped = write_clips(moments[:3], folder / "clips", margin=0.5)
print([path.name[-22:] for path in clips], skipped)
work.cleanup()
