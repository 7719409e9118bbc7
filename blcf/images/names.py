"""What a picture is called: its path below a root folder, and that name as printable text."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

from blcf.errors import InvalidInput

__all__ = ["absolute_path", "common_folder", "display_name", "name_below"]


def display_name(path: str | os.PathLike[str]) -> str:
    r"""Return `path` with what cannot be printed on one line written as an escape.

    A file name on Linux is any run of bytes. Python shows the bytes that are not UTF-8 as lone
    surrogates ("surrogateescape"), which no UTF-8 stream accepts, and a name may hold a newline,
    which would break a list with one name per line. Messages, reports and tables show this form;
    files are opened, and names compared, in the form that `find_images` returns.

    Parameters
    ----------
    path : str or path-like
        A path or name.

    Returns
    -------
    str
        The same text; control characters and lone surrogates as backslash escapes.

    Examples
    --------
    >>> display_name("Bürger/日本.jpg")
    'Bürger/日本.jpg'
    >>> print(display_name("two\nlines.jpg"))
    two\nlines.jpg
    """
    text = os.fsdecode(path)
    return "".join(
        # Only Cc and Cs: an emoji joiner or a no-break space is unprintable to `str.isprintable`
        # but harmless, and an escaped name can no longer be copied from the terminal.
        (
            char.encode("unicode_escape").decode("ascii")
            if unicodedata.category(char) in ("Cc", "Cs")
            else char
        )
        for char in text
    )


def absolute_path(path: str, base: str) -> str:
    """Return `path`, relative to the folder `base`, as an absolute path without "." and "..".

    Symbolic links are kept where that names the same file: a collection of pictures behind a
    link to another disk keeps the names it has through the link.
    """
    joined = os.path.join(base, path)
    tidy = os.path.normpath(joined)
    if ".." in Path(joined).parts:
        # After a link to a folder, ".." is the parent of the folder the link leads to; dropping
        # both as text would then name another file than the one the system opens.
        real = os.path.realpath(joined)
        return tidy if os.path.realpath(tidy) == real else real
    return tidy


def name_below(path: str, root: str) -> str | None:
    """Return `path` relative to `root`, both absolute, with "/"; None where it is not inside."""
    try:
        name = Path(path).relative_to(root).as_posix()
    except ValueError:
        # The current folder comes with its links resolved while `root` may be given through a
        # link (/tmp on a Mac), so compare once more where the folders really are.
        real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        try:
            name = Path(real).relative_to(os.path.realpath(root)).as_posix()
        except ValueError:
            return None
    return None if name == "." else name


def common_folder(files: list[str]) -> str:
    """Return the deepest folder that all the absolute paths of files lie in.

    Raises
    ------
    InvalidInput
        If there is none (Windows: several drives).
    """
    try:
        return os.path.commonpath([os.path.dirname(file) for file in files])
    except ValueError as error:
        raise InvalidInput(
            f"Expected pictures with a folder in common ({error}). "
            "Move them below one folder, or add them in two steps."
        ) from error
