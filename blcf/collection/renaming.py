"""Images under other names: what is stored of them goes into new segments, without the network.

Posting lists, maps, norms, sizes and facts of files are copied as they are; the images get new ids
and count as added last. Nothing is committed here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from blcf.collection.facts_changes import check_held
from blcf.collection.facts_table import Row, rows_of
from blcf.collection.film_choices import moved_choices
from blcf.collection.rewriting import check_source
from blcf.collection.segment import Segment
from blcf.collection.snapshot import Snapshot
from blcf.errors import InvalidInput
from blcf.images import film_of
from blcf.index import merging
from blcf.index.names import Names

__all__ = ["Renaming", "plan_renaming"]


@dataclass(frozen=True)
class Renaming:
    """New segments that are written and wait for their commit.

    Attributes
    ----------
    entries : what the manifest will say of them
    changes : of the manifest, beside its segments
    rows : of the table of facts
    new_of_old : {old id: new id}
    """

    entries: list[dict[str, Any]]
    changes: dict[str, Any]
    rows: list[Row]
    new_of_old: dict[int, int]


def plan_renaming(
    snapshot: Snapshot, moves: Mapping[str, str], root: str | None
) -> Renaming | None:
    """Write the segments of images under new names; None where there is none to rename.

    Raises
    ------
    InvalidInput, FormatError, StorageError
        See `Collection.rename`; what a segment holds is damaged.
    """
    if not moves:
        return None
    _check_moves(snapshot, moves)
    roots = list(snapshot.manifest["roots"])
    if root is not None and root not in roots:
        roots.append(root)
    number, next_id = snapshot.manifest["next_segment"], snapshot.manifest["next_id"]
    videos = list(snapshot.manifest["videos"])
    plan = Renaming([], {}, [], {})
    for parts in _spans(snapshot, list(moves)):
        joined = Segment.joined(snapshot.segment_file(number), parts)
        ids = np.arange(next_id, next_id + joined.n_images, dtype=np.int64)
        columns = {**joined.columns, "ids": ids}
        if root is not None:
            columns["root_ids"] = np.full(ids.size, roots.index(root), dtype=np.int32)
        names = [moves[name] for name in joined.names]
        columns["videos"] = _moved_videos(columns["videos"], names, videos)
        renamed = replace(joined, names=Names.from_list(names), columns=columns)
        plan.entries.append(renamed.save(snapshot.vocabulary_digest))
        plan.rows.extend(rows_of(names, columns, videos))
        plan.new_of_old.update(zip(joined.columns["ids"].tolist(), ids.tolist()))
        number, next_id = number + 1, next_id + ids.size
    plan.changes.update(roots=roots, videos=videos, next_segment=number, next_id=next_id)
    plan.changes.update(choices=moved_choices(snapshot.manifest, moves))
    return plan


def _moved_videos(numbers: np.ndarray, names: list[str], videos: list[str]) -> np.ndarray:
    """Which video each frame is of under its new name; `videos` gets those that are new."""
    moved = numbers.copy()
    for row in np.flatnonzero(numbers >= 0).tolist():
        film = film_of(names[row])
        if film and film not in videos:
            videos.append(film)
        moved[row] = videos.index(film) if film else numbers[row]
    return moved


def _check_moves(snapshot: Snapshot, moves: Mapping[str, str]) -> None:
    old, new = list(moves), list(moves.values())
    found = snapshot.find(old)
    missing = [name for name, one in zip(old, found) if one < 0]
    check_held(snapshot, missing, "Nothing was renamed.")
    doubled = [name for name, n in Counter(new).items() if n > 1]
    held = [name for name, one in zip(new, snapshot.find(new)) if one >= 0 and name not in moves]
    if doubled or held:
        raise InvalidInput(
            f"Expected a new name for each picture, {(doubled or held)[0][:200]} would stand for "
            "two. Remove the picture that has it, or choose another. Nothing was renamed."
        )


def _spans(snapshot: Snapshot, names: list[str]) -> Iterator[list[Segment]]:
    """The segments of images, only these marked as live, so many at a time as a segment holds."""
    parts, positions = snapshot._find(names)
    span: list[Segment] = []
    n_images = 0
    for number in np.unique(parts).tolist():
        segment, chosen = snapshot.segments[number], np.sort(positions[parts == number])
        check_source(segment, snapshot.manifest["segments"][number], snapshot.path)
        if n_images + chosen.size > merging.LARGEST and span:
            yield span
            span, n_images = [], 0
        live = np.zeros(segment.n_images, dtype=bool)
        live[chosen] = True
        span.append(replace(segment, live=live))
        n_images += chosen.size
    yield span
