"""The folder of a demo: what an earlier demo wrote there is replaced, anything else never.

``blcf-demo.json`` lists every file of a finished demo with its digest. A folder that holds a file
which is not in the list, or is not as it was written, is left as it is. What an earlier demo
wrote lies in ``.earlier`` until the new one is finished; if that fails, it comes back.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from blcf.errors import FormatError, InvalidInput
from blcf.images import display_name
from blcf.storage import file_digest, read_json, refusals, write_json

__all__ = ["NAMES", "demo_folder"]

NAMES = ("images", "queries", "hits", "demo.blcf", "gt.json", "results.html", "results.json")
_LIST, _EARLIER = "blcf-demo.json", ".earlier"
_OURS = (*NAMES, _LIST, _EARLIER)


@contextmanager
def demo_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """An empty folder for a demo, which may write what is in `NAMES`; absolute.

    Raises
    ------
    InvalidInput
        The folder holds something that no demo wrote, or is none.
    StorageError
        The file system refused.
    """
    folder = Path(os.path.abspath(path))
    if os.path.lexists(folder) and not folder.is_dir():
        raise InvalidInput(f"Expected {display_name(folder)} to be a folder, it is a file.")
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    finished = False
    with refusals(folder):
        folder.mkdir(parents=True, exist_ok=True)
    _check(folder)
    try:
        _set_aside(folder)
        write_json(folder / _LIST, {"finished": False})
        yield folder
        files = {name: file_digest(folder / name) for name in sorted(_files(folder))}
        write_json(folder / _LIST, {"finished": True, "files": files})
        finished = True
    finally:
        if not finished:
            _bring_back(folder)
            for one in missing:
                with suppress(OSError):  # another made something there meanwhile
                    one.rmdir()
    shutil.rmtree(folder / _EARLIER, ignore_errors=True)


def _check(folder: Path) -> None:
    """Raise `InvalidInput` unless all in the folder is of a demo, as that wrote it."""
    there = sorted(os.listdir(folder))
    if not there:
        return
    try:
        content = read_json(folder / _LIST) if _LIST in there else {}
        finished, listed = content.get("finished"), content.get("files", {})
    except (FormatError, AttributeError):
        finished, listed = None, {}
    if finished is None:
        raise InvalidInput(
            f"{display_name(folder)} is not empty and not of a demo (it holds "
            f"{display_name(there[0])!r}): nothing was changed. Name another folder with --out."
        )
    # Of a demo that was killed no list tells the files; the names at the top do.
    foreign = [name for name in there if name not in _OURS]
    if finished and not foreign:
        foreign = [
            name
            for name in sorted(_files(folder))
            if (folder / name).is_symlink() or file_digest(folder / name) != listed.get(name)
        ]
    if foreign:
        raise InvalidInput(
            f"{display_name(folder / foreign[0])} was not written by the demo, or has been changed "
            "since: nothing was changed. Move it, or name another folder with --out."
        )


def _files(folder: Path) -> Iterator[str]:
    """All files below the folder but the list itself: relative, with "/"."""
    for here, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(here, name))]
        for name in names + links:
            relative = Path(here, name).relative_to(folder)
            if relative.parts[0] not in (_LIST, _EARLIER):
                yield relative.as_posix()


def _set_aside(folder: Path) -> None:
    """Move what is there to `_EARLIER`, if it is a finished demo; else remove it."""
    with refusals(folder):
        _remove(folder / _EARLIER)
        # The list goes last: it says what the folder is, whatever happens meanwhile.
        there = [folder / name for name in (*NAMES, _LIST) if (folder / name).exists()]
        if _is_finished(folder):
            (folder / _EARLIER).mkdir()
            for path in there:
                path.rename(folder / _EARLIER / path.name)
        else:
            for path in there:
                _remove(path)


def _bring_back(folder: Path) -> None:
    """Remove what was written since `_set_aside`, and move back what it moved."""
    earlier = folder / _EARLIER
    moved = sorted(os.listdir(earlier)) if earlier.is_dir() else []
    if (earlier / _LIST).exists() or not _is_finished(folder):
        for name in (*NAMES, _LIST):  # without the list not all was moved
            _remove(folder / name)
    for name in moved:
        (earlier / name).rename(folder / name)
    if earlier.is_dir():
        earlier.rmdir()


def _is_finished(folder: Path) -> bool:
    return (folder / _LIST).exists() and bool(read_json(folder / _LIST)["finished"])


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
