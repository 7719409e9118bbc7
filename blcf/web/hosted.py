"""One collection that is served: its engine, what is committed by now, and whether it is ready.

Another process may add to a collection, compact it or remove from it at any time. Each request
looks whether the manifest is another one than before; the first that sees it takes it up, and those
that come meanwhile go on with what they have. What a request has begun with it keeps.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from blcf.collection.facts import FIXED
from blcf.engine import SearchEngine
from blcf.errors import BlcfError
from blcf.searching import Searcher
from blcf.web.catalogue import Catalogue
from blcf.web.refusals import Refusal, busy

__all__ = ["Hosted", "View"]

logger = logging.getLogger(__name__)

_KINDS = {"INTEGER": "integer", "REAL": "number", "TEXT": "string"}
_WARM = 96  # pixels of the picture that is searched with first


@dataclass(frozen=True, eq=False)
class View:
    """A collection as one request sees it, from its beginning to its end.

    Attributes
    ----------
    searcher : None where it holds no pictures
    catalogue : its pictures
    """

    searcher: Searcher | None
    catalogue: Catalogue


class Hosted:
    """A collection that is served.

    Parameters
    ----------
    name : in addresses
    engine : that has it open

    Raises
    ------
    FormatError, StorageError
        The collection is damaged.
    """

    def __init__(self, name: str, engine: SearchEngine):
        self.name, self.engine = name, engine
        self.status, self.reason = "loading", ""
        self._taking = threading.Lock()
        self._stamp = self.engine.collection.stamp()
        self._view = self._open_view()

    def load(self, say: Callable[[str, float], None]) -> None:
        """Load the network and run each compiled loop once; what is wrong becomes the reason."""
        try:
            say("reading the network", 0.0)
            if self._view.searcher is not None:
                self.engine.model.extractor, self.engine.model.vocabulary
                say("the first search", 0.6)
                noise = np.random.default_rng(0).integers(0, 256, (_WARM, _WARM, 3), np.uint8)
                self.engine.search(noise, box=(0, 0, _WARM // 2, _WARM // 2), k=10)
            self.status = "ready"
        except BlcfError as error:
            # Pictures of the collection are found and shown all the same.
            logger.error("%s: %s", self.name, error)
            self.status, self.reason = "ready", str(error)
        except Exception as error:
            logger.error("%s cannot be served", self.name, exc_info=error)
            self.status, self.reason = "failed", "The server met a fault; it is in the log."

    @property
    def view(self) -> View:
        """What is committed now; in a thread of its own, as files may have to be opened."""
        stamp = self.engine.collection.stamp()
        if stamp != self._stamp and self._taking.acquire(blocking=False):
            try:
                self.engine.refresh()
                self._follow()
                self._view = self._open_view()
                self._stamp = stamp
            except BlcfError as error:  # a writer may be ahead of us: the next request tries again
                logger.warning("%s: what is new was not taken up now: %s", self.name, error)
            finally:
                self._taking.release()
        return self._view

    @property
    def searching(self) -> tuple[Searcher, Catalogue]:
        """What a search needs.

        Raises
        ------
        Refusal
            503: it is being loaded; 422: there is nothing to search in.
        """
        if self.status == "loading":
            raise busy(
                f"The collection {self.name} is being loaded. /api/health says how far it is; send "
                "the request again.",
                2,
            )
        view = self.view
        if view.searcher is None:
            raise Refusal(422, f"The collection {self.name} holds no pictures yet. Add some.")
        return view.searcher, view.catalogue

    def _follow(self) -> None:
        """Where another collection was put into the folder, open it anew, and load its network."""
        before = self._view.catalogue.snapshot.vocabulary_digest
        if before in ("", self.engine.collection.vocabulary_digest):
            return
        logger.info("%s is another collection by now: it is loaded anew", self.name)
        # What it was opened with stays; a copy of a model has nothing loaded.
        self.engine = SearchEngine(copy(self.engine.model))
        self.status, self.reason = "loading", ""
        threading.Thread(target=self._load_anew, name="blcf loading", daemon=True).start()

    def _load_anew(self) -> None:
        with self._taking:  # until its view is open
            pass
        self.load(lambda stage, done: None)

    def _open_view(self) -> View:
        searcher = self.engine.searcher if self.engine.model.is_learned else None
        snapshot = copy(self.engine.collection) if not searcher else searcher.searchable.snapshot
        return View(searcher, Catalogue(snapshot, self.name))

    @property
    def health(self) -> dict[str, Any]:
        """Whether it is ready."""
        return {"collection": self.name, "status": self.status, "reason": self.reason or None}

    def describe(self) -> dict[str, Any]:
        """What the collection is."""
        catalogue = self.view.catalogue
        manifest = catalogue.snapshot.manifest
        kinds = {name: _KINDS[kind.split()[0]] for name, kind in FIXED.items() if name != "id"}
        try:
            given = dict.fromkeys(catalogue.snapshot.fact_columns, "any")
        except BlcfError as error:
            logger.warning("%s: what was said of pictures is not known: %s", self.name, error)
            given = {}
        return {
            "collection": self.name,
            "pictures": catalogue.n_images,
            "network": manifest["extractor"]["network"],
            "layer": manifest["extractor"]["layer"],
            "side": self.engine.settings.side,
            "columns": [{"name": name, "type": kind} for name, kind in {**kinds, **given}.items()],
            "films": catalogue.n_films,
            "generation": catalogue.generation,
        }
