"""The pictures of several shards as one: numbers, names, paths and facts are asked of theirs.

Images have the numbers that they would have in one collection of all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from blcf.collection import Collection
from blcf.collection.columns import COLUMN_BY_NAME
from blcf.collection.facts import Fact, new_columns
from blcf.errors import InvalidInput
from blcf.sharded.coordinator import Coordinator, Epoch, LostShard

__all__ = ["ShardedPictures"]

_TOGETHER = 10_000  # names that are asked for at once


class ShardedPictures(Collection):
    """What a `Snapshot` says of pictures, for those of shards, as of one epoch.

    Parameters
    ----------
    path : the folder that lists the shards
    coordinator : asks them
    """

    def __init__(self, path: Path, coordinator: Coordinator):
        super().__init__(path)
        self.coordinator = coordinator
        self._epoch: Epoch | None = None
        self._films: list[np.ndarray] = []  # of each shard, what its films are called here

    @property
    def epoch(self) -> Epoch:
        """What all shards hold, as of when they were asked."""
        if self._epoch is None:
            raise InvalidInput(
                f"{self.path} was closed, and what was found in it before cannot be looked up any "
                "more. Open it again with SearchEngine.open."
            )
        return self._epoch

    def _ask(self, image_id: int, method: str, *arguments: Any) -> Any:
        """What the shard of an image says of it."""
        owners, positions = self.epoch.numbering.locate([image_id])
        asked = (*arguments, int(positions[0]))
        return self.coordinator.ask_in(self.epoch, int(owners[0]), method, *asked)

    def ask_of(
        self, ids: Sequence[int] | np.ndarray, call: Callable[[int, np.ndarray, np.ndarray], Any]
    ) -> list[tuple[np.ndarray, Any]]:
        """Ask the shards that have some of the images: `call(shard, rows of ids, ids there)`.

        Returns
        -------
        list of (rows, answer)
        """
        parts = {shard: (rows, there) for shard, rows, there in self.epoch.numbering.split(ids)}
        answers = self.coordinator.each(parts, lambda shard: call(shard, *parts[shard]))
        return [(parts[shard][0], answer) for shard, answer in answers.items()]

    def ask_all(self, method: str, *arguments: Any) -> dict[int, Any]:
        """What each shard that takes part says."""
        epoch = self.epoch
        return self.coordinator.each(
            epoch.numbers,
            lambda shard: self.coordinator.ask_in(epoch, shard, method, *arguments),
        )

    def ask_present(self, method: str, *arguments: Any) -> dict[int, Any]:
        """`ask_all` of the shards that answer, where some may be done without."""
        epoch, coordinator = self.epoch, self.coordinator
        absent = coordinator.absent

        def call(shard: int) -> Any:
            try:
                return [coordinator.ask_in(epoch, shard, method, *arguments)]
            except LostShard:
                return []

        there = [number for number in epoch.numbers if number not in absent]
        return {shard: one[0] for shard, one in coordinator.each(there, call).items() if one}

    def _rows(self, ids: Sequence[int] | np.ndarray, method: str) -> list[Any]:
        """An answer for each of some images."""
        found: list[Any] = [None] * len(ids)
        epoch = self.epoch
        for rows, answers in self.ask_of(
            ids,
            lambda shard, _, there: self.coordinator.ask_in(epoch, shard, method, there),
        ):
            for row, one in zip(rows.tolist(), answers):
                found[row] = one
        return found

    # Images by number

    @property
    def n_images(self) -> int:
        """How many images live in all shards that take part."""
        return self.epoch.numbering.n_images

    def name(self, image_id: int) -> str:
        """The name of an image."""
        return self.names_of([image_id])[0]

    def names_of(self, image_ids: Iterable[int]) -> list[str]:
        """The names of some images."""
        return self._rows(list(image_ids), "names")

    def names(self) -> Iterator[str]:
        """All names, in order of insertion."""
        for first in range(0, self.n_images, _TOGETHER):
            yield from self.names_of(range(first, min(first + _TOGETHER, self.n_images)))

    def size(self, image_id: int) -> tuple[int, int]:
        """Width and height of an original image, pixels."""
        width, height = self.values("sizes", np.array([image_id]))[0].tolist()
        return width, height

    def values(self, name: str, image_ids: np.ndarray) -> np.ndarray:
        """A column of some images; films are numbered as in `manifest`."""
        found = self._filled(name, len(image_ids))
        epoch = self.epoch

        def ask(shard: int, _: np.ndarray, there: np.ndarray) -> np.ndarray:
            values = self.coordinator.ask_in(epoch, shard, "values", name, there)
            return self._of_all(name, shard, values)

        for rows, values in self.ask_of(image_ids, ask):
            found[rows] = values
        return found

    def column(self, name: str) -> np.ndarray:
        """A column of all images in order of insertion."""
        found = self._filled(name, self.n_images)
        for shard, values in self.ask_all("values", name, None).items():
            ids = self.epoch.numbering.ids(shard, np.arange(len(values)))
            found[ids] = self._of_all(name, shard, values)
        return found

    @staticmethod
    def _filled(name: str, n: int) -> np.ndarray:
        return COLUMN_BY_NAME[name].filled(n)

    def _of_all(self, name: str, shard: int, values: np.ndarray) -> np.ndarray:
        if name != "videos":
            return values
        numbers = self._films[shard]
        is_film = (values >= 0) & (values < numbers.size)
        films = np.full(values.shape, -1, dtype=values.dtype)
        films[is_film] = numbers[values[is_film]]
        return films

    def seen(
        self, weighting: str, image_id: int, of_tiles: bool = False
    ) -> tuple[tuple[int, int], np.ndarray, np.ndarray | None]:
        """Size, words and channel of an image, or those of the map of its tiles."""
        size, words, channel = self._ask(image_id, "seen", weighting, of_tiles)
        return size, words, channel

    def words(self, image_id: int) -> np.ndarray:
        """The assignment map of an image."""
        return self.seen("", image_id)[1]

    def channel(self, weighting: str, image_id: int) -> np.ndarray | None:
        """What a weighting needs of an image's cells."""
        return self.seen(weighting, image_id)[2]

    def image_path(self, image_id: int) -> Path | None:
        """Where an image was when it was indexed."""
        return self.image_paths([image_id])[0]

    def image_paths(self, image_ids: Sequence[int]) -> list[Path | None]:
        """`image_path` of some images."""
        return self._rows(list(image_ids), "image_paths")

    def root_of(self, image_id: int) -> str:
        """The folder that an image's name is relative to."""
        return str(self._ask(image_id, "root_of"))

    # Facts

    @property
    def fact_columns(self) -> list[str]:
        """Names of the columns of facts that somebody gave, in any shard."""
        columns: list[str] = []
        for some in self.ask_present("fact_columns").values():
            columns += new_columns(columns, some)
        return columns

    def facts_of(self, image_id: int) -> dict[str, Fact]:
        """What is known of an image; None in the columns of other shards."""
        known: dict[str, Fact] = self._ask(image_id, "facts_of")
        return {**known, **dict.fromkeys(new_columns(known, self.fact_columns))}

    def matching(self, where: str, also: Sequence[str] = ()) -> np.ndarray:
        """The images for which a condition over their facts holds: bool (n_images,)."""
        mask = np.zeros(self.n_images, dtype=bool)
        for shard, part in self.ask_all("matching", where, self.fact_columns).items():
            mask[self.epoch.numbering.ids(shard, np.flatnonzero(part))] = True
        return mask

    # Images by name and by path

    def _first(self, method: str, wanted: Sequence[Any]) -> np.ndarray:
        ids = np.full(len(wanted), -1, dtype=np.int64)
        if not len(wanted):
            return ids
        for shard, there in self.ask_present(method, wanted).items():
            rows = np.flatnonzero((there >= 0) & (ids < 0))
            ids[rows] = self.epoch.numbering.ids(shard, there[rows])
        return ids

    def find(self, names: Sequence[str]) -> np.ndarray:
        """Ids of images by name: int64 (n,), -1 where no image has the name."""
        return self._first("find", list(names))

    def find_paths(self, paths: Sequence[Path]) -> np.ndarray:
        """Ids of images by the path that they had when they were indexed: int64 (n,), or -1."""
        return self._first("find_paths", list(paths))

    def ids_of(self, names: Sequence[str]) -> np.ndarray:
        """The ids that images keep for ever, by name: int64 (n,), -1 where none has the name."""
        ids = self.find(names)
        ids[ids >= 0] = self.values("ids", ids[ids >= 0])
        return ids

    @property
    def roots(self) -> dict[str, int]:
        """The folders that names are relative to, each with its number of images."""
        total: Counter[str] = Counter()
        for some in self.ask_present("roots").values():
            total.update(some)
        return dict(total)

    def names_under(self, root: str) -> Iterator[str]:
        """Names of the images of a root, by shard."""
        for some in self.ask_present("under", root).values():
            yield from some
