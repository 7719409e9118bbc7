"""A collection follows its folder: new, changed, moved and deleted pictures, as one command.

Each step is a commit of its own, and the plan is made of what is there: killed anywhere, the same
call goes on.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

from blcf.adding.given_channel import given_channel
from blcf.adding.known import as_known, check_prefix_is_clear, is_below
from blcf.adding.sync_plan import SyncPlan, plan_sync
from blcf.adding.writer import index_names, keep_statistics
from blcf.collection import Collection, DecodingNotes
from blcf.collection.model import Model
from blcf.collection.places import bare_name, prefix_of
from blcf.images import ImageList, PictureFacts

__all__ = ["SyncReport", "sync_folder"]


@dataclass(frozen=True)
class SyncReport:
    """What a `sync` did, or would do.

    Attributes
    ----------
    new, changed, deleted : names of pictures
    moved : {name before: name now}
    n_same : pictures that were as they are
    skipped : {name: reason} of pictures that could not be read; one that could be before stays
    """

    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    n_same: int = 0
    skipped: dict[str, str] = field(default_factory=dict)


class _Folder:
    """The pictures of a folder under the collection's names, whatever they are relative to."""

    def __init__(self, lists: Sequence[ImageList]):
        self.of_name = {name: each for each in lists for name in each.names}
        self.names = list(self.of_name)
        self.problems = [row for each in lists for row in each.problems]

    def path(self, name: str) -> Path:
        return self.of_name[name].path(name)


def sync_folder(model: Model, images: ImageList, *, dry_run: bool, progress: bool) -> SyncReport:
    """Make a collection follow a folder; see `SearchEngine.sync`."""
    collection = model.collection
    if dry_run:
        collection.refresh()
        return _report(_plan(collection, images)[1], {})
    with collection.writing():
        folder, plan = _plan(collection, images)
        due = set(plan.new) | set(plan.changed)
        if due:
            given_channel(model)  # an error before anything is changed
        by_list: defaultdict[int, dict[str, str]] = defaultdict(dict)
        lists = {id(each): each for each in folder.of_name.values()}
        for old, new in plan.moved.items():
            by_list[id(folder.of_name[new])][old] = new
        for key, moves in by_list.items():
            collection.rename(moves, str(lists[key].root), lists[key].prefix)
        collection.remove(plan.deleted)
        skipped, dropped = dict[str, str](), set[str]()
        with DecodingNotes(collection.file("decoding")) as large:
            for each in lists.values():
                names = [name for name in each.names if name in due]
                report = index_names(model, each, names, progress=progress, large=large)
                skipped, dropped = skipped | report.skipped, dropped | set(report.dropped)
        emptied = [name for name in plan.changed if name in dropped]  # they show nothing any more
        collection.remove(emptied)
        collection.drop_training()
        keep_statistics(model)
    plan = replace(plan, deleted=[*plan.deleted, *emptied])
    return _report(plan, skipped, dropped)


def _report(plan: SyncPlan, skipped: dict[str, str], dropped: Set[str] = frozenset()) -> SyncReport:
    return SyncReport(
        [name for name in plan.new if name not in skipped and name not in dropped],
        [name for name in plan.changed if name not in skipped and name not in dropped],
        plan.moved,
        plan.deleted,
        plan.n_same,
        skipped,
    )


def _plan(collection: Collection, images: ImageList) -> tuple[_Folder, SyncPlan]:
    check_prefix_is_clear(collection, images)
    folder = _Folder(as_known(collection, images))
    known = _facts(collection, _held(collection, images))
    return folder, plan_sync(known, folder, collection.dropped())


def _held(collection: Collection, images: ImageList) -> list[str]:
    """Names of the pictures that a collection holds of a folder, under any name.

    Those that were added under another name (`--as`) are of another memory card, whose pictures
    were at the same place once.
    """
    here, held = str(images.root), []
    for root in filter(None, collection.roots):
        if not (is_below(root, here) or is_below(here, root)):
            continue
        before = "" if is_below(root, here) else f"{os.path.relpath(here, root)}{os.sep}"
        for name in collection.names_under(root):
            prefix = prefix_of(collection.manifest, root, name)
            if prefix == images.prefix and bare_name(collection.manifest, root, name).startswith(
                before.replace(os.sep, "/")
            ):
                held.append(name)
    return held


def _facts(collection: Collection, names: list[str]) -> dict[str, PictureFacts]:
    """What was known of the files of pictures when they were indexed."""
    ids = collection.find(names)
    columns = (collection.column(one)[ids].tolist() for one in ("mtimes", "n_bytes", "digests"))
    return {name: PictureFacts(*row) for name, *row in zip(names, *columns)}
