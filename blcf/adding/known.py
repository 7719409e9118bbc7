"""Which pictures of a source a collection knows: by name, by path, or under a folder that moved."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from blcf.collection import Collection
from blcf.collection.places import bare_name, known_prefixes, prefix_of
from blcf.errors import InvalidInput
from blcf.images import ImageList, Source, display_name, file_of, file_state

__all__ = [
    "as_known",
    "check_prefix_is_clear",
    "count_changed",
    "follow_moves",
    "is_below",
    "names_to_index",
]


def names_to_index(collection: Collection, images: Source, replace: bool) -> list[str]:
    """Names of the images that the collection lacks; with `replace` of those it holds, too.

    A picture is there if the collection holds its name, or its path under another name (its
    folder was indexed before, and now the folder above is; such a picture keeps its name). Frames
    that were looked at and left out are not looked at again.

    Raises
    ------
    InvalidInput
        A name stands in the collection already, for another picture in another folder.
    """
    if isinstance(images, ImageList):
        check_prefix_is_clear(collection, images)
    by_name = collection.find(images.names)
    wanted = {name for name, image_id in zip(images.names, by_name) if image_id < 0}
    if not replace:
        wanted -= collection.dropped()
    if isinstance(images, ImageList):
        unknown = [name for name in images.names if name in wanted]
        by_path = _find_by_path(collection, images, unknown)
        wanted -= {name for name, image_id in zip(unknown, by_path) if image_id >= 0}
    for name, image_id in zip(images.names, by_name):
        if image_id < 0:
            continue
        there = collection.image_path(int(image_id))
        path = images.path(name) if isinstance(images, ImageList) else None
        if (there is None) != (path is None) and not replace:
            raise InvalidInput(
                f"The collection already holds {display_name(name)!r}, "
                f"{'a picture that was given' if there is None else f'from {there}'}, and one "
                f"{'that is given' if path is None else f'at {path}'} would get the same name. "
                "Choose another name, or replace it (replace=True, --replace)."
            )
        if there and path and there.parent != path.parent and _is_another(there, path):
            raise InvalidInput(
                f"The collection already holds {display_name(name)!r}, from {there}, and {path} "
                "would get the same name. Index their common parent folder instead, name a folder "
                "above them that names are relative to (root, --root), or say what stands before "
                "the names (name, --as)."
            )
        if replace:
            wanted.add(name)
    return [name for name in images.names if name in wanted]


def _is_another(there: Path, path: Path) -> bool:
    """Whether two paths are two pictures; a picture that is gone is taken to have moved."""
    try:
        return not os.path.samefile(file_of(there), file_of(path))
    except (OSError, ValueError):  # gone, or no name that a file can have
        return False


def as_known(collection: Collection, images: ImageList) -> list[ImageList]:
    """The same pictures under the names, and below the folders, that the collection knows them by.

    A folder that was indexed as part of the folder above it has names that begin with its own; one
    whose sub-folders were indexed one by one has names below these. Pictures that are not known
    come first, and keep their names, but where all others of their list are known below one folder
    above it: they are named from there, as they would have been then.
    """
    ids = _find_by_path(collection, images, images.names)
    groups: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    rest = []
    for name, image_id in zip(images.names, ids.tolist()):
        if image_id < 0:
            rest.append(name)
        else:
            groups[_place_of(collection, image_id)].append(collection.name(image_id))
    own = str(images.root), images.prefix
    if len(groups) == 1 and own not in groups and not images.prefix:
        ((root, prefix),) = groups
        if is_below(own[0], root) and not prefix:
            before = Path(os.path.relpath(own[0], root)).as_posix()
            problems = [(f"{before}/{name}", reason) for name, reason in images.problems]
            names = groups[root, prefix] + [f"{before}/{name}" for name in rest]
            return [ImageList(Path(root), names, problems, films=images.films)]
    known = groups.pop(own, [])
    first = replace(images, names=known + rest)
    others = [
        ImageList(Path(root), them, [], prefix, images.films)
        for (root, prefix), them in groups.items()
    ]
    return [first, *others]


def _find_by_path(collection: Collection, images: ImageList, names: Sequence[str]) -> np.ndarray:
    """Ids of pictures by their paths, int64 (n,), -1 for none; another memory card's are not these.

    Its pictures were in the same folder once, under names that begin otherwise.
    """
    ids = collection.find_paths([images.path(name) for name in names])
    for row, image_id in enumerate(ids.tolist()):
        if image_id >= 0:
            root, prefix = _place_of(collection, image_id)
            if root == str(images.root) and prefix != images.prefix:
                ids[row] = int(collection.find([names[row]])[0])
    return ids


def _place_of(collection: Collection, image_id: int) -> tuple[str, str]:
    """The folder that an image's name is relative to, and what stands before its path in it."""
    root = collection.root_of(image_id)
    return root, prefix_of(collection.manifest, root, collection.name(image_id))


def check_prefix_is_clear(collection: Collection, images: ImageList) -> None:
    """Raise `InvalidInput` where a name could be a path in the folder, or one after a prefix."""
    for prefix in known_prefixes(collection.manifest, str(images.root)):
        if prefix != images.prefix and any(one.startswith(f"{prefix}/") for one in images.names):
            raise InvalidInput(
                f"The collection has pictures of {images.root} under names that begin with "
                f"{display_name(prefix)!r}, and a folder of this name is in it now. Rename the "
                "folder, or add the pictures under another name (name, --as)."
            )


def is_below(folder: str, root: str) -> bool:
    """Whether a folder is another one, or in it."""
    return folder == root or folder.startswith(root.rstrip(os.sep) + os.sep)


def follow_moves(collection: Collection, images: Source) -> None:
    """Where all pictures of a folder are gone from it and are in this one, note it."""
    if not isinstance(images, ImageList):
        return
    here, moved = set(images.names), {}
    for root, n_images in collection.roots.items():
        if root in ("", str(images.root)) or n_images > len(here):
            continue
        names = list(collection.names_under(root))
        paths = (Path(root) / bare_name(collection.manifest, root, name) for name in names)
        if here.issuperset(names) and all(file_state(path) is None for path in paths):
            moved[root] = str(images.root)
    if moved:
        collection.relocate(moved)


def count_changed(
    collection: Collection, images: Source, indexed: Sequence[str]
) -> tuple[int, int]:
    """How many pictures that are passed over have changed since they were indexed; how many gone.

    By time of change and length: a file that was copied, or touched, counts as changed here. Gone
    are those of a folder of which half or more was given.
    """
    if not isinstance(images, ImageList):
        return 0, 0
    passed_over = set(images.names).difference(indexed)
    names = [name for name in images.names if name in passed_over]
    ids = collection.find(names)
    mtimes, n_bytes = collection.file_facts(ids[ids >= 0])
    known = zip((name for name, i in zip(names, ids) if i >= 0), mtimes, n_bytes)
    n_changed = sum(
        length >= 0 and file_state(images.path(name)) not in (None, [mtime, length])
        for name, mtime, length in known
    )
    root, here, n_gone = str(images.root), set(images.names), 0
    if 0 < collection.roots.get(root, 0) <= 2 * len(here):
        for name in collection.names_under(root):
            bare = bare_name(collection.manifest, root, name)
            path = file_of(os.path.join(root, bare))
            n_gone += name not in here and not os.path.lexists(path)
    return int(n_changed), n_gone
