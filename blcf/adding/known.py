"""Which pictures of a source a collection knows: by name, by path, or under a folder that moved."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

from blcf.collection import Collection
from blcf.errors import InvalidInput
from blcf.images import ImageList, Source, display_name

__all__ = ["as_known", "follow_moves", "names_to_index"]


def names_to_index(collection: Collection, images: Source, replace: bool) -> list[str]:
    """Names of the images that the collection lacks; with `replace` of those it holds, too.

    A picture is there if the collection holds its name, or its path under another name (its
    folder was indexed before, and now the folder above is; such a picture keeps its name).

    Raises
    ------
    InvalidInput
        A name stands in the collection already, for another picture in another folder.
    """
    by_name = collection.find(images.names)
    wanted = {name for name, image_id in zip(images.names, by_name) if image_id < 0}
    if isinstance(images, ImageList):
        unknown = [name for name in images.names if name in wanted]
        by_path = collection.find_paths([images.path(name) for name in unknown])
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
                "would get the same name. Index their common parent folder instead, or name a "
                "folder above them that names are relative to (root, --root)."
            )
        if replace:
            wanted.add(name)
    return [name for name in images.names if name in wanted]


def _is_another(there: Path, path: Path) -> bool:
    """Whether two paths are two pictures; a picture that is gone is taken to have moved."""
    try:
        return not there.samefile(path)
    except (OSError, ValueError):  # gone, or no name that a file can have
        return False


def as_known(collection: Collection, images: ImageList) -> list[ImageList]:
    """The same pictures under the names, and below the folders, that the collection knows them by.

    A folder that was indexed as part of the folder above it has names that begin with its own; one
    whose sub-folders were indexed one by one has names below these. Pictures that are not known
    come first, and keep their names, but where all others of their list are known below one folder
    above it: they are named from there, as they would have been then.
    """
    ids = collection.find_paths([images.path(name) for name in images.names])
    by_root: defaultdict[str, list[str]] = defaultdict(list)
    rest = []
    for name, image_id in zip(images.names, ids.tolist()):
        if image_id < 0:
            rest.append(name)
        else:
            by_root[collection.root_of(image_id)].append(collection.name(image_id))
    own = str(images.root)
    above = [root for root in by_root if _is_below(own, root)]
    if len(by_root) == len(above) == 1 and above != [own] and not images.prefix:
        before = Path(os.path.relpath(own, above[0])).as_posix()
        problems = [(f"{before}/{name}", reason) for name, reason in images.problems]
        by_root[above[0]] += [f"{before}/{name}" for name in rest]
        return [ImageList(Path(above[0]), by_root[above[0]], problems)]
    known = by_root.pop(own, [])
    first = ImageList(images.root, known + rest, images.problems, images.prefix)
    return [first, *(ImageList(Path(root), names) for root, names in by_root.items())]


def _is_below(folder: str, root: str) -> bool:
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
        if here.issuperset(names) and not any((Path(root) / name).exists() for name in names):
            moved[root] = str(images.root)
    if moved:
        collection.relocate(moved)
