"""What a writer does to the facts around a swap of the manifest, and after a kill.

Rows of new pictures are committed before the manifest names their segment, and rows of pictures
that went are deleted after it: between, and after a kill, there are rows of no picture, which
readers pass over and the next writer deletes. A picture is never without its row.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from blcf.collection.facts import Fact, check_facts
from blcf.collection.facts_table import FactsTable, Row
from blcf.collection.facts_view import FactsView
from blcf.collection.snapshot import Snapshot
from blcf.errors import FormatError, InvalidInput, StorageError

__all__ = [
    "add_rows",
    "annotate_rows",
    "check_held",
    "facts_by_id",
    "forget_rows",
    "reconcile",
    "rows_that_differ",
    "tidy_facts",
]

logger = logging.getLogger(__name__)


def facts_by_id(
    snapshot: Snapshot, facts: Mapping[str | int, Mapping[str, Any]]
) -> dict[int, dict[str, Fact]]:
    """What a caller says of pictures, checked, by id; see `Collection.annotate`."""
    if not isinstance(facts, Mapping):
        raise InvalidInput(
            f"Expected facts as {{name: {{column: value}}}}, got {type(facts).__name__}."
        )
    names = [key for key in facts if isinstance(key, str)]
    ids: dict[str | int, int] = dict(zip(names, snapshot.ids_of(names).tolist()))
    numbers = [key for key in facts if isinstance(key, (int, np.integer)) and type(key) is not bool]
    if numbers:
        live = set(snapshot.facts.ids.tolist())
        ids.update((key, int(key)) for key in numbers if int(key) in live)
    check_held(snapshot, [key for key in facts if ids.get(key, -1) < 0], "Nothing was written.")
    checked: dict[int, dict[str, Fact]] = {}
    for key, one in facts.items():
        checked.setdefault(ids[key], {}).update(check_facts(one, of=str(key)))
    return checked


def check_held(snapshot: Snapshot, missing: list[Any], consequence: str) -> None:
    """Raise `InvalidInput` where pictures were asked for that a collection does not hold."""
    if missing:
        shown = ", ".join(str(one)[:200] for one in missing[:3])
        more = f" and {len(missing) - 3:,} more" if len(missing) > 3 else ""
        raise InvalidInput(
            f"Expected pictures that {snapshot.path} holds, it has no {shown}{more}. {consequence}"
        )


def add_rows(
    view: FactsView,
    next_id: int,
    rows: Iterable[Row],
    new_of_old: Mapping[int, int],
    given: Mapping[int, Mapping[str, Fact]],
    *,
    make: bool = False,
) -> None:
    """Write the rows of pictures that are about to be committed.

    Parameters
    ----------
    view : of the collection before
    next_id : the first id of the new pictures
    new_of_old : {old id: new id} of pictures that take over what was said of another
    given : what the caller says of the new pictures, by id
    make : whether to make the file where there is none and nothing is said: the segments say as
        much, but a condition over a million of them takes 6 s to make the table in memory
    """
    said = {number: facts for number, facts in given.items() if facts}
    if not (said or make or view.file.exists()):
        return
    with view.file.writing(view.rows) as table:
        table.delete_from(next_id)
        table.insert(rows)
        table.copy(new_of_old)
        table.update(said)


def forget_rows(view: FactsView, ids: Iterable[int]) -> None:
    """Delete the rows of pictures that are gone; where that fails they wait for the next writer."""
    gone = list(ids)
    if not gone:
        return
    try:
        if view.file.exists():
            with view.file.writing(view.rows) as table:
                table.delete(gone)
    except (StorageError, FormatError) as error:
        logger.warning("facts of removed pictures were not deleted now: %s", error)


def annotate_rows(view: FactsView, facts: Mapping[int, Mapping[str, Fact]]) -> None:
    """Write what the caller says of pictures that the collection holds, by id."""
    with view.file.writing(view.rows) as table:
        table.update(facts)


def tidy_facts(view: FactsView) -> None:
    """Delete the rows of no picture, and make those that are missing, as the writer.

    A damaged file is left as it is: `check_collection` repairs it.
    """
    try:
        if not view.file.exists():
            return
        with view.file.reading() as table:
            if table.extent == (view.ids.size, view.last_id):
                return
        with view.file.writing(view.rows) as table:
            reconcile(table, view)
    except (StorageError, FormatError) as error:
        logger.warning("what was said of pictures cannot be used: %s", error)


def reconcile(table: FactsTable, view: FactsView) -> None:
    """Make the rows of a table those of the pictures of a view; what a caller said is kept."""
    there, ids = table.ids(), view.ids
    table.delete(np.setdiff1d(there, ids, assume_unique=True).tolist())
    missing = set(np.setdiff1d(ids, there, assume_unique=True).tolist())
    if missing:
        table.insert(row for row in view.rows() if row[0] in missing)


def rows_that_differ(table: FactsTable, view: FactsView) -> int:
    """How many pictures have no row, or one that says not what their segment does."""
    n_wrong = 0
    found = iter(table.rows())
    row = next(found, None)
    expected_rows = view.rows() if view.ascends else iter(sorted(view.rows(), key=_number))
    for expected in expected_rows:
        while row is not None and _number(row) < _number(expected):  # of no picture
            row = next(found, None)
        n_wrong += row != expected
    return n_wrong


def _number(row: Row) -> int:
    return int(row[0] or 0)
