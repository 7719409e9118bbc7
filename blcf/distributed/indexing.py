"""A call of `Cluster.index`: one source after the other, by one program at a time (a lock)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from blcf.adding import AddReport
from blcf.collection import Model
from blcf.collection.facts_given import check_given, facts_given
from blcf.collection.lock import LOCK, writer_lock
from blcf.distributed.jobs import Work
from blcf.distributed.source_indexing import SourceIndexing
from blcf.distributed.template import Options, discard_template, open_template
from blcf.errors import InvalidInput
from blcf.images import GivenPictures, Source
from blcf.storage import refusals

__all__ = ["Indexing"]


class Indexing:
    """One call of `Cluster.index`.

    Parameters
    ----------
    work : of the cluster
    path : of the sharded collection
    options : see `Options`
    """

    def __init__(self, work: Work, path: str | os.PathLike[str], options: Options):
        self.work, self.options = work, options
        self.folder = Path(os.path.abspath(path))

    def add(self, sources: Iterable[Source], facts: Any) -> AddReport:
        """Index the pictures of sources, one source after the other; see `Cluster.index`."""
        with refusals(self.folder):
            is_new = not self.folder.exists()
            self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with writer_lock(self.folder):
                report, rest = AddReport(0, 0), {} if facts is None else facts_given(facts)
                model = open_template(self.folder, self.options)
                is_part = False
                try:
                    for source in sources:
                        is_part = isinstance(source, GivenPictures) and source.is_part
                        own = {one: rest.pop(one) for one in source.names if one in rest}
                        given = check_given(own if is_part else {**own, **rest}, source.names)
                        report += self._of(model, source, given).index()
                except InvalidInput:
                    discard_template(self.folder, model)
                    raise
                if is_part:
                    check_given(rest, (), "The pictures were added, without these.")
                return report
        finally:
            if is_new:
                with suppress(OSError):  # where it holds anything, it stays
                    if os.listdir(self.folder) == [LOCK]:
                        os.unlink(self.folder / LOCK)
                    os.rmdir(self.folder)

    def _of(self, model: Model, source: Source, given: Mapping[str, Any]) -> SourceIndexing:
        return SourceIndexing(self.work, self.folder, self.options, model, source, given)
