"""Plain files only, and nothing that leads out of a folder.

What somebody else wrote may hold a link to another place, a named pipe that blocks for ever or a
device that never ends. `open_plain` opens plain files and nothing else; a `Member` is a file or
folder below a folder, and no link is followed on the way to it, to read, to write or to delete.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Union

from blcf.errors import FormatError

__all__ = ["Member", "Place", "in_its_folder", "open_plain"]

# Where the system can, a name is looked up in a folder that is open: nobody can put a link there
# meanwhile. Elsewhere (Windows) every step is looked at before it is taken.
HAS_DIR_FD = {os.open, os.stat, os.unlink, os.mkdir, os.rename} <= os.supports_dir_fd

_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | _FLAGS
# A folder that may be searched and not listed has its files opened as well.
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | _FLAGS
_JUNCTION = 0xA0000003  # Windows' other link to a folder, which says that it is a folder

_KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True)
class Member(os.PathLike[str]):
    """A file or folder below a folder; whatever is done with it stays in that folder.

    Parameters
    ----------
    folder : may be named by a link, it is the caller's own
    below : its name there, with "/" between folders; no part of it is followed where it is a link

    Raises
    ------
    FormatError
        The name leads elsewhere ("..", an absolute path), or is none.
    """

    folder: Path
    below: str

    def __post_init__(self) -> None:
        odd = {"\0", "\\", ":"} if os.name == "nt" else {"\0"}
        if any(one in ("", ".", "..") or odd & set(one) for one in self.below.split("/")):
            raise FormatError(f"Expected a name of a file in {self.folder}, got {self.below!r}.")

    def __fspath__(self) -> str:
        return os.path.join(self.folder, *self.below.split("/"))

    def __str__(self) -> str:
        return self.__fspath__()

    def __truediv__(self, name: str) -> Member:
        return Member(self.folder, f"{self.below}/{name}")

    @property
    def name(self) -> str:
        """The last part of the name."""
        return self.below.rpartition("/")[2]

    def with_name(self, name: str) -> Member:
        """Another member of the same folder."""
        above, slash, _ = self.below.rpartition("/")
        return Member(self.folder, f"{above}{slash}{name}")

    def kind(self) -> str | None:
        """What is there: "a file", "a folder", "a link", ...; None where nothing is."""
        try:
            with in_its_folder(self) as (name, folder):
                return _kind(_mode(name, folder))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def exists(self) -> bool:
        """Whether anything is there."""
        return self.kind() is not None

    def check(self, expected: str) -> None:
        """Raise `FormatError` where anything else is there than, say, "a file" or "a folder"."""
        kind = self.kind()
        if kind not in (expected, None):
            raise _refusal(self, kind, expected)

    def names(self) -> list[str]:
        """The names in a folder, sorted; none where it is missing."""
        try:
            with _opened_folder(self) as folder:
                return sorted(os.listdir(folder))
        except FileNotFoundError:
            return []

    def make_folder(self) -> None:
        """Make a folder, or leave the one that is there; `FormatError` where it is none."""
        with in_its_folder(self) as (name, folder):
            try:
                os.mkdir(name, dir_fd=folder)
            except FileExistsError:
                _check(self, _mode(name, folder), stat.S_IFDIR)

    def unlink(self) -> None:
        """Delete a file (of a link the link) where there is one."""
        with in_its_folder(self) as (name, folder):
            try:
                os.unlink(name, dir_fd=folder)
            except FileNotFoundError:
                pass

    def move_to(self, target: Member) -> None:
        """Give what is there (a link is moved as a link) another name."""
        with in_its_folder(self) as (name, folder), in_its_folder(target) as (new, other):
            os.replace(name, new, src_dir_fd=folder, dst_dir_fd=other)

    def remove_folder(self) -> None:
        """Delete a folder with all that is in it, as far as the system lets; no link is followed.

        Raises
        ------
        FormatError
            It is no folder.
        """
        self.check("a folder")
        shutil.rmtree(self, ignore_errors=True)


Place = Union[Path, Member]


def open_plain(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a plain file for reading, and refuse what is none before it can block.

    Parameters
    ----------
    path : a link that the caller names is followed, and must end at a plain file; of a `Member`
        none is followed

    Raises
    ------
    FormatError
        It is a folder, a named pipe, a socket or a device (of a `Member`, also: a link), or no
        name that a file can have.
    OSError
        What the system says: missing, no permission, input/output error, too many open files.
    """
    try:
        if not isinstance(path, Member):
            _check(path, os.stat(path).st_mode, stat.S_IFREG)  # opening a device may do something
            descriptor = os.open(path, _READ)
        else:
            with in_its_folder(path) as (name, folder):
                _check(path, _mode(name, folder), stat.S_IFREG)
                descriptor = _open_unfollowed(path, name, folder)
    except ValueError as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"Expected the name of a file, got {os.fspath(path)!r}.") from error
    try:
        _check(path, os.fstat(descriptor).st_mode, stat.S_IFREG)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


@contextmanager
def in_its_folder(path: Place) -> Iterator[tuple[str, int | None]]:
    """The folder of a path, opened: gives a name and ``dir_fd`` for the functions of `os`.

    Raises
    ------
    FormatError
        A folder on the way to a `Member` is a link, or no folder.
    OSError
    """
    if not HAS_DIR_FD:
        if isinstance(path, Member):
            _check_way(path)
        yield os.fspath(path), None
        return
    folder = path.folder if isinstance(path, Member) else path.parent
    try:
        descriptor = os.open(folder, _FOLDER)
    except ValueError as error:  # a NUL, or half of a surrogate pair
        raise FormatError(f"Expected the name of a folder, got {os.fspath(folder)!r}.") from error
    try:
        if isinstance(path, Member):
            for above in _folders_above(path):
                inner = _open_inner(above, descriptor)
                os.close(descriptor)
                descriptor = inner
        yield path.name, descriptor
    finally:
        os.close(descriptor)


def _folders_above(path: Member) -> list[Member]:
    parts = path.below.split("/")
    return [Member(path.folder, "/".join(parts[:n])) for n in range(1, len(parts))]


def _open_inner(path: Member, folder: int) -> int:
    try:
        return os.open(path.name, _FOLDER | _NO_LINK, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            _check(path, _mode(path.name, folder), stat.S_IFDIR)
        raise


def _open_unfollowed(path: Member, name: str, folder: int | None) -> int:
    try:
        return os.open(name, _READ | _NO_LINK, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _refusal(path, "a link", "a file") from error
        raise


@contextmanager
def _opened_folder(path: Member) -> Iterator[int | str]:
    """A folder itself: what `os.listdir` takes."""
    with in_its_folder(path) as (name, folder):
        _check(path, _mode(name, folder), stat.S_IFDIR)
        if folder is None:
            yield name
            return
        descriptor = os.open(name, os.O_RDONLY | _FLAGS | _NO_LINK, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _check_way(path: Member) -> None:
    for above in _folders_above(path):
        _check(above, _mode(os.fspath(above), None), stat.S_IFDIR)


def _mode(name: str, folder: int | None) -> int:
    """What a name is, not what it leads to."""
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if getattr(found, "st_reparse_tag", 0) == _JUNCTION:
        return stat.S_IFLNK
    return found.st_mode


def _check(path: str | os.PathLike[str], mode: int, expected: int) -> None:
    if stat.S_IFMT(mode) != expected:
        raise _refusal(path, _kind(mode), _KINDS[expected])


def _kind(mode: int) -> str:
    return _KINDS.get(stat.S_IFMT(mode), "something else")


def _refusal(path: str | os.PathLike[str], kind: str, expected: str) -> FormatError:
    advice = ""
    if kind == "a link" and isinstance(path, Member):
        advice = f" Nothing outside of {path.folder} is used: put there what the link leads to."
    return FormatError(
        f"Expected {os.fspath(path)} to be {expected.replace('a ', 'a plain ')}, it is "
        f"{kind}.{advice}"
    )
