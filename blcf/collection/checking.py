"""`check_collection`: every file of a collection against its digest, and what to do about damage.

It works from the files, also where a collection does not open, and writes nothing but to repair.
"""

from __future__ import annotations

import os
from pathlib import Path

from blcf.collection.check_report import CheckReport, Damage, Unreadable
from blcf.collection.findings import UnreadableManifest, inspect
from blcf.collection.lock import writer_lock
from blcf.collection.manifest import BACKUP, MANIFEST
from blcf.collection.repairing import repair_collection
from blcf.errors import CollectionNotFound
from blcf.storage import Member, reading

__all__ = ["CheckReport", "Damage", "Unreadable", "check_collection"]

ATTEMPTS = 10  # to check what a writer merges in the same moment


def check_collection(path: str | os.PathLike[str], *, repair: bool = False) -> CheckReport:
    """Verify every byte of a collection, and on demand repair what can be.

    It takes a second or two per gigabyte that the manifest says the files have.

    Parameters
    ----------
    path : the folder
    repair : bool, be the writer and: take the copy of a damaged manifest; move damaged segments to
        ``damaged/``, with a list of their pictures for `blcf add` beside them; write damaged
        copies of names again; move a damaged ``errors.jsonl`` and delete damaged statistics.
        Nothing is lost that was sound. A damaged ``model.h5`` cannot be repaired. Where anything
        cannot be read (no permission, a broken disk), nothing is repaired: it may be sound.

    Returns
    -------
    CheckReport

    Raises
    ------
    CollectionNotFound, FormatError, CollectionLocked, StorageError
        FormatError: another version, or the manifest and its copy are both damaged, or a folder of
        the collection is a link.
    """
    folder = Path(path)
    with reading(folder):
        is_there = any(Member(folder, name).exists() for name in (MANIFEST, BACKUP))
    if not is_there:
        raise CollectionNotFound(
            f"No collection at {folder}: it holds neither {MANIFEST} nor {BACKUP}, its copy. "
            "There is nothing to check, nor to restore from."
        )
    try:
        if repair:
            with writer_lock(folder):
                return repair_collection(folder, inspect(folder))
        for _ in range(ATTEMPTS):
            findings = inspect(folder)
            if findings.report.is_sound or findings.is_current():
                break
        return findings.report
    except UnreadableManifest as error:  # nothing is known then
        return CheckReport(0, 0, [], [], unreadable=[Unreadable(MANIFEST, str(error))])
