"""`blcf sync`: a collection follows its folder."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from blcf.adding.known_choices import KnownChoices
from blcf.adding.syncing import SyncReport
from blcf.cli.command import DONE, SKIPPED
from blcf.cli.commands import open_engine, say_skipped
from blcf.cli.sources import find_frames, given_choice
from blcf.cli.units import count
from blcf.images import display_name

__all__ = ["sync"]


def sync(options: argparse.Namespace) -> int:
    """`blcf sync`: open, then follow a folder; or say what that would do."""
    engine = open_engine(options)
    options.frames = [options.folder]
    prefix = getattr(options, "name", None)
    images = find_frames(options, KnownChoices(engine.collection, given_choice(options), prefix))
    dry_run = getattr(options, "dry_run", False)
    report = engine.sync(images, dry_run=dry_run, progress=not options.quiet)
    if getattr(options, "json", False):
        print(json.dumps(asdict(report), indent=2))
    else:
        if dry_run:
            _list_changes(report)
        done = "would be" if dry_run else "were"
        print(
            f"{count(len(engine), 'picture')} in {options.collection}: {len(report.new):,} new, "
            f"{len(report.changed):,} changed, {len(report.moved):,} moved and "
            f"{len(report.deleted):,} deleted {done} followed, {report.n_same:,} are as they were, "
            f"{len(report.skipped):,} skipped"
        )
    say_skipped(report.skipped, options.collection)
    return SKIPPED if report.skipped or images.problems else DONE


def _list_changes(report: SyncReport) -> None:
    for kind in ("new", "changed", "deleted"):
        for name in getattr(report, kind):
            print(f"{kind:8s} {display_name(name)}")
    for old, new in report.moved.items():
        print(f"{'moved':8s} {display_name(old)} -> {display_name(new)}")
