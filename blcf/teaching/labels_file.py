"""Labels of pictures that nobody labelled, in a file that somebody can look through and mend."""

from __future__ import annotations

import csv
import io
import logging
import os
from collections import Counter
from pathlib import Path

from blcf.engine import SearchEngine
from blcf.errors import InvalidInput
from blcf.images import Source
from blcf.progress import tqdm
from blcf.storage import write_file
from blcf.teaching.neighbours import neighbour_labels

__all__ = ["LABELS", "write_neighbours"]

LABELS, COLLECTION = "labels.csv", "collection.blcf"

logger = logging.getLogger(__name__)


def write_neighbours(
    source: Source,
    folder: str | os.PathLike[str],
    *,
    network: str = "blcf-lite",
    layer: str | None = None,
    weights: str | os.PathLike[str] | None = None,
    device: str = "auto",
    progress: bool = True,
) -> Path:
    """Index pictures, and label those that show the same thing; gives the file of labels.

    A file that is there already is not made again: it may have been mended. A picture that agrees
    with no other gets no label: where they had one each, other views of themselves to be like,
    logos had an mAP of .593 and .609 (two groupings), without them .614 (benchmarks/learning).

    Parameters
    ----------
    source : the pictures
    folder : gets ``labels.csv`` with the columns name and label, and a collection of the pictures
    network, layer, weights, device : of the collection, see `blcf.SearchEngine.create`
    progress : whether bars are shown

    Raises
    ------
    BlcfError
        Pictures of which nothing can be learned; OpenCV is not installed; files that cannot be
        written.
    """
    path, place = Path(folder) / LABELS, Path(folder) / COLLECTION
    if path.exists():
        logger.info("labels that are there already: %s", path)
        return path
    Path(folder).mkdir(parents=True, exist_ok=True)
    if (place / "manifest.json").exists():
        engine = SearchEngine.open(place, weights=weights, device=device)
    else:
        engine = SearchEngine.create(place, network, layer=layer, weights=weights, device=device)
    with engine:
        engine.add(source, progress=progress)
        found = neighbour_labels(
            engine,
            source,
            bar=lambda names: tqdm(
                names, desc="looking for neighbours", unit=" picture", disable=not progress
            ),
        )
    counts = Counter(found.labels.values())
    rows = [(name, label) for name, label in found.labels.items() if counts[label] > 1]
    n_groups = sum(n > 1 for n in counts.values())
    if not n_groups:
        raise InvalidInput(
            f"Expected pictures whose keypoints agree, got {len(counts):,} pictures that agree "
            "with no other. Label some, or add pictures of the same things."
        )
    logger.info(
        "%s pictures in %s groups that show the same thing, %s alone, without a label: %s",
        f"{len(rows):,}",
        f"{n_groups:,}",
        f"{len(counts) - n_groups:,}",
        path,
    )
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "label"])
    writer.writerows(rows)
    write_file(path, text.getvalue().encode("utf-8", "surrogateescape"))
    return path
