"""Repair: what is damaged goes out of the manifest and into ``damaged/``, with a list of pictures.

Nothing damaged is deleted but statistics, and a kill at any instant leaves what a second repair
completes: the lists are written first, then the segments move, then the manifest is swapped.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from blcf.collection.check_report import CheckReport, Damage
from blcf.collection.deletions import pack_removed
from blcf.collection.facts import Fact
from blcf.collection.facts_file import FACTS, JOURNAL, OTHERS
from blcf.collection.facts_view import FactsView
from blcf.collection.findings import Findings
from blcf.collection.kept_statistics import STATISTICS
from blcf.collection.manifest import BACKUP, MANIFEST, copy_manifest, names_file, swap_manifest
from blcf.collection.names_copy import write_names
from blcf.collection.skipped import SKIPPED
from blcf.errors import FormatError, StorageError
from blcf.index.postings import BUFFER
from blcf.storage import Member, write_file

__all__ = ["repair_collection"]


def repair_collection(folder: Path, findings: Findings) -> CheckReport:
    """Repair what was found (the caller is the writer); nothing while anything is unreadable.

    Raises
    ------
    FormatError, StorageError
        ``damaged`` is a link, or no folder; the file system refused.
    """
    report = findings.report
    if report.is_sound or report.unreadable:
        return report
    damaged, segments = Member(folder, "damaged"), Member(folder, "segments")
    try:
        damaged.check("a folder")  # before anything is changed
        lost = {
            file: _set_aside(damaged, segments / file, damage)
            for file, damage in findings.lost.items()
        }
        for name in (MANIFEST, BACKUP):  # no file can take the place of a folder
            if Member(folder, name).kind() == "a folder":
                _move(Member(folder, name), damaged)
        manifest = swap_manifest(folder, _repaired_manifest(folder, findings))
        if not copy_manifest(folder, manifest):
            raise StorageError(f"Could not write {folder / BACKUP}: free some space, repair again.")
        for file in lost:
            _move(segments / names_file(file), damaged)
        for damage in report.damages:
            if damage.file == SKIPPED:
                _move(Member(folder, SKIPPED), damaged)
            elif damage.file == STATISTICS:
                _drop(Member(folder, STATISTICS), damaged)
            elif damage.file == FACTS:
                said = _repair_facts(findings.facts, damaged)
                findings.damages[findings.damages.index(damage)] = replace(
                    damage, reason=f"{damage.reason} {said}"
                )
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(f"Could not repair {folder}: {error.strerror or error}.") from error
    model = (findings.manifest["model"] or {}).get("file")
    damages = [*findings.damages, *lost.values()]
    return replace(report, damages=damages, repaired=all(one.file != model for one in damages))


def _repaired_manifest(folder: Path, findings: Findings) -> dict[str, Any]:
    """The manifest of what is sound; damaged copies of names are written again."""
    entries = []
    for place, segment in findings.sound.items():
        entry = dict(findings.manifest["segments"][place])
        if place in findings.bad_names:
            entry["names_digest"] = write_names(segment.path, segment.names, segment.root_ids)
        if place in findings.doubled:
            left = segment.live_mask.copy()
            left[findings.doubled[place]] = False
            entry["deleted"] = pack_removed(left)
        entries.append(entry)
    # A copy knows not what was committed after it, whose file names and ids must not come again.
    numbers = [int(file.split(".")[0]) for file in findings.lost]
    manifest = findings.manifest
    return {
        **manifest,
        "segments": entries,
        "next_segment": max([manifest["next_segment"], *(number + 1 for number in numbers)]),
        "next_id": manifest["next_id"] + BUFFER * len(findings.lost) * findings.is_restored,
        "generation": manifest["generation"] + 1 + findings.is_restored,
    }


def _set_aside(damaged: Member, segment: Member, damage: Damage) -> Damage:
    """Move a segment to the damaged ones, and write the list of its pictures."""
    damaged.make_folder()
    paths = [path for path in map(os.fspath, damage.paths) if _can_be_listed(path)]
    listed = None
    if paths:
        listed = damaged / f"{segment.name.removesuffix('.h5')}.txt"
        write_file(listed, os.fsencode("".join(f"{path}\n" for path in paths)))
    _move(segment, damaged)
    return replace(
        damage,
        listed=None if listed is None else Path(listed),
        n_left_out=damage.n_images - len(paths),
    )


def _can_be_listed(path: str) -> bool:
    """Whether a line of a list, as `blcf add` reads it, is this path again."""
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return not set(path) & {"\n", "\0"} and path == path.rstrip(" \t\r")


def _repair_facts(view: FactsView, damaged: Member) -> str:
    """Make the file of facts anew from the segments; gives what became of what a caller said."""
    columns: list[str] = []
    said: dict[int, dict[str, Fact]] = {}
    became = f"What was said of pictures is lost; {FACTS} is in {damaged.name}/."
    try:
        with view.file.reading() as table:
            said, columns = table.said(), table.given
            became = "What was said of pictures was kept as far as it could be read."
    except (FormatError, StorageError):
        pass
    for name in (FACTS, JOURNAL, *OTHERS):
        _move(Member(damaged.folder, name), damaged)
    view.file.build(view.rows())
    with view.file.writing(view.rows) as table:
        table.add_columns(columns)
        table.update(said)
    return became


def _drop(path: Member, damaged: Member) -> None:
    """Delete a file that is computed again; what is no file (a folder, say) is moved."""
    if path.kind() == "a folder":
        _move(path, damaged)
    else:
        path.unlink()


def _move(path: Member, folder: Member) -> None:
    if not path.exists():
        return
    folder.make_folder()
    target, number = folder / path.name, 1
    while target.exists():
        number += 1
        target = folder / f"{path.name}.{number}"
    path.move_to(target)
