"""All that a coordinator may ask of a shard.

Arguments and answers are plain values and arrays, so that the shard may be on another machine. Ids
are the numbers of this shard's pictures in an epoch.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import scipy.sparse as sp

from blcf.collection import Collection
from blcf.collection.description import ListedPicture, collection_facts, list_pictures
from blcf.collection.facts import Fact
from blcf.collection.opening import keep_statistics
from blcf.records import Query
from blcf.searching.looking import Looker
from blcf.searching.options import SearchOptions
from blcf.searching.outcome import Found
from blcf.sharded.held import HeldShard

__all__ = ["Shard"]

T = TypeVar("T")

_LOOKERS = 16  # searches that go on at once, whose pictures are unpacked


class Shard(HeldShard):
    """One shard, opened; threads may use it at once. See `HeldShard` for how it is opened."""

    def __init__(self, *given: Any):
        super().__init__(*given)
        self._lookers: OrderedDict[str, Looker] = OrderedDict()

    def close(self) -> None:
        """Give the memory maps back."""
        with self._changing:
            self._lookers.clear()
            super().close()

    # Searching

    def rank(
        self,
        epoch: str,
        vectors: sp.csr_matrix,
        k: int,
        approximate: float | None,
        where: tuple[str, Sequence[str]] | None,
        n_threads: int | None,
    ) -> list[tuple[np.ndarray, np.ndarray, list[str]]]:
        """Of each vector scores, ids and names of the best k.

        `where` is a condition and all columns there are.
        """
        here = self._of(epoch)
        among = None if where is None else here.snapshot.matching(*where)
        how: dict[str, Any] = {"approximate": approximate, "among": among, "n_threads": n_threads}
        found = here.index.search_many(vectors, k, weighed=True, **how)
        return [(one.scores, one.ids, one.names) for one in found]

    def last(
        self, epoch: str, vector: sp.csr_matrix, n: int, where: tuple[str, Sequence[str]] | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores and ids of the last n that share a word with a vector, the best first."""
        here = self._of(epoch)
        among = None if where is None else here.snapshot.matching(*where)
        found = here.index.search(vector, here.index.n_images, weighed=True, among=among)
        some = np.flatnonzero(found.scores > 0)[-n:]
        return found.scores[some], found.ids[some]

    def _looker(
        self, epoch: str, search: str, queries: Sequence[Query], options: SearchOptions
    ) -> Looker:
        here = self._of(epoch)
        with self._changing:
            looker = self._lookers.pop(search, None)
            if looker is None:
                looker = Looker(here, queries, options)
            self._lookers[search] = looker
            while len(self._lookers) > _LOOKERS:
                self._lookers.popitem(last=False)
            return looker

    def look(
        self,
        epoch: str,
        search: str,
        queries: Sequence[Query],
        options: SearchOptions,
        vector: sp.csr_matrix,
        quarters: sp.csr_matrix | None,
        ids: np.ndarray,
        whole_scores: np.ndarray,
    ) -> list[Found]:
        """See `Looker.look`; a search has a name, under which its pictures are kept unpacked."""
        looker = self._looker(epoch, search, queries, options)
        return looker.look(vector, quarters, ids.tolist(), whole_scores)

    def bags(self, epoch: str, ids: np.ndarray) -> sp.csr_matrix:
        """See `Searchable.bags_of`."""
        return self._of(epoch).bags_of(ids.tolist())

    # Pictures

    def seen(
        self, epoch: str, weighting: str, of_tiles: bool, image_id: int
    ) -> tuple[tuple[int, int], np.ndarray, np.ndarray | None]:
        """Size, words and channel of a picture, or those of the map of its tiles."""
        return self._of(epoch).snapshot.seen(weighting, image_id, of_tiles)

    def values(self, epoch: str, name: str, ids: np.ndarray | None) -> np.ndarray:
        """A column of pictures; None takes all. Ids are those of all shards."""
        snapshot = self._of(epoch).snapshot
        found = snapshot.column(name) if ids is None else snapshot.values(name, ids)
        return found + np.int64(self._shift) if name == "ids" else found

    def names(self, epoch: str, ids: np.ndarray) -> list[str]:
        """The names of pictures."""
        return self._of(epoch).snapshot.names_of(ids.tolist())

    def image_paths(self, epoch: str, ids: np.ndarray) -> list[Path | None]:
        """Where pictures were when they were indexed."""
        return self._of(epoch).snapshot.image_paths(ids.tolist())

    def root_of(self, epoch: str, image_id: int) -> str:
        """The folder that a picture's name is relative to."""
        return self._of(epoch).snapshot.root_of(image_id)

    def roots(self, epoch: str) -> dict[str, int]:
        """The folders that names are relative to, each with its number of pictures."""
        return self._of(epoch).snapshot.roots

    def under(self, epoch: str, root: str) -> list[str]:
        """Names of the pictures of a folder."""
        return list(self._of(epoch).snapshot.names_under(root))

    def find(self, epoch: str, names: Sequence[str]) -> np.ndarray:
        """Ids of pictures by name, or -1."""
        return self._of(epoch).snapshot.find(names)

    def find_paths(self, epoch: str, paths: Sequence[Path]) -> np.ndarray:
        """Ids of pictures by path, or -1."""
        return self._of(epoch).snapshot.find_paths(paths)

    def fact_columns(self, epoch: str) -> list[str]:
        """Names of the columns of facts that somebody gave."""
        return self._of(epoch).snapshot.fact_columns

    def facts_of(self, epoch: str, image_id: int) -> dict[str, Fact]:
        """What is known of a picture."""
        return self._of(epoch).snapshot.facts_of(image_id)

    def matching(self, epoch: str, where: str, columns: Sequence[str]) -> np.ndarray:
        """The pictures for which a condition holds."""
        return self._of(epoch).snapshot.matching(where, columns)

    # What is committed now, and changes

    def describe(self) -> dict[str, Any]:
        """`collection_facts` of what is committed now."""
        self.state()
        df = self.state().frequencies.df if self._collection.n_images else None
        return collection_facts(self._collection, df)

    def listed(self) -> list[ListedPicture]:
        """`list_pictures` of what is committed now."""
        self.state()
        return list(list_pictures(self._collection))

    def skipped(self) -> dict[str, str]:
        """Pictures that were skipped: {name: reason}."""
        return self._collection.skipped()

    def model_file(self) -> bytes:
        """The file of whitening and vocabulary."""
        with open(self._collection.file(self._model.entry["file"]), "rb") as file:
            return file.read()

    def _change(self, change: Callable[[Collection], T]) -> T:
        with Collection.open(self.path) as mine, mine.writing():
            done = change(mine)
            keep_statistics(mine, self._model.n_words, self._model.settings)
            return done

    def remove(self, names: Sequence[str]) -> int:
        """Remove pictures by name; gives how many."""
        return self._change(lambda mine: mine.remove(names))

    def annotate(self, facts: Mapping[str | int, Mapping[str, Any]]) -> None:
        """Write what is said of pictures, by name."""
        self._change(lambda mine: mine.annotate(facts))

    def compact(self) -> tuple[int, int]:
        """Give the space of removed pictures back; bytes before and after."""
        return self._change(lambda mine: mine.compact())
