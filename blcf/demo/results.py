"""What a demo found: the queries with their hits, measured where the truth is known."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from blcf.boxes import iou
from blcf.collection import Settings
from blcf.engine import SearchEngine
from blcf.evaluation import Localisation, average_precision, localise
from blcf.searching import Hits, SearchOptions

__all__ = ["Demo", "DemoResult"]

MORE_SHOWN, MOST_SHOWN = 3, 16  # hits drawn beyond as many as there are to find; in all
OWN_SHOWN = 8  # of somebody's own pictures, which may be large and take long to read


@dataclass(frozen=True, eq=False)
class DemoResult:
    """A query of the demo and what was found.

    Attributes
    ----------
    name : what is looked for; of one's own pictures the name of the picture
    image, box : where it is shown: path, and xyxy in pixels
    hits : the whole ranking
    truth : {picture: float (n, 4)} true boxes, xyxy, pixels; None where nobody knows them
    sizes : {picture: (width, height)} of those, pixels
    seconds : of the search, the network included
    """

    name: str
    image: Path
    box: tuple[int, int, int, int]
    hits: Hits
    truth: dict[str, np.ndarray] | None
    sizes: dict[str, tuple[int, int]]
    seconds: float

    @property
    def average_precision(self) -> float | None:
        """Trapezoidal, as `blcf evaluate` measures it."""
        return None if not self.truth else average_precision(self.hits.names, self.truth)

    @property
    def localisation(self) -> Localisation:
        """Overlaps of the boxes of all true hits; empty where nobody knows the true boxes."""
        return localise(self.hits, self.truth or {}, self.sizes)

    @property
    def n_first(self) -> int:
        """How many of the first n hits are right, where n are to find."""
        truth = self.truth or {}
        return sum(name in truth for name in self.hits.names[: len(truth)])

    @property
    def shown(self) -> Hits:
        """The hits that are drawn."""
        if self.truth is None:
            return self.hits[:OWN_SHOWN]
        return self.hits[: min(len(self.truth) + MORE_SHOWN, MOST_SHOWN)]

    def overlap(self, name: str, box: np.ndarray | None) -> float | None:
        """IoU of a hit's box with the true one; None where there is none of the two."""
        if box is None or not self.truth or name not in self.truth:
            return None
        return float(iou(box, self.truth[name]).max())

    def to_dict(self) -> dict[str, Any]:
        """Plain values: the query, its measures (None where there is no truth), all hits."""
        boxes = self.localisation
        rows = self.hits.to_dicts()
        if self.truth is not None:
            for row, hit in zip(rows, self.hits):
                overlap = self.overlap(hit.name, hit.box)
                row["right"] = hit.name in self.truth
                row["iou"] = None if overlap is None else round(overlap, 4)
        return {
            "query": self.name,
            "image": str(self.image),
            "box": list(self.box),
            "n_positives": None if self.truth is None else len(self.truth),
            "average_precision": _rounded(self.average_precision),
            "mean_iou": _rounded(boxes.mean_iou if len(boxes.overlaps) else None),
            "seconds": round(self.seconds, 3),
            "hits": rows,
        }


@dataclass(eq=False)
class Demo:
    """A demo that was run.

    Attributes
    ----------
    folder : where everything was written, absolute
    source : one's own pictures; None where scenes were composed
    about : what was searched, in words
    engine : of the collection
    settings : network and weights, as they were named
    results : of the queries
    skipped : {picture: reason} of pictures that could not be read
    to_install : packages that would have given more photographs
    drawings : the pictures that were drawn; none without matplotlib
    seconds : from the first picture to the last drawing
    """

    folder: Path
    source: Path | None
    about: str
    engine: SearchEngine
    settings: dict[str, str]
    results: list[DemoResult] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    to_install: list[str] = field(default_factory=list)
    drawings: list[Path] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def page(self) -> Path:
        """The page of results."""
        return self.folder / "results.html"

    @property
    def network(self) -> str:
        """Network and layer."""
        extractor = self.engine.collection.manifest["extractor"]
        return f"{extractor['network']}, layer {extractor['layer']}"

    @property
    def mean_average_precision(self) -> float | None:
        """Mean over the queries; None without truth."""
        known = [one.average_precision for one in self.results]
        return float(np.mean([ap for ap in known if ap is not None])) if self.has_truth else None

    @property
    def localisation(self) -> Localisation:
        """Overlaps of the boxes of all true hits of all queries."""
        parts = [one.localisation for one in self.results]
        return Localisation(
            np.concatenate([part.overlaps for part in parts]),
            np.concatenate([part.whole_image for part in parts]),
        )

    @property
    def has_truth(self) -> bool:
        """Whether it is known what is right."""
        return self.source is None

    def next_commands(
        self, program: Sequence[str] = ("blcf",), folder: str | os.PathLike[str] | None = None
    ) -> list[tuple[str, list[str]]]:
        """What to type next: (what it does, the words of the command).

        Parameters
        ----------
        program : how `blcf` is called
        folder : that of the demo, as it is to be written; None: absolute
        """
        here = self.folder if folder is None else Path(folder)
        collection, first = str(here / "demo.blcf"), self.results[0]
        box = ",".join(str(edge) for edge in first.box)
        how = [
            word
            for name, value in self.settings.items()
            if (name, value) != ("network", Settings.network)
            for word in (f"--{name}", value)
        ]
        image = str(here / "queries" / first.image.name if self.has_truth else first.image)
        search, again = [image, "--box", box, "-k", "10"], []
        if not self.has_truth:
            search.append("--frame")
            if len(self.engine) > SearchOptions.depth:
                again = ["--depth", str(len(self.engine))]
        rows = [
            ("Search again", ["search", collection, *search, *again]),
            ("Draw boxes in a browser (extra web)", ["serve", collection, "--open"]),
        ]
        if self.has_truth:
            truth = str(here / "gt.json")
            rows += [
                (
                    "Measure it, query by query",
                    ["evaluate", collection, truth, "--queries", "box", "--per-query"],
                ),
                ("Try your own pictures", ["demo", "YOUR_FOLDER", *how]),
                ("Index them all", ["index", "yours.blcf", "YOUR_FOLDER", *how]),
            ]
        else:
            whole = f"{Path(str(self.source)).stem or 'pictures'}.blcf"
            rows += [
                ("Index all pictures", ["index", whole, str(self.source), *how]),
                ("Search in all of them", ["search", whole, *search]),
            ]
        return [(what, [*program, *words]) for what, words in rows]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, of all queries."""
        boxes = self.localisation
        return {
            "folder": str(self.folder),
            "page": str(self.page),
            "collection": str(self.folder / "demo.blcf"),
            "source": None if self.source is None else str(self.source),
            "network": self.network,
            "n_pictures": len(self.engine),
            "mAP": _rounded(self.mean_average_precision),
            "mean_iou": _rounded(boxes.mean_iou if len(boxes.overlaps) else None),
            "seconds": round(self.seconds, 2),
            "queries": [one.to_dict() for one in self.results],
            "drawings": [str(path) for path in self.drawings],
            "skipped": self.skipped,
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
