"""All that a server holds: collections by their names, workers, pictures that were uploaded."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from typing import Any

from blcf import __version__
from blcf.engine import SearchEngine
from blcf.web.hosted import Hosted
from blcf.web.limits import Limits
from blcf.web.recent import Recent
from blcf.web.refusals import Refusal
from blcf.web.workers import Workers

__all__ = ["Hosting"]


class Hosting:
    """The collections of a server, and what their requests share.

    Parameters
    ----------
    engines : of the collections
    limits : what requests may ask for
    """

    def __init__(self, engines: Sequence[SearchEngine], limits: Limits = Limits()):
        self.limits = limits
        self.hosted: dict[str, Hosted] = {}
        for engine in engines:
            name = _free_name(engine.path.resolve().name, self.hosted)
            self.hosted[name] = Hosted(name, engine)
        seconds = limits.seconds
        self.searches = Workers("searches", limits.searches, limits.queue, seconds)
        self.drawings = Workers("pictures", limits.drawings, limits.drawings_queue, seconds)
        self.looks = Workers("lists", limits.looks, limits.looks_queue, seconds)
        self.uploads: Recent[Any] = Recent(limits.uploads)
        self.shown: Recent[bytes] = Recent(limits.shown)
        self._loading = threading.Lock()
        self._stage, self._done = "opening the collections", 0.0

    def load(self) -> None:
        """Make all collections ready; `health` says meanwhile how far it is."""
        with self._loading:
            n = len(self.hosted)
            for number, one in enumerate(self.hosted.values()):

                def say(stage: str, done: float, name: str = one.name, at: int = number) -> None:
                    self._stage = stage if n == 1 else f"{name}: {stage}"
                    self._done = (at + done) / n

                if one.status == "loading":
                    one.load(say)
            self._stage, self._done = "ready", 1.0

    def start(self) -> None:
        """`load` in a thread."""
        threading.Thread(target=self.load, name="blcf loading", daemon=True).start()

    def __getitem__(self, name: str) -> Hosted:
        """The collection of a name; `Refusal` 404 where there is none."""
        if name not in self.hosted:
            known = ", ".join(self.hosted)
            raise Refusal(404, f"There is no collection {name[:80]!r} here. Known: {known}.")
        return self.hosted[name]

    @property
    def health(self) -> dict[str, Any]:
        """Whether it is ready, or how far; answered at once."""
        each = [one.health for one in self.hosted.values()]
        known = {one["status"] for one in each}
        status = "loading" if "loading" in known else "ready" if "ready" in known else "failed"
        return {
            "status": status,
            "stage": self._stage,
            "done": round(self._done, 3),
            "version": __version__,
            "collections": each,
        }

    def is_idle_within(self, seconds: float) -> bool:
        """Whether nothing is computed any more, some seconds from now."""
        each = (self.searches, self.drawings, self.looks)
        is_idle = all([workers.is_idle_within(seconds / len(each)) for workers in each])
        return is_idle and not self._loading.locked()


def _free_name(folder: str, taken: dict[str, Hosted]) -> str:
    """A name for an address, of the name of a folder, that no other has."""
    stem = folder.removesuffix(".blcf") or folder
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-")[:60] or "collection"
    names = [name, *(f"{name}-{number}" for number in range(2, len(taken) + 3))]
    return next(one for one in names if one not in taken)
