"""The report of pictures that were skipped: ``errors.jsonl``, a row each, with its reason."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from blcf.errors import FormatError, StorageError
from blcf.storage import replace_file

__all__ = ["read_skipped", "record_skipped", "skipped_and_gone"]


def read_skipped(path: Path) -> list[dict[str, str]]:
    """The rows of a report: name, reason, path; `FormatError` where it is damaged."""
    if not path.exists():
        return []
    try:
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line]
        return [{key: row[key] for key in ("name", "reason", "path")} for row in rows]
    except OSError as error:
        raise StorageError(f"Could not read {path}: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FormatError(f"{path} is damaged ({error}). Delete it: it is a report.") from error


def skipped_and_gone(path: Path, root: str) -> list[str]:
    """Names of skipped pictures that are no longer in a folder."""
    return [
        row["name"]
        for row in read_skipped(path)
        if row["path"] == os.path.join(root, row["name"]) and not os.path.lexists(row["path"])
    ]


def record_skipped(path: Path, skipped: dict[str, str], settled: Iterable[str], root: str) -> None:
    """Replace what a report says of pictures of a folder.

    Parameters
    ----------
    path : the report
    skipped : {name: reason}
    settled : names of pictures that were tried again or are gone
    root : the folder that the names are relative to
    """
    before = read_skipped(path)
    settled_paths = {os.path.join(root, name) for name in (*settled, *skipped)}
    rows = [row for row in before if row["path"] not in settled_paths]
    for name, reason in skipped.items():
        rows.append({"name": name, "reason": reason, "path": os.path.join(root, name)})
    rows.sort(key=lambda row: row["path"])
    if rows != before:
        with replace_file(path) as temporary:
            temporary.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
