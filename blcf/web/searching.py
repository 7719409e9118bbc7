"""Searches, and why a hit was found."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from blcf.searching import Hits, Moments, Searcher
from blcf.searching.asking import search_examples
from blcf.searching.grouping import hits_of_groups
from blcf.web.answers import evidence_dict, hit_dicts, hits_csv, moment_dicts
from blcf.web.asked import Asked, key_of, read_address, read_asked
from blcf.web.bodies import Bodies, read_json
from blcf.web.catalogue import Catalogue
from blcf.web.hosting import Hosting
from blcf.web.recent import Recent
from blcf.web.refusals import Refusal
from blcf.web.replies import json_bytes, json_reply
from blcf.web.uploads import Uploads, check_raw

__all__ = ["Searching"]

_FORMATS = ("json", "csv")
_JSON = "application/json"
_KEPT, _LEAST = 256 << 20, 8 << 20  # bytes of searches whose evidence may be asked for; of one


@dataclass(frozen=True, eq=False)
class _Found:
    """A search that was done."""

    catalogue: Catalogue
    asked: Asked
    hits: Hits
    moments: Moments | None


class Searching:
    """Answers to searches."""

    def __init__(self, hosting: Hosting, bodies: Bodies, uploads: Uploads):
        self._hosting, self._bodies, self._uploads = hosting, bodies, uploads
        self._found: Recent[_Found] = Recent(_KEPT)

    async def search(self, request: Request) -> Response:
        """Pictures that show the object."""
        hosted = self._hosting[request.path_params["collection"]]
        shape = request.query_params.get("format", "json")
        if shape not in _FORMATS:
            raise Refusal(400, f"Expected format to be json or csv, got {shape[:80]!r}.")
        is_json = _is_json(request)
        if is_json and set(request.query_params) - {"format"}:
            raise Refusal(400, "Expected the options in the JSON body, got some in the address.")
        if not is_json:
            check_raw(request)
        address = {} if is_json else read_address(request.query_params)
        content = await self._bodies.read(request)

        def work() -> bytes:
            begun = time.perf_counter()
            body = self._body(content, address, is_json)
            found = self._search(hosted.name, body)
            if shape == "csv":
                text = hits_csv(found.asked.given, found.hits, found.moments)
                return text.encode("utf-8", "surrogateescape")
            return json_bytes(self._answer(found, begun))

        answer = await self._hosting.searches.run(work, partial(_gone, request))
        if shape == "csv":
            return Response(answer, headers=_CSV, media_type="text/csv")
        return json_reply(answer)

    def _body(self, content: bytes, address: Mapping[str, Any], is_json: bool) -> dict[str, Any]:
        if is_json:
            return read_json(content, self._hosting.limits)
        if not content:
            raise Refusal(400, "Expected the bytes of a picture as the body, got none.")
        image = base64.b64encode(content).decode("ascii")
        options = {name: value for name, value in address.items() if name != "example"}
        return {**options, "examples": [{"image": image, **address["example"]}]}

    def _search(self, collection: str, body: Mapping[str, Any]) -> _Found:
        hosted = self._hosting[collection]
        searcher, catalogue = hosted.searching
        asked = self._asked(body, hosted.engine.settings.side, catalogue)
        hits, moments = _search(searcher, asked)
        found = _Found(catalogue, asked, hits, moments)
        n_bytes = sum(len(one.image) for one in asked.examples if isinstance(one.image, bytes))
        now = collection, catalogue.generation
        # Those of before hold the maps of what was committed then.
        self._found.drop(lambda key: key[0] == collection and key[:2] != now)
        self._found.put((*now, asked.key), found, _LEAST + n_bytes)
        return found

    def _asked(self, body: Mapping[str, Any], side: int, catalogue: Catalogue) -> Asked:
        def name_of(picture: str) -> str:
            return catalogue.snapshot.name(catalogue.number(picture))

        return read_asked(body, self._hosting.limits, side, name_of, self._uploads.content)

    def _answer(self, found: _Found, begun: float) -> dict[str, Any]:
        catalogue, hits, moments = found.catalogue, found.hits, found.moments
        where = found.asked.options.where
        n = catalogue.n_images if where is None else int(catalogue.snapshot.matching(where).sum())
        shown = hits if moments is None else moments.best
        grouped = None
        if moments is not None:
            grouped = moment_dicts(catalogue, hits, moments, self._hosting.limits)
        return {
            "hits": hit_dicts(catalogue, shown),
            "moments": grouped,
            "seconds": round(time.perf_counter() - begun, 4),
            "generation": catalogue.generation,
            "searched": n,
            "missing_shards": list(hits.missing_shards),
        }

    async def evidence(self, request: Request) -> Response:
        """Why a hit was found."""
        hosted = self._hosting[request.path_params["collection"]]
        if not _is_json(request):
            raise Refusal(415, f"Expected {_JSON}: the body of a search, and the id of the hit.")
        content = await self._bodies.read(request)

        def work() -> bytes:
            body = read_json(content, self._hosting.limits)
            picture = body.pop("id", None)
            if not isinstance(picture, str):
                raise Refusal(422, "Expected id to be that of a hit, a text.")
            _, catalogue = hosted.searching
            key = hosted.name, catalogue.generation, key_of(body)
            found = self._found.get(key) or self._search(hosted.name, body)
            number = found.catalogue.number(picture)
            rows = (found.hits.ids == number).nonzero()[0]
            if not rows.size:
                raise Refusal(
                    404,
                    f"The picture {picture[:40]!r} is not among the {len(found.hits):,} hits of "
                    "this search. Ask for more of them, with k.",
                )
            size = found.catalogue.size(number)
            return json_bytes(evidence_dict(found.hits, int(rows[0]), size))

        return json_reply(await self._hosting.searches.run(work, partial(_gone, request)))


_CSV = {"Content-Disposition": 'attachment; filename="hits.csv"'}


def _search(searcher: Searcher, asked: Asked) -> tuple[Hits, Moments | None]:
    """Hits; where they are grouped, as many moments as were wanted, and the hits in them."""
    options, k = asked.options, asked.options.k
    if asked.group is not None:
        options = replace(options, k=hits_of_groups(k))
    hits = search_examples(searcher, asked.examples, options, asked.negatives)
    return hits, None if asked.group is None else hits.group(asked.group)[:k]


async def _gone(request: Request) -> None:
    """Ends where the client has gone away; behind the body nothing else comes."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "")
    return kind.partition(";")[0].strip().lower() == _JSON
