"""How busy indexing a film keeps the slower of its parts: the decoder, the network."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

from blcf.features import ConvFeatures
from blcf.features.pipeline import extract_pictures
from blcf.images import FrameChoice, GivenPictures, find_images
from blcf.images.video import OpenFilm

__all__ = ["rows_of_speed"]


def rows_of_speed(film: Path) -> list[dict[str, Any]]:
    """Frames a second on their way through the network, beside decoding and the network alone."""
    extractor = ConvFeatures()
    rows = []
    for every in (Fraction(1, 5), Fraction(1)):
        images = find_images(film, choice=FrameChoice(every))
        arrays = {one: images.original(one).through(np.copy).content for one in images.names}
        given = GivenPictures(arrays)

        def run(source: Any) -> float:
            began = time.perf_counter()
            n = sum(1 for _ in extract_pictures(extractor, map(source.original, source.names)))
            return n / (time.perf_counter() - began)

        def decode() -> float:
            began = time.perf_counter()
            with OpenFilm(film) as opened:
                for _ in opened.frames():
                    pass
            return len(images) / (time.perf_counter() - began)

        for each_has in ("all cores", "a core of its own"):
            figures: dict[str, list[float]] = {"whole": [], "network": [], "decoding": []}
            with _one_core() if each_has != "all cores" else nullcontext() as all_cores:
                run(given)
                for _ in range(3):
                    figures["network"].append(run(given))
                    figures["decoding"].append(decode())
                    with all_cores() if all_cores else nullcontext():
                        whole = run(find_images(film, choice=FrameChoice(every)))
                    figures["whole"].append(whole)
            medians = {name: statistics.median(values) for name, values in figures.items()}
            ratio = medians["whole"] / min(medians["network"], medians["decoding"])
            row = {"every_s": float(every), "each_has": each_has, "frames": len(images)}
            rows.append(row | medians | {"ratio": ratio})
    return rows


@contextmanager
def _one_core() -> Iterator[Any]:
    """This thread and those that it makes share one core, the network has one thread; within what
    it gives they have two cores, for two parts at once."""
    cores = sorted(os.sched_getaffinity(0))

    @contextmanager
    def two() -> Iterator[None]:
        os.sched_setaffinity(0, cores[:2])
        yield
        os.sched_setaffinity(0, cores[:1])

    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    os.sched_setaffinity(0, cores[:1])
    try:
        yield two
    finally:
        os.sched_setaffinity(0, cores)
        torch.set_num_threads(n_threads)
