"""A store in a folder of this machine: a shard of Qdrant in this process (qdrant-edge-py)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import scipy.sparse as sp

from blcf.checks import needs
from blcf.errors import InvalidInput, StorageError
from blcf.qdrant.stores import (
    ABOUT,
    HEAD_ID,
    SUMS,
    USED,
    VECTOR,
    Chosen,
    Found,
    Payload,
    Vector,
    about_of,
    bounds,
    found_of,
)

__all__ = ["EdgeStore"]

_PAGE = 10_000  # points of a scroll
_CONFIG = "edge_config.json"  # what a shard has in its folder


class EdgeStore:
    """A `PointStore` in a folder; one process at a time has it open.

    Parameters
    ----------
    folder : of the shard; made where there is none, if `make`
    """

    def __init__(self, folder: str | os.PathLike[str], *, make: bool = False):
        with needs("'blcf[qdrant]'", "A shard of Qdrant"):
            import qdrant_edge
        self._edge = qdrant_edge
        path = Path(folder)
        self.place = os.fspath(folder)
        if not (path / _CONFIG).is_file():
            self._make(path, make)
            return
        with _refusals(self.place):
            try:
                self._shard = qdrant_edge.EdgeShard.load(str(path))
            except Exception as error:
                if "WouldBlock" in str(error):
                    raise StorageError(
                        f"Another process has {self.place} open: a shard is open in one at a "
                        "time. End that one, or export to another folder."
                    ) from error
                raise

    def _make(self, path: Path, make: bool) -> None:
        if not make:
            raise InvalidInput(
                f"Expected {self.place} to be a folder that `blcf export COLLECTION --to qdrant "
                f"{self.place}` has written; there is no shard of Qdrant."
            )
        edge = self._edge
        with _refusals(self.place):
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise InvalidInput(
                    f"Expected a new or empty folder, or one that was exported to before, got "
                    f"{self.place}, which holds something else. Name another place."
                )
            config = edge.EdgeConfig(sparse_vectors={VECTOR: edge.EdgeSparseVectorParams()})
            self._shard = edge.EdgeShard.create(str(path), config)

    def head(self) -> Payload | None:
        """See `PointStore`."""
        with _refusals(self.place):
            found = self._shard.retrieve([HEAD_ID], True, False)
        return about_of(found[0].payload) if found else None

    def write_head(self, payload: Payload) -> None:
        """See `PointStore`."""
        with _refusals(self.place):
            point = self._edge.Point(HEAD_ID, {}, {ABOUT: dict(payload)})
            self._shard.update(self._edge.UpdateOperation.upsert_points([point]))
            self._shard.flush()

    def held(self) -> Iterator[tuple[int, Payload]]:
        """See `PointStore`."""
        offset: Any = None
        while True:
            request = self._edge.ScrollRequest(
                limit=_PAGE, offset=offset, with_payload=SUMS, with_vector=False
            )
            with _refusals(self.place):
                page, offset = self._shard.scroll(request)
            for one in page:
                if isinstance(one.id, int):
                    yield one.id, about_of(one.payload)
            if offset is None:
                return

    def put(self, ids: Sequence[int], vectors: sp.csr_matrix, payloads: Sequence[Payload]) -> None:
        """See `PointStore`."""
        words, values = vectors.indices.tolist(), vectors.data.tolist()
        ends, points = vectors.indptr.tolist(), []
        for number, payload, first, last in zip(ids, payloads, ends, ends[1:]):
            vector = self._edge.SparseVector(indices=words[first:last], values=values[first:last])
            points.append(self._edge.Point(int(number), {VECTOR: vector}, dict(payload)))
        with _refusals(self.place):
            self._shard.update(self._edge.UpdateOperation.upsert_points(points))

    def describe(self, ids: Sequence[int], payloads: Sequence[Payload]) -> None:
        """See `PointStore`."""
        with _refusals(self.place):
            for number, payload in zip(ids, payloads):
                one = self._edge.UpdateOperation.overwrite_payload([int(number)], dict(payload))
                self._shard.update(one)

    def delete(self, ids: Sequence[int]) -> None:
        """See `PointStore`."""
        with _refusals(self.place):
            gone: list[Any] = [int(number) for number in ids]
            self._shard.update(self._edge.UpdateOperation.delete_points(gone))

    def query(
        self,
        vectors: Sequence[Vector],
        limit: int,
        only: Chosen | None,
        least: Sequence[float] | None = None,
    ) -> list[Found]:
        """See `PointStore`."""
        edge, chosen = self._edge, None
        if only is not None:
            condition = [edge.HasIdCondition(set(only.ids.tolist()))]
            chosen = edge.Filter(**{"must" if only.are_in else "must_not": condition})
        requests = []
        for (words, values), bound in zip(vectors, bounds(vectors, least)):
            vector = edge.SparseVector(indices=words.tolist(), values=values.tolist())
            requests.append(
                edge.QueryRequest(
                    limit=limit,
                    query=edge.Query.Nearest(vector, using=VECTOR),
                    filter=chosen,
                    with_vector=False,
                    with_payload=USED,
                    score_threshold=bound,
                )
            )
        with _refusals(self.place):
            return [
                found_of(points)
                for points in self._shard.query_batch(edge.QueryBatchRequest(requests))
            ]

    def settle(self) -> None:
        """See `PointStore`."""
        with _refusals(self.place):
            self._shard.flush()
            self._shard.optimize()

    def close(self) -> None:
        """See `PointStore`."""
        with suppress(Exception):  # it was closed before
            self._shard.close()


@contextmanager
def _refusals(place: str) -> Iterator[None]:
    """What the shard refuses, as a sentence: its errors are plain ones."""
    try:
        yield
    except (InvalidInput, StorageError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise StorageError(
            f"Qdrant could not use {place}: {reason}. If it is damaged, remove the folder and "
            "export again."
        ) from error
