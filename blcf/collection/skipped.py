"""The report of pictures that were skipped: ``errors.jsonl``, a row each, with its reason.

Every row carries a digest of itself, of its place and of how many rows there are: no manifest names
the file, and a reason that is not the one that was written would mislead.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence

from blcf.collection.manifest import digest_of
from blcf.errors import FormatError
from blcf.images import file_of
from blcf.storage import Member, read_text, reading, write_file

__all__ = ["SKIPPED", "add_skipped", "read_skipped", "record_skipped", "skipped_and_gone"]

SKIPPED = "errors.jsonl"
KEYS = ("name", "reason", "path")

MOST_BYTES, LONGEST_ROW = 64 << 20, 1 << 20


def read_skipped(path: Member) -> list[dict[str, str]]:
    """The rows of a report: name, reason, path; `FormatError` where it is damaged."""
    with reading(path):
        if not path.exists():
            return []
    try:
        lines = read_text(path, MOST_BYTES).split("\n")
        if lines.pop():
            raise ValueError("its last line has no end")
        # Reports of earlier versions have no digests.
        return [_read_row(line, number, len(lines)) for number, line in enumerate(lines) if line]
    except FormatError as error:
        raise FormatError(f"{error} Delete it: it is a report.") from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError(f"{path} is damaged ({error}). Delete it: it is a report.") from error


def _read_row(line: str, number: int, n_rows: int) -> dict[str, str]:
    """A row of a report; ValueError where it is none of ours, letter by letter."""
    if len(line) > LONGEST_ROW:
        raise ValueError(f"line {number + 1} is longer than any of ours")
    found = json.loads(line)
    row = {key: found.get(key) for key in KEYS}
    if not all(isinstance(value, str) for value in row.values()):
        raise ValueError(f"line {number + 1} has not the keys {', '.join(KEYS)}")
    if line not in (json.dumps(row), _text_of(row, number, n_rows)):
        raise ValueError(f"the digest of line {number + 1} is of another text")
    return row


def _text_of(row: dict[str, str], number: int, n_rows: int) -> str:
    return json.dumps({**row, "digest": digest_of([number, n_rows, row])})


def skipped_and_gone(path: Member, root: str, prefix: str = "") -> list[str]:
    """Names of skipped pictures that are no longer in a folder; see `record_skipped`."""
    return [
        row["name"]
        for row in read_skipped(path)
        if root
        and row["path"] == _path_of(row["name"], root, prefix)
        and not _is_there(row["path"])
    ]


def _path_of(name: str, root: str, prefix: str) -> str:
    """Where a picture is; "" of one in no folder, or not called so."""
    before = f"{prefix}/" if prefix else ""
    if not root or not name.startswith(before):
        return ""
    return os.path.join(root, name[len(before) :])


def _is_there(path: str) -> bool:
    try:
        return os.path.lexists(file_of(path))
    except ValueError:  # no name that a file can have
        return False


def record_skipped(
    path: Member, skipped: dict[str, str], settled: Iterable[str], root: str, prefix: str = ""
) -> None:
    """Replace what a report says of pictures of a folder.

    Parameters
    ----------
    path : the report
    skipped : {name: reason}
    settled : names of pictures that were tried again or are gone
    root : the folder that the names are relative to; "" of pictures in no folder
    prefix : what stands before their paths in the names, and a "/"
    """
    before = read_skipped(path)
    those = {(name, _path_of(name, root, prefix)) for name in (*settled, *skipped)}
    rows = [row for row in before if (row["name"], row["path"]) not in those]
    for name, reason in skipped.items():
        rows.append({"name": name, "reason": reason, "path": _path_of(name, root, prefix)})
    _replace(path, before, rows)


def add_skipped(path: Member, more: Iterable[dict[str, str]]) -> None:
    """Add the rows of other reports; one of the same picture is replaced."""
    before = read_skipped(path)
    rows = {(row["path"], row["name"]): row for row in (*before, *more)}
    _replace(path, before, list(rows.values()))


def _replace(path: Member, before: list[dict[str, str]], rows: list[dict[str, str]]) -> None:
    rows.sort(key=lambda row: (row["path"], row["name"]))
    if rows != before:
        write_file(path, _content(rows))


def _content(rows: Sequence[dict[str, str]]) -> bytes:
    lines = [f"{_text_of(row, number, len(rows))}\n" for number, row in enumerate(rows)]
    return "".join(lines).encode("ascii")
