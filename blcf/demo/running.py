"""A demo from end to end: pictures, index, box queries, the drawings and the page."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from blcf.collection import Settings
from blcf.demo.choosing import choose_queries
from blcf.demo.drawing import draw_results
from blcf.demo.folder import demo_folder
from blcf.demo.page import write_page
from blcf.demo.photographs import LIBRARIES, find_photographs
from blcf.demo.results import Demo, DemoResult
from blcf.demo.scenes import compose
from blcf.engine import SearchEngine
from blcf.errors import InvalidInput
from blcf.images import ImageList, display_name, find_images
from blcf.images.thumbnails import Thumbnails
from blcf.storage import write_json

__all__ = ["run_demo"]

MOST_PICTURES = 200  # of one's own: they are indexed in well under a minute
N_QUERIES = 5  # in one's own pictures
FEWEST_FOR_IDF = 5  # a word that stands in all of one or two pictures would count nothing

logger = logging.getLogger(__name__)


def run_demo(
    out: str | os.PathLike[str] = "blcf-demo",
    pictures: str | os.PathLike[str] | None = None,
    *,
    network: Any = Settings.network,
    device: str = "auto",
    dtype: str = "auto",
    progress: bool = True,
    program: Sequence[str] = ("blcf",),
    **settings: Any,
) -> Demo:
    """Index a small collection, search in it, and write what was found.

    Without pictures, scenes are composed from photographs that installed libraries carry, and
    each object is searched with the photograph that it was cut out of: what is right is known.
    Of one's own pictures at most `MOST_PICTURES`, evenly spread, are indexed, and boxes are
    chosen in some of them.

    Parameters
    ----------
    out : folder to write to: a new one, an empty one, or that of an earlier demo, which is replaced
    pictures : folder, list file or picture; None composes scenes
    network, device, dtype : see `SearchEngine.create` (a name, or your own torch module)
    progress : whether to draw progress bars on stderr
    program : how `blcf` is called, for the commands that the page shows
    **settings : any of `blcf.Settings`

    Returns
    -------
    Demo, of which the folder holds ``results.html``, ``results.json``, drawings in ``hits`` (with
    matplotlib), the collection ``demo.blcf``, and for scenes ``images``, ``queries``, ``gt.json``

    Raises
    ------
    InvalidInput, WeightsError, StorageError
    """
    start = time.perf_counter()
    own = None if pictures is None else _own_pictures(pictures, out)
    if own is not None and len(own[0]) < FEWEST_FOR_IDF:
        settings.setdefault("idf", False)
    with demo_folder(out) as folder:
        engine = SearchEngine.create(
            folder / "demo.blcf", network, device=device, dtype=dtype, **settings
        )
        given = {"network": network} if isinstance(network, str) else {}
        if settings.get("weights") is not None:
            given["weights"] = str(settings["weights"])
        if own is None:
            demo = _search_scenes(folder, engine, given, progress)
        else:
            demo = _search_own(folder, engine, given, own, Path(pictures or ""), progress)
        logger.info("drawing")
        thumbnails = Thumbnails()
        demo.drawings = draw_results(demo, thumbnails)
        demo.seconds = time.perf_counter() - start
        write_page(demo, thumbnails, program)
        write_json(folder / "results.json", demo.to_dict())
    return demo


def _search_scenes(
    folder: Path, engine: SearchEngine, given: dict[str, str], progress: bool
) -> Demo:
    """Compose, index, search for every object."""
    photographs = find_photographs()
    logger.info("composing scenes from %d photographs of installed libraries", len(photographs))
    composed = compose(folder, photographs)
    engine.add(folder / "images", progress=progress)
    n_with = sum(map(bool, composed.scenes.values()))
    about = (
        f"{len(engine)} scenes composed from {len(composed.photographs)} photographs that "
        f"installed libraries carry, {n_with} of them with objects"
    )
    demo = Demo(folder, None, about, engine, given)
    demo.to_install = [
        package for package, _, names in LIBRARIES.values() if photographs.keys().isdisjoint(names)
    ]
    logger.info("compiling the search (the first time on a machine: some seconds)")
    first = composed.objects[0]  # once more below: its time shall not be the compiler's
    engine.search(folder / "queries" / f"{first.name}.jpg", box=first.box, k=1)
    for one in composed.objects:
        truth = composed.true_boxes(one.name)
        if truth:
            image = folder / "queries" / f"{one.name}.jpg"
            demo.results.append(_search(engine, one.name, image, one.box, truth, composed.sizes))
    return demo


def _own_pictures(
    pictures: str | os.PathLike[str], out: str | os.PathLike[str]
) -> tuple[ImageList, int]:
    """Some of the pictures, evenly spread, without what a demo wrote; how many there are."""
    images = find_images(pictures)
    ours = Path(os.path.realpath(out))
    names = [
        name
        for name in images.names
        if not Path(os.path.realpath(images.path(name))).is_relative_to(ours)
    ]
    if not names:
        raise InvalidInput(
            f"Expected pictures outside {display_name(out)}, to which the demo writes; "
            f"{display_name(pictures)} holds none. Name another folder with --out."
        )
    n_all, n_taken = len(names), min(len(names), MOST_PICTURES)
    taken = [names[place * n_all // n_taken] for place in range(n_taken)]
    return replace(images, names=taken), n_all


def _search_own(
    folder: Path,
    engine: SearchEngine,
    given: dict[str, str],
    own: tuple[ImageList, int],
    source: Path,
    progress: bool,
) -> Demo:
    """Index, choose boxes, search."""
    images, n_all = own
    if len(images) < n_all:
        logger.info("taking %d of %s pictures, evenly spread", len(images), f"{n_all:,}")
    report = engine.add(images, progress=progress)
    which = f"{len(engine)} of {n_all:,}" if len(engine) < n_all else f"{len(engine)}"
    plural = "" if n_all == 1 else "s"
    demo = Demo(
        folder,
        Path(os.path.abspath(source)),
        f"{which} picture{plural} of {display_name(os.path.abspath(source))}",
        engine,
        given,
        skipped=report.skipped,
    )
    logger.info("choosing boxes")
    for image_id, box in choose_queries(engine, N_QUERIES):
        name = engine.collection.name(image_id)
        demo.results.append(_search(engine, name, None, box, None, {}))
    return demo


def _search(
    engine: SearchEngine, name: str, image: Path | None, box: Any, truth: Any, sizes: Any
) -> DemoResult:
    """Search with a picture file; without one with the picture of the collection of that name.

    Such a picture is looked at as it was indexed, in one size: it finds itself, with score 1. All
    pictures are reranked, the picture itself wherever the first stage ranks it.
    """
    logger.info("searching %s", display_name(name))
    start, options = time.perf_counter(), {"box": box, "k": len(engine)}
    if image is None:
        (image_id,) = engine.collection.find([name]).tolist()
        image = engine.collection.image_path(image_id)
        assert image is not None, "a demo is of files"
        hits = engine.search(frame=name, depth=len(engine), **options)
    else:
        hits = engine.search(image, **options)
    return DemoResult(name, image, box, hits, truth, sizes, time.perf_counter() - start)
