"""A store behind a URL: a collection of a Qdrant server, by its own client (qdrant-client)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

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

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

__all__ = ["ServerStore"]

_PAGE = 5_000  # points of a scroll
_TIMEOUT = 60  # s


class ServerStore:
    """A `PointStore` in a collection of a Qdrant server.

    Parameters
    ----------
    client : of the server
    name : of the collection there
    make : whether it is made where there is none
    """

    def __init__(self, client: QdrantClient, name: str, *, make: bool = False, place: str = ""):
        with needs("'blcf[qdrant]'", "A server of Qdrant"):
            from qdrant_client import models
        self._client, self._name, self._models = client, name, models
        self.place = place or f"the collection {name} of Qdrant"
        with self._refusals():
            if client.collection_exists(name):
                self._check_ours(client)
                return
            if not make:
                raise InvalidInput(
                    f"Expected {self.place} to be what `blcf export COLLECTION --to qdrant "
                    f"{self.place}` has written; there is no such collection in Qdrant."
                )
            sparse = {VECTOR: models.SparseVectorParams()}
            client.create_collection(name, vectors_config={}, sparse_vectors_config=sparse)

    def _check_ours(self, client: QdrantClient) -> None:
        params = client.get_collection(self._name).config.params
        if VECTOR not in (params.sparse_vectors or {}):
            raise InvalidInput(
                f"Expected {self.place} to hold sparse vectors named {VECTOR}, as `blcf export` "
                "makes them. It is somebody else's: name another collection in the URL."
            )

    @classmethod
    def at(cls, url: str, *, make: bool = False) -> ServerStore:
        """The store of ``http://HOST:PORT/NAME``; QDRANT_API_KEY holds the key, if one is needed.

        Raises
        ------
        InvalidInput, StorageError
        """
        parts = urlsplit(url)
        prefix, _, name = parts.path.strip("/").rpartition("/")
        if not name or not parts.hostname:
            raise InvalidInput(
                f"Expected the address of a Qdrant server and the name of a collection in it, "
                f"http://localhost:6333/frames say, got {url!r:.200}."
            )
        with needs("'blcf[qdrant]'", "A server of Qdrant"):
            from qdrant_client import QdrantClient
        try:
            client = QdrantClient(
                host=parts.hostname,
                port=parts.port or (443 if parts.scheme == "https" else 6333),
                https=parts.scheme == "https",
                prefix=prefix or None,
                api_key=os.environ.get("QDRANT_API_KEY"),
                timeout=_TIMEOUT,
                check_compatibility=False,
            )
        except ValueError as error:  # a port that is none
            raise InvalidInput(f"Expected an address, got {url!r:.200}: {error}.") from error
        return cls(client, unquote(name), make=make, place=url)

    def head(self) -> Payload | None:
        """See `PointStore`."""
        with self._refusals():
            found = self._client.retrieve(self._name, [HEAD_ID], with_payload=True)
        return about_of(found[0].payload) if found else None

    def write_head(self, payload: Payload) -> None:
        """See `PointStore`."""
        point = self._models.PointStruct(id=HEAD_ID, vector={}, payload={ABOUT: dict(payload)})
        with self._refusals():
            self._client.upsert(self._name, [point], wait=True)

    def held(self) -> Iterator[tuple[int, Payload]]:
        """See `PointStore`."""
        offset: Any = None
        while True:
            with self._refusals():
                page, offset = self._client.scroll(
                    self._name, limit=_PAGE, offset=offset, with_payload=SUMS, with_vectors=False
                )
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
            vector = self._models.SparseVector(indices=words[first:last], values=values[first:last])
            points.append(
                self._models.PointStruct(
                    id=int(number), vector={VECTOR: vector}, payload=dict(payload)
                )
            )
        with self._refusals():
            self._client.upsert(self._name, points, wait=True)

    def describe(self, ids: Sequence[int], payloads: Sequence[Payload]) -> None:
        """See `PointStore`."""
        operations = [
            self._models.OverwritePayloadOperation(
                overwrite_payload=self._models.SetPayload(payload=dict(one), points=[int(number)])
            )
            for number, one in zip(ids, payloads)
        ]
        with self._refusals():
            self._client.batch_update_points(self._name, operations, wait=True)

    def delete(self, ids: Sequence[int]) -> None:
        """See `PointStore`."""
        gone = self._models.PointIdsList(points=[int(number) for number in ids])
        with self._refusals():
            self._client.delete(self._name, gone, wait=True)

    def query(
        self,
        vectors: Sequence[Vector],
        limit: int,
        only: Chosen | None,
        least: Sequence[float] | None = None,
    ) -> list[Found]:
        """See `PointStore`."""
        models, chosen = self._models, None
        if only is not None:
            condition = models.HasIdCondition(has_id=only.ids.tolist())
            chosen = models.Filter(**{"must" if only.are_in else "must_not": [condition]})
        requests = [
            models.QueryRequest(
                query=models.SparseVector(indices=words.tolist(), values=values.tolist()),
                using=VECTOR,
                limit=limit,
                filter=chosen,
                with_vector=False,
                with_payload=USED,
                score_threshold=bound,
            )
            for (words, values), bound in zip(vectors, bounds(vectors, least))
        ]
        with self._refusals():
            answers = self._client.query_batch_points(self._name, requests)
        return [found_of(one.points) for one in answers]

    def settle(self) -> None:
        """See `PointStore`: every write has waited; the server lays out as it sees fit."""

    def close(self) -> None:
        """See `PointStore`."""
        self._client.close()

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """What the server refuses, or that there is none, as a sentence."""
        from qdrant_client.http.exceptions import ApiException
        from qdrant_client.http.exceptions import ResponseHandlingException as NoAnswer

        try:
            yield
        except NoAnswer as error:
            raise StorageError(
                f"Could not reach Qdrant at {self.place}: {_short(error)}. Start the server, or "
                "name the address that it has."
            ) from error
        except ApiException as error:
            raise StorageError(
                f"Qdrant at {self.place} refused: {_short(error)}. Where it asks for a key, put "
                "it into QDRANT_API_KEY."
            ) from error


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
