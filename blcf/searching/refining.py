"""The last stage of a search: boxes of the first hits, by keypoints of the pictures themselves."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from blcf.collection.snapshot import Snapshot
from blcf.errors import FormatError, InvalidInput
from blcf.images import ImageLike, use_image
from blcf.records import Keypoints, Query, Ranking
from blcf.rerank import Outline, find_outline, keypoints_in, widened
from blcf.threads import in_order, one_blas_thread

__all__ = ["credited", "keypoints_of", "refine"]

logger = logging.getLogger(__name__)

# mAP of blcf-lite without and with it (benchmarks/refinement): logos LS .604 and .623, grocery
# .546 and .569, shelves .831 and .875. Tuned there: a third of it gains two thirds; hits that agree
# before all others, in the order that they had, gain as much on logos, less on the others.
CREDIT = 0.1


def refine(snapshot: Snapshot, queries: Sequence[Query], ranking: Ranking) -> dict[int, Outline]:
    """{image: where the object is} of the hits whose keypoints agree with those of an example.

    Of several examples that with the most keypoints that agree counts. A picture that cannot be
    read any more, or is another than was indexed, is left as it is, which is logged, once.

    Parameters
    ----------
    snapshot : of the collection, which knows where pictures are
    queries : with their keypoints
    ranking : with boxes; hits without one are left out

    Raises
    ------
    BlcfError
        OpenCV is not installed.
    """
    known = [query for query in queries if query.keypoints is not None]
    if not known:
        logger.warning(
            "boxes were not refined: the pixels of the query are not known. Search with a picture."
        )
        return {}
    boxes = np.full((len(ranking), 4), np.nan) if ranking.boxes is None else ranking.boxes
    rows = np.flatnonzero(~np.isnan(boxes).any(axis=1)).tolist()
    unread: list[str] = []

    def look(row: int) -> Outline | None:
        """The outline in one picture."""
        image_id, box = int(ranking.ids[row]), boxes[row]
        size = snapshot.size(image_id)
        window = widened(box, size)
        keypoints = keypoints_of(snapshot.picture(image_id), size, window)
        if keypoints is None:
            unread.append(ranking.names[row])
            return None
        agreed = []
        for query in known:
            assert query.keypoints is not None
            outline = find_outline(query.keypoints, keypoints, query.box, box)
            if outline is not None:
                agreed.append(outline.mirrored() if query.mirrored else outline)
        return max(agreed, key=lambda one: one.n_inliers, default=None)

    with one_blas_thread() as n_threads:
        found = dict(zip(rows, in_order(look, rows, n_threads)))
    if unread:
        logger.warning(
            "the boxes of %d hits were not refined: their pictures cannot be read, or have "
            "changed since they were indexed, the first: %s",
            len(unread),
            min(unread, key=ranking.names.index),
        )
    return {int(ranking.ids[row]): one for row, one in found.items() if one is not None}


def credited(ranking: Ranking, found: Mapping[int, Outline]) -> tuple[Ranking, np.ndarray]:
    """The ranking by ``score + CREDIT log(1 + n)``, n the keypoints that agree.

    A score stays one of 0..1: where the best is above 1, all are divided by it.

    Parameters
    ----------
    ranking : with boxes
    found : {image: its outline}, from `refine`

    Returns
    -------
    The ranking, with the boxes of outlines, and the rows that it had before, int64 (n,): hits of
    one score are in the order that they had.
    """
    assert ranking.boxes is not None
    scores, boxes = ranking.scores.copy(), ranking.boxes.copy()
    for row, image_id in enumerate(ranking.ids.tolist()):
        if image_id in found:
            scores[row] += np.float32(CREDIT * np.log1p(found[image_id].n_inliers))
            boxes[row] = found[image_id].box
    order = np.argsort(-scores, kind="stable")
    names, scores = [ranking.names[row] for row in order], scores[order]
    if len(scores) and scores[0] > 1:
        scores = scores / scores[0]
    return Ranking(names, scores, ranking.ids[order], boxes[order]), order


def keypoints_of(
    picture: ImageLike | None, size: tuple[int, int], box: np.ndarray | None
) -> Keypoints | None:
    """Keypoints of a part of a picture of a collection; None where it cannot be read.

    Parameters
    ----------
    picture : its file, or another form of it; None where none is known
    size : (width, height) of what was indexed, pixels
    box : xyxy, pixels; None takes all of it
    """
    if picture is None:
        return None

    def find(pixels: np.ndarray) -> Keypoints | None:
        same = (pixels.shape[1], pixels.shape[0]) == size
        return keypoints_in(pixels, box) if same else None

    try:
        return use_image(picture, find)
    except (InvalidInput, FormatError, OSError):
        return None
